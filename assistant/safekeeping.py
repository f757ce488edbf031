"""Messages that the disk did not take: kept in memory, and written as soon as there is room."""

from __future__ import annotations

import asyncio
import logging

from assistant.errors import StoreError
from assistant.records import StoredMessage
from assistant.store import Store

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 30.0


class Safekeeping:
    """The way of all messages into one store. What cannot be written waits, the newest version of each, in order: it is
    tried again every few seconds, before each later write, and once more at the end. Use from one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, dict[str, StoredMessage]] = {}  # by chat, then by message
        self._faults: dict[str, StoreError] = {}
        self._writing = asyncio.Lock()
        self._retrying: asyncio.Task[None] | None = None

    @property
    def unsaved(self) -> StoreError | None:
        """Why some words of some chat are not on disk yet; None when all are."""
        return next(iter(self._faults.values()), None)

    def unsaved_in(self, conversation_id: str) -> StoreError | None:
        """The same, of one chat."""
        return self._faults.get(conversation_id)

    async def save(self, conversation_id: str, *messages: StoredMessage) -> None:
        """Writes messages as `Store.save_messages` does, or keeps them until that can be done. Never raises
        StoreError."""
        waiting = self._waiting.setdefault(conversation_id, {})
        for item in messages:
            waiting.pop(item.id, None)  # the last one given is the last one written, and so the leaf
            waiting[item.id] = item
        await self._write_all()
        if self._waiting and (self._retrying is None or self._retrying.done()):
            self._retrying = asyncio.create_task(self._retry(), name="unsaved messages")

    async def aclose(self) -> None:
        """Tries once more, and says in the log what could not be written."""
        if self._retrying is not None:
            self._retrying.cancel()
            await asyncio.wait({self._retrying})
        if self._waiting:
            await self._write_all()
        if left := sum(len(messages) for messages in self._waiting.values()):
            log.error("%d messages could not be written: %s", left, self.unsaved)

    async def _retry(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while self._waiting:
            await asyncio.sleep(pause)
            await self._write_all()
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)

    async def _write_all(self) -> None:
        async with self._writing:
            for conversation_id in list(self._waiting):
                messages = tuple(self._waiting[conversation_id].values())
                written, fault = await asyncio.to_thread(self._write, conversation_id, messages)
                self._settle(conversation_id, written, fault)

    def _settle(self, conversation_id: str, written: tuple[StoredMessage, ...], fault: StoreError | None) -> None:
        waiting = self._waiting[conversation_id]
        for item in written:
            if waiting.get(item.id) is item:  # else there is a newer version by now
                del waiting[item.id]
        if not waiting:
            del self._waiting[conversation_id]
        if fault is None:
            if self._faults.pop(conversation_id, None):
                log.info("what was kept of a chat is written")
        elif waiting:
            if conversation_id not in self._faults:
                log.warning("words of a chat are kept in memory: %s", fault)
            self._faults[conversation_id] = fault

    def _write(
        self, conversation_id: str, messages: tuple[StoredMessage, ...]
    ) -> tuple[tuple[StoredMessage, ...], StoreError | None]:
        """What was written, and why the rest was not. One message that SQLite will never take keeps no other waiting;
        those of a chat that was erased meanwhile count as written."""
        try:
            self._store.save_messages(conversation_id, *messages)
        except StoreError as error:
            if error.key != "store.refused":
                return (), error
            fault = error
        else:
            return messages, None
        try:
            if self._store.conversation(conversation_id) is None:
                return messages, None
        except StoreError as error:
            return (), error
        written: list[StoredMessage] = []
        for item in messages:
            try:
                self._store.save_messages(conversation_id, item)
                written.append(item)
            except StoreError as error:
                fault = error
        return tuple(written), fault
