"""Chats as Markdown: written so that people can read them, with marks that let Hearth read them back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from assistant.exchange.brought import Brought, Unreadable, chat, message, moment
from assistant.messages import Attachment, Message, Part, Reasoning, Role, Text, ToolCall, ToolResult
from assistant.records import StoredConversation, StoredMessage

_MARK = re.compile(r"^<!-- hearth: (user|assistant|system|tool) (\S+) -->$", re.MULTILINE)
_NAMES: dict[Role, str] = {"user": "You", "assistant": "Assistant", "system": "System", "tool": "Tool"}


def write_chat(conversation: StoredConversation, branch: Sequence[StoredMessage]) -> str:
    """One chat as it is shown, from its first message down to its leaf."""
    blocks = [f"# {_line(conversation.title) or 'Chat'}\n"]
    for item in branch:
        said = words_of(item.message).replace("<!-- hearth: ", "<!-- hearth&#58; ")
        name = _NAMES[item.message.role] + (f" ({item.model})" if item.model else "")
        mark = f"<!-- hearth: {item.message.role} {item.created_at.isoformat()} -->"
        blocks.append(f"{mark}\n## {name}\n\n{said}\n")
    return "\n".join(blocks)


def read_chat(text: str, *, name: str) -> Brought:
    """A chat from Markdown: our own is read message by message; another file is one message of the person. Raises
    Unreadable for an empty one."""
    if not text.strip():
        raise Unreadable("empty")
    title = re.match(r"\s*# (.+)", text)
    origin = f"markdown:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:32]}"
    marks = list(_MARK.finditer(text))
    messages: list[StoredMessage] = []
    for number, mark in enumerate(marks):
        end = marks[number + 1].start() if number + 1 < len(marks) else len(text)
        said = re.sub(r"\A\n## .*\n\n?", "", text[mark.end() : end]).strip("\n")
        role: Role = "user" if mark[1] == "user" else "system" if mark[1] == "system" else "assistant"
        parent = messages[-1].id if messages else None
        parts = (Text(said.replace("<!-- hearth&#58; ", "<!-- hearth: ")),)
        messages.append(message(parent, Message(role, parts), origin=str(number), created_at=moment(mark[2])))
    if not messages:
        messages = [message(None, Message("user", (Text(text),)), origin="0")]
    return chat(origin, title[1] if title else name.removesuffix(".md"), messages)


def words_of(message: Message) -> str:
    """Everything that a message says, as Markdown."""
    return "\n\n".join(_words(part) for part in message.parts)


def _words(part: Part) -> str:
    match part:
        case Text(text):
            return text
        case Reasoning(text):
            return "\n".join(f"> {line}" for line in text.splitlines())
        case ToolCall(_, name, arguments):
            return f"**{name}**\n\n```json\n{arguments}\n```"
        case ToolResult(_, text, _):
            return f"```\n{text}\n```"
        case Attachment(name, _, _):
            return f"[{name}]"


def _line(text: str) -> str:
    return " ".join(text.split())
