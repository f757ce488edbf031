"""Our messages as the chat completions protocol wants them, so that no server has a reason to refuse them. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from assistant.messages import Attachment, Message, Part, Text, ToolCall, ToolResult

Show = Callable[[Attachment], str | None]
"""Gives a picture as the address that carries it; None where it cannot be had."""

Content = str | list[dict[str, Any]]

LONGEST_ANSWER = 200  # characters of a result that can stand as an answer


def to_request_messages(messages: Sequence[Message], show: Show | None = None) -> list[dict[str, Any]]:
    """The history as JSON values. Reasoning stays here; a tool call without a result, or a result without a call,
    is left out (servers refuse both); so are messages without words. User messages in a row become one, since
    templates that insist on turns (Gemma, Mistral) refuse them. Pictures go along where `show` is given, ahead of the
    words, as models are trained; else words say that there was one."""
    answered = {part.call_id for message in messages for part in message.parts if isinstance(part, ToolResult)}
    asked: set[str] = set()
    sent: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "tool":
            sent.extend(_results(message, asked))
            continue
        calls = [call for call in message.tool_calls if call.id in answered]
        asked.update(call.id for call in calls)
        content = _with_pictures(message, show) if message.role == "user" else _sendable(message.text)
        _append(sent, role=message.role, content=content, calls=calls)
        sent.extend(_results(message, asked))
    return sent


def shows_pictures(messages: Sequence[Message]) -> bool:
    """Whether the last question comes with some."""
    return next((bool(message.pictures) for message in reversed(messages) if message.role == "user"), False)


def _with_pictures(message: Message, show: Show | None) -> Content:
    """Words alone stay a string: not every server takes a list."""
    shown: list[dict[str, Any]] = []
    words: list[str] = []
    for picture in message.pictures:
        if show is not None and (address := show(picture)) is not None:
            shown.append({"type": "image_url", "image_url": {"url": address}})
        else:
            words.append(f"(Here was a picture that you cannot see: {_sendable(picture.name)})")
    text = "\n\n".join([*words, *([said] if (said := _sendable(message.text)) else [])])
    return [*shown, *([{"type": "text", "text": text}] if text else [])] if shown else text


def _append(sent: list[dict[str, Any]], *, role: str, content: Content, calls: Iterable[ToolCall]) -> None:
    tool_calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _sendable(_as_object(call))}}
        for call in calls
    ]
    if not content and not tool_calls:
        return
    if role == "user" and sent and sent[-1]["role"] == "user":
        sent[-1]["content"] = _joined(sent[-1]["content"], content)
        return
    sent.append({"role": role, "content": content} | ({"tool_calls": tool_calls} if tool_calls else {}))


def _joined(first: Content, then: Content) -> Content:
    if isinstance(first, str) and isinstance(then, str):
        return f"{first}\n\n{then}"
    parts = [[{"type": "text", "text": each}] if isinstance(each, str) else each for each in (first, then)]
    return [*parts[0], *parts[1]]


def _results(message: Message, asked: set[str]) -> list[dict[str, Any]]:
    return [
        {"role": "tool", "tool_call_id": part.call_id, "content": _sendable(part.text)}
        for part in message.parts
        if isinstance(part, ToolResult) and part.call_id in asked
    ]


def in_words(messages: Sequence[Message], *, is_led: bool = False) -> list[Message]:
    """The same chat for a model that knows no tools: calls and results are words, each in the turn of who said them.
    Templates that insist on turns get them, and what was said once stays as it was. A model that `is_led` is told what
    a result is for."""
    answered = {part.call_id for message in messages for part in message.parts if isinstance(part, ToolResult)}
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    told: list[Message] = []
    for message in messages:
        results = [part for part in message.parts if isinstance(part, ToolResult) and part.call_id in names]
        parts = tuple(_call_in_words(part) for part in message.parts if not _is_left_out(part, answered))
        if message.role != "tool" and parts:
            told.append(replace(message, parts=parts) if message.tool_calls else message)
        if results:
            words = [_result_in_words(each, names) for each in results]
            lead = ["Answer my question with it."] if is_led and not all(each.is_error for each in results) else []
            told.append(Message("user", (Text("\n\n".join([*words, *lead])),)))
    return told


def result_as_answer(messages: Sequence[Message]) -> str:
    """The result of the one tool that was called last, where it is a short line and can stand as the answer; of a sum,
    with the sum. Empty where it cannot."""
    if len(messages) < 2 or messages[-1].role != "tool":
        return ""
    results = [part for part in messages[-1].parts if isinstance(part, ToolResult)]
    calls = messages[-2].tool_calls
    if len(results) != 1 or len(calls) != 1 or results[0].call_id != calls[0].id or results[0].is_error:
        return ""
    text = results[0].text.strip()
    if not text or "\n" in text or len(text) > LONGEST_ANSWER:
        return ""
    with suppress(ValueError, RecursionError):
        match json.loads(calls[0].arguments):
            case {"expression": str(expression), **others} if not others:
                return f"{expression.strip()} = {text}"
            case _:
                pass
    return text


def with_instructions(messages: Sequence[Message], instructions: str) -> list[Message]:
    """The chat with words for the model at its beginning: behind the system prompt, or where there is none, before the
    first question, for some templates know no system prompt."""
    said = list(messages)
    place = next((place for place, message in enumerate(said) if message.role in ("system", "user")), None)
    if place is None:
        return [Message("user", (Text(instructions),)), *said]
    first = said[place]
    words = (Text("\n\n"), Text(instructions))
    parts = (*first.parts, *words) if first.role == "system" else (*reversed(words), *first.parts)
    return [*said[:place], replace(first, parts=parts), *said[place + 1 :]]


def _is_left_out(part: Part, answered: set[str]) -> bool:
    return isinstance(part, ToolResult) or (isinstance(part, ToolCall) and part.id not in answered)


def _call_in_words(part: Part) -> Part:
    if not isinstance(part, ToolCall):
        return part
    call = f'{{"name": {json.dumps(part.name)}, "arguments": {_as_object(part)}}}'
    return Text(f"<tool_call>{call}</tool_call>")


def _result_in_words(result: ToolResult, names: Mapping[str, str]) -> str:
    said = "could not do it" if result.is_error else "gave this result"
    return f"The tool {names[result.call_id]} {said}:\n{result.text}"


def _as_object(call: ToolCall) -> str:
    """The arguments, or what the model wrote in their place inside an object: templates read them as one, and fail."""
    try:
        is_object = isinstance(json.loads(call.arguments), dict)
    except (ValueError, RecursionError):
        is_object = False
    return call.arguments if is_object else json.dumps({"invalid": call.arguments})


def _sendable(text: str) -> str:
    """A lone surrogate cannot be encoded, and a NUL cuts the text short in servers written in C."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
