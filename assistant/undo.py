"""What answers did to files, kept beside the chats, and how it is undone and done again: one step for each answer."""

from __future__ import annotations

import asyncio
import sqlite3
import zlib
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Literal

from assistant.database import Database
from assistant.errors import StoreError, ToolError
from assistant.records import StoredMessage
from assistant.tools.changes import FileChange, FileState
from assistant.tools.place import Names, names_of
from assistant.tools.workspace import MOST_BYTES, Workspace

What = Literal["new", "changed", "gone"]
Direction = Literal["undo", "redo"]


@dataclass(frozen=True)
class Step:
    """What one answer made of files, each file once, in the order in which they were first touched."""

    answer_id: str
    files: tuple[FileChange, ...]
    is_undone: bool


def what_became(change: FileChange) -> What:
    """What became of a file, in a word."""
    if change.before is None:
        return "new"
    return "gone" if change.after is None else "changed"


class Undo:
    """The changes of one database. `workspace_at` gives the workspace of a folder. Any thread may call; all may raise
    StoreError."""

    def __init__(self, database: Database, workspace_at: Callable[[str], Workspace]) -> None:
        self._database, self._workspace_at = database, workspace_at

    def of_answer(self, answer_id: str) -> Kept:
        """Where the tools of an answer keep what they change. The answer is known by its first message."""
        return Kept(self._database, answer_id)

    def steps(self, conversation_id: str) -> dict[str, Step]:
        """All steps of a chat, by their answers."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT c.* FROM file_changes c JOIN messages m ON m.id = c.answer_id WHERE m.conversation_id = ?"
                " ORDER BY c.number",
                (conversation_id,),
            ).fetchall()
        by_answer: dict[str, list[sqlite3.Row]] = {}
        for row in rows:
            by_answer.setdefault(row["answer_id"], []).append(row)
        steps = {answer_id: _step(answer_id, rows) for answer_id, rows in by_answer.items()}
        return {answer_id: step for answer_id, step in steps.items() if step.files}

    def turn(self, answer_id: str, direction: Direction) -> None:
        """Makes the files of an answer as they were before it, or again as it left them. Raises ToolError, and then no
        file was touched, where one has been changed since."""
        with self._database.reading() as db:
            rows = db.execute("SELECT * FROM file_changes WHERE answer_id = ? ORDER BY number", (answer_id,)).fetchall()
        step = _step(answer_id, rows)
        if not rows or step.is_undone == (direction == "undo"):
            return
        files = step.files if direction == "redo" else tuple(map(_reversed, step.files))
        with ExitStack() as stack:
            for root in sorted({file.workspace for file in files}):
                stack.enter_context(self._workspace_at(root).changing)
            self._make(files, direction)
            with self._database.writing() as db:
                is_undone = int(direction == "undo")
                db.execute("UPDATE file_changes SET is_undone = ? WHERE answer_id = ?", (is_undone, answer_id))

    def _make(self, files: Sequence[FileChange], direction: Direction) -> None:
        """Makes each file what it is after its change. All are looked at first."""
        waiting = [file for file in map(self._placed, files) if file.is_to_do(direction)]
        contents = {file.after.sha256: self._image(file.after.sha256) for file in waiting if file.after}
        for file in waiting:  # what was only moved has no image: it is read where it lies, before anything is touched
            if file.before and contents.get(file.before.sha256, b"") is None:
                with suppress(ToolError):  # larger than what is held in memory
                    contents[file.before.sha256] = file.workspace.read(file.names, most_bytes=MOST_BYTES)[0]
        rest = [file for file in waiting if not _moved(file, waiting, contents)]
        for file in rest:
            if file.after is not None and (content := contents[file.after.sha256]) is not None:
                file.workspace.put(file.names, content, state=file.after, is_new=file.before is None)
        for file in rest:
            if file.after is None and file.workspace.state(file.names) is not None:
                file.workspace.remove(file.names, folders=file.made_folders)

    def _placed(self, change: FileChange) -> _Placed:
        workspace = self._workspace_at(change.workspace)
        return _Placed(workspace, names_of(change.path), change.before, change.after, change.made_folders)

    def _image(self, sha256: str) -> bytes | None:
        with self._database.reading() as db:
            row = db.execute("SELECT content FROM file_images WHERE sha256 = ?", (sha256,)).fetchone()
        return zlib.decompress(row["content"]) if row else None


class Changed:
    """What the answers of one chat did to files: `steps`, by their answers. Without an `undo` there are none."""

    def __init__(self, conversation_id: str, undo: Undo | None) -> None:
        self._conversation_id, self._undo = conversation_id, undo
        self.steps: Mapping[str, Step] = undo.steps(conversation_id) if undo else {}

    def by(self, branch: Sequence[StoredMessage], message_id: str) -> Step | None:
        """What the answer that a message of the branch is part of did; None where it did nothing to files."""
        step = None
        for item in branch:
            step = None if item.message.role == "user" else self.steps.get(item.id, step)
            if item.id == message_id:
                return step
        return None

    async def turn(self, answer_id: str, direction: Direction) -> None:
        """Takes back what an answer did, or does it again. Raises what `Undo.turn` raises."""
        if self._undo is not None:
            await asyncio.to_thread(self._undo.turn, answer_id, direction)
            await self.look()

    async def look(self) -> None:
        """Takes in what has been done since."""
        if self._undo is not None:
            self.steps = await asyncio.to_thread(self._undo.steps, self._conversation_id)


@dataclass(frozen=True)
class Kept:
    """The Changes of one answer: see assistant.tools.changes."""

    database: Database
    answer_id: str

    @contextmanager
    def keeping(self, changes: Sequence[FileChange], images: Mapping[str, bytes]) -> Generator[None]:
        """Raises ToolError where they cannot be kept."""
        try:
            numbers = self._keep(changes, images)
        except StoreError as error:
            raise ToolError("tool-change-unkept", reason=error.message) from error
        try:
            yield
        except BaseException:
            with suppress(StoreError), self.database.writing() as db:
                db.executemany("DELETE FROM file_changes WHERE number = ?", [(number,) for number in numbers])
            raise

    def _keep(self, changes: Sequence[FileChange], images: Mapping[str, bytes]) -> list[int]:
        packed = [(sha256, zlib.compress(content)) for sha256, content in images.items()]
        numbers: list[int] = []
        with self.database.writing() as db:
            db.executemany("INSERT OR IGNORE INTO file_images (sha256, content) VALUES (?, ?)", packed)
            for change in changes:
                states = (*_columns(change.before), *_columns(change.after))
                row = db.execute(
                    "INSERT INTO file_changes (answer_id, workspace, path, made_folders, before_sha256, before_mode,"
                    " before_ns, after_sha256, after_mode, after_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                    " RETURNING number",
                    (self.answer_id, change.workspace, change.path, change.made_folders, *states),
                ).fetchone()
                numbers.append(int(row["number"]))
        return numbers


@dataclass(frozen=True)
class _Placed:
    """One file on its way from `before` to `after`."""

    workspace: Workspace
    names: Names
    before: FileState | None
    after: FileState | None
    made_folders: int

    def is_to_do(self, direction: Direction) -> bool:
        """Whether the file is not there yet. Raises ToolError where it is neither what it was nor what it is to be."""
        now = self.workspace.state(self.names)
        if _is_same(now, self.after):
            return False
        if not _is_same(now, self.before):
            path = "/".join(self.names)
            raise ToolError("undo-changed-since" if direction == "undo" else "redo-changed-since", path=path)
        return True


def _moved(file: _Placed, waiting: Sequence[_Placed], contents: Mapping[str, bytes | None]) -> bool:
    """Moves a file that is in no image to its place, which takes it away from its old one. Whether this file, at either
    of the two, is settled so."""
    if file.after is None:
        return file.before is not None and contents.get(file.before.sha256, b"") is None
    if contents[file.after.sha256] is not None:
        return False
    source = next((each for each in waiting if each.before and each.before.sha256 == file.after.sha256), None)
    if source is None or file.before is not None or source.workspace is not file.workspace:
        raise ToolError("undo-image-missing", path="/".join(file.names))
    file.workspace.move(source.names, file.names, folders=source.made_folders)
    return True


def _step(answer_id: str, rows: Sequence[sqlite3.Row]) -> Step:
    """All changes of an answer as one for each file; those that came to nothing are left out."""
    net: dict[tuple[str, str], FileChange] = {}
    for row in rows:
        place = (row["workspace"], row["path"])
        change = FileChange(*place, _state(row, "before"), _state(row, "after"), row["made_folders"])
        earlier = net.get(place)
        if earlier is not None:
            made = max(earlier.made_folders, change.made_folders)
            change = replace(change, before=earlier.before, made_folders=made)
        net[place] = change
    files = tuple(change for change in net.values() if not _is_same(change.before, change.after))
    return Step(answer_id, files, all(row["is_undone"] for row in rows))


def _reversed(change: FileChange) -> FileChange:
    return replace(change, before=change.after, after=change.before)


def _is_same(one: FileState | None, other: FileState | None) -> bool:
    """By their bytes."""
    return (one.sha256 if one else None) == (other.sha256 if other else None)


def _state(row: sqlite3.Row, when: str) -> FileState | None:
    sha256 = row[f"{when}_sha256"]
    return FileState(sha256, row[f"{when}_mode"], row[f"{when}_ns"]) if sha256 else None


def _columns(state: FileState | None) -> tuple[str | None, int | None, int | None]:
    return (state.sha256, state.mode, state.modified_ns) if state else (None, None, None)
