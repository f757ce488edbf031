"""Answers while they run: the one to a question or, where two models were asked, two side by side."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from assistant.answer import Answer
from assistant.calls import NO_TOOLS
from assistant.context import Branch, has_ended_at
from assistant.engines import Engine
from assistant.events import Event, ModelLoading, ReasoningDelta, RoomMade, TextDelta, UsageReported
from assistant.messages import Message
from assistant.pick import Pick, Thinking
from assistant.records import MessageStatus, StoredMessage, new_message
from assistant.room import answer_with_room
from assistant.saved_answer import final_status, rows_of
from assistant.settings import Settings, WayToMakeRoom

log = logging.getLogger(__name__)

SAVE_INTERVAL_SECONDS = 0.5


@dataclass(frozen=True)
class EngineChoice:
    """What a turn is run with: taken at its start, so that a change of settings holds from the next question on.
    `asked` names the model, for people."""

    engine: Engine
    settings: Settings
    asked: Pick = Pick("", "")  # noqa: RUF009  # frozen, and a value


@dataclass(frozen=True)
class Column:
    """One of two answers that stand side by side, at one moment. `rows` is what of it was saved last; `goes_on` says
    whether the chat goes on with it, unless the person chooses the other."""

    asked: Pick
    answer: Answer
    rows: tuple[StoredMessage, ...]
    is_over: bool
    goes_on: bool


class RunningAnswer:
    """One answer to the last question of a branch. It goes on with `begun`, or with `resumed`: one that waited until
    its calls were decided about."""

    def __init__(
        self,
        choice: EngineChoice,
        branch: Branch,
        *,
        begun: Message | None = None,
        resumed: tuple[StoredMessage, ...] = (),
    ) -> None:
        self.choice, self.tools = choice, NO_TOOLS
        row = new_message(branch[-1].id, begun or Message("assistant", ()), status="streaming")
        self.rows = (*resumed[:-1], replace(resumed[-1], status="streaming")) if resumed else (row,)
        self._begun = tuple(item.message for item in self.rows) if begun or resumed else ()
        self._is_alone = sum(item.message.role == "user" for item in branch) < 2
        self._answer = Answer(self._begun)
        self._arrived: list[Event] = []  # what `_answer` does not hold yet
        self._ending: MessageStatus | None = None

    @property
    def answer(self) -> Answer:
        """What has come. Put together when somebody looks, not for each word: that would copy a long answer thousands
        of times."""
        if self._arrived:
            arrived, self._arrived = self._arrived, []
            self._answer = self._answer.after_all(arrived)
        return self._answer

    @property
    def asked(self) -> Pick:
        """The model that answers, by its own name where the engine knows it by now."""
        return Pick(self.choice.asked.endpoint, self.choice.asked.model or self.choice.engine.identity.model)

    @property
    def is_over(self) -> bool:
        """Whether no more will come."""
        return self._ending is not None

    def end(self, ending: MessageStatus) -> None:
        """No more will come; `ending` is the status of one that did not end by itself."""
        self._ending = self._ending or ending

    async def take_turn(
        self,
        branch: Branch,
        *,
        way: WayToMakeRoom | None,
        thinking: Thinking,
        cover: Callable[[RoomMade], Awaitable[None]],
        tell: Callable[[bool], None],
    ) -> None:
        """Lets the engine answer. `tell` hears of each event, and whether it is no more than further words."""
        answering = answer_with_room(
            branch,
            self.choice.engine,
            self.choice.settings,
            begun=self._begun,
            way=way,
            thinking=thinking,
            tools=self.tools,
        )
        async with aclosing(answering) as events:
            has_begun = False
            async for event in events:
                self._arrived.append(event)
                if isinstance(event, RoomMade):
                    await cover(event)
                is_word = isinstance(event, TextDelta | ReasoningDelta)
                tell((is_word and has_begun) or isinstance(event, UsageReported | ModelLoading))
                has_begun = has_begun or is_word

    def brought_up(self) -> tuple[StoredMessage, ...]:
        """The rows, brought up to the answer."""
        answer, choice = self.answer, self.choice
        status = "streaming" if self._ending is None else final_status(answer, ending=self._ending)
        is_context_end = has_ended_at(choice.engine.context_tokens, answer.usage, choice.settings.max_tokens)
        limit = "answer-context-ended-alone" if self._is_alone else "answer-context-ended"
        model = choice.engine.identity.model or None
        self.rows = rows_of(answer, status, self.rows, model=model, limit=limit if is_context_end else None)
        return self.rows

    def put(self, changed: Mapping[str, StoredMessage]) -> None:
        """Takes rows that were changed elsewhere, by id."""
        self.rows = tuple(changed.get(row.id, row) for row in self.rows)


class Answers:
    """The answers to one question. They run at the same time, and each ends by itself: what becomes of one is nothing
    to the other. Once all have ended, two stay side by side until the chat goes on."""

    def __init__(self, each: Iterable[RunningAnswer]) -> None:
        self.each = tuple(each)
        self._stop = asyncio.Event()
        self._ending: MessageStatus = "stopped"

    @property
    def foremost(self) -> RunningAnswer:
        """The one that the chat goes on with, unless the person chooses another: the first that did not fail."""
        return next((one for one in self.each if one.rows[-1].status != "failed"), self.each[0])

    @property
    def rows(self) -> tuple[StoredMessage, ...]:
        """Those of all; the foremost one's are last, so that the store takes them for the end of the chat."""
        others = [row for one in self.each if one is not self.foremost for row in one.rows]
        return (*others, *self.foremost.rows)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Two that stand side by side; empty for one alone."""
        if len(self.each) < 2:
            return ()
        return tuple(Column(one.asked, one.answer, one.rows, one.is_over, one is self.foremost) for one in self.each)

    def of(self, message_id: str) -> RunningAnswer | None:
        """The one that this message belongs to."""
        return next((one for one in self.each if any(row.id == message_id for row in one.rows)), None)

    def stop(self, status: MessageStatus) -> None:
        """Ends those that run."""
        self._ending = status
        self._stop.set()

    async def run(
        self,
        take: Callable[[RunningAnswer], Coroutine[Any, Any, None]],
        *,
        save: Callable[[], Awaitable[None]],
        tell: Callable[[], None],
    ) -> None:
        """Runs a turn for each that is not over, until it ends or Stop says so; has their rows saved meanwhile, and at
        last as they ended. `tell` hears of one that has ended before the other."""
        turns = {asyncio.create_task(take(one)): one for one in self.each if not one.is_over}
        stop = asyncio.create_task(self._stop.wait())
        saved: list[object] = []
        while turns and not stop.done():
            if (now := [(one.answer, one.is_over) for one in self.each]) != saved:
                saved = [*now]
                await self._save(save)
            await asyncio.wait({*turns, stop}, timeout=SAVE_INTERVAL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for turn in [turn for turn in turns if turn.done()]:
                self._end(turns.pop(turn), turn)
                if turns:
                    await self._save(save)
                    tell()
        for task in (*turns, stop):
            task.cancel()
        await asyncio.wait({*turns, stop})
        for turn, one in turns.items():
            self._end(one, turn)
        await self._save(save)

    async def _save(self, save: Callable[[], Awaitable[None]]) -> None:
        for one in self.each:
            one.brought_up()
        await save()

    def _end(self, one: RunningAnswer, turn: asyncio.Task[None]) -> None:
        one.end(self._ending)
        if not turn.cancelled() and turn.exception():
            log.error("a turn ended in a bug", exc_info=turn.exception())
