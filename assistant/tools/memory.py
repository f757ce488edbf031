"""What the assistant remembers from one chat to the next: tools over the person's notes."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from assistant.errors import ToolError
from assistant.tools.hands import Hands
from assistant.tools.notes import LONGEST_NOTE

_SHOWN = 50

NoteText = Annotated[str, Field(min_length=1, max_length=LONGEST_NOTE)]


def remember(hands: Hands, note: NoteText) -> str:
    """Note something about the user or their work that will matter in later chats too, in one sentence."""
    return "Noted." if hands.notes.add(note) else "That was noted already."


def recall(hands: Hands, about: Annotated[str, Field(max_length=200)] = "") -> str:
    """Look up what was noted in earlier chats: all of it, or what has one of these words in it."""
    notes = hands.notes.all()
    words = [word for word in re.findall(r"\w+", about.lower()) if len(word) > 2]
    found = [note for note in notes if any(word in note.lower() for word in words)] if words else notes
    if not found:
        return (
            f"Nothing was noted about that. There are {len(notes)} other notes." if notes else "Nothing was noted yet."
        )
    more = [f"... and {len(found) - _SHOWN} older ones"] if len(found) > _SHOWN else []
    return "\n".join([*(f"- {note}" for note in found[-_SHOWN:]), *more])


def forget(hands: Hands, note: NoteText) -> str:
    """Delete a note, given word by word as `recall` shows it."""
    if not hands.notes.remove(note.removeprefix("- ")):
        raise ToolError("tool-note-missing")
    return "The note is gone."
