"""What a tool is given to work with, besides its arguments."""

from __future__ import annotations

from dataclasses import dataclass

from assistant.egress import Egress
from assistant.errors import ToolError
from assistant.messages import Message
from assistant.tools.browser import Browser
from assistant.tools.changes import Changes, Unkept
from assistant.tools.notes import Notes
from assistant.tools.workspace import Workspace


@dataclass(frozen=True)
class Belongings:
    """What of the person's the built-in tools work with: a folder, what was noted, and the web where it is on."""

    workspace: Workspace
    notes: Notes
    browser: Browser | None = None


@dataclass(frozen=True)
class Hands:
    """One call's surroundings: the chat it is part of and what was said in it, the way out of this machine, what is the
    person's, where the changes of files are kept for undo, and the word that the person said with their Yes."""

    chat_id: str
    messages: tuple[Message, ...]
    egress: Egress
    belongings: Belongings | None = None
    changes: Changes = Unkept()  # noqa: RUF009  # it holds nothing
    word: str = ""

    @property
    def workspace(self) -> Workspace:
        """The folder of the file tools. Raises ToolError where there is none."""
        return self._belongings.workspace

    @property
    def notes(self) -> Notes:
        """What was noted. Raises ToolError where nothing can be."""
        return self._belongings.notes

    @property
    def browser(self) -> Browser:
        """The web. Raises ToolError where the person has not switched it on."""
        if (browser := self._belongings.browser) is None:
            raise ToolError("tool-web-off")
        return browser

    @property
    def _belongings(self) -> Belongings:
        if self.belongings is None:
            raise ToolError("tool-empty-handed")
        return self.belongings
