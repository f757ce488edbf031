"""What one open page shows. Gradio keeps a PageState for each page, and hands the same one to every handler."""

from __future__ import annotations

import asyncio
import time
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
    prints: int = 0  # how often the page was asked to print
    shown_on_screen: int = 0  # what `shown` is after printing
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
        self.conversation, self.shown, self.editing, self.target = conversation, SCREENFUL, "", ""
        self.shown_on_screen = 0
        if self.asked == "erase":
            self.asked = ""

    def print_all(self, count: int) -> None:
        """Shows all messages of the chat, which are `count`, for the page to print them."""
        self.shown_on_screen = self.shown_on_screen or self.shown
        self.shown, self.prints = max(self.shown, count), self.prints + 1

    def end_printing(self) -> bool:
        """Shows what stood there before: a page with all of a long chat in it is slow. Whether that is less."""
        was_shown, self.shown = self.shown, self.shown_on_screen or self.shown
        self.shown_on_screen = 0
        return self.shown < was_shown
