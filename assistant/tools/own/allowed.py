"""Which files of functions the person has allowed, by their content, and what was found in each when it was."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

log = logging.getLogger(__name__)

LARGEST_FILE_BYTES = 4_000_000

T = TypeVar("T")


class Function(BaseModel):
    """A function as its child described it: `about` is its docstring, `parameters` the JSON schema of an object."""

    model_config = ConfigDict(frozen=True)

    name: str
    about: str = ""
    parameters: dict[str, Any]


class LeftOut(BaseModel):
    """A function that cannot be called from a form, and why."""

    model_config = ConfigDict(frozen=True)

    name: str
    why: str


class Allowance(BaseModel):
    """What was allowed of one file: the content with this SHA-256."""

    model_config = ConfigDict(frozen=True)

    digest: str
    functions: list[Function] = []
    left_out: list[LeftOut] = []


class _Kept(BaseModel):
    version: Literal[1] = 1
    files: dict[str, Allowance] = {}


class Record(Protocol):
    """The file they are kept in. `read` gives None where there is none, or where what it says is not understood, and
    may raise OSError; `write` puts a text there whole or not at all, and may raise HearthError."""

    def read(self, understand: Callable[[bytes], T]) -> T | None: ...

    def write(self, text: str) -> None: ...


class Allowed:
    """The allowances by file name, in a file of their own, which is read once. Of one that cannot be understood every
    file asks again."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._kept = self._load()

    def get(self, name: str, digest: str) -> Allowance | None:
        """The allowance of a file's content; None where it was another, or none."""
        found = self._kept.files.get(name)
        return found if found is not None and digest and found.digest == digest else None

    def knows(self, name: str) -> bool:
        """Whether a file of this name was allowed before, whatever it says now."""
        return name in self._kept.files

    def put(self, name: str, allowance: Allowance) -> None:
        """Keeps an allowance in place of an earlier one of that file."""
        self._save({**self._kept.files, name: allowance})

    def remove(self, name: str) -> None:
        """The file asks again."""
        self._save({other: each for other, each in self._kept.files.items() if other != name})

    def _save(self, files: dict[str, Allowance]) -> None:
        kept = _Kept(files=files)
        self._record.write(kept.model_dump_json(indent=1))
        self._kept = kept

    def _load(self) -> _Kept:
        try:
            return self._record.read(_Kept.model_validate_json) or _Kept()
        except OSError as error:
            log.warning("what was allowed of the own functions cannot be read: %s", error)
            return _Kept()
