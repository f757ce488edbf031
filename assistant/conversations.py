"""All chats: which are open in this process, the private ones in memory, and what is done with a chat as a whole."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from weakref import WeakValueDictionary

from assistant.approvals import Toolkit
from assistant.catalogue import Catalogue, Found
from assistant.conversation import Conversation
from assistant.errors import StoreError
from assistant.messages import Attachment
from assistant.pick import NO_WISH, Pick, Wish
from assistant.records import StoredConversation
from assistant.running import EngineChoice
from assistant.safekeeping import Safekeeping
from assistant.store import Store
from assistant.tool_log import LoggedRun, ToolLog

log = logging.getLogger(__name__)

UNDO_SECONDS = 20
MOST_RECENT = 16


@dataclass(frozen=True)
class Overview:
    """What the side bar lists. `folders` holds each folder's size, `opened` the chats of those that are open; of each
    list there may be more than is in it."""

    private: Listed
    pinned: Listed
    folders: dict[str, int]
    opened: dict[str, Listed]
    chats: Listed
    archived_count: int


@dataclass(frozen=True)
class Listed:
    """Chats, and whether more of their kind follow."""

    chats: Sequence[StoredConversation] = ()
    has_more: bool = False

    @staticmethod
    def of(found: Sequence[StoredConversation], limit: int) -> Listed:
        """At most `limit` of them; whoever looked for one more knows whether it is there."""
        return Listed(found[:limit], len(found) > limit)


class Conversations:
    """The chats of a profile on one event loop, each open once, so that two windows on a chat see the same one.

    `private` holds chats in memory only; they end with this process. Every method may raise StoreError.
    """

    def __init__(
        self,
        store: Store,
        *,
        private: Store,
        choose: Callable[[Pick | None], EngineChoice],
        toolkit: Toolkit | None = None,
    ) -> None:
        self._store, self._private = store, private
        self._kept, self._unkept = (
            Catalogue(store.database, store.attachments),
            Catalogue(private.database, private.attachments),
        )
        self._safe = {id(held): Safekeeping(held) for held in (store, private)}
        self._choose, self._toolkit = choose, toolkit
        self._open: WeakValueDictionary[str, Conversation] = WeakValueDictionary()  # as long as anybody has them
        self._recent: dict[str, Conversation] = {}  # the last one that was asked for stands last
        self._answering: set[asyncio.Task[None]] = set()
        self._erasing: set[asyncio.Task[None]] = set()

    @property
    def unsaved(self) -> StoreError | None:
        """Why words of some chat are not on disk yet; None when all are."""
        return self._safe[id(self._store)].unsaved

    async def last(self) -> Conversation:
        """The chat that was changed last, or a new one."""
        stored = await asyncio.to_thread(self._store.last_conversation)
        return await self._opened(self._store, stored) if stored else await self.new()

    async def new(self, wish: Wish = NO_WISH) -> Conversation:
        """An empty chat: one that is still empty, so that clicks on "New chat" leave no litter."""
        return await self._empty(self._store, wish)

    async def new_private(self, wish: Wish = NO_WISH) -> Conversation:
        """An empty chat of which nothing is ever written to disk."""
        return await self._empty(self._private, wish)

    async def open(self, conversation_id: str) -> Conversation | None:
        """The chat with this id; None where there is none."""
        for store in (self._store, self._private):
            stored = await asyncio.to_thread(store.conversation, conversation_id)
            if stored is not None and not stored.is_deleted:
                return await self._opened(store, stored)
        return None

    def is_private(self, conversation: Conversation) -> bool:
        """Whether nothing of this chat is written to disk."""
        return conversation.is_of(self._private)

    async def overview(self, *, limit: int, open_folders: frozenset[str] = frozenset()) -> Overview:
        """What the side bar lists, with at most `limit` chats in each of its lists."""
        return await asyncio.to_thread(self._overview, limit, open_folders)

    async def archived(self, *, limit: int) -> Listed:
        """The chats that were put away, the last changed first."""
        return Listed.of(await asyncio.to_thread(self._kept.chats, limit=limit + 1, is_archived=True), limit)

    def attached(self, stored_as: str) -> bytes | None:
        """A file of some chat, by what it is stored as; None where there is none. For any thread."""
        file = Attachment("", "", stored_as)
        held = (store.attachments.read(file) for store in (self._private, self._store))
        return next((content for content in held if content is not None), None)

    async def folder_of(self, conversation_id: str) -> str:
        """The folder that the chat is in; empty for none."""
        stored = await asyncio.to_thread(self._store.conversation, conversation_id)
        return stored.folder if stored else ""

    async def folders(self) -> list[str]:
        """The names of all folders."""
        return list(await asyncio.to_thread(self._kept.folders))

    async def search(self, query: str, *, limit: int = 50) -> list[Found]:
        """See `Catalogue.search`; private chats come first."""
        private = await asyncio.to_thread(self._unkept.search, query, limit=limit)
        return [*private, *await asyncio.to_thread(self._kept.search, query, limit=limit)]

    async def tool_runs(self, *, limit: int = 200) -> list[LoggedRun]:
        """What tools did last in all chats, the newest first; private ones too, as long as they are there."""
        logs = [ToolLog(store.database) for store in (self._store, self._private)]
        found = [run for log_of_one in logs for run in await asyncio.to_thread(log_of_one.runs, limit=limit)]
        return sorted(found, key=lambda run: run.began_at, reverse=True)[:limit]

    async def pin(self, conversation_id: str, is_pinned: bool) -> None:  # noqa: FBT001  # what a switch says
        """Puts a chat at the top of the side bar, or back to its day."""
        await asyncio.to_thread(self._catalogue_of(conversation_id).pin, conversation_id, is_pinned)

    async def archive(self, conversation_id: str, is_archived: bool) -> None:  # noqa: FBT001
        """Puts a chat away, or takes it back."""
        await asyncio.to_thread(self._catalogue_of(conversation_id).archive, conversation_id, is_archived)

    async def move(self, conversation_id: str, folder: str) -> None:
        """Puts a chat into a folder; an empty name takes it out."""
        await asyncio.to_thread(self._catalogue_of(conversation_id).move, conversation_id, folder)

    async def split(self, conversation: Conversation, message_id: str) -> Conversation | None:
        """Makes the branch that ends in a message a chat of its own; None where the chat does not show it."""
        if conversation.message(message_id) is None:
            return None
        store = self._private if self.is_private(conversation) else self._store
        copied = await asyncio.to_thread(
            store.copy_branch, message_id, title=conversation.title, wish=conversation.wish
        )
        return await self._opened(store, copied)

    async def delete(self, conversation_id: str) -> None:
        """Takes a chat away, its running answer included. For UNDO_SECONDS `restore` has it back; then it is erased."""
        self._recent.pop(conversation_id, None)
        if (conversation := self._open.pop(conversation_id, None)) is not None:
            await conversation.stop()
        await asyncio.to_thread(self._catalogue_of(conversation_id).delete, conversation_id)
        task = asyncio.create_task(self._erase_later())
        self._erasing.add(task)
        task.add_done_callback(self._erasing.discard)

    async def restore(self, conversation_id: str) -> Conversation | None:
        """Undo of `delete`; None where it comes too late."""
        await asyncio.to_thread(self._catalogue_of(conversation_id).restore, conversation_id)
        return await self.open(conversation_id)

    async def erase_deleted(self) -> None:
        """Erases what an earlier Hearth was told to delete and did not live to."""
        await self._erase(older_than=timedelta(0))

    async def aclose(self) -> None:
        """Ends every running answer and saves what it has; erases what was deleted."""
        for task in self._erasing:
            task.cancel()
        await asyncio.gather(*(conversation.stop("interrupted") for conversation in list(self._open.values())))
        await asyncio.gather(*(kept.aclose() for kept in self._safe.values()))
        await self._erase(older_than=timedelta(0))

    async def _empty(self, store: Store, wish: Wish) -> Conversation:
        stored = await asyncio.to_thread(store.empty_conversation)
        empty = await self._opened(store, stored or await asyncio.to_thread(store.add_conversation))
        await empty.ask_for(wish)
        return empty

    async def _opened(self, store: Store, stored: StoredConversation) -> Conversation:
        conversation = self._open.get(stored.id)
        if conversation is None:
            kept = self._safe[id(store)]
            opened = await asyncio.to_thread(
                Conversation,
                store,
                stored,
                kept=kept,
                choose=self._choose,
                tasks=self._answering,
                toolkit=self._toolkit,
            )
            conversation = self._open.setdefault(stored.id, opened)  # somebody may have been quicker
        self._remember(conversation)
        return conversation

    def _remember(self, conversation: Conversation) -> None:
        """Going back to one of the last chats is quick, and what is not on disk yet stays in memory."""
        self._recent.pop(conversation.id, None)
        self._recent[conversation.id] = conversation
        for older in list(self._recent.values())[:-MOST_RECENT]:
            if not older.is_running and older.unsaved is None:
                del self._recent[older.id]

    def _overview(self, limit: int, open_folders: frozenset[str]) -> Overview:
        kept, most = self._kept, limit + 1
        folders = kept.folders()
        return Overview(
            private=Listed.of(self._unkept.chats(limit=most), limit),
            pinned=Listed.of(kept.pinned(limit=most), limit),
            folders=folders,
            opened={n: Listed.of(kept.in_folder(n, limit=most), limit) for n in folders if n in open_folders},
            chats=Listed.of(kept.chats(limit=most), limit),
            archived_count=kept.count_archived(),
        )

    def _catalogue_of(self, conversation_id: str) -> Catalogue:
        return self._unkept if self._private.conversation(conversation_id) else self._kept

    async def _erase_later(self) -> None:
        await asyncio.sleep(UNDO_SECONDS)
        await self._erase(older_than=timedelta(seconds=UNDO_SECONDS - 1))

    async def _erase(self, *, older_than: timedelta) -> None:
        for catalogue in (self._kept, self._unkept):
            try:
                await asyncio.to_thread(catalogue.erase_deleted, older_than=older_than)
            except StoreError as error:
                log.warning("what was deleted is not erased yet: %s", error)  # the next start does it
