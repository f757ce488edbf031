"""What a tool is given to work with, besides its arguments."""

from __future__ import annotations

from dataclasses import dataclass

from assistant.egress import Egress
from assistant.messages import Message


@dataclass(frozen=True)
class Hands:
    """One call's surroundings: the chat it is part of and what was said in it, and the way out of this machine."""

    chat_id: str
    messages: tuple[Message, ...]
    egress: Egress
