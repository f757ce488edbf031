"""One chat: send, stop, retry. It runs the turn in a task of its own, so that an answer outlives the page that asked
for it, and saves as it goes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from assistant.answer import Answer
from assistant.engines import Engine, GenerationOptions
from assistant.errors import StoreError
from assistant.events import Event, FinishReason
from assistant.messages import Message, Text, user
from assistant.records import Failure, MessageStatus, StoredConversation, StoredMessage, new_message
from assistant.safekeeping import Safekeeping
from assistant.settings import Settings
from assistant.store import Store
from assistant.turn import run_turn

log = logging.getLogger(__name__)

SAVE_INTERVAL_SECONDS = 0.5
_NOT_AN_END: dict[FinishReason, str] = {"content_filter": "answer-filtered", "tool_limit": "answer-tool-limit"}


@dataclass(frozen=True)
class EngineChoice:
    """What a turn is run with: taken at its start, so that a change of settings holds from the next question on."""

    engine: Engine
    settings: Settings


class Conversation:
    """One chat on one event loop. `settled` is what is finished, from the first message on. What cannot be saved
    is kept and answered all the same."""

    def __init__(
        self, store: Store, stored: StoredConversation, *, kept: Safekeeping, choose: Callable[[], EngineChoice]
    ) -> None:
        self.id = stored.id
        self.settled: tuple[StoredMessage, ...] = tuple(store.branch(stored.leaf_id))
        self._live: Answer | None = None
        self._arrived: list[Event] = []  # what `_live` does not hold yet
        self._kept = kept
        self._choose = choose
        self._rows: tuple[StoredMessage, ...] = ()  # what the running answer is saved as
        self._task: asyncio.Task[None] | None = None
        self._ending: MessageStatus = "stopped"
        self._stop = asyncio.Event()
        self._news = asyncio.Event()

    @property
    def live(self) -> Answer | None:
        """The running answer; None when nothing runs. Put together when somebody looks, not for each word: that would
        copy a long answer thousands of times."""
        if self._live is not None and self._arrived:
            arrived, self._arrived = self._arrived, []
            self._live = self._live.after_all(arrived)
        return self._live

    @property
    def unsaved(self) -> StoreError | None:
        """Why words of this chat are not on disk yet; they are kept, and written when that can be done."""
        return self._kept.unsaved_in(self.id)

    @property
    def can_retry(self) -> bool:
        """Whether there is a question to answer again."""
        return self.live is None and any(item.message.role == "user" for item in self.settled)

    @property
    def news(self) -> asyncio.Event:
        """An event that is set at the next change. Take it before you look, then wait for it."""
        return self._news

    async def send(self, text: str) -> None:
        """Saves the question and begins to answer it. While an answer runs this does nothing."""
        if self.live is not None or not text.strip():
            return
        parent = self.settled[-1].id if self.settled else None
        await self._begin(self.settled, new_message(parent, user(text)))

    async def retry(self) -> None:
        """Answers the last question again; the earlier answer stays in the tree as a sibling."""
        if not self.can_retry:
            return
        last = max(index for index, item in enumerate(self.settled) if item.message.role == "user")
        await self._begin(self.settled[: last + 1])

    async def stop(self, status: MessageStatus = "stopped") -> None:
        """Ends the running answer at the engine and keeps its text. Returns when that is saved."""
        if self._task is not None:
            self._ending = status
            self._stop.set()
            await asyncio.wait({self._task})

    async def _begin(self, branch: tuple[StoredMessage, ...], question: StoredMessage | None = None) -> None:
        choice = self._choose()
        above = (*branch, question) if question else branch
        row = new_message(above[-1].id, Message("assistant", ()), status="streaming")
        self._live, self._arrived = Answer(), []  # before the first await: a double click sends once
        try:
            await self._kept.save(self.id, *((question, row) if question else (row,)))
        except BaseException:
            self._live = None
            raise
        self.settled, self._rows, self._ending = above, (row,), "stopped"
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self._run(choice), name=f"answer in {self.id}")
        self._tell()

    async def _run(self, choice: EngineChoice) -> None:
        """Saves while the turn runs, ends it when Stop says so, and settles it. Nothing cancels this task."""
        turn = asyncio.create_task(self._take_turn(choice))
        stop = asyncio.create_task(self._stop.wait())
        saved: Answer | None = None
        try:
            while not (turn.done() or stop.done()):
                if self.live is not saved:
                    saved = self.live
                    await self._save("streaming", choice)
                await asyncio.wait({turn, stop}, timeout=SAVE_INTERVAL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            turn.cancel()
            stop.cancel()
            await asyncio.wait({turn, stop})
            if not turn.cancelled() and turn.exception():
                log.error("a turn ended in a bug", exc_info=turn.exception())
            await self._save(self._final_status(), choice)
        except Exception:  # a border: whatever it is, the chat must take the next question
            log.exception("an answer could not be settled")
        finally:
            self.settled = (*self.settled, *self._rows)
            self._live, self._task, self._rows, self._arrived = None, None, (), []
            self._tell()

    async def _take_turn(self, choice: EngineChoice) -> None:
        options = GenerationOptions(choice.settings.temperature, choice.settings.max_tokens)
        async with aclosing(run_turn(self._prompt(choice.settings), choice.engine, options=options)) as events:
            async for event in events:
                self._arrived.append(event)
                self._tell()

    def _prompt(self, settings: Settings) -> list[Message]:
        """What the engine reads: system text first and unchanged from turn to turn, so that its cache holds."""
        system = [Message("system", (Text(settings.system_prompt),))] if settings.system_prompt.strip() else []
        return system + [item.message for item in self.settled if item.message.parts]

    def _final_status(self) -> MessageStatus:
        answer = self.live or Answer()
        if _failure(answer) is not None:
            return "failed"
        if answer.finished is None:
            return self._ending
        return "cut" if answer.finished == "length" else "complete"

    async def _save(self, status: MessageStatus, choice: EngineChoice) -> None:
        """Brings the rows on disk up to the answer."""
        answer = self.live or Answer()
        self._rows = self._rows_of(answer, status, choice.engine.identity.model or None)
        await self._kept.save(self.id, *self._rows)

    def _rows_of(self, answer: Answer, status: MessageStatus, model: str | None) -> tuple[StoredMessage, ...]:
        """One row for each message of the answer, those that have one keeping it; `status` is the last one's."""
        messages = answer.messages or (Message("assistant", ()),)
        rows = list(self._rows[: len(messages)])
        while len(rows) < len(messages):
            rows.append(new_message(rows[-1].id, Message("assistant", ())))
        ended = [replace(row, message=said, model=model) for row, said in zip(rows, messages, strict=True)]
        last = replace(ended[-1], status=status, usage=answer.usage, failure=_failure(answer))
        return (*(replace(row, status="complete") for row in ended[:-1]), last)

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Conversations:
    """The chats that are open in this process, each once, so that two windows on a chat see the same one."""

    def __init__(self, store: Store, *, choose: Callable[[], EngineChoice]) -> None:
        self._store = store
        self._kept = Safekeeping(store)
        self._choose = choose
        self._open: dict[str, Conversation] = {}

    @property
    def unsaved(self) -> StoreError | None:
        """Why words of some chat are not on disk yet; None when all are."""
        return self._kept.unsaved

    async def last(self) -> Conversation:
        """The chat that was changed last, or a new one."""
        stored = await asyncio.to_thread(self._store.last_conversation)
        return await self._opened(stored) if stored else await self.new()

    async def new(self) -> Conversation:
        """An empty chat: the last one if it is still empty, so that clicks on "New chat" leave no litter."""
        last = await asyncio.to_thread(self._store.last_conversation)
        if last is not None and last.leaf_id is None:
            return await self._opened(last)
        return await self._opened(await asyncio.to_thread(self._store.add_conversation))

    async def _opened(self, stored: StoredConversation) -> Conversation:
        if stored.id not in self._open:
            self._open[stored.id] = Conversation(self._store, stored, kept=self._kept, choose=self._choose)
        return self._open[stored.id]

    async def aclose(self) -> None:
        """Ends every running answer and saves what it has."""
        await asyncio.gather(*(conversation.stop("interrupted") for conversation in self._open.values()))
        await self._kept.aclose()


def _failure(answer: Answer) -> Failure | None:
    """Why an answer is not what it should have been: an error, or an end that the server or we put to it."""
    error = answer.error
    if error is not None:
        return Failure(error.key, {name: str(value) for name, value in error.values.items()})
    key = _NOT_AN_END.get(answer.finished) if answer.finished else None
    return Failure(key, {}) if key else None
