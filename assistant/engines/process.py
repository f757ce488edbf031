"""The parent's side of the engine child: starts it, hands it its key, learns its port, notices its end, ends it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import IO, cast

import psutil

from assistant.engines.calling import Way
from assistant.engines.child import BATCH_TOKENS, BATCH_TOKENS_ON_FEW_CORES, FEW_CORES, Order
from assistant.engines.gguf import Header, knows_tools, read_model
from assistant.engines.machine import BESIDE_BYTES, Machine
from assistant.errors import ModelMissing, Unreachable
from assistant.events import ModelLoading
from assistant.settings import EngineSetup

CONTEXT_TOKENS = 8192  # where nobody chose: all of it is reserved at once
MOST_THREADS = 16
TINY_PARAMETERS = 300_000_000
_CACHE_SHARE = {"f16": 1.0, "q8_0": 0.53, "q4_0": 0.28}  # of what a chat takes at full precision
_SOON_READ_BYTES = 1_000_000_000
_SLOW_DISK_BYTES_PER_SECOND = 30_000_000
_END_SECONDS = 0.6  # for each of: asked to end, told to end
# What a program needs to find its libraries, its devices and its temporary files. No keys among them.
_ENVIRONMENT = ("PATH", "HOME", "USERPROFILE", "LANG", "LC_ALL", "TEMP", "TMP", "TMPDIR", "SYSTEMROOT", "WINDIR")
_ENVIRONMENT_PREFIXES = ("LD_LIBRARY_", "DYLD_", "CUDA_VISIBLE_", "HIP_VISIBLE_", "GGML_", "OMP_NUM_")


@dataclass(frozen=True)
class Address:
    """Where a running child answers, and the key that opens it."""

    url: str
    key: str


class EngineProcess:
    """One child, from its start on. `ready`, `ends_within` and `end` may block: call them in a thread."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        order: Order,
        *,
        needed_bytes: int,
        ready_seconds: float,
        way: Way = "enforced",
    ) -> None:
        self._process, self._order, self._ready_seconds = process, order, ready_seconds
        self._needed_bytes, self._began = needed_bytes, monotonic()
        self.way: Way = way
        self._waiting = threading.Lock()
        self._address: Address | None = None

    @staticmethod
    def spawn(model: Path, *, model_id: str, setup: EngineSetup, log_file: Path, ready_seconds: float) -> EngineProcess:
        """A child that begins to load `model`. Raises ModelMissing for a file that is no model (llama.cpp would say it
        worse) or does not fit into this machine's memory, and Unreachable."""
        header = read_model(model)
        if header.kind != "chat":
            raise ModelMissing(f"model-is-{header.kind}", name=model_id)
        order = order_for(model, header, setup, model_id=model_id, cores=Machine.this().cores)
        check_memory(header, order, Machine.this())
        with _private_log(log_file) as log:
            process = _spawn(log)
        _tell(process, order)
        reading_seconds = max(0, header.file_bytes - _SOON_READ_BYTES) / _SLOW_DISK_BYTES_PER_SECOND
        return EngineProcess(
            process,
            order,
            needed_bytes=memory_needed(header, order),
            ready_seconds=ready_seconds + reading_seconds,
            way=way_of(header, order),
        )

    @property
    def context_tokens(self) -> int:
        """The size of the context in force."""
        return self._order.context_tokens

    @property
    def loading(self) -> ModelLoading | None:
        """How far the model has come into the memory; None once the child answers, or has ended."""
        return None if self._address is not None or self.has_ended else self.filled(since=self._began)

    def filled(self, *, since: float) -> ModelLoading:
        """The same for a load that began at a moment of `monotonic`. Measured, since llama.cpp tells nobody: what of a
        file is in the memory counts as the process's own, whether it was read now or lay there already."""
        try:
            loaded_bytes = psutil.Process(self._process.pid).memory_info().rss
        except psutil.Error:
            loaded_bytes = 0
        return ModelLoading(loaded_bytes, self._needed_bytes, monotonic() - since)

    def ready(self) -> Address:
        """Waits until the child answers; at once where it does. Raises ModelMissing for a model that cannot be loaded
        and Unreachable for everything else, and then the child has ended. Several threads may wait."""
        with self._waiting:
            if self._address is None:
                try:
                    self._address = _address(self._process, self._order, ready_seconds=self._ready_seconds)
                except BaseException:
                    _end(self._process)
                    raise
            return self._address

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def ends_within(self, seconds: float) -> bool:
        """Whether the child ends by itself in this time: a broken connection is seen before the death behind it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self.has_ended

    def end(self) -> None:
        """Ends the child, within 2 seconds."""
        _end(self._process)


def order_for(model: Path, header: Header, setup: EngineSetup, *, model_id: str, cores: int) -> Order:
    """What the child is told. Words come at the pace of the memory, which a few cores use up; reading a prompt is
    calculation, for which all are good. Raises ModelMissing for a projector that is none."""
    if setup.projector and read_model(Path(setup.projector)).kind != "projector":
        raise ModelMissing("model-no-projector", name=Path(setup.projector).name)
    return Order(
        str(model),
        model_id,
        secrets.token_urlsafe(32),
        setup.context_tokens or min(CONTEXT_TOKENS, header.context_tokens or CONTEXT_TOKENS),
        threads=setup.threads or min(cores, MOST_THREADS),
        reading_threads=setup.threads or cores,
        batch_tokens=setup.batch_tokens or batch_tokens_for(cores),
        is_tiny=header.parameters < TINY_PARAMETERS,
        gpu_layers=-1 if setup.gpu_layers is None else setup.gpu_layers,
        flash_attention=setup.flash_attention,
        cache_type=setup.cache_type,
        idle_seconds=setup.idle_minutes * 60 if setup.idle_minutes else -1,
        projector_path=setup.projector,
        chat_template=setup.chat_template,
    )


def way_of(header: Header, order: Order) -> Way:
    """How this model takes tools. A tiny one is not left to choose, whatever its template knows."""
    if order.is_tiny:
        return "suggested"
    has_tools = knows_tools(order.chat_template) if order.chat_template else header.has_tools
    return "native" if has_tools else "enforced"


def batch_tokens_for(cores: int) -> int:
    """How many tokens of a prompt are read in one go: what is asked next waits for two such at the most."""
    return BATCH_TOKENS_ON_FEW_CORES if cores <= FEW_CORES else BATCH_TOKENS


def memory_needed(header: Header, order: Order) -> int:
    """Bytes that the child will take, about: the weights, the chat in its whole context, and room to calculate."""
    a_token = int(header.chat_bytes_per_token * _CACHE_SHARE[order.cache_type])
    projector = Path(order.projector_path).stat().st_size if order.projector_path else 0
    return header.file_bytes + projector + a_token * order.context_tokens + BESIDE_BYTES


def check_memory(header: Header, order: Order, machine: Machine) -> None:
    """Raises ModelMissing, with the numbers, where the child would need more memory than this machine has."""
    need = memory_needed(header, order)
    if need > machine.memory_bytes:
        numbers = {"need": _gigabytes(need), "have": _gigabytes(machine.memory_bytes)}
        raise ModelMissing("engine-over-memory", name=order.model_id, context=f"{order.context_tokens:,}", **numbers)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f}"


def _private_log(log_file: Path) -> IO[bytes]:
    """The log, empty and for this user only. Without one (a full disk), the child's words go nowhere."""
    try:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        log_file.unlink(missing_ok=True)  # an older one may be open to others, or a link
        return os.fdopen(os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except OSError:
        return Path(os.devnull).open("wb")


def _spawn(log: IO[bytes]) -> subprocess.Popen[bytes]:
    is_frozen = bool(getattr(sys, "frozen", False))
    command = [sys.executable, "engine"] if is_frozen else [sys.executable, "-P", "-m", "assistant.engines.child"]
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(os.environ),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            start_new_session=os.name == "posix",  # Ctrl+C in a terminal is for Hearth, which then ends the child
        )
    except OSError as error:
        raise Unreachable("engine-not-started", reason=error.strerror or "?") from error


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """What the child inherits of `ours`, and one thing more: that llama.cpp's threads sleep while they wait for each
    other. As OpenMP has it they spin, and with anything else at work on the machine (the page that shows the answer,
    say) each token waits for a thread that another's spinning keeps from running: on two busy cores 3 to 14 tokens/s
    where these are 65."""
    inherited = {
        name: value
        for name, value in ours.items()
        if name.upper() in _ENVIRONMENT or name.upper().startswith(_ENVIRONMENT_PREFIXES)
    }
    return inherited | {"OMP_WAIT_POLICY": "passive"}


def _tell(process: subprocess.Popen[bytes], order: Order) -> None:
    orders = cast("IO[bytes]", process.stdin)
    with contextlib.suppress(OSError):  # it ended already: its empty answer will say so
        orders.write(json.dumps(asdict(order)).encode("utf-8") + b"\n")
        orders.flush()


def _address(process: subprocess.Popen[bytes], order: Order, *, ready_seconds: float) -> Address:
    """Waits for the port. A timer ends a child that is silent, and with it the waiting."""
    answers = cast("IO[bytes]", process.stdout)
    began = monotonic()
    timer = threading.Timer(ready_seconds, process.kill)
    timer.start()
    try:
        line = answers.readline()
    finally:
        timer.cancel()
    answer = json.loads(line) if line.endswith(b"\n") else {}  # half a line: it was killed while it wrote
    if port := answer.get("port"):
        return Address(f"http://127.0.0.1:{port}/v1", order.key)
    name = Path(order.model_path).name
    if answer.get("error") == "model":
        if order.chat_template or order.projector_path:
            raise ModelMissing("engine-setup-refused", name=name)
        raise ModelMissing("engine-model-damaged", name=name)
    if answer.get("error") == "engine":
        raise Unreachable("engine-library-missing")
    if monotonic() - began >= ready_seconds:
        raise Unreachable("engine-not-ready", seconds=round(ready_seconds))
    # Killed by the system for want of memory, or by an instruction that this processor does not have.
    raise Unreachable("engine-died-at-start", name=name)


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        cast("IO[bytes]", process.stdin).close()  # end of input: the child ends itself
    for stronger in (process.terminate, process.kill):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)
            break
        stronger()
    else:
        process.wait(_END_SECONDS)
    with contextlib.suppress(OSError):
        cast("IO[bytes]", process.stdout).close()  # only now: a thread may still be reading from it
