"""The folder that the file tools work in, and the only one: every path is followed from it name by name, no link is."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import ToolError
from assistant.tools.changes import FileState
from assistant.tools.folder import HAS_FOLDER_HANDLES, Folder, is_link, opened
from assistant.tools.place import Names, path_of

MOST_BYTES = 5_000_000
"""Of a file that is read or written whole."""
_MOST_ENTRIES = 20_000


@dataclass(frozen=True)
class Entry:
    """Something in the workspace. A "link" is not followed; "other" is a device, a pipe or a socket."""

    names: Names
    kind: str
    size: int
    modified_ns: int


class Workspace:
    """Files of one folder. `closed` are folders that stay shut even where the workspace lies above them: Hearth's own.
    Any thread may call; all may raise ToolError, with a sentence for the model and the person."""

    def __init__(self, root: Path, *, closed: tuple[Path, ...] = (), by_handle: bool = HAS_FOLDER_HANDLES) -> None:
        self.root = root
        self.changing = threading.RLock()  # held from the look at a file to its change
        self._closed, self._by_handle = closed, by_handle

    def entries(self, names: Names) -> list[Entry]:
        """What is in a folder, sorted by name."""
        with self._told(names), self._folder(names) as folder:
            return [entry for name in folder.names() if (entry := _entry(folder, (*names, name)))]

    def walk(self, names: Names, *, seconds: float) -> Generator[Entry]:
        """Everything below a folder, folders before what is in them. Ends early, with ToolError, where there is too
        much of it or it takes too long."""
        waiting, count, ends_at = [names], 0, time.monotonic() + seconds
        while waiting:
            here = waiting.pop()
            try:
                found = self.entries(here)
            except ToolError:
                if here == names:
                    raise
                continue  # shut, or gone by now
            waiting += [entry.names for entry in reversed(found) if entry.kind == "folder"]
            for entry in found:
                count += 1
                if count > _MOST_ENTRIES or time.monotonic() > ends_at:
                    raise ToolError("tool-too-many-files", count=count - 1)
                yield entry

    def read(self, names: Names, *, most_bytes: int = MOST_BYTES) -> tuple[bytes, FileState]:
        """A file whole. Raises ToolError for one that is too large."""
        with self._told(names), self._parent(names) as (folder, name), folder.reading(name) as handle:
            found = os.fstat(handle)
            if found.st_nlink > 1:
                raise ToolError("tool-file-linked", path=path_of(names))
            with os.fdopen(os.dup(handle), "rb") as file:
                content = file.read(most_bytes + 1)
        if len(content) > most_bytes:
            size = f"{max(found.st_size, len(content)):,}"
            raise ToolError("tool-file-large", path=path_of(names), size=size, most=f"{most_bytes:,}")
        return content, _state(found, hashlib.sha256(content).hexdigest())

    def state(self, names: Names) -> FileState | None:
        """A file of any size as it is now; None where there is none."""
        try:
            with self._parent(names) as (folder, name), folder.reading(name) as handle:
                found = os.fstat(handle)
                with os.fdopen(os.dup(handle), "rb") as file:
                    return _state(found, hashlib.file_digest(file, "sha256").hexdigest())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _fault(error, names) from error

    def is_read_only(self, names: Names) -> bool:
        """Whether its owner took the right to write it away."""
        with self._told(names), self._parent(names) as (folder, name):
            return not folder.stat(name).st_mode & stat.S_IWUSR

    def missing_folders(self, names: Names) -> int:
        """How many folders above a file are not there yet."""
        for depth in range(1, len(names)):
            try:
                with self._folder(names[:depth]):
                    pass
            except FileNotFoundError:
                return len(names) - depth
            except OSError as error:
                raise _fault(error, names) from error
        return 0

    def put(self, names: Names, content: bytes, *, state: FileState, is_new: bool) -> None:
        """Writes a file whole or not at all; for one that `is_new`, the folders above it are made."""
        with self._told(names):
            if is_new:
                self._make_folders(names[:-1])
            with self._parent(names) as (folder, name):
                mode = state.mode if os.name == "posix" else None
                folder.put(name, content, mode=mode, modified_ns=state.modified_ns, is_new=is_new)

    def move(self, names: Names, new_names: Names, *, folders: int = 0) -> None:
        """Gives a file another place, where nothing is yet. Of the folders that it was in, so many go as are empty."""
        with self._told(names):
            self._make_folders(new_names[:-1])
            with self._parent(names) as (folder, name), self._parent(new_names) as (other, new_name):
                folder.rename(name, other, new_name)
                other.sync()
                folder.sync()
        self._remove_empty(names, folders)

    def remove(self, names: Names, *, folders: int = 0) -> None:
        """Removes a file, and of the folders above it so many as are empty then."""
        with self._told(names), self._parent(names) as (folder, name):
            folder.remove(name)
            folder.sync()
        self._remove_empty(names, folders)

    def _remove_empty(self, names: Names, folders: int) -> None:
        for depth in range(len(names) - 1, len(names) - 1 - folders, -1):
            with suppress(OSError), self._parent(names[:depth]) as (folder, name):
                folder.remove_empty(name)

    def _make_folders(self, names: Names) -> None:
        for depth in range(len(names)):
            with self._folder(names[:depth]) as folder:
                folder.make(names[depth])

    @contextmanager
    def _parent(self, names: Names) -> Generator[tuple[Folder, str]]:
        """The folder that a file is in, and its name there."""
        if not names:
            raise ToolError("tool-path-folder", path=".")
        with self._folder(names[:-1]) as folder:
            yield folder, names[-1]

    @contextmanager
    def _folder(self, names: Names) -> Generator[Folder]:
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(opened(self.root, by_handle=self._by_handle))
            except (
                FileNotFoundError,
                NotADirectoryError,
            ):  # a drive that was pulled out, say
                raise ToolError("tool-workspace-none", path=self.root) from None
            for name in names:
                folder = stack.enter_context(folder.inside(name))
                self._refuse_closed(folder, names)
            yield folder

    def _refuse_closed(self, folder: Folder, names: Names) -> None:
        here = os.stat(folder.path if folder.handle is None else folder.handle)
        for path in self._closed:
            with suppress(OSError):
                if os.path.samestat(here, path.stat()):
                    raise ToolError("tool-path-closed", path=path_of(names))

    @contextmanager
    def _told(self, names: Names) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise _fault(error, names) from error


def checked_workspace(folder: str, own: Path) -> str:
    """A folder that a person has picked, as it is kept: empty where it is the one in Hearth's own folder `own`. Raises
    ToolError for what cannot be one: no folder, a whole disk, or what is Hearth's."""
    plain = folder.strip().strip('"')
    path = Path(plain).expanduser() if plain else own / "workspace"
    if not path.is_absolute() or not path.is_dir():
        raise ToolError("tool-workspace-none", path=plain)
    real, ours = path.resolve(), own.resolve()
    if real == ours / "workspace":
        return ""
    if real.parent == real:
        raise ToolError("tool-workspace-whole-disk", path=plain)
    if real == ours or (ours in real.parents and ours / "workspace" not in real.parents):
        raise ToolError("tool-workspace-own", path=plain)
    return str(path)


def _entry(folder: Folder, names: Names) -> Entry | None:
    try:
        found = folder.stat(names[-1])
    except OSError:
        return None  # gone by now
    kind = "other"
    if is_link(found):
        kind = "link"
    elif stat.S_ISDIR(found.st_mode):
        kind = "folder"
    elif stat.S_ISREG(found.st_mode):
        kind = "file"
    return Entry(names, kind, found.st_size, found.st_mtime_ns)


def _state(found: os.stat_result, sha256: str) -> FileState:
    return FileState(sha256, stat.S_IMODE(found.st_mode), found.st_mtime_ns)


_FAULTS = {
    errno.ENOENT: "tool-file-missing",
    errno.ELOOP: "tool-file-link",
    errno.ENOTDIR: "tool-file-not-folder",
    errno.EISDIR: "tool-path-folder",
    errno.EINVAL: "tool-file-none",
    errno.ENXIO: "tool-file-none",  # a pipe or a socket
    errno.EEXIST: "tool-file-exists",
    errno.EACCES: "tool-file-forbidden",
    errno.EPERM: "tool-file-forbidden",
    errno.EROFS: "tool-file-forbidden",
    errno.ENOSPC: "tool-file-disk-full",
    errno.EDQUOT: "tool-file-disk-full",
    errno.ENAMETOOLONG: "tool-path-name",
}


def _fault(error: OSError, names: Names) -> ToolError:
    key = _FAULTS.get(error.errno or 0, "tool-file-fault")
    return ToolError(key, path=path_of(names), reason=error.strerror or "?")
