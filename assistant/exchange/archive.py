"""Files that somebody hands us, never unpacked: a zip, a folder, or one file. What is hostile is refused."""

from __future__ import annotations

import json
import stat
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from assistant.exchange.brought import FileBeside, Unreadable

MOST_ENTRIES = 200_000
LARGEST_JSON = 1_000_000_000
LARGEST_FILE = 200_000_000
LARGEST_RATIO = 300  # JSON of chats shrinks to a fifth or a tenth; a bomb to a thousandth
SMALL = 5_000_000
LARGEST_GROWTH = 20  # of a whole archive beyond the largest JSON: many small bombs are one, too
MOST_VALUES = 50_000_000  # in a JSON file: a gigabyte of "{}," would be many in memory


class Archive:
    """Named contents. `names` are those that are safe to look at; `refused` says which others there were."""

    def __init__(self, names: list[str], read: Callable[[str, int], bytes], refused: list[str]) -> None:
        self.names, self.refused = names, refused
        self._read = read
        self._sorted = sorted((PurePosixPath(name).name, name) for name in names)

    def json(self, name: str) -> Any:
        """An entry's JSON. Raises Unreadable."""
        content = self._read(name, LARGEST_JSON)
        if sum(content.count(mark) for mark in (b",", b"{", b"[")) > MOST_VALUES:
            raise Unreadable("too-large", name=name)
        try:
            return json.loads(content.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise Unreadable("not-json", name=name) from error

    def text(self, name: str) -> str:
        """An entry as text. Raises Unreadable."""
        try:
            return self._read(name, LARGEST_FILE).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Unreadable("not-text", name=name) from error

    def find(self, wanted: str) -> FileBeside | None:
        """The file whose name begins with (or is) `wanted`, wherever it lies; None where there is none that can be
        read."""
        if not wanted:
            return None
        place = bisect_left(self._sorted, (wanted,))
        if place == len(self._sorted) or not self._sorted[place][0].startswith(wanted):
            return None
        short, name = self._sorted[place]
        try:
            return FileBeside(short, self._read(name, LARGEST_FILE))
        except Unreadable:
            return None


@contextmanager
def opened(path: Path) -> Generator[Archive]:
    """A zip, a folder or a single file. Raises Unreadable where it is none of these, or not to be trusted."""
    try:
        if path.is_dir():
            yield _folder(path)
        elif path.exists() and not path.is_file():  # a pipe would be waited for
            raise Unreadable("unreadable", name=path.name, reason="no file")
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as file:
                yield _zip(file)
        else:
            yield Archive([path.name], lambda _, limit: _bounded(path, limit), [])
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise Unreadable("broken-archive", name=path.name) from error
    except OSError as error:
        raise Unreadable("unreadable", name=path.name, reason=error.strerror or "?") from error


def _zip(file: zipfile.ZipFile) -> Archive:
    entries = file.infolist()
    if len(entries) > MOST_ENTRIES:
        raise Unreadable("too-many-entries", limit=MOST_ENTRIES)
    packed = sum(entry.compress_size for entry in entries)
    if sum(entry.file_size for entry in entries) > LARGEST_JSON + LARGEST_GROWTH * packed:
        raise Unreadable("too-large", name=PurePosixPath(file.filename or "?").name)
    names: list[str] = []
    refused: list[str] = []
    known: set[str] = set()
    for entry in entries:
        if entry.is_dir():
            continue
        if _is_hostile(entry) or entry.filename in known:
            refused.append(entry.filename)
            continue
        known.add(entry.filename)
        names.append(entry.filename)

    def read(name: str, limit: int) -> bytes:
        entry = file.getinfo(name)
        is_bomb = entry.file_size > SMALL and entry.file_size > LARGEST_RATIO * max(entry.compress_size, 1)
        if entry.file_size > limit or is_bomb:
            raise Unreadable("too-large", name=name)
        with file.open(entry) as stream:
            content = stream.read(limit + 1)  # the header may lie about the size
        if len(content) > limit:
            raise Unreadable("too-large", name=name)
        return content

    return Archive(names, read, refused)


def _is_hostile(entry: zipfile.ZipInfo) -> bool:
    """A name that leads out of the archive, a link, or something locked."""
    name = entry.filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    leads_out = name.startswith("/") or ".." in parts or ":" in parts[0] if parts else True
    is_link = stat.S_ISLNK(entry.external_attr >> 16)
    return leads_out or is_link or bool(entry.flag_bits & 0x1)


def _folder(path: Path) -> Archive:
    found = [file for file in sorted(path.rglob("*")) if file.is_file() and not file.is_symlink()]
    if len(found) > MOST_ENTRIES:
        raise Unreadable("too-many-entries", limit=MOST_ENTRIES)
    names = [file.relative_to(path).as_posix() for file in found]
    return Archive(names, lambda name, limit: _bounded(path / name, limit), [])


def _bounded(path: Path, limit: int) -> bytes:
    if not path.is_file():
        raise Unreadable("unreadable", name=path.name, reason="no file")
    if path.stat().st_size > limit:
        raise Unreadable("too-large", name=path.name)
    return path.read_bytes()
