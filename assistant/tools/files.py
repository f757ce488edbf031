"""Files of the workspace: list, find, read, search, write, edit, move. What changes is kept first, for undo."""

from __future__ import annotations

import fnmatch
import hashlib
import re
import time
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from assistant.errors import ToolError
from assistant.tools.changes import FileChange, FileState
from assistant.tools.hands import Hands
from assistant.tools.place import Names, names_of, path_of
from assistant.tools.text_file import TextFile, kind_of, text_of
from assistant.tools.tool import Diff
from assistant.tools.workspace import MOST_BYTES, Workspace

_SECONDS = 10.0
_MOST_LISTED, _MOST_FOUND, _LONGEST_LINE = 500, 200, 400
_NEW_MODE = 0o600

PathText = Annotated[str, Field(max_length=1000, description="Inside the workspace, such as notes/plan.md")]
FileText = Annotated[str, Field(max_length=MOST_BYTES)]


def list_files(hands: Hands, folder: PathText = ".") -> str:
    """List what is in a folder of the workspace, with sizes and dates."""
    entries = hands.workspace.entries(names_of(folder))
    shown = [
        f"{path_of(entry.names)}/"
        if entry.kind == "folder"
        else f"{path_of(entry.names)}  {entry.size:,} bytes, {_date(entry.modified_ns)}"
        if entry.kind == "file"
        else f"{path_of(entry.names)}  ({entry.kind}, cannot be opened)"
        for entry in entries[:_MOST_LISTED]
    ]
    return _lines(shown, more=len(entries) - len(shown), empty="The folder is empty.")


def find_files(hands: Hands, pattern: Annotated[str, Field(max_length=200)], folder: PathText = ".") -> str:
    """Find files by name, in a folder of the workspace and all below it. The pattern may hold * and ?, such as *.md."""
    wanted = pattern if any(letter in pattern for letter in "*?[") else f"*{pattern}*"
    found: list[str] = []
    for entry in hands.workspace.walk(names_of(folder), seconds=_SECONDS):
        path = path_of(entry.names)
        if entry.kind == "file" and (_matches(entry.names[-1], wanted) or _matches(path, wanted)):
            found.append(f"{path}  {entry.size:,} bytes")
    return _lines(found[:_MOST_FOUND], more=len(found) - _MOST_FOUND, empty="No file has such a name.")


def search_files(
    hands: Hands,
    text: Annotated[str, Field(min_length=1, max_length=500)],
    folder: PathText = ".",
    pattern: Annotated[str, Field(max_length=200, description="Which files, such as *.py")] = "*",
) -> str:
    """Find lines that contain a text, in the files of a folder of the workspace and all below it. Upper and lower case
    are the same."""
    found: list[str] = []
    skipped, ends_at = 0, time.monotonic() + _SECONDS
    for entry in hands.workspace.walk(names_of(folder), seconds=_SECONDS):
        if entry.kind != "file" or not _matches(entry.names[-1], pattern):
            continue
        file = _text_or_none(hands.workspace, entry.names)
        if file is None:
            skipped += 1
            continue
        found += _lines_with(file, text, path_of(entry.names))
        if len(found) >= _MOST_FOUND or time.monotonic() > ends_at:
            found.append("... there may be more: search in fewer files, or for more words.")
            break
    note = [f"({skipped} files were not searched: not text, too large, or shut.)"] if skipped else []
    return "\n".join([*found[: _MOST_FOUND + 1], *note]) or "No line contains that."


def read_file(
    hands: Hands,
    path: PathText,
    first_line: Annotated[int, Field(ge=1)] = 1,
    lines: Annotated[int, Field(ge=1, le=2000, description="How many lines")] = 400,
) -> str:
    """Read a text file of the workspace."""
    file, _ = _text(hands.workspace, names_of(path))
    everything = file.lines
    if first_line > len(everything):
        raise ToolError("tool-file-no-line", path=path, count=len(everything))
    part = everything[first_line - 1 : first_line - 1 + lines]
    left = len(everything) - (first_line - 1 + len(part))
    note = f"\n... {left} more lines: read on from line {first_line + len(part)}." if left else ""
    return "\n".join(part) + note if any(everything) else "The file is empty."


def write_file(
    hands: Hands,
    path: PathText,
    text: FileText,
    replace: Annotated[bool, Field(description="Must be true where the file exists already")] = False,  # noqa: FBT002
) -> str:
    """Write a whole text file into the workspace. To change a part of one, use edit_file."""
    names = names_of(path)
    with hands.workspace.changing:
        before, new = _to_write(hands.workspace, names, text, replace=replace)
        _put(hands, names, before, new.to_bytes())
    return f"{path_of(names)} was {'replaced' if before else 'written'}: {len(new.to_bytes()):,} bytes."


def preview_write(hands: Hands, path: str, text: str, replace: bool) -> Diff:  # noqa: FBT001
    """What `write_file` would do."""
    names = names_of(path)
    before, new = _to_write(hands.workspace, names, text, replace=replace)
    old = text_of(before[0]) if before else None
    return Diff(path_of(names), old.plain if old else None, new.plain)


def edit_file(
    hands: Hands,
    path: PathText,
    old: Annotated[str, Field(min_length=1, max_length=200_000, description="As it is in the file, line by line")],
    new: Annotated[str, Field(max_length=200_000)],
    everywhere: Annotated[bool, Field(description="Replace it wherever it is")] = False,  # noqa: FBT002
) -> str:
    """Replace a piece of a text file of the workspace by another. The old piece must be in it once, and exactly so."""
    names = names_of(path)
    with hands.workspace.changing:
        before, _, edited, count = _to_edit(hands.workspace, names, old, new, everywhere=everywhere)
        _put(hands, names, before, edited.to_bytes())
    return f"{path_of(names)} was changed in {count} place{'s' if count > 1 else ''}."


def preview_edit(hands: Hands, path: str, old: str, new: str, everywhere: bool) -> Diff:  # noqa: FBT001
    """What `edit_file` would do."""
    names = names_of(path)
    _, file, edited, _ = _to_edit(hands.workspace, names, old, new, everywhere=everywhere)
    return Diff(path_of(names), file.plain, edited.plain)


def move_file(hands: Hands, path: PathText, new_path: PathText) -> str:
    """Move or rename a file of the workspace. Nothing may be at the new place yet."""
    names, new_names = names_of(path), names_of(new_path)
    workspace = hands.workspace
    with workspace.changing:
        found = workspace.state(names)
        if found is None:
            raise ToolError("tool-file-missing", path=path_of(names))
        if workspace.state(new_names) is not None:
            raise ToolError("tool-file-exists", path=path_of(new_names))
        root = str(workspace.root)
        changes = [
            FileChange(root, path_of(names), found, None),
            FileChange(root, path_of(new_names), None, found, workspace.missing_folders(new_names)),
        ]
        with hands.changes.keeping(changes, {}):
            workspace.move(names, new_names)
    return f"{path_of(names)} is {path_of(new_names)} now."


def _to_write(
    workspace: Workspace, names: Names, text: str, *, replace: bool
) -> tuple[tuple[bytes, FileState] | None, TextFile]:
    """What is there, and what is to be. Raises ToolError for what must not be."""
    if workspace.state(names) is None:
        return None, TextFile(text)
    if not replace:
        raise ToolError("tool-file-exists", path=path_of(names))
    if workspace.is_read_only(names):
        raise ToolError("tool-file-read-only", path=path_of(names))
    content, state = workspace.read(names)
    old = text_of(content)
    if old is None:
        raise ToolError("tool-file-binary", path=path_of(names), kind=kind_of(content), size=f"{len(content):,}")
    return (content, state), old.saying(text) if old.text else TextFile(text)


def _to_edit(
    workspace: Workspace, names: Names, old: str, new: str, *, everywhere: bool
) -> tuple[tuple[bytes, FileState], TextFile, TextFile, int]:
    file, before = _text(workspace, names)
    if workspace.is_read_only(names):
        raise ToolError("tool-file-read-only", path=path_of(names))
    edited, count = file.replaced(old, new, everywhere=everywhere)
    if edited is None:
        raise ToolError("tool-edit-many" if count else "tool-edit-none", path=path_of(names), count=count)
    return before, file, edited, count


def _put(hands: Hands, names: Names, before: tuple[bytes, FileState] | None, content: bytes) -> None:
    """Keeps what was, then writes what is to be."""
    workspace = hands.workspace
    if len(content) > MOST_BYTES:
        raise ToolError("tool-file-large", path=path_of(names), size=f"{len(content):,}", most=f"{MOST_BYTES:,}")
    sha256 = hashlib.sha256(content).hexdigest()
    state = FileState(sha256, before[1].mode if before else _NEW_MODE, time.time_ns())
    images = {sha256: content} | ({before[1].sha256: before[0]} if before else {})
    made = 0 if before else workspace.missing_folders(names)
    change = FileChange(str(workspace.root), path_of(names), before[1] if before else None, state, made)
    with hands.changes.keeping([change], images):
        workspace.put(names, content, state=state, is_new=before is None)


def _text(workspace: Workspace, names: Names) -> tuple[TextFile, tuple[bytes, FileState]]:
    content, state = workspace.read(names)
    file = text_of(content)
    if file is None:
        raise ToolError("tool-file-binary", path=path_of(names), kind=kind_of(content), size=f"{len(content):,}")
    return file, (content, state)


def _text_or_none(workspace: Workspace, names: Names) -> TextFile | None:
    try:
        return _text(workspace, names)[0]
    except ToolError:
        return None


def _lines_with(file: TextFile, text: str, path: str) -> list[str]:
    wanted = re.compile(re.escape(text), re.IGNORECASE)
    if not wanted.search(file.text):
        return []
    return [
        f"{path}:{number}: {line.strip()[:_LONGEST_LINE]}"
        for number, line in enumerate(file.lines, start=1)
        if wanted.search(line)
    ]


def _matches(name: str, pattern: str) -> bool:
    return fnmatch.fnmatch(name.lower(), pattern.lower())


def _date(modified_ns: int) -> str:
    return f"{datetime.fromtimestamp(modified_ns // 10**9, UTC).astimezone():%Y-%m-%d %H:%M}"


def _lines(shown: list[str], *, more: int, empty: str) -> str:
    return "\n".join([*shown, *([f"... and {more} more"] if more > 0 else [])]) or empty
