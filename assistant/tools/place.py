"""A path as a model writes it, as the names from the workspace down: nothing in it can lead out again."""

from __future__ import annotations

import os
from pathlib import PurePosixPath, PureWindowsPath

from assistant.errors import ToolError

Names = tuple[str, ...]
"""From the workspace folder down to a file or folder; none for the workspace itself."""

_MOST_NAMES, _LONGEST_NAME = 40, 255
# learn.microsoft.com/windows/win32/fileio/naming-a-file; a device stays one with a suffix and with blanks behind it
_DEVICES = frozenset({"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"})
_NUMBERED_DEVICES = ("com", "lpt")
_NOT_ON_WINDOWS = frozenset('<>:"|?*')


def names_of(path: str, *, is_windows: bool = os.name == "nt") -> Names:
    """The names in a path. Both slashes part them, on every system. Raises ToolError for what is no path inside a
    folder: an absolute one, one with `..`, a drive, a device, a second stream of a file, an unprintable name."""
    plain = path.replace("\\", "/")
    if PurePosixPath(plain).is_absolute() or PureWindowsPath(plain).drive or PureWindowsPath(plain).root:
        raise ToolError("tool-path-absolute", path=shown(path))
    names = tuple(name for name in plain.split("/") if name not in ("", "."))
    if ".." in names:
        raise ToolError("tool-path-outside", path=shown(path))
    if len(names) > _MOST_NAMES or not all(_is_name(name, is_windows=is_windows) for name in names):
        raise ToolError("tool-path-name", path=shown(path))
    return names


def path_of(names: Names) -> str:
    """The path as it is shown to the model and to the person."""
    return "/".join(names) or "."


def shown(text: str) -> str:
    """A name for a sentence: short, and without anything that cannot be seen."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:200])


def _is_name(name: str, *, is_windows: bool) -> bool:
    try:
        length = len(name.encode())
    except UnicodeEncodeError:  # a lone surrogate
        return False
    if (
        length > _LONGEST_NAME
        or PureWindowsPath(name).drive
        or any(ord(letter) < 32 or ord(letter) == 127 for letter in name)
    ):
        return False
    return not is_windows or _is_windows_name(name)


def _is_windows_name(name: str) -> bool:
    if name[-1] in " ." or _NOT_ON_WINDOWS & set(name):
        return False
    stem = name.split(".", maxsplit=1)[0].rstrip(" ").lower()
    is_numbered = stem[:3] in _NUMBERED_DEVICES and len(stem) == 4 and stem[3] in "0123456789¹²³"
    return stem not in _DEVICES and not is_numbered
