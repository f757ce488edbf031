"""Row 41 of the faults: a database that is empty, garbage, cut, damaged inside, beside a foreign log, or newer."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from assistant.backup import Backups
from assistant.catalogue import Catalogue
from assistant.database import Database
from assistant.errors import StoreError
from assistant.messages import Message, Text, user
from assistant.migrations import STEPS
from assistant.paths import Profile
from assistant.records import new_message
from assistant.rescue import Opened, damage, marker, open_chats
from assistant.store import Store
from tests.conftest import Served

Serve = Callable[..., Served]

PAGE = 4096
CHATS, PAIRS = 12, 10


def furnish(profile: Profile, chats: int = CHATS, *, name: str = "chat") -> None:
    """Chats of some pages each, so that damage hits a part of them."""
    profile.create()
    database = Database(profile.database)
    store = Store(database)
    for number in range(chats):
        chat = store.add_conversation()
        parent: str | None = None
        rows = []
        for pair in range(PAIRS):
            question = new_message(parent, user(f"{name} {number} question {pair} {'why ' * 60}"))
            answer = new_message(question.id, Message("assistant", (Text(f"{name} {number} answer {pair}"),)))
            rows += [question, answer]
            parent = answer.id
        store.save_messages(chat.id, *rows)
        Catalogue(database).rename(chat.id, f"{name} {number}", by="person")
    database.close()


def start(profile: Profile) -> Opened:
    return open_chats(profile.database, Backups(profile.database, profile.backups))


def kept(profile: Profile) -> list[Path]:
    return sorted(profile.data_dir.glob("hearth.db.corrupt-*"))


def keys(opened: Opened) -> list[str]:
    return [notice.key for notice in opened.notices]


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garbage(path: Path) -> None:
    path.write_bytes(b"not a database at all " * 4000)


def garbage_header(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(b"\xde\xad" * 50 + content[100:])


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4 - 700])  # the first half is roots of tables


def no_schema(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (PAGE - 100) + content[PAGE:])


@pytest.mark.parametrize("spoil", [empty, garbage, garbage_header, cut, no_schema])
def test_row_41_a_damaged_database_is_set_aside_untouched_and_the_backup_is_offered(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    profile = Profile(tmp_path / "data")
    furnish(profile)
    Backups(profile.database, profile.backups).take()
    spoil(profile.database)
    before = profile.database.read_bytes()
    opened = start(profile)
    try:
        assert [path.read_bytes() for path in kept(profile)] == [before]
        assert keys(opened)[-1] == "backup-offered"
        assert (opened.notices[-1].values["chats"], opened.notices[-1].values["messages"]) == (CHATS, 2 * PAIRS * CHATS)
        here = Store(opened.database)
        chat = here.add_conversation()
        here.save_messages(chat.id, new_message(None, user("life goes on")))
        assert damage(profile.database) is None
    finally:
        opened.database.close()


@pytest.mark.parametrize(("spoil", "least"), [(cut, 30), (garbage_header, 2 * PAIRS * CHATS)])
def test_row_41_what_can_be_read_is_carried_over(tmp_path: Path, spoil: Callable[[Path], None], least: int) -> None:
    profile = Profile(tmp_path / "data")
    furnish(profile)
    spoil(profile.database)
    opened = start(profile)
    try:
        chats, messages = Catalogue(opened.database).counts()
        assert messages >= least
        assert keys(opened) == ["store.set-aside", "backup-none"]
        assert (opened.notices[0].values["chats"], opened.notices[0].values["messages"]) == (chats, messages)
        assert Catalogue(opened.database).search("answer 3")
    finally:
        opened.database.close()


@pytest.mark.parametrize("page", range(4, 60, 5))
def test_row_41_damage_inside_costs_only_what_stood_there(tmp_path: Path, page: int) -> None:
    """It is found by the check after an unclean end, which a log with something in it shows."""
    profile = Profile(tmp_path / "data")
    furnish(profile)
    spoil_page(profile.database, page)
    leave_a_log(profile.database)
    before = profile.database.read_bytes()
    opened = start(profile)
    try:
        assert keys(opened)[:1] == ["store.set-aside"], keys(opened)
        _, messages = Catalogue(opened.database).counts()
        lost = int(str(opened.notices[0].values["lost"]))
        total = 2 * PAIRS * CHATS
        assert messages >= total - 60, "a page holds few messages; an inner one leads to some"
        assert messages + lost >= total - 2 or lost > 0 or messages == total
        assert kept(profile)[0].read_bytes() == before
        assert damage(profile.database) is None
    finally:
        opened.database.close()


def spoil_page(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek(PAGE * (page - 1))
        file.write(b"\xff" * PAGE)


def leave_a_log(path: Path) -> None:
    """A log with a write in it, as a Hearth that was killed leaves it; the damage stays below it."""
    other = path.with_name("other.db")
    shutil.copy(path, other)
    db = sqlite3.connect(other, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL").fetchall()
    db.execute("PRAGMA user_version = 1")
    db.execute(f"PRAGMA user_version = {len(STEPS)}")
    log = other.with_name("other.db-wal").read_bytes()
    db.close()
    other.unlink()
    path.with_name(f"{path.name}-wal").write_bytes(log)


def test_row_41_the_log_of_another_state_does_not_spoil_what_is_whole(tmp_path: Path) -> None:
    """A hearth.db from yesterday, put back beside today's log."""
    profile, other = Profile(tmp_path / "data"), Profile(tmp_path / "other")
    furnish(profile)
    furnish(other, 30, name="other")
    db = sqlite3.connect(other.database, isolation_level=None)
    db.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
    db.execute("UPDATE messages SET created_at = created_at || ' '")
    db.execute("DELETE FROM messages WHERE number % 2")
    db.execute("VACUUM")
    log = other.database.with_name("hearth.db-wal").read_bytes()
    db.close()
    stale = profile.database.with_name("hearth.db-wal")
    stale.write_bytes(log[: len(log) * 2 // 3])
    before = profile.database.read_bytes()
    opened = start(profile)
    try:
        found = {chat.title for chat in Catalogue(opened.database).chats(limit=99)}
        if opened.notices:
            assert {f"chat {number}" for number in range(CHATS)} <= found
            files = {path.name.rpartition("-")[2]: path.read_bytes() for path in kept(profile)}
            assert before in files.values()
        assert damage(profile.database) is None
    finally:
        opened.database.close()


def test_row_41_a_newer_database_is_refused_and_never_written_to(tmp_path: Path) -> None:
    profile = Profile(tmp_path / "data")
    furnish(profile, 1)
    with closing(sqlite3.connect(profile.database)) as db:
        db.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    before = profile.database.read_bytes()
    with pytest.raises(StoreError) as caught:
        start(profile)
    assert caught.value.key == "store.newer"
    assert profile.database.read_bytes() == before
    assert kept(profile) == []


def test_row_41_an_empty_file_is_a_new_beginning_where_there_is_no_backup(tmp_path: Path) -> None:
    profile = Profile(tmp_path / "data")
    profile.create()
    profile.database.touch()
    opened = start(profile)
    opened.database.close()
    assert (opened.notices, kept(profile)) == ((), [])


def test_row_41_a_file_that_is_gone_is_told_where_there_are_backups(tmp_path: Path) -> None:
    profile = Profile(tmp_path / "data")
    furnish(profile, 1)
    Backups(profile.database, profile.backups).take()
    profile.database.unlink()
    opened = start(profile)
    opened.database.close()
    assert keys(opened) == ["store.missing", "backup-offered"]


def test_row_41_what_was_found_damaged_in_use_is_set_aside_at_the_next_start(tmp_path: Path) -> None:
    profile = Profile(tmp_path / "data")
    furnish(profile)
    spoil_page(profile.database, 20)
    marker(profile.database).touch()
    opened = start(profile)
    opened.database.close()
    assert keys(opened)[:1] == ["store.set-aside"]
    assert not marker(profile.database).exists()
    again = start(profile)
    again.database.close()
    assert again.notices == ()


def test_row_41_a_false_alarm_changes_nothing(tmp_path: Path) -> None:
    profile = Profile(tmp_path / "data")
    furnish(profile, 1)
    marker(profile.database).touch()
    opened = start(profile)
    opened.database.close()
    assert (opened.notices, kept(profile), marker(profile.database).exists()) == ((), [], False)


def test_row_41_a_start_that_was_killed_in_the_midst_of_a_rescue_is_brought_to_its_end(tmp_path: Path) -> None:
    profile = Profile(tmp_path / "data")
    furnish(profile, 2)
    path = profile.database
    shutil.copy(path, path.with_name("hearth.db.rescued"))
    path.rename(path.with_name("hearth.db.corrupt-20260101T000000000000"))
    path.with_name("hearth.db-wal").write_bytes(b"log")
    opened = start(profile)
    try:
        assert Catalogue(opened.database).counts()[0] == 2
        assert [path.name for path in kept(profile)][1:] == ["hearth.db.corrupt-20260101T000000000000-wal"]
    finally:
        opened.database.close()


def test_row_41_a_damaged_file_of_the_first_schema_is_read_too(tmp_path: Path) -> None:
    profile = Profile(tmp_path / "data")
    profile.create()
    with closing(sqlite3.connect(profile.database)) as db:
        db.executescript(f"{STEPS[0]} PRAGMA user_version = 1;")
        db.execute("INSERT INTO conversations VALUES ('c', 'Old', '2026-01-01T00:00:00+00:00', '2026-01-01', 'm299')")
        for number in range(300):
            db.execute(
                "INSERT INTO messages VALUES (?, 'c', ?, 'user', json_array(json_object('type', 'text', 'text', ?)),"
                " 'complete', NULL, NULL, '2026-01-01T00:00:00+00:00')",
                (f"m{number}", f"m{number - 1}" if number else None, "word " * 60),
            )
        db.commit()
    cut(profile.database)
    opened = start(profile)
    try:
        chat = Store(opened.database).conversation("c")
        assert chat is not None
        assert len(Store(opened.database).tree("c")) > 50
        assert len(Store(opened.database).branch(chat.leaf_id)) == len(Store(opened.database).tree("c")), "in one piece"
    finally:
        opened.database.close()


@pytest.mark.slow
@pytest.mark.browser
def test_row_41_a_damaged_file_is_told_in_a_banner_that_leads_to_the_backups(
    serve: Serve, page: Page, tmp_path: Path
) -> None:
    profile = Profile(tmp_path / "data")
    furnish(profile)
    Backups(profile.database, profile.backups).take()
    cut(profile.database)
    page.goto(serve().address)
    banner = page.locator("#banner")
    expect(banner).to_contain_text("hearth.db.corrupt-")
    expect(banner).to_contain_text("holds 12 chats with 240 messages")
    page.locator("#banner-backups").click()
    page.locator("#backup-choice label").filter(has_text="12 chats").click()
    expect(page.locator("#backup-preview")).to_contain_text("Nothing that is here is removed")
    page.locator("#backup-restore").click()
    expect(page.locator("#backup-preview")).to_contain_text("Restored")
    expect(page.locator("#backup-kept")).to_contain_text("hearth.db.corrupt-")
    page.locator("#banner-close").click()
    expect(banner).not_to_be_visible()

    here = Database(profile.database, is_owner=False)
    assert Catalogue(here).counts() == (12, 240)
    here.close()
