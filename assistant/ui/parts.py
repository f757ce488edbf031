"""What the page works with: handed to it by the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from assistant.caretaker import Caretaker
from assistant.configuration import Configuration
from assistant.conversations import Conversations
from assistant.egress import Visit
from assistant.engines.neighbours import Neighbourhood
from assistant.errors import HearthError
from assistant.events import ModelLoading
from assistant.exchange.exporter import Exporter
from assistant.exchange.importer import Importer
from assistant.servers import Servers
from assistant.ui.check import TargetCheck
from assistant.ui.engine_page import EngineDesk
from assistant.ui.models_tab import Models
from assistant.ui.reach_page import Reach
from assistant.ui.tools_tab import Tools


@dataclass(frozen=True)
class Parts:
    """One of each. `notice` says what is wrong with Hearth's files, `speak` serves the page in
    the language of the settings from now on and gives its code, `visits` gives the connections that were made, the
    newest first, `loading` how far a model of the built-in engine has come into the memory."""

    conversations: Conversations
    configuration: Configuration
    check: TargetCheck
    notice: Callable[[], HearthError | None]
    speak: Callable[[], Awaitable[str]]
    visits: Callable[[], list[Visit]]
    loading: Callable[[], ModelLoading | None]
    neighbourhood: Neighbourhood
    models: Models
    desk: EngineDesk
    caretaker: Caretaker
    importer: Importer
    exporter: Exporter
    servers: Servers
    tools: Tools
    reach: Reach
