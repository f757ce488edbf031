"""What one open page shows. Gradio keeps a PageState for each page, and hands the same one to every handler."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from assistant.conversation import Conversation

LISTED = 60

Offered = tuple[tuple[str, str], ...]
"""Models that can be picked, each with its words and its value."""

FormOfChat = Literal["rename", "move", "export"]
Question = Literal["", "rename", "move", "export", "erase", "other", "rewind"]


@dataclass
class PageState:
    """The chat that the page shows, what the side bar lists, and what the person is about to do: `editing` is the id of
    a question, `asked` what a form or a question on the page is about."""

    conversation: Conversation | None = None
    editing: str = ""
    target: str = ""  # a message that was jumped to
    offered: Offered = ()
    turns: int = 0  # how often another chat was shown: what the scripts are told may come late, and out of order
    query: str = ""
    listed: int = LISTED
    open_folders: frozenset[str] = frozenset()
    shows_archived: bool = False
    asked: Question = ""
    asked_about: str = ""
    deleted: str = ""  # the chat that can be had back until
    deleted_until: float = 0.0  # this moment (time.monotonic)
    turning: asyncio.Lock = field(default_factory=asyncio.Lock)  # held until the page shows the chat it was told to

    def turn_to(self, conversation: Conversation | None) -> None:
        """Shows a chat from its end."""
        self.conversation, self.editing, self.target = conversation, "", ""
        self.turns += 1
        if self.asked in ("erase", "other", "rewind"):
            self.asked = ""
