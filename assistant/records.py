"""Chats and messages as they are stored: values, and how rows of the database become them and back."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from assistant.database import as_text, now
from assistant.events import UsageReported
from assistant.messages import Attachment, Message, ToolCall, parts_from_json, parts_to_json
from assistant.pick import NO_WISH, THINKING, Pick, Wish

MessageStatus = Literal["streaming", "complete", "cut", "stopped", "interrupted", "failed"]
TitledBy = Literal["nobody", "words", "engine", "person", "import"]
Mark = Literal["pinned", "left_out"]


@dataclass(frozen=True)
class Failure:
    """Why an answer failed, as the key and values of its error, so that it can be told in any language later."""

    key: str
    values: dict[str, str]


@dataclass(frozen=True)
class StoredMessage:
    """A message with its place in the tree. "cut" is an answer that hit the limit of tokens, "stopped" one the person
    ended, "interrupted" one that Hearth did not live to finish. `origin` is its name where it was brought in from.

    Of a "pinned" message the model is always sent the words, of one that is "left_out" never. `stand_in` is not None
    where the model reads it in place of everything down to this message: a summary, or nothing; see `context`."""

    id: str
    parent_id: str | None
    message: Message
    status: MessageStatus
    model: str | None = None
    usage: UsageReported | None = None
    failure: Failure | None = None
    origin: str | None = field(default=None, compare=False)
    created_at: datetime = field(default_factory=now, compare=False)
    mark: Mark | None = None
    stand_in: str | None = None


@dataclass(frozen=True)
class StoredConversation:
    """A chat: `leaf_id` is the message it is shown up to, `title` is empty until it has one, `folder`, `draft` and
    `draft_files` may be empty. `origin` names where it was brought in from, such as "chatgpt:ID"; at most one chat has
    it."""

    id: str
    title: str = ""
    leaf_id: str | None = None
    titled_by: TitledBy = "nobody"
    folder: str = ""
    draft: str = ""
    draft_files: tuple[Attachment, ...] = ()
    is_pinned: bool = False
    is_archived: bool = False
    is_deleted: bool = False
    origin: str | None = None
    wish: Wish = NO_WISH
    created_at: datetime = field(default_factory=now, compare=False)
    updated_at: datetime = field(default_factory=now, compare=False)


def new_message(
    parent_id: str | None, message: Message, *, status: MessageStatus = "complete", model: str | None = None
) -> StoredMessage:
    """A message with an id of its own, below `parent_id`."""
    return StoredMessage(new_id(), parent_id, message, status, model)


def new_id() -> str:
    """An id for a chat or a message that nothing else has and nobody can guess."""
    return uuid.uuid4().hex


def stored_conversation(row: sqlite3.Row) -> StoredConversation:
    """A chat from a row of the table `conversations`."""
    return StoredConversation(
        id=row["id"],
        title=row["title"],
        leaf_id=row["leaf_id"],
        titled_by=row["titled_by"],
        folder=row["folder"],
        draft=row["draft"],
        draft_files=files_from(row["draft_files"]),
        is_pinned=row["pinned_at"] is not None,
        is_archived=row["archived_at"] is not None,
        is_deleted=row["deleted_at"] is not None,
        origin=row["origin"],
        wish=_wish(row),
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )


def wish_columns(wish: Wish) -> tuple[str | None, str, str]:
    """The columns `picked_endpoint`, `picked_model` and `thinking`."""
    if wish.pick is None:
        return None, "", wish.thinking
    return _clean(wish.pick.endpoint), _clean(wish.pick.model), wish.thinking


def _wish(row: sqlite3.Row) -> Wish:
    endpoint, thinking = row["picked_endpoint"], row["thinking"]
    pick = None if endpoint is None else Pick(endpoint, row["picked_model"])
    return Wish(pick, thinking if thinking in THINKING else "")


def insert_conversation(db: sqlite3.Connection, chat: StoredConversation) -> None:
    """Adds a chat without its messages, inside a transaction."""
    updated = as_text(chat.updated_at)
    db.execute(
        "INSERT INTO conversations (id, title, titled_by, folder, draft, draft_files, pinned_at, archived_at, origin,"
        " picked_endpoint, picked_model, thinking, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(chat.id, _clean(chat.title), chat.titled_by, _clean(chat.folder), _clean(chat.draft)),
            files_column(chat.draft_files),
            *(updated if chat.is_pinned else None, updated if chat.is_archived else None),
            chat.origin,
            *wish_columns(chat.wish),
            *(as_text(chat.created_at), updated),
        ),
    )


_ADD = """
    INSERT INTO messages
        (id, conversation_id, parent_id, role, parts, status, failure, model, created_at, origin, mark, stand_in)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_OR_CHANGE = """
    ON CONFLICT (id) DO UPDATE SET
        role = excluded.role, parts = excluded.parts, status = excluded.status,
        failure = excluded.failure, model = excluded.model, mark = excluded.mark, stand_in = excluded.stand_in
"""


def save_message(
    db: sqlite3.Connection, item: StoredMessage, conversation_id: str, *, must_be_new: bool = False
) -> None:
    """Writes one message inside a transaction: a new one is added, a known one says what it says now, or is an
    IntegrityError where it must be new."""
    db.execute(
        _ADD if must_be_new else _ADD + _OR_CHANGE,
        (
            item.id,
            conversation_id,
            item.parent_id,
            item.message.role,
            _dump(parts_to_json(item.message.parts)),
            item.status,
            None if item.failure is None else _dump({"key": item.failure.key, "values": item.failure.values}),
            item.model,
            as_text(item.created_at),
            item.origin,
            item.mark,
            None if item.stand_in is None else _clean(item.stand_in),
        ),
    )
    if item.usage is not None:
        db.execute(
            "INSERT OR REPLACE INTO usage (message_id, prompt_tokens, completion_tokens, tokens_per_second)"
            " VALUES (?, ?, ?, ?)",
            (item.id, item.usage.prompt_tokens, item.usage.completion_tokens, item.usage.tokens_per_second),
        )


def stored_message(row: sqlite3.Row) -> StoredMessage:
    """A message from a row of `messages` and, as `counted` and its figures, of `usage`."""
    usage = UsageReported(row["prompt_tokens"], row["completion_tokens"], row["tokens_per_second"])
    return StoredMessage(
        id=row["id"],
        parent_id=row["parent_id"],
        message=Message(row["role"], parts_from_json(json.loads(row["parts"]))),
        status=row["status"],
        model=row["model"],
        usage=usage if row["counted"] else None,
        failure=Failure(**json.loads(row["failure"])) if row["failure"] else None,
        origin=row["origin"],
        created_at=datetime.fromisoformat(row["created_at"]),
        mark=row["mark"],
        stand_in=row["stand_in"],
    )


def attached(parts: str) -> set[str]:
    """The files that a message's parts name, from the column `parts`."""
    return {part.stored_as for part in files_from(parts)} if '"attachment"' in parts else set()


def files_from(parts: str) -> tuple[Attachment, ...]:
    """The files in the column `parts` of a message, or `draft_files` of a chat."""
    return tuple(part for part in parts_from_json(json.loads(parts)) if isinstance(part, Attachment))


def files_column(files: Sequence[Attachment]) -> str:
    """The column `draft_files`."""
    return _dump(parts_to_json(files))


def called(parts: str) -> set[str]:
    """The ids of the tool calls in a message's parts, from the column `parts`."""
    if '"tool_call"' not in parts:
        return set()
    return {part.id for part in parts_from_json(json.loads(parts)) if isinstance(part, ToolCall)}


def _clean(text: str) -> str:
    """Text that SQLite holds as it is: halves of characters cannot be, and NUL would hide what follows it."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def _dump(value: Any) -> str:
    """JSON in ASCII: lone surrogates stay escaped, so that any text a model may send can be stored."""
    return json.dumps(value)
