"""ChatGPT's export: `conversations.json`, one tree of nodes for each chat (as its data export gives it in 2026)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from mimetypes import guess_type
from typing import Any

from assistant.exchange.brought import (
    Brought,
    Data,
    FindFile,
    Unreadable,
    chat,
    mapping,
    message,
    moment,
    sequence,
    text,
)
from assistant.messages import Attachment, Message, Part, Reasoning, Role, Text, ToolCall, ToolResult
from assistant.records import StoredMessage, new_id


def is_chatgpt(data: Any) -> bool:
    """Whether this is a list of ChatGPT's chats."""
    return any("mapping" in mapping(item) for item in sequence(data)[:20])


def read_chat(data: Any, find: FindFile) -> Brought:
    """One chat. Raises Unreadable."""
    source = mapping(data)
    nodes = {str(key): mapping(node) for key, node in mapping(source.get("mapping")).items()}
    source_id = text(source.get("conversation_id")) or text(source.get("id"))
    if not nodes or not source_id:
        raise Unreadable("no-messages")
    chat_id = new_id()
    files = _Files(chat_id, find)
    ids: dict[str, str | None] = {}  # where a node's children hang: itself, or its parent's place if it says nothing
    messages: list[StoredMessage] = []
    for node_id, parent in _from_the_top(nodes):
        above = ids.get(parent) if parent is not None else None
        said = _said(node_id, mapping(nodes[node_id].get("message")), files)
        if said is None:
            ids[node_id] = above
            continue
        item = _stored(above, node_id, said, mapping(nodes[node_id].get("message")))
        ids[node_id] = item.id
        messages.append(item)
    current = text(source.get("current_node"))
    shown = {item.id: item.origin for item in messages}
    return chat(
        f"chatgpt:{source_id}",
        text(source.get("title")),
        messages,
        leaf_origin=shown.get(ids.get(current) or ""),
        chat_id=chat_id,
        created_at=moment(source.get("create_time")),
        updated_at=moment(source.get("update_time")),
        is_pinned=source.get("is_starred") is True,
        is_archived=source.get("is_archived") is True,
        files=files.contents,
    )


def _from_the_top(nodes: dict[str, Data]) -> Iterator[tuple[str, str | None]]:
    """Every node once, parents first, children in their parent's order; a node whose parent is missing is a root, and
    so is one of a ring."""
    children: dict[str, list[str]] = {node_id: [] for node_id in nodes}
    for node_id, node in nodes.items():
        for child in sequence(node.get("children")):
            if isinstance(child, str) and child in nodes and child not in children[node_id]:
                children[node_id].append(child)
    for node_id, node in nodes.items():
        parent = node.get("parent")
        if isinstance(parent, str) and parent in nodes and node_id not in children[parent]:
            children[parent].append(node_id)
    has_parent = {child for under in children.values() for child in under}
    seen: set[str] = set()
    for root in [*(n for n in nodes if n not in has_parent), *nodes]:
        level: list[tuple[str, str | None]] = [(root, None)]
        while level:
            node_id, parent = level.pop()
            if node_id in seen:
                continue
            seen.add(node_id)
            yield node_id, parent
            level += [(child, node_id) for child in reversed(children[node_id])]


class _Files:
    """The files of one chat: found beside the export, and named as they will be stored."""

    def __init__(self, chat_id: str, find: FindFile) -> None:
        self.contents: dict[str, bytes] = {}  # by the name under which each will be stored
        self._chat_id, self._find = chat_id, find
        self._known: dict[str, tuple[str, str] | None] = {}  # what was wanted: its name beside the export, and here

    def part(self, wanted: str, name: str = "") -> Part:
        """The file as an attachment; words in its place where it did not come along."""
        if wanted not in self._known:
            self._known[wanted] = self._taken(wanted)
        known = self._known[wanted]
        if known is None:
            return Text(f"[{name or wanted}]")
        shown = name or known[0]
        return Attachment(shown, guess_type(shown)[0] or "application/octet-stream", known[1])

    def _taken(self, wanted: str) -> tuple[str, str] | None:
        found = self._find(wanted)
        if found is None:
            return None
        suffix = "." + found.name.rsplit(".", 1)[-1].lower() if "." in found.name else ""
        suffix = suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 9 else ""
        stored_as = f"{self._chat_id}/{new_id()}{suffix}"
        self.contents[stored_as] = found.content
        return found.name, stored_as


def _said(node_id: str, source: Data, files: _Files) -> Message | None:
    """What a node says; None for one that says nothing, such as the empty root."""
    if not source:
        return None
    content = mapping(source.get("content"))
    recipient = text(source.get("recipient")) or "all"
    role = _role(source)
    parts = _parts(content, files)
    if role == "assistant" and recipient != "all":
        parts = (ToolCall(node_id, recipient, "".join(part.text for part in parts if isinstance(part, Text))),)
    elif role == "tool":
        words = "\n".join(part.text for part in parts if isinstance(part, Text))
        name = text(mapping(source.get("author")).get("name"))
        others = tuple(part for part in parts if not isinstance(part, Text))
        parts = (ToolResult(name or node_id, words), *others) if words or others else ()
    named = {part.name for part in parts if isinstance(part, Attachment)}
    for item in sequence(mapping(source.get("metadata")).get("attachments")):
        name = text(mapping(item).get("name"))
        wanted = text(mapping(item).get("id")) or name
        if wanted and name not in named and not any(wanted in text for text in _pointers(content)):
            parts = (*parts, files.part(wanted, name))
    return Message(role, parts) if any(not isinstance(part, Text) or part.text.strip() for part in parts) else None


def _role(source: Data) -> Role:
    """Who said it. What was hidden from the person was said to the model: it stays with the model."""
    role = text(mapping(source.get("author")).get("role"))
    is_hidden = mapping(source.get("metadata")).get("is_visually_hidden_from_conversation") is True
    if role == "tool":
        return "tool"
    if role in ("user", "assistant") and not is_hidden:
        return "user" if role == "user" else "assistant"
    return "system"


def _parts(content: Data, files: _Files) -> tuple[Part, ...]:
    kind = text(content.get("content_type"))
    words = "\n".join(part for part in sequence(content.get("parts")) if isinstance(part, str))
    match kind:
        case "text":
            return (Text(words or text(content.get("text"))),)
        case "multimodal_text":
            return tuple(_piece(piece, files) for piece in sequence(content.get("parts")))
        case "code":
            language = text(content.get("language")).removeprefix("unknown")
            return (Text(_fenced(text(content.get("text")), language)),)
        case "execution_output":
            return (Text(text(content.get("text"))),)
        case "thoughts":
            thoughts = [mapping(item) for item in sequence(content.get("thoughts"))]
            return tuple(Reasoning(f"{text(t.get('summary'))}\n\n{text(t.get('content'))}".strip()) for t in thoughts)
        case "reasoning_recap":
            return (Reasoning(text(content.get("content"))),)
        case "tether_browsing_display":
            return (Text(text(content.get("result")) or text(content.get("summary"))),)
        case "tether_quote":
            said = (text(content.get(name)) for name in ("title", "url", "text"))
            return (Text("\n".join(part for part in said if part)),)
        case "user_editable_context":
            return (Text("\n\n".join(text(content.get(n)) for n in ("user_profile", "user_instructions")).strip()),)
        case "" if not words:
            return ()
        case _:  # nothing is lost, even of what is not known
            return (Text(words or _fenced(json.dumps(content, ensure_ascii=False, indent=1), "json")),)


def _piece(piece: Any, files: _Files) -> Part:
    """A part of a message with pictures or sound."""
    if isinstance(piece, str):
        return Text(piece)
    found = mapping(piece)
    pointer = text(found.get("asset_pointer")) or text(mapping(found.get("audio_asset_pointer")).get("asset_pointer"))
    if pointer:
        return files.part(pointer.rsplit("/", 1)[-1])
    if words := text(found.get("text")):
        return Text(words)
    return Text(_fenced(json.dumps(piece, ensure_ascii=False, indent=1), "json"))


def _pointers(content: Data) -> list[str]:
    return [text(mapping(piece).get("asset_pointer")) for piece in sequence(content.get("parts"))]


def _fenced(code: str, language: str) -> str:
    fence = "```"
    while fence in code:
        fence += "`"
    return f"{fence}{language}\n{code}\n{fence}"


def _stored(parent_id: str | None, node_id: str, said: Message, source: Data) -> StoredMessage:
    created: datetime | None = moment(source.get("create_time"))
    model = text(mapping(source.get("metadata")).get("model_slug")) or None
    status = "interrupted" if source.get("status") == "in_progress" else "complete"
    return message(
        parent_id,
        said,
        origin=node_id,
        model=model if said.role == "assistant" else None,
        created_at=created,
        status=status,
    )
