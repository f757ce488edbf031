"""What one open page shows. Gradio keeps a PageState for each page, and hands the same one to every handler."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Literal

from assistant.conversation import Conversation

LISTED = 60
DRAWN_SECONDS = 1.2

FormOfChat = Literal["rename", "move", "export"]
Question = Literal["", "rename", "move", "export", "erase"]


@dataclass
class PageState:
    """The chat that the page shows, what the side bar lists, and what the person is about to do: `editing` is the id of
    a question, `asked` what a form or a question on the page is about."""

    conversation: Conversation | None = None
    editing: str = ""
    target: str = ""  # a message that was jumped to
    query: str = ""
    listed: int = LISTED
    open_folders: frozenset[str] = frozenset()
    shows_archived: bool = False
    asked: Question = ""
    asked_about: str = ""
    deleted: str = ""  # the chat that can be had back
    turning: asyncio.Lock = field(default_factory=asyncio.Lock)  # held until the page shows the chat it was told to
    asked_for_at: float = field(default_factory=time.monotonic)

    async def is_drawn(self) -> None:
        """Waits until a page that has just been loaded shows what it was given. What comes sooner may be covered by it
        again: the browser applies the two in either order (seen in Gradio 6.31)."""
        await asyncio.sleep(self.asked_for_at + DRAWN_SECONDS - time.monotonic())

    def turn_to(self, conversation: Conversation | None) -> None:
        """Shows a chat from its end."""
        self.conversation, self.editing, self.target = conversation, "", ""
        if self.asked == "erase":
            self.asked = ""
