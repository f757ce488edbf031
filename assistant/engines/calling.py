"""How a model is offered tools, and how its calls are heard: natively, in words, or by a grammar.

"native": the request has `tools`, and the server gives the calls. "written": the model is told of the tools in words,
and writes its calls. "enforced": it is asked for them as JSON that the engine's grammar enforces. "suggested": the same
for a model too small to choose; the words of the question do (`suggestions`), and where they suggest nothing the
request is the one without tools. Such a model garbles a number that it says again, so a short result is its answer. In
each way, a call that comes as text is heard, too. What is found out is remembered.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast
from uuid import uuid4

from assistant.engines import enforced
from assistant.engines.mending import mended
from assistant.engines.narrowing import narrowed
from assistant.engines.prompt import in_words, result_as_answer, with_instructions
from assistant.engines.suggestions import suggested
from assistant.engines.written_calls import Listener
from assistant.events import ReasoningDelta, TextDelta, UsageReported
from assistant.messages import Message, ToolCall, ToolOffer, user

if TYPE_CHECKING:
    from assistant.engines import EngineEvent, GenerationOptions

log = logging.getLogger(__name__)

Way = Literal["native", "written", "enforced", "suggested"]
Ask = Callable[[Sequence[Message], "GenerationOptions", Mapping[str, Any]], AsyncGenerator["EngineEvent"]]
"""Asks the engine: messages, options, and fields of the request beside those that every request has."""
_BY_GRAMMAR: Mapping[str, Any] = {"temperature": 0.0, "extra_body": {"dry_multiplier": 0.0}}


class ToolsRefused(Exception):
    """The server would not have tools in a request."""


class SchemaRefused(Exception):
    """The server would not answer by a schema."""


@dataclass
class Calling:
    """What is known of how one model takes tools: by a test, and by what was seen since. None: nothing yet."""

    calls_tools: bool | None = None
    keeps_to_json: bool | None = None
    is_built_in: bool = False
    always: Way | None = None  # for the built-in engine's models, whose file says it, and for a benchmark

    @property
    def way(self) -> Way:
        if self.always is not None:
            return self.always
        if self.calls_tools is not False:
            return "native"
        return "written" if self.keeps_to_json is False else "enforced"

    def told(self, *, calls_tools: bool | None, keeps_to_json: bool | None) -> None:
        """A test has found something out; what it has not leaves what is known."""
        self.calls_tools = self.calls_tools if calls_tools is None else calls_tools
        self.keeps_to_json = self.keeps_to_json if keeps_to_json is None else keeps_to_json

    def history(self, messages: Sequence[Message]) -> Sequence[Message]:
        """A chat as this model is sent it, without tools."""
        return messages if self.way == "native" else in_words(messages, is_led=self.way == "suggested")

    def prompt(self, messages: Sequence[Message], offers: Sequence[ToolOffer]) -> Sequence[Message]:
        """A chat as this model is sent it."""
        if self.way in ("native", "suggested"):
            return self.history(messages)
        words = enforced.tools_as_text(offers, is_written=self.way == "written")
        return with_instructions(in_words(messages), words)

    async def stream(
        self, ask: Ask, messages: Sequence[Message], options: GenerationOptions
    ) -> AsyncGenerator[EngineEvent]:
        """An answer of a model that is offered `options.tools`. Where the server refuses one way, before its first
        word, another is taken from then on."""
        while True:
            answers = {
                "native": self._native,
                "written": self._written,
                "enforced": self._enforced,
                "suggested": self._suggested,
            }
            way = self.way
            try:
                async with aclosing(answers[way](ask, messages, options)) as events:
                    async for event in events:
                        yield event
                return
            except ToolsRefused:
                self.calls_tools, self.always = False, None
            except SchemaRefused:
                self.calls_tools, self.keeps_to_json, self.always = False, False, None
            log.info("tools: this model takes them another way than %s", way)

    async def _native(
        self, ask: Ask, messages: Sequence[Message], options: GenerationOptions
    ) -> AsyncGenerator[EngineEvent]:
        asked = ask(messages, options, {"tools": [_as_function(offer) for offer in options.tools]})
        async with aclosing(_heard(asked, options.tools, _question(messages))) as events:
            async for event in events:
                yield event

    async def _written(
        self, ask: Ask, messages: Sequence[Message], options: GenerationOptions
    ) -> AsyncGenerator[EngineEvent]:
        asked = ask(self.prompt(messages, options.tools), options, {})
        async with aclosing(_heard(asked, options.tools, _question(messages))) as events:
            async for event in events:
                yield event

    async def _enforced(
        self, ask: Ask, messages: Sequence[Message], options: GenerationOptions
    ) -> AsyncGenerator[EngineEvent]:
        prompt = self.prompt(messages, options.tools)
        offer = await self._choice(ask, prompt, options) if messages[-1].role != "assistant" else None
        if offer is not None:
            asked = [*prompt, user(enforced.arguments_request(offer))]
            call, usage = await self._arguments(ask, asked, options, offer, dict(offer.parameters))
            if call is not None:
                for event in _as_answer(call, usage):
                    yield event
                return
        async with aclosing(_heard(ask(prompt, options, {}), options.tools, _question(messages))) as events:
            async for event in events:
                yield event

    async def _choice(self, ask: Ask, prompt: Sequence[Message], options: GenerationOptions) -> ToolOffer | None:
        """The tool that a model wants before it answers; None where it answers in words."""
        briefly = replace(options, max_tokens=enforced.CHOICE_TOKENS, tools=())
        schema = enforced.choice_schema(options.tools)
        said, _ = await self._by_schema(ask, [*prompt, user(enforced.CHOICE)], briefly, schema)
        try:
            return enforced.chosen(said, options.tools)
        except ValueError:  # it does not keep to the schema, whatever it was said to
            raise SchemaRefused from None

    async def _suggested(
        self, ask: Ask, messages: Sequence[Message], options: GenerationOptions
    ) -> AsyncGenerator[EngineEvent]:
        if said := result_as_answer(messages):
            yield TextDelta(said)
            yield _finished()
            return
        prompt = self.history(messages)
        question = _question(messages)
        offer = suggested(question, options.tools) if messages and messages[-1].role == "user" else None
        if offer is not None:
            schema = narrowed(offer, question)
            call, usage = await self._arguments(ask, prompt, options, offer, schema)
            if call is not None:
                for event in _as_answer(call, usage):
                    yield event
                return
        async with aclosing(ask(prompt, options, {})) as events:
            async for event in events:
                yield event

    async def _arguments(
        self,
        ask: Ask,
        messages: Sequence[Message],
        options: GenerationOptions,
        offer: ToolOffer,
        schema: Mapping[str, Any],
    ) -> tuple[ToolCall | None, UsageReported | None]:
        """A call with the arguments that the model gives; None where they do not come to an end."""
        if not schema.get("properties"):
            return _new_call(offer.name, "{}", options.tools), None
        enough = replace(options, max_tokens=max(options.max_tokens or 0, enforced.ARGUMENTS_TOKENS), tools=())
        said, usage = await self._by_schema(ask, messages, enough, schema)
        return (_new_call(offer.name, said, options.tools) if enforced.is_object(said) else None), usage

    async def _by_schema(
        self, ask: Ask, messages: Sequence[Message], options: GenerationOptions, schema: Mapping[str, Any]
    ) -> tuple[str, UsageReported | None]:
        """What a model answers when it is held to a schema."""
        fields = {"response_format": enforced.as_json(schema, "reply"), **(_BY_GRAMMAR if self.is_built_in else {})}
        said: list[str] = []
        usage: UsageReported | None = None
        async with aclosing(ask(messages, options, fields)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    said.append(event.text)
                elif isinstance(event, UsageReported):
                    usage = event
        return "".join(said), usage


async def _heard(
    asked: AsyncGenerator[EngineEvent], offers: tuple[ToolOffer, ...], question: str
) -> AsyncGenerator[EngineEvent]:
    """An answer with the calls that the model wrote into it as calls, and all calls mended where that is certain."""
    from assistant.engines import AnswerFinished  # late: it imports what this module is part of

    listener = Listener(offers, question)
    async with aclosing(asked) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                if words := listener.take(event.text):
                    yield TextDelta(words)
            elif isinstance(event, ReasoningDelta):
                yield event
            elif isinstance(event, AnswerFinished):
                words, written = listener.finish()
                if words:
                    yield TextDelta(words)
                found = tuple(_new_call(name, arguments, offers) for name, arguments in written)
                calls = (*(mended(call, offers) for call in event.tool_calls), *found)
                yield replace(event, reason="tool_calls", tool_calls=calls) if calls else event
            else:
                yield event


def _finished() -> EngineEvent:
    from assistant.engines import AnswerFinished  # late: it imports what this module is part of

    return AnswerFinished("stop")


def _as_answer(call: ToolCall, usage: UsageReported | None) -> list[EngineEvent]:
    from assistant.engines import AnswerFinished  # late: it imports what this module is part of

    return [*([usage] if usage else []), AnswerFinished("tool_calls", (call,))]


def _new_call(name: str, arguments: str, offers: tuple[ToolOffer, ...]) -> ToolCall:
    return mended(ToolCall(f"call_{uuid4().hex}", name, arguments), offers)


def _question(messages: Sequence[Message]) -> str:
    return next((message.text for message in reversed(messages) if message.role == "user"), "")


def _as_function(offer: ToolOffer) -> dict[str, Any]:
    function = {"name": offer.name, "description": offer.description, "parameters": cast("Any", offer.parameters)}
    return {"type": "function", "function": function}
