"""What the kill tests kill: a child that drives chats, settings, deletions, snapshots and migrations, and says on its
standard output what has been done. Whatever it has said must be there after `kill -9`.

    python -m tests.faults.driver DATA_DIR ENDPOINT SEED

Lines: `chat ID`, `said MESSAGE_ID TEXT` (a question on disk), `answered MESSAGE_ID`, `streamed MESSAGE_ID LENGTH`,
`setting NUMBER`, `erasing CHAT` (from now on it may be gone) and `erased CHAT`, `backup NAME`, `opened VERSION`.
"""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from assistant.backup import Backups
from assistant.catalogue import Catalogue
from assistant.conversation import Conversation, EngineChoice
from assistant.conversations import Conversations
from assistant.database import Database
from assistant.engines.endpoint import EndpointEngine
from assistant.paths import Profile
from assistant.rescue import open_chats
from assistant.settings import Settings, SettingsFile
from assistant.store import Store


def say(*words: object) -> None:
    """One write of one line: the reader sees all of it or nothing."""
    sys.stdout.write(" ".join(str(word) for word in words) + "\n")
    sys.stdout.flush()


async def drive(profile: Profile, endpoint: str, seed: int) -> None:
    chance = random.Random(seed)
    profile.create()
    backups = Backups(profile.database, profile.backups)
    opened = open_chats(profile.database, backups)
    say("opened", *(notice.key for notice in opened.notices))
    store, catalogue = Store(opened.database), Catalogue(opened.database)
    settings = SettingsFile(profile.settings_file)
    engine = EndpointEngine(endpoint, model="fake")
    conversations = Conversations(
        store, private=Store(Database(None)), choose=lambda _: EngineChoice(engine, Settings())
    )
    number = seed * 1000
    while True:
        number += 1
        act = chance.choice(("ask", "ask", "ask", "retry", "settings", "erase", "backup"))
        if act == "settings":
            await asyncio.to_thread(settings.save, max_tokens=number, system_prompt=f"prompt {number} " * 200)
            say("setting", number)
        elif act == "erase":
            chats = [chat.id for chat in catalogue.chats(limit=500)]
            if len(chats) > 3:
                doomed = chance.choice(chats[2:])
                say("erasing", doomed)
                catalogue.delete(doomed)
                catalogue.erase_deleted(older_than=timedelta(0))
                say("erased", doomed)
        elif act == "backup":
            snapshot = await asyncio.to_thread(backups.take)
            say("backup", snapshot.path.name)
            await asyncio.to_thread(backups.rotate, opened.database)
        else:
            await ask(conversations, store, number, is_retry=act == "retry")


async def ask(conversations: Conversations, store: Store, number: int, *, is_retry: bool) -> None:
    chat = await (conversations.new() if number % 4 == 0 else conversations.last())
    if chat.live is not None:
        return
    if is_retry and chat.can_retry:
        await chat.retry()
    else:
        await chat.send(f"question-{number}")
        if chat.unsaved is None:
            say("chat", chat.id)
            say("said", chat.settled[-1].id, f"question-{number}")
    await watch(chat, store)


async def watch(chat: Conversation, store: Store) -> None:
    """Says what of a running answer is on disk, while it streams and when it rests."""
    while chat.live is not None:
        with suppress(TimeoutError):
            await asyncio.wait_for(chat.news.wait(), 0.2)
        last = store.conversation(chat.id)
        row = store.branch(last.leaf_id)[-1] if last and last.leaf_id else None
        if row is not None and row.message.role == "assistant":
            say("streamed", row.id, len(row.message.text))
    if chat.unsaved is None:
        say("answered", chat.settled[-1].id)


if __name__ == "__main__":
    asyncio.run(drive(Profile(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])))
