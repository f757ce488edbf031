"""A chat's title: the first words of its first question at once, better ones by the engine once it has answered."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

from assistant.engines import Engine, GenerationOptions
from assistant.errors import EngineError
from assistant.events import TextDelta
from assistant.messages import Message, Text, user

log = logging.getLogger(__name__)

LONGEST_FIRST_WORDS = 60
LONGEST_TITLE = 80
LONGEST_BEGINNING, LONGEST_EXCERPT = 8000, 1500
# Behind the chat itself and not instead of it: the engine has read that already, and keeps it for what comes next.
REQUEST = (
    "Write a title for this conversation in at most six words, in the language of the conversation."
    " Answer with the title alone, without quotation marks."
)
OPTIONS = GenerationOptions(temperature=0.2, max_tokens=32)


def first_words(question: str) -> str:
    """A title from a question: its first line's words, cut at a word's end."""
    line = next((" ".join(line.split()) for line in question.splitlines() if line.strip()), "")
    if len(line) <= LONGEST_FIRST_WORDS:
        return line
    cut = line[:LONGEST_FIRST_WORDS]
    return f"{cut[: cut.rfind(' ')] if ' ' in cut[20:] else cut}…"


async def engine_title(messages: Sequence[Message], engine: Engine) -> str:
    """A title by the engine for a chat that begins with `messages`; empty where it gave none that is fit to be shown.
    It never raises: a chat without a better title is no fault."""
    said = ""
    try:
        async with aclosing(engine.stream([*_beginning(messages), user(REQUEST)], OPTIONS)) as stream:
            async for event in stream:
                if isinstance(event, TextDelta):
                    said += event.text
    except EngineError as error:
        log.info("no title: %s", error)
        return ""
    except Exception:  # a border, as in `turn`: a title is not worth a chat
        log.exception("an engine raised what it should not")
        return ""
    return fit(said)


def _beginning(messages: Sequence[Message]) -> list[Message]:
    """The chat down to its first answer; a long one is cut, since some pay for every word that is read again."""
    first = next((i for i, message in enumerate(messages) if message.role == "assistant" and message.text), 0)
    beginning = [_in_words(message) for message in messages[: first + 1]]
    if sum(len(message.text) for message in beginning) <= LONGEST_BEGINNING:
        return beginning
    return [replace(message, parts=(Text(message.text[:LONGEST_EXCERPT]),)) for message in beginning if message.text]


def _in_words(message: Message) -> Message:
    """Without pictures, which take long to look at, and cost as much again where one pays."""
    words = "".join(f"({file.name})" for file in message.pictures)
    return user(f"{words}\n\n{message.text}") if words and message.role == "user" else message


def fit(said: str) -> str:
    """A model's words as a title: one line without quotes, headings and full stop; empty for a whole speech."""
    line = next((" ".join(line.split()) for line in said.splitlines() if line.strip()), "")
    line = re.sub(r"^(?:#+|[-*•]|title\s*:)\s*", "", line, flags=re.IGNORECASE)
    line = line.strip("\"'“”„«»`*_ ").removesuffix(".").strip("\"'“”„«»`*_ ")
    return line if 0 < len(line) <= LONGEST_TITLE else ""
