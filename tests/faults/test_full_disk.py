"""Row 39 of the faults, and 47 in part: a disk that is full (a small tmpfs) or fails at a write. Nothing that was
typed or streamed goes: it is answered, told in a banner, kept, and written when there is room."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from assistant.database import Database
from assistant.paths import Profile
from assistant.store import Store
from tests.conftest import Served, hearth
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer as Words
from tests.faults.conftest import fill
from tests.faults.siege import furnish

Serve = Callable[..., Served]


SCENE = """
import asyncio, os, resource, signal, sys
from pathlib import Path
from assistant import safekeeping
from assistant.backup import Backups
from assistant.catalogue import Catalogue
from assistant.conversation import EngineChoice
from assistant.conversations import Conversations
from assistant.database import Database
from assistant.engines.endpoint import EndpointEngine
from assistant.errors import HearthError
from assistant.database import Database
from assistant.paths import Profile
from assistant.store import Store
from assistant.settings import Settings, SettingsFile
from assistant.store import Store

safekeeping.FIRST_PAUSE_SECONDS = 0.2
profile, kind, url = Profile(Path(sys.argv[1])), sys.argv[2], sys.argv[3]
profile.create()

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

def fill(more=0):
    if kind == "fails":  # any write behind this point of a file gives EFBIG, which SQLite calls an I/O error
        return limit(profile.database.with_name("hearth.db-wal").stat().st_size + more)
    with open(profile.data_dir / "filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(max(file.tell() - more, 0))

def make_room():
    if kind == "fails":
        return limit(resource.RLIM_INFINITY)
    (profile.data_dir / "filler").unlink()

async def at_rest(chat):
    while chat.live is not None:
        await chat.news.wait()

async def scene():
    database = Database(profile.database)
    store, engine = Store(database), EndpointEngine(url, model="fake")
    choice = EngineChoice(engine, Settings())
    conversations = Conversations(store, private=Store(Database(None)), choose=lambda _: choice)
    settings, backups = SettingsFile(profile.settings_file), Backups(profile.database, profile.backups)
    chat = await conversations.last()
    await chat.send("before")
    await at_rest(chat)
    for room in (0, 4096, 12288, 40960):  # the write that fails is another one each time
        fill(room)
        before = [item.message.text for item in chat.settled]
        await chat.send(f"while it is full {room}")
        await at_rest(chat)
        assert [item.message.text for item in chat.settled[len(before):]][0] == f"while it is full {room}"
        assert chat.settled[-1].status == "complete", chat.settled[-1]
        assert room > 4096 or chat.unsaved is not None
        assert room > 4096 or conversations.unsaved.key == "store.full", conversations.unsaved.key
        for act in (lambda: settings.save(max_tokens=7 + room), backups.take):
            try:
                act()
            except HearthError as error:
                assert error.key in ("settings.unwritable", "backup-no-room", "store.full"), error.key
        make_room()
        for _ in range(100):
            if chat.unsaved is None:
                break
            await asyncio.sleep(0.1)
        assert chat.unsaved is None, "it is written by itself"
        assert store.branch(chat.settled[-1].id) == list(chat.settled)
    fill()
    await chat.send("at the end")
    await at_rest(chat)
    assert chat.unsaved is not None
    make_room()
    await conversations.aclose()
    assert store.branch(chat.settled[-1].id) == list(chat.settled), "and once more at the end"
    assert backups.take() and all(backups.is_good(one) for one in backups.all())
    assert not list(profile.backups.glob(".draft*")) and not list(profile.data_dir.glob(".settings*"))
    with database.reading() as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    await engine.aclose()
    database.close()

asyncio.run(scene())
print("held")
"""


def play(data_dir: Path, kind: str) -> None:
    with fake_endpoint(*[Words([f"word{number} " for number in range(300)], rate_per_second=600)] * 6) as endpoint:
        ended = subprocess.run(
            [sys.executable, "-c", SCENE, str(data_dir), kind, endpoint.url],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert (ended.returncode, ended.stdout) == (0, "held\n"), ended.stderr


def test_row_39_on_a_full_disk_words_are_kept_answered_and_written_when_there_is_room(small_disk: Path) -> None:
    play(small_disk, "full")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="a limit on the size of files")
def test_row_39_where_a_write_fails_words_are_kept_answered_and_written_when_it_can_be_done(tmp_path: Path) -> None:
    play(tmp_path / "data", "fails")


@pytest.mark.slow
@pytest.mark.browser
def test_row_39_the_banner_says_it_and_goes_by_itself(serve: Serve, page: Page, small_disk: Path) -> None:
    with fake_endpoint(Words(), Words(("Still ", "here."))) as endpoint:
        served = serve("--endpoint", endpoint.url, data_dir=small_disk)
        page.goto(served.address)
        text = page.locator("#chat-input textarea")
        text.fill("before")
        text.press("Enter")
        expect(page.locator("#chat-settled")).to_contain_text("Hello")
        filler = fill(small_disk)
        text.fill("while it is full")
        text.press("Enter")
        expect(page.locator("#chat-settled")).to_contain_text("Still here.")
        expect(page.locator("#chat-settled")).to_contain_text("while it is full")
        expect(page.locator("#banner")).to_contain_text("The disk is full")
        filler.unlink()
        expect(page.locator("#banner")).not_to_be_visible(timeout=60_000)
        served.process.kill()
        served.process.wait()
    store = Store(Database(small_disk / "hearth.db"))
    last = store.last_conversation()
    assert last is not None
    said = [item.message.text for item in store.branch(last.leaf_id)]
    store.close()
    assert said == ["before", "Hello, world!", "while it is full", "Still here."]


def test_row_39_a_backup_on_a_full_disk_is_refused_in_a_sentence(small_disk: Path) -> None:
    furnish(small_disk)
    fill(small_disk)
    ended = hearth("backup", "--data-dir", str(small_disk))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "room" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list((small_disk / "backups").glob("hearth-*"))


def test_row_47_a_log_that_cannot_be_written_stops_nothing(small_disk: Path) -> None:
    Profile(small_disk).create()
    fill(small_disk)
    with fake_endpoint(Words(("Yes.",))) as endpoint:
        ended = hearth("ask", "Is it?", "--data-dir", str(small_disk), "--endpoint", endpoint.url)
    assert (ended.stdout, ended.returncode) == ("Yes.\n", 0), ended.stderr
