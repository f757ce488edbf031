"""One open folder of a workspace: what is done in it is done there, whatever becomes of its path meanwhile."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

HAS_FOLDER_HANDLES = {os.open, os.stat, os.mkdir, os.rename, os.unlink, os.rmdir} <= os.supports_dir_fd
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_READ = (
    os.O_RDONLY | _NOFOLLOW | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
)
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_REPARSE_POINT = 0x400  # FILE_ATTRIBUTE_REPARSE_POINT: links, junctions, and files that lie in a cloud
_FOLDER = os.O_RDONLY | _NOFOLLOW | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True)
class Folder:
    """By its handle where the system has such (Linux, macOS): a link that is put in its place is not followed. Else, on
    Windows, by its path, each name of which was looked at. Everything may raise OSError."""

    path: Path
    handle: int | None

    def stat(self, name: str) -> os.stat_result:
        """What is there under the name: of a link, the link itself."""
        return os.stat(self._at(name), dir_fd=self.handle, follow_symlinks=False)

    def names(self) -> list[str]:
        """All names in it, sorted."""
        return sorted(os.listdir(self.path if self.handle is None else self.handle))

    @contextmanager
    def reading(self, name: str) -> Generator[int]:
        """An open plain file, by its descriptor. OSError: ELOOP for a link, EISDIR for a folder, else EINVAL."""
        _refuse_all_but_files(self.stat(name))  # before it is opened, which is something to a device
        handle = os.open(self._at(name), _READ, dir_fd=self.handle)
        try:
            _refuse_all_but_files(os.fstat(handle))
            yield handle
        finally:
            os.close(handle)

    def put(self, name: str, content: bytes, *, mode: int | None, modified_ns: int, is_new: bool) -> None:
        """Writes a file whole or not at all, and keeps it through a power cut. FileExistsError where it `is_new` and
        something has that name."""
        temporary = f".hearth-{secrets.token_hex(8)}.part"
        handle = os.open(self._at(temporary), _WRITE, 0o600, dir_fd=self.handle)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                if mode is not None and hasattr(os, "fchmod"):
                    os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            os.utime(self._at(temporary), ns=(modified_ns, modified_ns), dir_fd=self.handle)
            self.rename(temporary, self, name, is_new=is_new)
        except BaseException:
            with suppress(OSError):
                os.unlink(self._at(temporary), dir_fd=self.handle)
            raise
        self.sync()

    def rename(self, name: str, other: Folder, new_name: str, *, is_new: bool = True) -> None:
        """Moves a file here. FileExistsError where it `is_new` and something has that name."""
        here, there = self._at(name), other._at(new_name)
        if not is_new:
            os.replace(here, there, src_dir_fd=self.handle, dst_dir_fd=other.handle)
        elif os.name == "nt":
            os.rename(here, there)  # never replaces
        else:  # a rename would replace what came in between; to link does not
            try:
                os.link(here, there, src_dir_fd=self.handle, dst_dir_fd=other.handle, follow_symlinks=False)
            except FileExistsError:
                raise
            except OSError:  # no links on this file system
                if other.has(new_name):
                    raise FileExistsError(errno.EEXIST, "there already") from None
                os.rename(here, there, src_dir_fd=self.handle, dst_dir_fd=other.handle)
            else:
                os.unlink(here, dir_fd=self.handle)

    def has(self, name: str) -> bool:
        """Whether anything has this name."""
        try:
            self.stat(name)
        except FileNotFoundError:
            return False
        return True

    def make(self, name: str) -> bool:
        """Makes a folder; whether it was not there."""
        try:
            os.mkdir(self._at(name), dir_fd=self.handle)
        except FileExistsError:
            return False
        return True

    def remove(self, name: str) -> None:
        """Removes a file or a link."""
        os.unlink(self._at(name), dir_fd=self.handle)

    def remove_empty(self, name: str) -> None:
        """Removes a folder in which nothing is."""
        os.rmdir(self._at(name), dir_fd=self.handle)

    @contextmanager
    def inside(self, name: str) -> Generator[Folder]:
        """A folder in it. OSError(ELOOP or ENOTDIR) for a link and for what is no folder."""
        if is_link(self.stat(name)):  # O_NOFOLLOW refuses it too, in other words
            raise OSError(errno.ELOOP, "a link")
        with opened(Path(self._at(name)) if self.handle is None else self.path / name, name, self.handle) as folder:
            yield folder

    def sync(self) -> None:
        """Makes a rename last through a power cut; Windows neither needs it nor can."""
        if self.handle is not None:
            os.fsync(self.handle)

    def _at(self, name: str) -> str:
        return name if self.handle is not None else str(self.path / name)


@contextmanager
def opened(
    path: Path, name: str | None = None, above: int | None = None, *, by_handle: bool = HAS_FOLDER_HANDLES
) -> Generator[Folder]:
    """A folder, by its path or by its name in an open one. A link is followed only for a whole path: that is the
    workspace's own, which the person chose."""
    if name is not None and above is None:
        by_handle = False
    if not by_handle:
        if not stat.S_ISDIR(path.stat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, "not a folder")
        yield Folder(path, None)
        return
    handle = os.open(path, _FOLDER & ~_NOFOLLOW) if name is None else os.open(name, _FOLDER, dir_fd=above)
    try:
        yield Folder(path, handle)
    finally:
        os.close(handle)


def is_link(found: os.stat_result) -> bool:
    """Whether it leads elsewhere: a symbolic link, or a reparse point of Windows."""
    return stat.S_ISLNK(found.st_mode) or bool(getattr(found, "st_file_attributes", 0) & _REPARSE_POINT)


def _refuse_all_but_files(found: os.stat_result) -> None:
    if is_link(found):
        raise OSError(errno.ELOOP, "a link")
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "a folder")
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a file")
