"""What one open page shows. Gradio keeps a PageState for each page, and hands the same one to every handler."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from assistant.conversation import Conversation

SCREENFUL = 30
LISTED = 60
DRAWN_SECONDS = 1.2

FormOfChat = Literal["rename", "move", "export"]
Question = Literal["", "rename", "move", "export", "erase"]


@dataclass
class PageState:
    """A chat and how many of its last messages are in the page (`shown`), what the side bar lists, and what the person
    is about to do: `editing` is the id of a question, `asked` what a form or a question on the page is about."""

    conversation: Conversation | None = None
    shown: int = SCREENFUL
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
    drawn: asyncio.Event = field(default_factory=asyncio.Event)  # the page has said so

    async def is_drawn(self) -> None:
        """Waits until a page that has just been loaded shows what it was given. What comes sooner may be covered by it
        again: the browser applies the two in either order (seen in Gradio 6.31)."""
        with suppress(TimeoutError):  # it says so only once nothing of it changes any more
            async with asyncio.timeout(max(0.0, self.asked_for_at + DRAWN_SECONDS - time.monotonic())):
                await self.drawn.wait()

    def is_shown(self) -> None:
        """The page says that it has applied what it was given when it was loaded."""
        self.drawn.set()

    def turn_to(self, conversation: Conversation | None) -> None:
        """Shows a chat from its end."""
        self.conversation, self.shown, self.editing, self.target = conversation, SCREENFUL, "", ""
        if self.asked == "erase":
            self.asked = ""
