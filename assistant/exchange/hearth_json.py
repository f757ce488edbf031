"""Hearth's own format: everything that the store knows of a chat, as JSON. What goes out comes in the same."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, get_args

from assistant.attachments import Attachments
from assistant.database import now
from assistant.events import UsageReported
from assistant.exchange.brought import Brought, Data, Unreadable, mapping, moment, sequence, text
from assistant.messages import Attachment, Message
from assistant.records import Failure, Mark, MessageStatus, StoredConversation, StoredMessage, TitledBy

FORMAT, VERSION = "hearth-export", 1
_STATUSES: tuple[str, ...] = get_args(MessageStatus)
_TITLED_BY: tuple[str, ...] = get_args(TitledBy)
_MARKS: tuple[str, ...] = get_args(Mark)
_ROLES = ("system", "user", "assistant", "tool")


def is_hearth(data: Any) -> bool:
    """Whether this is an export of Hearth's."""
    return mapping(data).get("format") == FORMAT


def chats_of(data: Any) -> list[Any]:
    """The chats in an export. Raises Unreadable for one of a newer Hearth."""
    if mapping(data).get("version") != VERSION:
        raise Unreadable("newer-export")
    return list(sequence(mapping(data).get("chats")))


def write_chats(chats: Iterator[tuple[StoredConversation, list[StoredMessage]]], files: Attachments) -> Iterator[str]:
    """The export, piece by piece, so that no more than one chat is in memory."""
    head = {"format": FORMAT, "version": VERSION, "exported_at": now().isoformat()}
    yield json.dumps(head)[:-1] + ', "chats": ['
    for number, (conversation, messages) in enumerate(chats):
        yield (",\n" if number else "\n") + json.dumps(_chat_to_json(conversation, messages, files))
    yield "\n]}\n"


def read_chat(data: Any) -> Brought:
    """One chat of an export. Raises Unreadable."""
    source = mapping(data)
    try:
        messages = [_message_from_json(mapping(item)) for item in sequence(source.get("messages"))]
        _check_tree(messages)
        conversation = _conversation_from_json(source)
        files = {
            str(name): base64.b64decode(str(content), validate=True)
            for name, content in mapping(source.get("files")).items()
        }
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise Unreadable("damaged-chat") from error
    if conversation.leaf_id not in {item.id for item in messages}:
        raise Unreadable("no-messages" if not messages else "damaged-chat")
    return Brought(conversation, messages, files, keeps_ids=True)


# An address that came in a file must never be where a chat is sent; and nobody need know where it was answered.
_AT_HOME = ("is_deleted", "wish")


def _chat_to_json(chat: StoredConversation, messages: list[StoredMessage], files: Attachments) -> dict[str, Any]:
    held = {
        part.stored_as: base64.b64encode(content).decode()
        for part in (*chat.draft_files, *(file for item in messages for file in item.message.attachments))
        if (content := files.read(part)) is not None
    }
    return {
        **{name: value for name, value in asdict(chat).items() if name not in _AT_HOME},
        "created_at": chat.created_at.isoformat(),
        "updated_at": chat.updated_at.isoformat(),
        "messages": [_message_to_json(item) for item in messages],
        "files": held,
    }


def _message_to_json(item: StoredMessage) -> dict[str, Any]:
    return {
        "id": item.id,
        "parent_id": item.parent_id,
        **item.message.to_json(),
        "status": item.status,
        "model": item.model,
        "usage": asdict(item.usage) if item.usage else None,
        "failure": asdict(item.failure) if item.failure else None,
        "origin": item.origin,
        "created_at": item.created_at.isoformat(),
        "mark": item.mark,
        "stand_in": item.stand_in,
    }


def _conversation_from_json(source: Data) -> StoredConversation:
    titled_by, created, updated = source["titled_by"], moment(source["created_at"]), moment(source["updated_at"])
    if titled_by not in _TITLED_BY or created is None or updated is None:
        raise ValueError
    return StoredConversation(
        id=_id(source["id"]),
        title=text(source["title"]),
        leaf_id=source["leaf_id"],
        titled_by=titled_by,
        folder=text(source.get("folder")),
        draft=text(source.get("draft")),
        draft_files=tuple(_file(mapping(each)) for each in sequence(source.get("draft_files"))),
        is_pinned=source.get("is_pinned") is True,
        is_archived=source.get("is_archived") is True,
        origin=text(source.get("origin")) or None,
        created_at=created,
        updated_at=updated,
    )


def _check_tree(messages: Sequence[StoredMessage]) -> None:
    """Raises ValueError unless every id is there once, and every parent is among the messages and above its child."""
    parents = {item.id: item.parent_id for item in messages}
    if len(parents) < len(messages):
        raise ValueError
    rooted: set[str] = set()
    for name in parents:
        path: list[str] = []
        above: str | None = name
        while above is not None and above not in rooted:
            if len(path) > len(parents):
                raise ValueError
            path.append(above)
            above = parents[above]  # a KeyError for one that is not there
        rooted.update(path)


def _message_from_json(source: Data) -> StoredMessage:
    status, created = source["status"], moment(source["created_at"])
    usage, failure = mapping(source.get("usage")), mapping(source.get("failure"))
    mark, stand_in = source.get("mark"), source.get("stand_in")
    if status not in _STATUSES or created is None or source["role"] not in _ROLES:
        raise ValueError
    return StoredMessage(
        id=_id(source["id"]),
        parent_id=None if source["parent_id"] is None else _id(source["parent_id"]),
        message=_message(source),
        status="interrupted" if status == "streaming" else status,
        model=text(source.get("model")) or None,
        usage=UsageReported(**usage) if usage else None,
        failure=Failure(str(failure["key"]), {str(k): str(v) for k, v in mapping(failure["values"]).items()})
        if failure
        else None,
        origin=text(source.get("origin")) or None,
        created_at=created,
        mark=mark if mark in _MARKS else None,
        stand_in=stand_in if isinstance(stand_in, str) else None,
    )


def _message(source: Data) -> Message:
    said = Message.from_json(source)
    for part in said.parts:
        if any(not isinstance(value, (str, bool)) for value in asdict(part).values()):
            raise TypeError
    return said


def _file(source: Data) -> Attachment:
    return Attachment(*(text(source[name]) for name in ("name", "media_type", "stored_as")))


def _id(value: Any) -> str:
    """An id as Hearth makes them: what is in a file must not become a path or a command."""
    if not isinstance(value, str) or len(value) != 32 or set(value) - set("0123456789abcdef"):
        raise ValueError
    return value
