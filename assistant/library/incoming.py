"""A model that the page brings: dropped on it or chosen there, and sent a slice at a time.

A browser does not tell a page where a file lies, so what comes this way is a copy; a link is made from a path.
"""

from __future__ import annotations

import os

from assistant.engines.gguf import read_model
from assistant.errors import LibraryError, ModelMissing
from assistant.library.shelf import COPYING, Library, unwritable


class Incoming:
    """Takes slices, one after the other. The model gets its name when it is whole and has been checked."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def take(self, name: str, *, offset: int, total_bytes: int, data: bytes) -> bool:
        """Puts a slice to those before it. Gives whether the model is whole now. Raises LibraryError, ModelMissing, and
        then nothing of it stays. Blocks: call it in a thread."""
        self._library.check_name(name)
        place = self._library.folder / f"{name}{COPYING}"
        try:
            if offset == 0:
                place.unlink(missing_ok=True)
                if not b"GGUF".startswith(data[:4]) or not data:
                    raise ModelMissing("model-not-gguf", name=name)
                self._library.check_room(total_bytes)
                place.touch(0o600, exist_ok=False)
            if not place.is_file() or place.stat().st_size != offset or offset + len(data) > total_bytes:
                raise LibraryError("library-lost-slice", name=name)
            with place.open("ab") as file:
                file.write(data)
                if offset + len(data) < total_bytes:
                    return False
                file.flush()
                os.fsync(file.fileno())
            read_model(place, name=name)
            place.replace(self._library.folder / name)
        except OSError as error:
            place.unlink(missing_ok=True)
            raise unwritable(error, name) from error
        except (LibraryError, ModelMissing):
            place.unlink(missing_ok=True)
            raise
        return True
