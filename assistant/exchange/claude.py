"""Claude's export: `conversations.json`, one list of messages for each chat, with parents in the newer ones."""

from __future__ import annotations

import json
from typing import Any

from assistant.exchange.brought import Brought, Data, Unreadable, chat, mapping, message, moment, sequence, text
from assistant.messages import Message, Part, Reasoning, Text, ToolCall, ToolResult
from assistant.records import StoredMessage


def is_claude(data: Any) -> bool:
    """Whether this is a list of Claude's chats."""
    return any("chat_messages" in mapping(item) for item in sequence(data)[:20])


def read_chat(data: Any) -> Brought:
    """One chat. Raises Unreadable."""
    source = mapping(data)
    source_id = text(source.get("uuid"))
    found = [mapping(item) for item in sequence(source.get("chat_messages"))]
    if not source_id or not found:
        raise Unreadable("no-messages")
    ends: dict[str, str] = {}  # the last message that each of theirs became
    messages: list[StoredMessage] = []
    names = {text(item.get("uuid")) for item in found}
    has_parents = any(text(item.get("parent_message_uuid")) in names for item in found)
    for number, item in enumerate(found):
        name = text(item.get("uuid")) or f"{number}"
        parent = ends.get(text(item.get("parent_message_uuid"))) if has_parents else None
        if not has_parents and messages:
            parent = messages[-1].id
        created = moment(item.get("created_at"))
        for place, said in enumerate(_said(item)):
            origin = f"{name}#{place}" if place else name
            messages.append(message(parent, said, origin=origin, created_at=created))
            parent = messages[-1].id
        if parent is not None:
            ends[name] = parent
    shown = ends.get(text(source.get("current_leaf_message_uuid")))
    return chat(
        f"claude:{source_id}",
        text(source.get("name")),
        messages,
        leaf_origin=next((item.origin for item in messages if item.id == shown), None),
        created_at=moment(source.get("created_at")),
        updated_at=moment(source.get("updated_at")),
        is_pinned=source.get("is_starred") is True,
    )


def _said(item: Data) -> list[Message]:
    """One of their messages as ours: where a tool answers in its middle, it is three."""
    is_person = item.get("sender") == "human"
    said: list[Message] = []
    parts: list[Part] = []
    for block in map(mapping, sequence(item.get("content"))):
        part = _part(block)
        if isinstance(part, ToolResult):
            said += [Message("assistant", tuple(parts))] if parts else []
            said.append(Message("tool", (part,)))
            parts = []
        elif part is not None:
            parts.append(part)
    if not parts and not said and text(item.get("text")):
        parts.append(Text(text(item.get("text"))))
    for file in map(mapping, [*sequence(item.get("attachments")), *sequence(item.get("files"))]):
        name, content = text(file.get("file_name")), text(file.get("extracted_content"))
        if name or content:
            parts.append(Text(f"\n\n[{name}]\n{content}".rstrip()))
    return [*said, Message("user" if is_person else "assistant", tuple(parts))] if parts else said


def _part(block: Data) -> Part | None:
    match block.get("type"):
        case "text":
            return Text(text(block.get("text"))) if text(block.get("text")) else None
        case "thinking":
            return Reasoning(text(block.get("thinking"))) if text(block.get("thinking")) else None
        case "tool_use":
            arguments = json.dumps(block.get("input"), ensure_ascii=False)
            return ToolCall(text(block.get("id")), text(block.get("name")), arguments)
        case "tool_result":
            content = block.get("content")
            words = text(content) or "\n".join(text(mapping(p).get("text")) for p in sequence(content))
            return ToolResult(text(block.get("tool_use_id")), words, block.get("is_error") is True)
        case _:
            return Text(f"```json\n{json.dumps(dict(block), ensure_ascii=False, indent=1)}\n```")
