"""What tools there are and what they work with, put together: built in, the person's own and of servers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from assistant.approvals import Offering, Toolkit
from assistant.configuration import Configuration
from assistant.database import Database
from assistant.egress import Egress
from assistant.engines import Engine
from assistant.errors import HearthError, SettingsError
from assistant.kept_file import KeptFile
from assistant.keys import Keys
from assistant.messages import Message
from assistant.paths import Profile
from assistant.private_files import write_private_bytes
from assistant.servers import Servers
from assistant.tool_rules import ToolRules
from assistant.tools.browser import Browser
from assistant.tools.builtin import BUILTIN_TOOLS
from assistant.tools.hands import Belongings, Hands
from assistant.tools.notes import Notes
from assistant.tools.own.allowed import LARGEST_FILE_BYTES, Allowed
from assistant.tools.own.functions import OwnFunctions
from assistant.tools.tool import Tool
from assistant.tools.toolbox import Toolbox
from assistant.tools.workspace import Workspace
from assistant.undo import Undo

ROOM_FOR_TOOLS = 16_384  # tokens of context, of which all built-in tools take a tenth


class Workshop:
    """Of one profile. `toolbox` has the tools of all kinds, `rules` what the person has said of them."""

    def __init__(self, profile: Profile, configuration: Configuration, *, keys: Keys, egress: Egress) -> None:
        self._profile, self._configuration, self._egress = profile, configuration, egress
        self.servers = Servers(
            configuration, keys, egress=egress, tools_file=profile.server_tools_file, logs=profile.log_file.parent
        )
        self._allowed = KeptFile(profile.allowed_functions_file, most_bytes=LARGEST_FILE_BYTES)
        self.own = OwnFunctions(
            profile.tools,
            workspace=lambda: self.folder,
            allowed=Allowed(self._allowed),
            taken=lambda: [each.name for each in BUILTIN_TOOLS],
        )
        self.toolbox = Toolbox(self._built_in)
        self.toolbox.add(self.own.tools)
        self.toolbox.add(self.servers.tools)
        self.rules = ToolRules(profile.tool_rules_file)
        self.notes = Notes(profile.notes_file, write_private_bytes)
        self._workspaces: dict[str, Workspace] = {}

    @property
    def notice(self) -> HearthError | None:
        """What to tell about files of the tools as they were found; None when they are in order."""
        allowed = self._allowed.set_aside
        return (
            self.rules.notice
            or (SettingsError("functions.corrupt", kept=allowed) if allowed else None)
            or self.servers.notice
        )

    @property
    def toolkit(self) -> Toolkit:
        """What chats share."""
        return Toolkit(self.toolbox, self.rules, fits=_fits, hands=self._hands_in, undo=self._undo)

    @property
    def folder(self) -> Path:
        """The folder that the file tools work in."""
        return Path(self._configuration.settings.workspace or self._profile.workspace)

    def hands(self, said: Sequence[Message] = ()) -> Hands:
        """The surroundings of a call outside any chat: nothing that it does to files is kept for undo."""
        return Hands("", tuple(said), self._egress, self._belongings)

    def _built_in(self) -> tuple[Tool, ...]:
        """Those that go out to the web are there once the person has switched it on."""
        is_on = self._configuration.settings.web_tools
        return tuple(one for one in BUILTIN_TOOLS if is_on or one.risk != "web")

    def _hands_in(self, database: Database, chat: str, answer: str, said: tuple[Message, ...]) -> Hands:
        """What a call works with: the workspace, the notes, and undo beside the chat."""
        return Hands(chat, said, self._egress, self._belongings, self._undo(database).of_answer(answer))

    def _undo(self, database: Database) -> Undo:
        return Undo(database, self._workspace_at)

    def _workspace_at(self, folder: str) -> Workspace:
        if folder not in self._workspaces:
            self._workspaces[folder] = Workspace(Path(folder), closed=(self._profile.data_dir,))
        return self._workspaces[folder]

    @property
    def _belongings(self) -> Belongings:
        browser = Browser() if self._configuration.settings.web_tools else None
        return Belongings(self._workspace_at(str(self.folder)), self.notes, browser)


def _fits(engine: Engine) -> Offering:
    """What a model is told of by itself: everything, where it calls tools natively, as far as is known, and has room to
    read of them. Another is lost among many; of the starter model's questions, the words call the few (see
    engines/suggestions.py)."""
    has_room = (engine.context_tokens or ROOM_FOR_TOOLS) >= ROOM_FOR_TOOLS
    return "all" if engine.way == "native" and has_room else "few"
