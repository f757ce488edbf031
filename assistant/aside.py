"""What is made beside one chat once its answer has come: its title, and room in its context. A question ends it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any

from assistant.catalogue import Catalogue
from assistant.errors import EngineError, StoreError
from assistant.events import RoomMade
from assistant.messages import Message
from assistant.records import StoredConversation, TitledBy
from assistant.room import make_room
from assistant.running import EngineChoice
from assistant.sending import Sending
from assistant.settings import WayToMakeRoom
from assistant.titles import engine_title, first_words

log = logging.getLogger(__name__)

Begin = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]


class Aside:
    """One thing at a time. `title` is what the chat is called. `begin` begins a task under a name; `tell` is called
    after changes, `learnt` when the model's context may be known better."""

    def __init__(
        self,
        stored: StoredConversation,
        catalogue: Catalogue,
        sending: Sending,
        *,
        begin: Begin,
        tell: Callable[[], None],
        learnt: Callable[[], None],
    ) -> None:
        self.title = stored.title
        self._id, self._wants_title = stored.id, stored.titled_by in ("nobody", "words")
        self._catalogue, self._sending = catalogue, sending
        self._begin, self._tell, self._learnt = begin, tell, learnt
        self._task: asyncio.Task[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a title or a summary is being made."""
        return self._task is not None

    async def stop(self) -> None:
        """Ends what is being made: a question waits for neither a title nor a summary."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def name_after(self, question: Message) -> None:
        """Calls a chat that has no title yet by the first words of its question."""
        if not self.title:
            words = first_words(question.text) or first_words(" ".join(file.name for file in question.attachments))
            with suppress(StoreError):  # the next question tries again
                await self._entitle(words, by="words")

    async def rename(self, title: str) -> None:
        """Gives the chat the person's own title; an empty one changes nothing."""
        if title.strip():
            await self.stop()
            self._wants_title = False
            await self._entitle(title, by="person")
            self._tell()

    def make_title(self, choice: EngineChoice) -> None:
        """Begins to ask the engine for a title, once; a chat whose engine has none to give keeps its first words."""
        if self._wants_title:
            self._begin_alone(self._make_title(choice), f"title of {self._id}")

    async def make_room(self, choice: EngineChoice, way: WayToMakeRoom) -> None:
        """Leaves out the oldest messages from now on, or puts a summary in their place. Raises EngineError where there
        was none to be had."""
        await self.stop()
        faults: list[EngineError] = []
        task = self._begin_alone(self._make_room(choice, way, faults), f"room in {self._id}")
        self._tell()
        await asyncio.wait({task})
        if faults:
            raise faults[0]

    def learn_context(self, choice: EngineChoice) -> None:
        """Once an answer has come: then the server has loaded its model, and knows. No question ends this."""
        self._begin(self._learn_context(choice), f"context of {self._id}")

    def _begin_alone(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self._task = self._begin(work, name)
        task.add_done_callback(self._ended)  # also of a task that was ended before it began
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task = None
        self._tell()

    async def _make_title(self, choice: EngineChoice) -> None:
        try:
            title = await engine_title(self._sending.filling(choice.engine, choice.settings).prompt, choice.engine)
            self._wants_title = False
            if title:
                await self._entitle(title, by="engine")
        except StoreError as error:
            log.warning("a title could not be saved: %s", error)

    async def _make_room(self, choice: EngineChoice, way: WayToMakeRoom, faults: list[EngineError]) -> None:
        try:
            found = await self._sending.counted(choice.engine, choice.settings)
            making = make_room(self._sending.branch(), choice.engine, found, way=way, is_halved=True)
            async with aclosing(making) as events:
                async for event in events:
                    if isinstance(event, RoomMade):
                        await self._sending.cover(event)
        except EngineError as error:
            faults.append(error)

    async def _learn_context(self, choice: EngineChoice) -> None:
        await choice.engine.learn_context()
        self._learnt()

    async def _entitle(self, title: str, *, by: TitledBy) -> None:
        await asyncio.to_thread(self._catalogue.rename, self._id, title, by=by)
        self.title = title
