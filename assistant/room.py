"""Room in the model's context: a turn that makes some first where its chat has become too long, and asks again where
the engine says so."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from assistant.calls import NO_TOOLS, TurnTools
from assistant.context import Branch, Filling, covered_count, covered_down_to, filling, next_cover, roughly
from assistant.engines import Engine, GenerationOptions
from assistant.errors import ContextFull, EngineError
from assistant.events import Event, PromptRead, QuestionQueued, RoomMade, SummaryBegun, TurnFailed, UsageReported
from assistant.messages import Message, ToolOffer, user
from assistant.pick import Thinking
from assistant.settings import Settings, WayToMakeRoom
from assistant.summaries import engine_summary, summary_tokens
from assistant.turn import run_turn

GO_ON = "Go on with your last answer exactly where it ends. Repeat nothing of it, and do not comment."
MOST_ATTEMPTS = 4  # each with half of what was sent before
COUNTED_FROM = 0.5  # of the context: below, an estimate is good enough
LEAST_TOKENS = 32


def filled(branch: Branch, engine: Engine, settings: Settings, offers: Sequence[ToolOffer] = ()) -> Filling:
    """What fills the engine's context before the next question, by estimate."""
    return filling(
        branch,
        settings.system_prompt,
        model=engine.identity.model,
        size=engine.context_tokens,
        max_tokens=settings.max_tokens,
        sees_pictures=engine.blindness is None,
        offers=offers if engine.way != "suggested" else (),
    )


async def counted(found: Filling, engine: Engine) -> Filling:
    """The same by the engine's own count, where it has one and where it matters."""
    if found.size is None or found.estimate < COUNTED_FROM * found.size:
        return found
    words = await engine.count(found.prompt)
    return replace(found, counted=None if words is None else words + found.picture_tokens + found.tools)


async def answer_with_room(
    branch: Branch,
    engine: Engine,
    settings: Settings,
    *,
    begun: Sequence[Message] = (),
    way: WayToMakeRoom | None = None,
    thinking: Thinking = "",
    tools: TurnTools = NO_TOOLS,
) -> AsyncGenerator[Event]:
    """Answers the branch, as `run_turn` does; goes on with `begun` where that is given: with its last words, or with
    what was decided about its calls. With a `way`, room is made
    first; else where that is needed and the settings say how. RoomMade comes for each message that the chat is covered
    down to."""
    is_wished = way is not None
    way = way or (settings.when_full if settings.when_full != "ask" else None)
    for attempt in range(MOST_ATTEMPTS):
        found = await _look(branch, engine, settings, begun, tools)
        if way is not None and (is_wished or attempt or found.is_over):
            is_halved, is_wished = bool(is_wished or attempt), False
            try:
                async with aclosing(make_room(branch, engine, found, way=way, is_halved=is_halved)) as made:
                    async for event in made:
                        yield event
                        if isinstance(event, RoomMade):
                            branch = covered_down_to(branch, event.down_to, event.stand_in)
            except EngineError as error:
                yield TurnFailed(error)
                return
            found = await _look(branch, engine, settings, begun, tools)
        can_cover = next_cover(found, 0) is not None
        if found.is_beyond and not (way and can_cover):
            yield TurnFailed(_said(_overflow(found), can_cover=can_cover))
            return
        has_begun, overflow = False, None
        options = GenerationOptions(settings.temperature, settings.max_tokens, thinking)
        async with aclosing(_turn(found, engine, options, begun, tools)) as events:
            async for event in events:
                if isinstance(event, TurnFailed) and isinstance(event.error, ContextFull):
                    overflow = event.error
                else:
                    has_begun = has_begun or not isinstance(event, QuestionQueued | PromptRead | UsageReported)
                    yield event
        if overflow is None:
            return
        if not (way and can_cover) or has_begun or attempt == MOST_ATTEMPTS - 1:
            yield TurnFailed(_said(overflow, can_cover=can_cover))
            return


async def _look(
    branch: Branch, engine: Engine, settings: Settings, begun: Sequence[Message], tools: TurnTools
) -> Filling:
    """What fills the context, with room for what the answer begins with."""
    found = await counted(filled(branch, engine, settings, tools.offered), engine)
    return replace(found, reserve=found.reserve + sum(map(roughly, begun))) if begun else found


def _turn(
    found: Filling, engine: Engine, options: GenerationOptions, begun: Sequence[Message], tools: TurnTools
) -> AsyncGenerator[Event]:
    prompt = [*found.prompt, *begun]
    if begun and not tools.decisions and not engine.goes_on:
        prompt.append(user(GO_ON))
    return run_turn(prompt, engine, options=options, tools=tools)


def _said(overflow: ContextFull, *, can_cover: bool) -> ContextFull:
    """The same error, or one that offers no way which would not help."""
    if can_cover:
        return overflow
    if "limit" not in overflow.values:
        return ContextFull("engine-question-too-long")
    is_about = overflow.key == "engine-context-full-about"
    key = "engine-question-too-long-about" if is_about else "engine-question-too-long-by"
    return ContextFull(key, **overflow.values)


def _overflow(found: Filling) -> ContextFull:
    """Said before the engine is asked: some servers would leave out the beginning without a word."""
    key = "engine-context-full-by" if found.counted is not None else "engine-context-full-about"
    return ContextFull(key, tokens=found.tokens, limit=found.size)


async def make_room(
    branch: Branch, engine: Engine, found: Filling, *, way: WayToMakeRoom, is_halved: bool
) -> AsyncGenerator[SummaryBegun | RoomMade]:
    """Covers the oldest exchanges, down to half of the context (or, `is_halved`, of what is sent now, if that is less),
    so that the next time is far. Nothing comes where nothing can be covered. Raises EngineError where there is to be a
    summary and the engine makes none; then nothing is covered."""
    scale = found.tokens / found.estimate if found.estimate else 1.0
    chat = found.tokens - found.tools
    most = (found.size - found.reserve) // 2 - found.tools if found.size else chat // 2
    if is_halved:
        most = min(most, chat // 2)
    if way == "summarise":
        most -= summary_tokens(found.size)
    count = next_cover(found, round(max(most, LEAST_TOKENS) / scale))
    if count is None:
        return
    stand_in = ""
    if way == "summarise":
        yield SummaryBegun()
        covered = covered_count(branch)
        stand_in = await engine_summary(
            [share for share in found.shares[:count] if share.fate == "sent" and not share.is_pinned and share.tokens],
            engine,
            size=found.size,
            system=found.system.message if found.system else None,
            earlier=(branch[covered - 1].stand_in or "") if covered else "",
        )
    yield RoomMade(branch[count - 1].id, stand_in)
