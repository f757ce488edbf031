"""Our messages as the chat completions protocol wants them, so that no server has a reason to refuse them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from assistant.messages import Message, ToolCall, ToolResult


def to_request_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The history as JSON values. Reasoning stays here; a tool call without a result, or a result without a call,
    is left out (servers refuse both); so are messages without words. User messages in a row become one, since
    templates that insist on turns (Gemma, Mistral) refuse them."""
    answered = {part.call_id for message in messages for part in message.parts if isinstance(part, ToolResult)}
    asked: set[str] = set()
    sent: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "tool":
            sent.extend(_results(message, asked))
            continue
        calls = [call for call in message.tool_calls if call.id in answered]
        asked.update(call.id for call in calls)
        _append(sent, role=message.role, text=_sendable(message.text), calls=calls)
        sent.extend(_results(message, asked))
    return sent


def _append(sent: list[dict[str, Any]], *, role: str, text: str, calls: Iterable[ToolCall]) -> None:
    tool_calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _sendable(call.arguments)}}
        for call in calls
    ]
    if not text and not tool_calls:
        return
    if role == "user" and sent and sent[-1]["role"] == "user":
        sent[-1]["content"] += f"\n\n{text}"
        return
    sent.append({"role": role, "content": text} | ({"tool_calls": tool_calls} if tool_calls else {}))


def _results(message: Message, asked: set[str]) -> list[dict[str, Any]]:
    return [
        {"role": "tool", "tool_call_id": part.call_id, "content": _sendable(part.text)}
        for part in message.parts
        if isinstance(part, ToolResult) and part.call_id in asked
    ]


def _sendable(text: str) -> str:
    """A lone surrogate cannot be encoded, and a NUL cuts the text short in servers written in C."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
