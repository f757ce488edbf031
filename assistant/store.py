"""Chats on disk: a SQLite file that holds every word before it has been on screen for long."""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from assistant.errors import StoreError
from assistant.events import UsageReported
from assistant.messages import Message, parts_from_json, parts_to_json
from assistant.migrations import migrate

MessageStatus = Literal["streaming", "complete", "cut", "stopped", "interrupted", "failed"]


@dataclass(frozen=True)
class Failure:
    """Why an answer failed, as the key and values of its error, so that it can be told in any language later."""

    key: str
    values: dict[str, str]


@dataclass(frozen=True)
class StoredMessage:
    """A message with its place in the tree. "cut" is an answer that hit the limit of tokens, "stopped" one the person
    ended, "interrupted" one that Hearth did not live to finish."""

    id: str
    parent_id: str | None
    message: Message
    status: MessageStatus
    model: str | None = None
    usage: UsageReported | None = None
    failure: Failure | None = None


@dataclass(frozen=True)
class StoredConversation:
    """A chat and the message it is shown up to; `title` is empty until it has one."""

    id: str
    title: str
    leaf_id: str | None


class Store:
    """The chats of one profile. Any thread may call; writes are one after the other. Every method may raise StoreError.

    A write is on the disk when its method returns (`synchronous=FULL`), and readers never wait for it (WAL).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        with self._told():
            path.touch(mode=0o600)
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=5)
            self._connection.row_factory = sqlite3.Row
            try:
                self._open()
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Closes the file; the store is not used afterwards."""
        with self._lock:
            self._connection.close()

    def add_conversation(self) -> StoredConversation:
        """A new, empty chat."""
        conversation = StoredConversation(_new_id(), "", None)
        now = _now()
        with self._writing() as db:
            db.execute(
                "INSERT INTO conversations (id, created_at, updated_at) VALUES (?, ?, ?)", (conversation.id, now, now)
            )
        return conversation

    def last_conversation(self) -> StoredConversation | None:
        """The chat that was changed last."""
        with self._reading() as db:
            row = db.execute(
                "SELECT id, title, leaf_id FROM conversations ORDER BY updated_at DESC, rowid DESC LIMIT 1"
            ).fetchone()
        return StoredConversation(**row) if row else None

    def save_messages(self, conversation_id: str, *messages: StoredMessage) -> None:
        """Writes messages, parents first, all or none: new ones are added, known ones say what they say now. The last
        one becomes the chat's leaf."""
        now = _now()
        with self._writing() as db:
            for item in messages:
                db.execute(_SAVE_MESSAGE, _message_values(item, conversation_id, now))
                if item.usage is not None:
                    db.execute(
                        "INSERT OR REPLACE INTO usage (message_id, prompt_tokens, completion_tokens, tokens_per_second)"
                        " VALUES (?, ?, ?, ?)",
                        (item.id, item.usage.prompt_tokens, item.usage.completion_tokens, item.usage.tokens_per_second),
                    )
            db.execute(
                "UPDATE conversations SET leaf_id = ?, updated_at = ? WHERE id = ?",
                (messages[-1].id, now, conversation_id),
            )

    def branch(self, leaf_id: str | None) -> list[StoredMessage]:
        """The messages from the first one down to `leaf_id`, in order; empty for None."""
        with self._reading() as db:
            rows = db.execute(
                """
                WITH RECURSIVE up (id, depth) AS (
                    SELECT ?, 0
                    UNION ALL
                    SELECT messages.parent_id, up.depth + 1 FROM messages JOIN up ON messages.id = up.id
                    WHERE messages.parent_id IS NOT NULL
                )
                SELECT m.*, u.message_id AS counted, u.prompt_tokens, u.completion_tokens, u.tokens_per_second
                FROM up JOIN messages m ON m.id = up.id LEFT JOIN usage u ON u.message_id = m.id
                ORDER BY up.depth DESC
                """,
                (leaf_id,),
            ).fetchall()
        return [_stored_message(row) for row in rows]

    def _open(self) -> None:
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("PRAGMA secure_delete = ON")
        migrate(self._connection)  # refuses a newer file before anything is written to it
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("UPDATE messages SET status = 'interrupted' WHERE status = 'streaming'")

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        with self._lock, self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        with self._lock, self._told():
            yield self._connection

    @contextmanager
    def _told(self) -> Generator[None]:
        """Turns what SQLite and the system raise into our errors."""
        try:
            yield
        except (sqlite3.Error, OSError, OverflowError, UnicodeError) as error:
            raise StoreError(_fault(error), path=self._path, reason=str(error)) from error


_SAVE_MESSAGE = """
    INSERT INTO messages (id, conversation_id, parent_id, role, parts, status, failure, model, created_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
        role = excluded.role, parts = excluded.parts, status = excluded.status,
        failure = excluded.failure, model = excluded.model
"""


def _message_values(item: StoredMessage, conversation_id: str, now: str) -> tuple[str | None, ...]:
    return (
        item.id,
        conversation_id,
        item.parent_id,
        item.message.role,
        _dump(parts_to_json(item.message.parts)),
        item.status,
        None if item.failure is None else _dump({"key": item.failure.key, "values": item.failure.values}),
        item.model,
        now,
    )


def new_message(
    parent_id: str | None, message: Message, *, status: MessageStatus = "complete", model: str | None = None
) -> StoredMessage:
    """A message with an id of its own, below `parent_id`."""
    return StoredMessage(_new_id(), parent_id, message, status, model)


def _fault(error: Exception) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return "store.corrupt"
    return "store.full" if name.startswith("SQLITE_FULL") else "store.unavailable"


def _stored_message(row: sqlite3.Row) -> StoredMessage:
    usage = UsageReported(row["prompt_tokens"], row["completion_tokens"], row["tokens_per_second"])
    return StoredMessage(
        id=row["id"],
        parent_id=row["parent_id"],
        message=Message(row["role"], parts_from_json(json.loads(row["parts"]))),
        status=row["status"],
        model=row["model"],
        usage=usage if row["counted"] else None,
        failure=Failure(**json.loads(row["failure"])) if row["failure"] else None,
    )


def _dump(value: Any) -> str:
    """JSON in ASCII: lone surrogates stay escaped, so that any text a model may send can be stored."""
    return json.dumps(value)


def _new_id() -> str:
    return uuid.uuid4().hex


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
