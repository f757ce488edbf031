"""One chat: send, stop, edit, retry, go on, branch. It runs the turn in a task of its own, so that an answer outlives
the page that asked for it, and saves as it goes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from assistant.answer import Answer
from assistant.approvals import Approvals, Toolkit, Verdict
from assistant.aside import Aside
from assistant.catalogue import Catalogue
from assistant.context import Filling, marked, uncovered
from assistant.enclosed import Enclosed
from assistant.errors import EngineError, StoreError
from assistant.messages import Attachment, Message, ToolCall, user
from assistant.pick import Pick, Wish
from assistant.records import Mark, MessageStatus, StoredConversation, StoredMessage, new_message
from assistant.running import Answers, Column, EngineChoice, RunningAnswer
from assistant.safekeeping import Safekeeping
from assistant.sending import Sending
from assistant.settings import WayToMakeRoom
from assistant.store import Store
from assistant.undo import Changed, Direction

log = logging.getLogger(__name__)


class Conversation:
    """One chat on one event loop. `settled` is what is finished, from the first message down to the one that is shown;
    `siblings` holds, for each of them that has some, all that stand in its place; `changed`, what answers did to files.
    Where two models were asked, `columns` holds both answers, and the end of `settled` is the one that the chat goes on
    with.

    Whatever changes the tree does nothing while an answer runs. Questions and answers that cannot be saved are kept and
    answered all the same; the rest may raise StoreError, and then nothing changed.
    """

    def __init__(
        self,
        store: Store,
        stored: StoredConversation,
        *,
        kept: Safekeeping,
        choose: Callable[[Pick | None], EngineChoice],
        tasks: set[asyncio.Task[None]],
        toolkit: Toolkit | None = None,
    ) -> None:
        self.id = stored.id
        self.draft, self.wish = stored.draft, stored.wish
        self.settled: tuple[StoredMessage, ...] = tuple(store.branch(stored.leaf_id))
        self.siblings: Mapping[str, tuple[str, ...]] = store.siblings(self.id, stored.leaf_id)
        self._running: Answers | None = None
        self._beside: Answers | None = None  # two that have ended, until the chat goes on
        self._store, self._catalogue = store, Catalogue(store.database)
        self.enclosed = Enclosed(
            self.id, stored.draft_files, catalogue=self._catalogue, attachments=store.attachments, told=self._tell
        )
        self._sending = Sending(store, lambda: self.settled, self._put)
        self.aside = Aside(
            stored, self._catalogue, self._sending, begin=self._begun_task, tell=self._tell, learnt=self._tell_of_words
        )
        self._kept = kept
        self.approvals = Approvals(self.id, store.database, toolkit)
        self.changed = Changed(self.id, toolkit.undo(store.database) if toolkit and toolkit.undo else None)
        self._choose = choose
        self._tasks = tasks  # those that run: the event loop alone would let them, and this chat, be collected
        self._task: asyncio.Task[None] | None = None
        self._drafting = asyncio.Lock()
        self._news = asyncio.Event()
        self._milestone = asyncio.Event()

    @property
    def title(self) -> str:
        """What the chat is called; empty before its first question."""
        return self.aside.title

    @property
    def live(self) -> Answer | None:
        """The running answer, of two the first; None when nothing runs."""
        return self._running.each[0].answer if self._running else None

    @property
    def columns(self) -> tuple[Column, ...]:
        """The two answers that stand side by side, while they run and until the chat goes on; else empty."""
        shown = self._running or self._beside
        return shown.columns if shown else ()

    @property
    def is_running(self) -> bool:
        """Whether an answer runs; unlike `live`, it puts nothing together."""
        return self._running is not None

    @property
    def is_settling(self) -> bool:
        """Whether more will come without being asked for: an answer runs, or a title or a summary is being made."""
        return self._running is not None or self.aside.is_busy

    @property
    def unsaved(self) -> StoreError | None:
        """Why words of this chat are not on disk yet; they are kept, and written when that can be done."""
        return self._kept.unsaved_in(self.id)

    @property
    def can_retry(self) -> bool:
        """Whether there is a question to answer again."""
        return not self.is_running and any(item.message.role == "user" for item in self.settled)

    @property
    def news(self) -> asyncio.Event:
        """An event that is set at the next change. Take it before you look, then wait for it."""
        return self._news

    @property
    def milestone(self) -> asyncio.Event:
        """Like `news`, for what nobody should wait for: all but more words of the running answer. Its first word and
        its end are such."""
        return self._milestone

    @property
    def blindness(self) -> EngineError | None:
        """Why a model that would answer sees no pictures; None where it does, or may."""
        reasons = (self._choose(pick).engine.blindness for pick in self._picks)
        return next((reason for reason in reasons if reason), None)

    @property
    def _picks(self) -> list[Pick | None]:
        return [self.wish.pick, *([self.wish.beside] if self.wish.beside else [])]

    async def filling(self) -> Filling:
        """What fills the model's context before the next question, by estimate."""
        choice = self._choose(self.wish.pick)
        # In a thread: it looks at every message of what may be a long chat.
        offers = self.approvals.offers(choice.engine)
        return await asyncio.to_thread(self._sending.filling, choice.engine, choice.settings, offers)

    async def counted_filling(self) -> Filling:
        """The same, by the engine's own count where it has one."""
        choice = self._choose(self.wish.pick)
        return await self._sending.counted(choice.engine, choice.settings, self.approvals.offers(choice.engine))

    def is_of(self, store: Store) -> bool:
        """Whether this store holds the chat."""
        return self._store is store

    def message(self, message_id: str) -> StoredMessage | None:
        """The message with this id among those that are shown."""
        shown = (*self.settled, *(self._beside.rows if self._beside else ()))
        return next((item for item in shown if item.id == message_id), None)

    async def send(self, text: str, files: Sequence[Attachment] = ()) -> None:
        """Saves the question, with pictures of the draft, and begins to answer it. Calls that wait for the person are
        denied by it."""
        if self.is_running or not (text.strip() or files):
            return
        denied = self.approvals.passed_over(self.settled)
        above = (*self.settled, *denied)
        parent = above[-1].id if above else None
        await self._ask(above, new_message(parent, user(text, files)), denied=denied)
        await self.enclosed.sent(files)

    async def edit(self, message_id: str, text: str, files: Sequence[Attachment] | None = None) -> None:
        """Asks a question anew in other words, beside the one with this id, which stays in the tree; with its files, or
        with those that are given."""
        above, found = self._above(message_id), self.message(message_id)
        if above is None or found is None:
            return
        files = found.message.attachments if files is None else files
        if self.is_running or not (text.strip() or files):
            return
        await self._ask(above, new_message(above[-1].id if above else None, user(text, files)))
        await self.enclosed.sent(files)

    def files_named(self, names: Sequence[str], *, edit: str = "") -> list[Attachment] | None:
        """The files that a question names by what they are stored as: of the draft, or of the question that is edited.
        None where one of them is not there (any more)."""
        found = self.message(edit)
        known = {file.stored_as: file for file in (*self.enclosed.files, *(found.message.attachments if found else ()))}
        files = [known.get(name) for name in dict.fromkeys(names)]
        return None if None in files else [file for file in files if file]

    async def retry(self, message_id: str = "", *, way: WayToMakeRoom | None = None, pick: Pick | None = None) -> None:
        """Answers a question again: the one that the message with this id belongs to, the last one for an empty id. The
        earlier answer stays in the tree beside the new one. With a `way`, room is made in the context first; with
        `pick`, that model answers this once. One of two side by side is answered by its own model again, and the other
        stays where it is."""
        if pick is None and (one := self._one_beside(message_id)) is not None:
            await self._retry_beside(one, way)
            return
        await self._turn_to(message_id)
        shown = self.settled
        if message_id:
            above = self._above(message_id)
            found = self.message(message_id)
            if above is None or found is None:
                return
            shown = (*above, found)
        if not self.can_retry or not any(item.message.role == "user" for item in shown):
            return
        last = max(index for index, item in enumerate(shown) if item.message.role == "user")
        above = shown[: last + 1]
        await self._begin(above, [self._alone(pick or self.wish.pick, above)], way=way)

    async def decide(self, call_id: str, verdict: Verdict, *, mark: str = "", word: str = "") -> bool:
        """Takes what the person said about a call that waits; `mark` is that of the question as it was shown (see
        `Approvals.question`), `word` is for the model. Once something was said about every one, the turn goes on.
        Whether it was taken: what is no longer as it was shown, or was decided already, is not."""
        if self.is_running or not await self.approvals.decide(
            lambda: () if self.is_running else self.settled, call_id, verdict, mark=mark, word=word
        ):
            return False
        if self.is_running or not self.approvals.are_complete(self.settled):
            return True
        first = next(
            place for place in reversed(range(len(self.settled))) if self.settled[place].message.role == "user"
        )
        above, resumed = self.settled[: first + 1], self.settled[first + 1 :]
        await self._begin(above, [self._alone(self.wish.pick, above, resumed=resumed)])
        return True

    async def go_on(self, message_id: str) -> None:
        """Goes on with an answer that ended early: a new answer beside it that begins with its words."""
        await self._turn_to(message_id)
        above, found = self._above(message_id), self.message(message_id)
        if self.is_running or not above or found is None or found.message.role != "assistant":
            return
        parts = tuple(part for part in found.message.parts if not isinstance(part, ToolCall))  # they never ran
        await self._begin(above, [self._alone(self.wish.pick, above, begun=Message("assistant", parts))])

    async def show(self, message_id: str) -> None:
        """Shows the chat as it went on from this message, which need not be one of those that are shown now."""
        if self.is_running:
            return
        self._check_saved()
        await self._show(await asyncio.to_thread(self._store.newest_leaf, message_id))

    async def branch_from(self, message_id: str) -> None:
        """Shows the chat up to this message, so that the next question begins a branch there."""
        if not self.is_running and self.message(message_id) is not None:
            self._check_saved()
            await self._show(message_id)

    async def erase(self, message_id: str) -> None:
        """Erases a message and everything that came of it."""
        if self.is_running or self.message(message_id) is None:
            return
        self._check_saved()
        await asyncio.to_thread(self._store.erase_messages, self.id, message_id)
        stored = await asyncio.to_thread(self._store.conversation, self.id)
        await self._show(stored.leaf_id if stored else None)

    async def mark(self, message_id: str, mark: Mark | None) -> None:
        """Says whether the model is always sent a message, or never; None leaves it to the room there is."""
        self._check_saved()
        await self._sending.replace(marked(self.settled, message_id, mark))

    async def send_all(self) -> None:
        """Sends the model all messages again, in place of a summary or of nothing."""
        self._check_saved()
        await self._sending.replace(uncovered(self.settled))

    async def make_room(self, way: WayToMakeRoom) -> None:
        """Leaves out the oldest messages from now on, or puts a summary in their place. A question ends the making of a
        summary. Raises EngineError where there was none to be had."""
        if self.is_running:
            return
        self._check_saved()
        await self.aside.make_room(self._choose(self.wish.pick), way)

    async def turn_files(self, answer_id: str, direction: Direction) -> None:
        """Takes back what an answer did to files, or does it again. Raises ToolError where one was changed since, and
        then none was touched."""
        if not self.is_running:
            await self.changed.turn(answer_id, direction)
            self._tell()

    async def ask_for(self, wish: Wish) -> None:
        """Has the chat answered like this from the next question on, also where that cannot be saved."""
        if wish != self.wish:
            self.wish = wish
            self._tell()
            await asyncio.to_thread(self._catalogue.wish, self.id, wish)

    @property
    def has_tools(self) -> bool:
        """Whether the model that answers next is told of tools."""
        return self.approvals.is_on(self._choose(self.wish.pick).engine)

    async def switch_tools(self, *, is_on: bool) -> None:
        """Has the model told of tools, or not. Raises StoreError or SettingsError where that is not kept."""
        await self.approvals.switch(self._choose(self.wish.pick).engine, is_on=is_on)
        self._tell()

    async def keep_draft(self, text: str) -> None:
        """Keeps what stands in the composer for the next time that the chat is opened."""
        if text == self.draft:
            return
        self.draft = text
        async with self._drafting:  # or an earlier one may be written last
            await asyncio.to_thread(self._catalogue.save_draft, self.id, self.draft)

    async def stop(self, status: MessageStatus = "stopped") -> None:
        """Ends the running answer at the engine and keeps its text. Returns when that is saved."""
        await self.aside.stop()
        if self._task is not None and self._running is not None:
            self._running.stop(status)
            await asyncio.wait({self._task})

    def _above(self, message_id: str) -> tuple[StoredMessage, ...] | None:
        """The messages above the one with this id; None where it is not among those that are shown."""
        for index, item in enumerate(self.settled):
            if item.id == message_id:
                return self.settled[:index]
        return None

    def _check_saved(self) -> None:
        """What is shown next comes from the disk: words that are only in memory must not be lost from sight."""
        if self.unsaved is not None:
            raise self.unsaved

    async def _show(self, leaf_id: str | None) -> None:
        await asyncio.to_thread(self._store.show, self.id, leaf_id)
        branch = await asyncio.to_thread(self._store.branch, leaf_id)
        self.siblings = await asyncio.to_thread(self._store.siblings, self.id, leaf_id)
        self.settled, self._beside = tuple(branch), None
        self._tell()

    def _one_beside(self, message_id: str) -> RunningAnswer | None:
        return self._beside.of(message_id) if self._beside and not self.is_running else None

    async def _turn_to(self, message_id: str) -> None:
        """Goes on with the other of two answers side by side, where the message belongs to that."""
        one = self._one_beside(message_id)
        if self._beside and one and one is not self._beside.foremost:
            self._check_saved()
            await self._show(one.rows[-1].id)

    async def _retry_beside(self, one: RunningAnswer, way: WayToMakeRoom | None) -> None:
        assert self._beside is not None  # noqa: S101  # for the type checker: `one` was found in it
        above = self.settled[: -len(self._beside.foremost.rows)]
        again = RunningAnswer(one.choice, above)
        await self._begin(above, [again if each is one else each for each in self._beside.each], way=way)

    def _alone(
        self,
        pick: Pick | None,
        above: tuple[StoredMessage, ...],
        *,
        begun: Message | None = None,
        resumed: tuple[StoredMessage, ...] = (),
    ) -> RunningAnswer:
        """An answer with the tools of this chat."""
        one = RunningAnswer(self._choose(pick), above, begun=begun, resumed=resumed)
        one.tools = self.approvals.in_turn(one.choice.engine, one.rows[0].id, is_resumed=bool(resumed))
        return one

    async def _ask(
        self, branch: tuple[StoredMessage, ...], question: StoredMessage, *, denied: tuple[StoredMessage, ...] = ()
    ) -> None:
        """Has the question answered by the chat's model, and by a second one where the person wants two. Two get no
        tools: what these do would be done twice."""
        above = (*branch, question)
        if self.wish.beside is None:
            answers = [self._alone(self.wish.pick, above)]
        else:
            answers = [RunningAnswer(self._choose(pick), above) for pick in self._picks]
        await self._begin(above, answers, question=question, denied=denied)

    async def _begin(
        self,
        above: tuple[StoredMessage, ...],
        answers: Sequence[RunningAnswer],
        *,
        question: StoredMessage | None = None,
        way: WayToMakeRoom | None = None,
        denied: tuple[StoredMessage, ...] = (),
    ) -> None:
        # Before the first await: a double click sends once.
        had, running = self._beside, Answers(answers)
        self._running, self._beside = running, None
        try:
            await self.aside.stop()
            # Before anything runs: what a kill leaves behind is an interrupted answer, and no question once more.
            # In the order in which they are shown: it is that of the arrows between versions.
            rows = (row for one in running.each for row in one.rows)
            await self._kept.save(self.id, *denied, *((question,) if question else ()), *rows)
        except BaseException:
            self._running, self._beside = None, had
            raise
        self.settled = above
        if question is not None:
            await self.aside.name_after(question.message)
        self._task = self._begun_task(self._run(running, way), f"answer in {self.id}")
        self._tell()

    def _begun_task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self, running: Answers, way: WayToMakeRoom | None) -> None:
        """Runs the answers and settles them. Nothing cancels this task."""

        async def save() -> None:
            await self._kept.save(self.id, *running.rows)

        async def take(one: RunningAnswer) -> None:
            await one.take_turn(
                self.settled, way=way, thinking=self.wish.thinking, cover=self._sending.cover, tell=self._tell_of
            )

        try:
            await running.run(take, save=save, tell=self._tell)
            self.siblings = await asyncio.to_thread(self._store.siblings, self.id, running.rows[-1].id)
            await self.changed.look()
        except Exception:  # a border: whatever it is, the chat must take the next question
            log.exception("an answer could not be settled")
        finally:
            self._settle(running)

    def _settle(self, running: Answers) -> None:
        self.settled = (*self.settled, *running.foremost.rows)
        self._running, self._task = None, None
        self._beside = running if running.columns else None
        choice, last = running.foremost.choice, self.settled[-1]
        if last.status in ("complete", "cut") and last.message.text:
            self.aside.make_title(choice)
        for one in running.each:
            if one.rows[-1].message.text:
                self.aside.learn_context(one.choice)
        self._tell()

    def _put(self, changed: Sequence[StoredMessage]) -> None:
        new = {item.id: item for item in changed}
        self.settled = tuple(new.get(item.id, item) for item in self.settled)
        for one in self._beside.each if self._beside else ():
            one.put(new)
        self._tell()

    def _tell_of(self, is_words: bool) -> None:  # noqa: FBT001  # what a turn hands on
        if is_words:
            self._tell_of_words()
        else:
            self._tell()

    def _tell(self) -> None:
        self._tell_of_words()
        self._milestone.set()
        self._milestone = asyncio.Event()

    def _tell_of_words(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
