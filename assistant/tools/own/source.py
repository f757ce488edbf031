"""A person's files of functions as text: read without being run, and never through a link, a pipe or a device."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import stat
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import ToolError

LARGEST_BYTES = 256_000
MOST_FILES = 200
SUFFIX = ".py"


@dataclass(frozen=True)
class Source:
    """A file as it is now. `text` is what Python would read of it, `digest` the SHA-256 of its bytes; both are empty
    where `fault` says why it cannot be read."""

    path: Path
    text: str = ""
    digest: str = ""
    fault: ToolError | None = None

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return self.path.stem


def sources(folder: Path) -> list[Source]:
    """Every file of functions in the folder, by name. A name with an underscore before it is hidden."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(each.name for each in entries if each.name.endswith(SUFFIX) and each.name[0] not in "_.")
    except OSError:
        return []
    return [read(folder / name) for name in names[:MOST_FILES]]


def read(path: Path) -> Source:
    """The file at this path. Never blocks and never raises for what a file can be."""
    if not path.stem.isidentifier() or not path.stem.isascii():
        return Source(path, fault=ToolError("own-name", name=path.name))
    try:
        content = _content(path)
        text = content.decode("utf-8-sig")
    except ToolError as error:
        return Source(path, fault=error)
    except UnicodeDecodeError:
        return Source(path, fault=ToolError("own-not-text", name=path.name))
    except OSError as error:
        return Source(path, fault=ToolError("own-unreadable", name=path.name, why=error.strerror or "?"))
    lines = text.replace("\r\n", "\n").replace("\r", "\n")  # as Python reads them
    return Source(path, lines, hashlib.sha256(content).hexdigest())


def _content(path: Path) -> bytes:
    if path.is_symlink():
        raise ToolError("own-link", name=path.name)
    # A pipe would keep us waiting for its writer, and a link put there just now would lead elsewhere.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise ToolError("own-no-file", name=path.name)
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise ToolError("own-too-large", name=path.name, most=f"{LARGEST_BYTES // 1000} kB")
    return content


@dataclass(frozen=True)
class Outline:
    """What can be told of a file without running it: the functions it would bring, the modules it asks for that are not
    here, and the line that is not Python, if there is one."""

    functions: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    bad_line: int = 0


def outline(text: str) -> Outline:
    """Looks at the source as text."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of their escapes, into our log
            tree = ast.parse(text)
    except SyntaxError as error:
        return Outline(bad_line=error.lineno or 1)
    except (ValueError, RecursionError, MemoryError):  # a NUL, or deeper than Python goes
        return Outline(bad_line=1)
    found = [each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    asked = dict.fromkeys(_imports(tree))
    return Outline(
        tuple(dict.fromkeys(name for name in found if not name.startswith("_"))),
        tuple(name for name in asked if not _is_here(name)),
    )


def _imports(tree: ast.Module) -> Iterator[str]:
    """The packages that a file imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _is_here(name: str) -> bool:
    """Whether a package can be imported here; it is looked for and not loaded."""
    try:
        return name in sys.modules or importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
