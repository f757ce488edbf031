"""A question to the person at the keyboard."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from assistant.errors import ToolError
from assistant.tools.hands import Hands
from assistant.tools.tool import Choice

Question = Annotated[str, Field(min_length=1, max_length=1000)]
Options = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=200)]],
    Field(min_length=2, max_length=8, description="The answers to choose from, each a few words."),
]


def ask_user(hands: Hands, question: Question, options: Options) -> str:  # noqa: ARG001  # the card shows them
    """Let the user choose between options, where going on depends on what they want. They may also answer in their own
    words."""
    if not hands.word:
        raise ToolError("tool-nobody-asked")
    return hands.word


def preview_choice(hands: Hands, question: str, options: list[str]) -> Choice:  # noqa: ARG001
    """The card is the question itself."""
    return Choice(question, tuple(dict.fromkeys(options)))
