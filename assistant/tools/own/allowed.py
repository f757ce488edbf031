"""Which files of functions the person has allowed, by their content, and what was found in each when it was."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

log = logging.getLogger(__name__)

_LARGEST_FILE_BYTES = 4_000_000


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
    version: int = 1
    files: dict[str, Allowance] = {}


class Allowed:
    """The allowances by file name, in a file of their own, which is read once. One that cannot be understood counts for
    nothing: then every file asks again. `write` puts a text into a file whole or not at all, and may raise
    HearthError."""

    def __init__(self, path: Path, write: Callable[[Path, str], None]) -> None:
        self._path, self._write = path, write
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
        self._write(self._path, kept.model_dump_json(indent=1))
        self._kept = kept

    def _load(self) -> _Kept:
        try:
            if self._path.stat().st_size > _LARGEST_FILE_BYTES:
                return _Kept()
            return _Kept.model_validate(json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return _Kept()
        except (OSError, ValueError, RecursionError, ValidationError) as error:
            log.warning("what was allowed of the own functions cannot be read: %s", type(error).__name__)
            return _Kept()
