"""What a stream of chat-completion chunks adds up to: words, tool calls, usage and the reason of its end. Pure.

Our own instead of the openai client's helpers: those lean on fields that real servers omit, repeat or leave empty.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast
from uuid import uuid4

from assistant.events import PromptRead, ReasoningDelta, TextDelta
from assistant.messages import ToolCall

Reason = Literal["stop", "length", "content_filter", "tool_calls"]
Words = TextDelta | ReasoningDelta

_REASONS: Mapping[str, Reason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
}
_BROKEN_OFF = frozenset({"error", "abort", "aborted", "cancelled", "canceled"})
MOST_TOOL_CALLS = 128
MOST_ARGUMENT_CHARACTERS = 2_000_000  # of one call; whoever runs it takes fewer, so what is cut here never runs


@dataclass
class _Call:
    """A tool call that is still arriving."""

    index: int | None
    id: str
    name: str
    arguments: str


class Deltas:
    """Takes one chunk after the other. `read` is the newest word of how far the prompt has been read, `reason` is None
    until the server gave one; `broke_off` when that reason was a fault at the server; `chunks` counts what was
    understood as a part of an answer."""

    def __init__(self) -> None:
        self.broke_off = False
        self.read: PromptRead | None = None
        self.chunks = 0
        self.prompt_tokens: int | None = None
        self.completion_tokens: int | None = None
        self.tokens_per_second: float | None = None
        self._reason: Reason | None = None
        self._calls: list[_Call] = []
        self._text, self._reasoning = _Joiner(), _Joiner()

    def take(self, chunk: object) -> list[Words]:
        """The new words in one chunk, as decoded from JSON. Whatever is not part of an answer counts for nothing."""
        fields = _mapping(chunk)
        self._take_usage(fields)
        self._take_progress(fields)
        choices = fields.get("choices")
        if not isinstance(choices, list) or not choices:
            return []
        choice = _mapping(cast("list[object]", choices)[0])
        if choice:
            self.chunks += 1
        # A server that does not stream sends one "message" in place of the deltas.
        delta = _mapping(choice.get("delta")) or _mapping(choice.get("message"))
        words = self._take_words(delta) or self._take_words({"content": choice.get("text")})
        self._take_calls(delta.get("tool_calls"))
        self._take_reason(choice.get("finish_reason"))
        return words

    @property
    def reason(self) -> Reason | None:
        """Why the answer ended. Ollama says "stop" after tool calls too, so the calls themselves decide."""
        if self._reason is None:
            return None
        if self.tool_calls:
            return "tool_calls"
        return "stop" if self._reason == "tool_calls" else self._reason

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools asked for, each with an id of its own; a call that never got a name is left out."""
        taken: set[str] = set()
        calls: list[ToolCall] = []
        for call in self._calls:
            if not call.name:
                continue
            if not call.id or call.id in taken:
                call.id = f"call_{uuid4().hex}"
            taken.add(call.id)
            calls.append(ToolCall(call.id, call.name, call.arguments or "{}"))
        return tuple(calls)

    def _take_words(self, delta: Mapping[str, Any]) -> list[Words]:
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        text = delta.get("content") or delta.get("refusal")
        words: list[Words] = []
        if isinstance(reasoning, str) and (joined := self._reasoning.join(reasoning)):
            words.append(ReasoningDelta(joined))
        if joined := self._text.join(_plain(text)):
            words.append(TextDelta(joined))
        return words

    def _take_reason(self, reason: object) -> None:
        if not isinstance(reason, str) or reason.lower() in ("", "null", "none"):
            return
        self.broke_off = reason.lower() in _BROKEN_OFF
        self._reason = _REASONS.get(reason.lower(), "stop")

    def _take_usage(self, fields: Mapping[str, Any]) -> None:
        usage, timings = _mapping(fields.get("usage")), _mapping(fields.get("timings"))
        self.prompt_tokens = _count(usage.get("prompt_tokens"), self.prompt_tokens)
        self.completion_tokens = _count(usage.get("completion_tokens"), self.completion_tokens)
        rate = timings.get("predicted_per_second")  # llama.cpp
        if isinstance(rate, int | float) and 0 < rate < 1e6:
            self.tokens_per_second = float(rate)

    def _take_progress(self, fields: Mapping[str, Any]) -> None:
        """llama.cpp's, for those who ask for it. What is read in one go has none."""
        progress = _mapping(fields.get("prompt_progress"))
        total, read = _count(progress.get("total"), 0), _count(progress.get("processed"), 0)
        if total and read and (read < total or self.read):
            self.read = PromptRead(min(1.0, read / total))

    def _take_calls(self, calls: object) -> None:
        for item in cast("list[object]", calls) if isinstance(calls, list) else ():
            fields = _mapping(item)
            function = _mapping(fields.get("function"))
            index, call_id, name = fields.get("index"), fields.get("id"), function.get("name")
            self._take_call(
                index if isinstance(index, int) else None,
                call_id=call_id if isinstance(call_id, str) else "",
                name=name if isinstance(name, str) else "",
                arguments=_arguments(function.get("arguments")),
            )

    def _take_call(self, index: int | None, *, call_id: str, name: str, arguments: str) -> None:
        call = self._call_for(index, call_id, name)
        if call is None:
            if len(self._calls) < MOST_TOOL_CALLS and (name or call_id or index is not None):
                self._calls.append(_Call(index, call_id, name, arguments))
            return
        is_repeated = bool(name) and name == call.name and arguments == call.arguments
        call.id, call.name = call.id or call_id, call.name or name
        if not is_repeated and len(call.arguments) < MOST_ARGUMENT_CHARACTERS:
            call.arguments += arguments

    def _call_for(self, index: int | None, call_id: str, name: str) -> _Call | None:
        """The call that a piece goes on with; None when it begins a new one."""
        # Where two calls have one id, their numbers tell them apart.
        of_that_id = [call for call in self._calls if call_id and call.id == call_id and index in (None, call.index)]
        if of_that_id:
            return of_that_id[-1]
        if index is not None:
            at_index = [call for call in self._calls if call.index == index]
            # Some gateways number every call 0: another id with a name is another call.
            is_another = bool(at_index and call_id and name and at_index[-1].id)
            return None if not at_index or is_another else at_index[-1]
        # Ollama omits the index, and sends each call whole.
        return None if name or call_id or not self._calls else self._calls[-1]


class _Joiner:
    """Mends characters that a server cut in two: an emoji may come as one half of a surrogate pair per chunk."""

    def __init__(self) -> None:
        self._held = ""

    def join(self, text: str) -> str:
        if not text:
            return ""
        whole = self._held + text
        self._held = whole[-1] if "\ud800" <= whole[-1] <= "\udbff" else ""
        whole = whole[: len(whole) - len(self._held)]
        if not re.search(r"[\ud800-\udfff]", whole):
            return whole
        return whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _plain(content: object) -> str:
    """Text of a delta; Mistral sends a list of parts in place of a string."""
    if isinstance(content, str):
        return content
    parts = cast("list[object]", content) if isinstance(content, list) else []
    texts = [_mapping(part).get("text") for part in parts]
    return "".join(text for text in texts if isinstance(text, str))


def _arguments(value: object) -> str:
    """Arguments as the JSON text they should be; some servers send the object itself."""
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, dict) else ""


def _count(value: object, otherwise: int | None) -> int | None:
    """A number of tokens: more than a database can hold is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else otherwise
