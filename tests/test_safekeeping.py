"""What the disk does not take waits in memory, in order, and goes to disk when that can be done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from assistant.catalogue import Catalogue
from assistant.database import Database
from assistant.messages import Message, Text, user
from assistant.records import new_message
from assistant.safekeeping import Safekeeping
from assistant.store import Store


def play(tmp_path: Path, scene: Callable[[Safekeeping, Store], Awaitable[None]]) -> None:
    async def run() -> None:
        store = Store(Database(tmp_path / "hearth.db"))
        await scene(Safekeeping(store), store)
        store.close()

    asyncio.run(run())


def test_what_waits_is_written_in_order_and_in_its_newest_version(tmp_path: Path) -> None:
    async def scene(kept: Safekeeping, store: Store) -> None:
        chat = store.add_conversation()
        orphan = new_message("not there yet", user("below"))
        begun = new_message(orphan.id, Message("assistant", (Text("Be"),)), status="streaming")
        await kept.save(chat.id, orphan, begun)
        assert kept.unsaved is not None
        assert kept.unsaved_in(chat.id) is not None
        await kept.save(chat.id, replace(begun, message=Message("assistant", (Text("Because."),)), status="complete"))
        store.add_messages(chat.id, [replace(new_message(None, user("above")), id="not there yet")])
        await kept.aclose()
        assert kept.unsaved is None
        assert [row.message.text for row in store.branch(begun.id)] == ["above", "below", "Because."]

    play(tmp_path, scene)


def test_one_message_that_is_never_taken_keeps_no_other_waiting(tmp_path: Path) -> None:
    async def scene(kept: Safekeeping, store: Store) -> None:
        chat, other = store.add_conversation(), store.add_conversation()
        await kept.save(chat.id, new_message("nowhere", user("never")))
        good = new_message(None, user("good"))
        await kept.save(chat.id, good)
        elsewhere = new_message(None, user("elsewhere"))
        await kept.save(other.id, elsewhere)
        assert [row.message.text for row in (*store.branch(good.id), *store.branch(elsewhere.id))] == [
            "good",
            "elsewhere",
        ]
        assert kept.unsaved_in(chat.id) is not None
        assert kept.unsaved_in(other.id) is None
        await kept.aclose()

    play(tmp_path, scene)


def test_words_of_a_chat_that_was_erased_meanwhile_do_not_wait_for_ever(tmp_path: Path) -> None:
    async def scene(kept: Safekeeping, store: Store) -> None:
        chat = store.add_conversation()
        catalogue = Catalogue(store.database)
        catalogue.delete(chat.id)
        catalogue.erase_deleted()
        await kept.save(chat.id, new_message(None, user("too late")))
        assert kept.unsaved is None

    play(tmp_path, scene)
