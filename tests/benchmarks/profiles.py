"""Makes a data folder with many chats, the same for the same numbers.

    uv run --group dev python -m tests.benchmarks.profiles FOLDER [CHATS MESSAGES]

Words are drawn as they are in language: a few very often, most of them seldom. The two chats that were changed last are
called "A short chat" (10 messages) and "A long chat" (1,000).
"""

from __future__ import annotations

import itertools
import random
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from assistant.database import Database
from assistant.messages import Message, Text
from assistant.paths import Profile
from assistant.records import StoredConversation, StoredMessage, insert_conversation, save_message
from assistant.store import Store

CHATS, MESSAGES = 10_000, 200_000
SHORT, LONG = ("A short chat", 10), ("A long chat", 1_000)
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SYLLABLES = [a + b for a in "bdfghjklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "el", "ir", "on", "us")]


class Words:
    """A language of 30,000 words, of which the Nth is said 1/N times as often as the first."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.vocabulary = list(
            dict.fromkeys("".join(self._random.choices(SYLLABLES, k=self._random.randint(2, 4))) for _ in range(33_000))
        )[:30_000]
        self._weights = list(itertools.accumulate(1 / rank for rank in range(1, len(self.vocabulary) + 1)))

    def say(self, shortest: int, longest: int) -> str:
        count = self._random.randint(shortest, longest)
        return " ".join(self._random.choices(self.vocabulary, cum_weights=self._weights, k=count)).capitalize() + "."


def make(data_dir: Path, chats: int = CHATS, messages: int = MESSAGES) -> None:
    """A new profile with so many chats, and as many messages in all; 0 chats makes an empty one."""
    profile = Profile(data_dir)
    profile.create()
    store = Store(Database(profile.database))
    words = Words(seed=5)
    special = [SHORT, LONG] if chats else []
    each = max((messages - sum(count for _, count in special)) // max(chats - len(special), 1), 1)
    plain = [(words.say(2, 5), each) for _ in range(chats - len(special))]
    with store.database.writing() as db:
        for number, (title, count) in enumerate([*plain, *special]):
            said = (words.say(20, 120) if index % 2 else words.say(4, 30) for index in range(count))
            _put_chat(db, number, title, NOW - timedelta(minutes=30 * (chats - number)), said)
    store.close()


def make_one(data_dir: Path, said: Sequence[str]) -> None:
    """A new profile with one chat that says this, questions and answers in turns; of nothing, an empty profile."""
    profile = Profile(data_dir)
    profile.create()
    store = Store(Database(profile.database))
    with store.database.writing() as db:
        if said:
            _put_chat(db, 0, LONG[0], NOW, said)
    store.close()


def _put_chat(db: sqlite3.Connection, number: int, title: str, began: datetime, said: Iterable[str]) -> None:
    chat = StoredConversation(f"{number:032x}", title, titled_by="engine", created_at=began, updated_at=began)
    insert_conversation(db, chat)
    last: str | None = None
    for index, text in enumerate(said):
        message = Message("assistant" if index % 2 else "user", (Text(text),))
        item = StoredMessage(f"{number:012x}{index:020x}", last, message, "complete", created_at=began)
        save_message(db, item, chat.id)
        last = item.id
    db.execute("UPDATE conversations SET leaf_id = ? WHERE id = ?", (last, chat.id))


if __name__ == "__main__":
    make(Path(sys.argv[1]), *map(int, sys.argv[2:4]))
