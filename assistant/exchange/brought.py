"""What every format is turned into, and careful looks at data that somebody else made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from assistant.messages import Message
from assistant.records import MessageStatus, StoredConversation, StoredMessage, TitledBy, new_id

Data = Mapping[str, Any]


class Unreadable(Exception):
    """A file or a chat that cannot be brought in; `key` is that of a sentence below "exchange.skip."."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key, self.values = key, values


@dataclass(frozen=True)
class FileBeside:
    """A file that came with an export."""

    name: str
    content: bytes


FindFile = Callable[[str], FileBeside | None]
"""Finds a file beside the chats by its id or name; None where it did not come along."""


@dataclass(frozen=True)
class Brought:
    """A chat as it was brought: a tree of messages whose `origin` is their name at home. `keeps_ids` says that the ids
    are those of a Hearth, and the same message has the same id here. `files` are stored under these names."""

    conversation: StoredConversation
    messages: Sequence[StoredMessage]
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    keeps_ids: bool = False


def chat(
    origin: str,
    title: str,
    messages: Sequence[StoredMessage],
    *,
    leaf_origin: str | None = None,
    chat_id: str | None = None,
    created_at: datetime | None = None,
    updated_at: datetime | None = None,
    is_pinned: bool = False,
    is_archived: bool = False,
    folder: str = "",
    titled_by: TitledBy = "import",
    files: Mapping[str, bytes] | None = None,
) -> Brought:
    """A chat that other programs exported, shown up to the message `leaf_origin`, else to the last one."""
    if not messages:
        raise Unreadable("empty")
    leaf = next((item.id for item in messages if item.origin == leaf_origin), messages[-1].id)
    moment = created_at or messages[0].created_at
    conversation = StoredConversation(
        chat_id or new_id(),
        _whole(title.strip() or messages[0].message.text[:60]),
        leaf,
        titled_by=titled_by,
        folder=folder,
        is_pinned=is_pinned,
        is_archived=is_archived,
        origin=_whole(origin),
        created_at=moment,
        updated_at=updated_at or max(item.created_at for item in messages),
    )
    return Brought(conversation, messages, files or {})


def message(
    parent_id: str | None,
    said: Message,
    *,
    origin: str,
    model: str | None = None,
    created_at: datetime | None = None,
    status: MessageStatus = "complete",
) -> StoredMessage:
    """A message with an id of its own."""
    moment = created_at or datetime.now(UTC)
    named = _whole(model) if model else None
    return StoredMessage(new_id(), parent_id, said, status, named, origin=_whole(origin), created_at=moment)


def _whole(name: str) -> str:
    """A name without halves of characters, such as an emoji that was cut: a column holds none. (Messages may.)"""
    return name.encode("utf-8", "replace").decode()


def mapping(value: Any) -> Data:
    """The value if it is an object, else an empty one."""
    return cast("Data", value) if isinstance(value, Mapping) else {}


def sequence(value: Any) -> Sequence[Any]:
    """The value if it is a list, else an empty one."""
    return cast("Sequence[Any]", value) if isinstance(value, list) else ()


def text(value: Any) -> str:
    """The value if it is text, else an empty one."""
    return value if isinstance(value, str) else ""


def moment(value: Any) -> datetime | None:
    """A time from seconds (or milliseconds) since 1970, or from ISO 8601 text; None for anything else."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
