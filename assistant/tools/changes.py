"""What became of a file, as values: what undo goes by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class FileState:
    """A file at one moment: what is in it, its rights and when it was changed last."""

    sha256: str
    mode: int
    modified_ns: int


@dataclass(frozen=True)
class FileChange:
    """What becomes of one file of a workspace; None: it is not there. A move is two of these. `made_folders` counts the
    folders that had to be made for it, from the file upwards."""

    workspace: str
    path: str
    before: FileState | None
    after: FileState | None
    made_folders: int = 0


class Changes(Protocol):
    """Where the changes of one answer are kept, so that the person can take them back."""

    def keeping(self, changes: Sequence[FileChange], images: Mapping[str, bytes]) -> AbstractContextManager[None]:
        """Keeps changes before they are made, and forgets them where making them fails. `images` holds files by their
        SHA-256; a file that is only moved needs none. Raises StoreError, and then nothing must be changed."""
        ...


class Unkept:
    """For what a person does by hand: nothing is kept."""

    def keeping(self, changes: Sequence[FileChange], images: Mapping[str, bytes]) -> AbstractContextManager[None]:
        """Keeps nothing."""
        del changes, images
        return nullcontext()
