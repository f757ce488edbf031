"""Files of this user alone, written whole or not at all; and what a kill leaves of such a write."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_private_bytes(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all, readable by this user only. Raises OSError."""
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # O_EXCL and 0600
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        _sync_folder(path.parent)
    except OSError:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise


def forget_unfinished(folder: Path, *names: str) -> None:
    """Removes what a kill has left of writes to files with these names, which may be patterns: a key that was removed
    since may stand in it. For the process that alone writes there."""
    for name in names:
        for left in folder.glob(f".{name}.????????"):  # as mkstemp names them
            with suppress(OSError):
                left.unlink()


def _sync_folder(folder: Path) -> None:
    """Makes a rename last through a power cut; Windows neither needs it nor can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
