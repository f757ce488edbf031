"""Open WebUI's export: a list of chats, each with a history of messages that know their parents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assistant.exchange.brought import Brought, Data, Unreadable, chat, mapping, message, moment, sequence, text
from assistant.messages import Message, Part, Reasoning, Role, Text
from assistant.records import StoredMessage


def is_open_webui(data: Any) -> bool:
    """Whether this is a list of Open WebUI's chats."""
    return any("messages" in mapping(mapping(mapping(i).get("chat")).get("history")) for i in sequence(data)[:20])


def read_chat(data: Any) -> Brought:
    """One chat. Raises Unreadable."""
    source = mapping(data)
    body = mapping(source.get("chat"))
    history = mapping(body.get("history"))
    found = {str(key): mapping(item) for key, item in mapping(history.get("messages")).items()}
    source_id = text(source.get("id")) or text(body.get("id"))
    if not found or not source_id:
        raise Unreadable("no-messages")
    ids: dict[str, str] = {}
    messages: list[StoredMessage] = []
    for name in _from_the_top(found):
        item = found[name]
        role = text(item.get("role"))
        own: Role = "user" if role == "user" else "system" if role == "system" else "assistant"
        model = text(item.get("model")) or None
        stored = message(
            ids.get(text(item.get("parentId"))),
            Message(own, _parts(item.get("content"))),
            origin=name,
            model=model if own == "assistant" else None,
            created_at=moment(item.get("timestamp")),
        )
        ids[name] = stored.id
        messages.append(stored)
    return chat(
        f"openwebui:{source_id}",
        text(source.get("title")) or text(body.get("title")),
        messages,
        leaf_origin=text(history.get("currentId")) or None,
        created_at=moment(source.get("created_at")),
        updated_at=moment(source.get("updated_at")),
        is_pinned=source.get("pinned") is True,
        is_archived=source.get("archived") is True,
    )


def _from_the_top(found: Mapping[str, Data]) -> Iterator[str]:
    """Every message once, parents first; one whose parent is missing is a root, and so is one of a ring."""
    seen: set[str] = set()
    for name in found:
        above: list[str] = []
        while name in found and name not in seen:
            seen.add(name)
            above.append(name)
            name = text(found[name].get("parentId"))  # noqa: PLW2901  # up to what has come already
        yield from reversed(above)


def _parts(content: Any) -> tuple[Part, ...]:
    """Their content: text, or a list of pieces. Thoughts stand in the text, in a block of their own."""
    words = text(content) or "\n".join(text(mapping(piece).get("text")) for piece in sequence(content))
    if words.startswith("<details") and 'type="reasoning"' in words[:200] and "</details>" in words:
        thoughts, _, rest = words.partition("</details>")
        inner = thoughts.partition("</summary>")[2].strip()
        return (Reasoning(inner), Text(rest.strip()))
    return (Text(words),)
