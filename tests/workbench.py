"""Tools in the hands of a test: a workspace, notes, a database for undo, all real, in a folder of its own."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from assistant.database import Database
from assistant.egress import Egress
from assistant.messages import Message, Text
from assistant.private_files import write_private_bytes
from assistant.records import new_message
from assistant.store import Store
from assistant.tools.browser import Browser
from assistant.tools.builtin import BUILTIN_TOOLS
from assistant.tools.changes import Changes, Unkept
from assistant.tools.hands import Belongings, Hands
from assistant.tools.notes import Notes
from assistant.tools.tool import Preview
from assistant.tools.workspace import Workspace
from assistant.undo import Undo

TOOLS = {tool.name: tool for tool in BUILTIN_TOOLS}


@dataclass
class Workbench:
    """`call` does what a turn does with a call that was allowed: checks the arguments, runs the tool."""

    folder: Path
    browser: Browser | None = None
    said: tuple[Message, ...] = ()
    changes: Changes = field(default_factory=Unkept)
    egress: Egress = field(default_factory=Egress)

    def __post_init__(self) -> None:
        self.root = self.folder / "workspace"
        self.root.mkdir(parents=True, exist_ok=True)
        self.workspace = Workspace(self.root)
        self.notes = Notes(self.folder / "notes.md", write_private_bytes)

    @property
    def hands(self) -> Hands:
        belongings = Belongings(self.workspace, self.notes, self.browser)
        return Hands("chat", self.said, self.egress, belongings, self.changes)

    def call(self, name: str, **arguments: object) -> str:
        """What the model is given. Raises ToolError."""
        tool = TOOLS[name]
        return asyncio.run(tool.run(tool.check(json.dumps(arguments)), self.hands))

    def preview(self, name: str, **arguments: object) -> Preview | None:
        """What the person is shown before."""
        tool = TOOLS[name]
        assert tool.preview is not None
        return asyncio.run(tool.preview(tool.check(json.dumps(arguments)), self.hands))


class Desk(Workbench):
    """A workbench whose changes are kept, as an answer's are."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.open()
        self.chat_id = self.store.add_conversation().id
        self.begin_answer()

    def open(self) -> None:
        """Also: as after a restart."""
        self.store = Store(Database(self.folder / "hearth.db"))
        self.undo = Undo(
            self.store.database, lambda root: Workspace(Path(root)) if root != str(self.root) else self.workspace
        )

    def begin_answer(self) -> None:
        row = new_message(None, Message("assistant", (Text("Done."),)))
        self.store.save_messages(self.chat_id, row)
        self.answer_id, self.changes = row.id, self.undo.of_answer(row.id)


def tree(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Everything below a folder: what is in it, its rights, when it was changed. Links as links."""
    found: dict[str, tuple[str, int, int]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        inside = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        target = str(path.readlink()) if path.is_symlink() else ""
        digest = hashlib.sha256(inside + target.encode()).hexdigest()
        found[str(path.relative_to(folder))] = (digest, status.st_mode, status.st_mtime_ns if not path.is_dir() else 0)
    return found
