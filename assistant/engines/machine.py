"""What this machine can run: memory and cores against what a model needs. Rough on purpose; pure but for one look."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

import psutil

Fit = Literal["well", "slowly", "not"]

CONTEXT_TOKENS = 8192  # as the built-in engine has it
BESIDE_BYTES = 300_000_000  # llama.cpp itself, and room to calculate
_OTHERS_BYTES = 1_500_000_000  # the system, the window
_OTHERS_SHARE = 0.15
_BYTES_PER_SECOND_AND_CORE = 5_000_000_000  # measured: 98 MB at 105 tokens/s on two cores
_MOST_CORES = 8  # more share one memory
_READING_TOKENS_PER_SECOND = 7  # slower than this, people wait for words


@dataclass(frozen=True)
class Machine:
    """Memory of the whole machine, and the cores that this process may use."""

    memory_bytes: int
    cores: int

    @staticmethod
    def this() -> Machine:
        """The one we run on. Its graphics card is not asked: the engine that Hearth brings does not use it."""
        allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return Machine(psutil.virtual_memory().total, min(allowed, psutil.cpu_count(logical=False) or allowed))

    @property
    def most_bytes(self) -> int:
        """What a model may take, so that the rest of the system goes on."""
        return self.memory_bytes - max(_OTHERS_BYTES, int(self.memory_bytes * _OTHERS_SHARE))

    def fit(self, need_bytes: int, read_bytes: int) -> Fit:
        """How a model runs that needs so much memory and reads so much of it for each token."""
        if need_bytes > self.most_bytes:
            return "not"
        rate = _BYTES_PER_SECOND_AND_CORE * min(self.cores, _MOST_CORES) / max(1, read_bytes)
        return "well" if rate >= _READING_TOKENS_PER_SECOND else "slowly"


def memory_need(file_bytes: int, chat_bytes_per_token: int, context_tokens: int) -> int:
    """Bytes of memory that a model takes once a chat has filled its context."""
    tokens = min(context_tokens or CONTEXT_TOKENS, CONTEXT_TOKENS)
    return file_bytes + chat_bytes_per_token * tokens + BESIDE_BYTES
