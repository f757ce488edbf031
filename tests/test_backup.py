"""Backups: made while Hearth runs, whole, thinned out, rid of what was deleted, and brought back by merge."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assistant.backup import Backups, Snapshot, keep
from assistant.catalogue import Catalogue
from assistant.database import Database
from assistant.errors import StoreError
from assistant.merge import Difference, merge, preview
from assistant.messages import Message, Text, user
from assistant.migrations import STEPS
from assistant.paths import Profile
from assistant.records import StoredMessage, new_message
from assistant.store import Store
from tests.conftest import Served, hearth

Serve = Callable[..., Served]
CANARY = "Canary sentence about heliotropes"


class House:
    """A profile with an open database and its backups."""

    def __init__(self, data_dir: Path) -> None:
        self.profile = Profile(data_dir)
        self.profile.create()
        self.database = Database(self.profile.database)
        self.store, self.catalogue = Store(self.database), Catalogue(self.database)
        self.backups = Backups(self.profile.database, self.profile.backups)

    def chat(self, *words: str) -> tuple[str, list[StoredMessage]]:
        chat = self.store.add_conversation()
        messages: list[StoredMessage] = []
        for number, text in enumerate(words):
            said = user(text) if number % 2 == 0 else Message("assistant", (Text(text),))
            messages.append(new_message(messages[-1].id if messages else None, said))
        self.store.save_messages(chat.id, *messages)
        return chat.id, messages

    def texts(self, chat: str) -> list[str]:
        return [item.message.text for item in self.store.tree(chat)]

    def age_snapshot(self, snapshot: Snapshot, days: float) -> Path:
        """The same snapshot, as if it had been made so long ago."""
        moment = datetime.now(UTC) - timedelta(days=days)
        return snapshot.path.rename(snapshot.path.with_name(f"hearth-{moment:%Y%m%dT%H%M%S.%f}Z.db"))

    def holders(self, text: str) -> list[str]:
        """The files below the data dir in which the words stand."""
        return sorted(
            str(path.relative_to(self.profile.data_dir))
            for path in self.profile.data_dir.rglob("*")
            if path.is_file() and text.encode() in path.read_bytes()
        )


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "data")
    yield house
    house.database.close()


def sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


# Snapshots


def test_a_snapshot_is_one_whole_private_file_with_everything_in_it(house: House) -> None:
    house.chat("Why?", "Because.")
    snapshot = house.backups.take()

    with closing(sqlite3.connect(snapshot.path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert db.execute("SELECT count(*) FROM messages").fetchone() == (2,)
    assert stat.S_IMODE(snapshot.path.stat().st_mode) == 0o600
    assert house.backups.counts(snapshot) == (1, 2)
    assert [path.name for path in house.profile.backups.iterdir() if path.name != ".lock"] == [snapshot.path.name]


def test_row_43_a_snapshot_that_is_made_while_somebody_writes_is_of_one_moment(house: House) -> None:
    chat, messages = house.chat("first")
    last, is_over = [messages[-1].id], threading.Event()

    def write() -> None:
        while not is_over.is_set():
            question = new_message(last[0], user("question " * 50))
            answer = new_message(question.id, Message("assistant", (Text("answer " * 50),)))
            house.store.save_messages(chat, question, answer)
            last[0] = answer.id

    writer = threading.Thread(target=write)
    writer.start()
    try:
        taken = [house.backups.take() for _ in range(5)]
    finally:
        is_over.set()
        writer.join()
    for snapshot in taken:
        assert house.backups.is_good(snapshot)
        with closing(sqlite3.connect(snapshot.path)) as db:
            assert db.execute("SELECT count(*) % 2 FROM messages").fetchone() == (1,), "both of a pair, or neither"
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_snapshot_that_fails_leaves_the_others_and_no_litter(house: House) -> None:
    house.chat("Why?")
    good = house.backups.take()
    before = good.path.read_bytes()
    ending = Backups(house.profile.database, house.profile.backups, is_ending=lambda: True)
    with pytest.raises(StoreError):
        ending.take()
    assert [one.path for one in house.backups.all()] == [good.path]
    assert good.path.read_bytes() == before
    assert not list(house.profile.backups.glob(".draft*"))


def test_a_damaged_database_is_no_snapshot(house: House) -> None:
    house.chat(*["word " * 400] * 60)
    house.database.close()
    with house.profile.database.open("r+b") as file:
        file.seek(4096 * 10)
        file.write(b"\xff" * 4096 * 4)
    with pytest.raises(StoreError) as caught:
        house.backups.take()
    assert caught.value.key == "store.corrupt"
    assert house.backups.all() == []


def test_one_is_due_when_the_last_is_a_day_old_and_not_before(house: House) -> None:
    house.chat("Why?")
    assert house.backups.is_due()
    snapshot = house.backups.take()
    assert not house.backups.is_due()
    house.age_snapshot(snapshot, 1.01)
    assert house.backups.is_due()


def test_one_from_the_future_does_not_put_off_the_next(house: House) -> None:
    house.chat("Why?")
    house.age_snapshot(house.backups.take(), -400)
    assert house.backups.is_due()


def test_seven_daily_and_four_weekly_ones_are_kept_day_after_day(tmp_path: Path) -> None:
    start = datetime(2026, 1, 1, 9, tzinfo=UTC)
    kept: list[Snapshot] = []
    for day in range(120):
        for hour in (0, 5):
            kept = keep([Snapshot(tmp_path / f"{day}-{hour}", start + timedelta(days=day, hours=hour), 1), *kept])
    ages = [(kept[0].made_at - one.made_at).days for one in kept]
    assert ages[:7] == [0, 1, 2, 3, 4, 5, 6]
    assert len(ages) == 11
    assert all(6 < age <= 36 for age in ages[7:])
    assert len({one.made_at.isocalendar()[:2] for one in kept[7:]}) == 4


def test_the_newest_is_kept_whatever_its_age_and_foreign_files_are_left_alone(house: House) -> None:
    house.chat("Why?")
    old = house.age_snapshot(house.backups.take(), 900)
    foreign = house.profile.backups / "mine.db"
    foreign.write_bytes(b"mine")
    house.backups.rotate(house.database)
    assert old.exists()
    assert foreign.read_bytes() == b"mine"


# Deleted means gone


@pytest.mark.parametrize("is_whole_chat", [True, False], ids=["a chat", "a message"])
def test_what_was_deleted_is_in_no_byte_of_any_file_after_the_next_rotation(house: House, is_whole_chat: bool) -> None:
    house.chat("Something else", "entirely")
    chat, messages = house.chat("What grows?", f"{CANARY} {'and more ' * 400}", "And then?", "Nothing.")
    house.age_snapshot(house.backups.take(), 3)
    house.backups.take()
    assert len(house.holders(CANARY)) >= 2
    if is_whole_chat:
        house.catalogue.delete(chat)
        house.catalogue.erase_deleted()
    else:
        house.store.erase_messages(chat, messages[1].id)
    house.backups.take()
    house.backups.rotate(house.database)

    assert house.holders(CANARY) == []
    assert house.holders("heliotropes") == [], "not in the search index either"
    with house.database.reading() as db:
        assert db.execute("SELECT count(*) FROM erased").fetchone()[0] == 0
    for snapshot in house.backups.all():
        assert house.backups.is_good(snapshot)
    assert [house.backups.counts(one) for one in house.backups.all()][-1] == ((1, 2) if is_whole_chat else (2, 3))


def test_what_was_deleted_leaves_snapshots_of_the_first_schema_too(house: House) -> None:
    chat, messages = house.chat("What grows?", CANARY)
    old = house.profile.backups / "hearth-20260101T000000.000000Z.db"
    with closing(sqlite3.connect(old)) as db:
        db.executescript(f"{STEPS[0]} PRAGMA user_version = 1;")
        db.execute("INSERT INTO conversations VALUES (?, '', 'x', 'x', ?)", (chat, messages[1].id))
        for item in messages:
            db.execute(
                "INSERT INTO messages VALUES (?, ?, ?, ?, json_array(json_object('type', 'text', 'text', ?)),"
                " 'complete', NULL, NULL, 'x')",
                (item.id, chat, item.parent_id, item.message.role, item.message.text),
            )
        db.commit()
    house.store.erase_messages(chat, messages[1].id)
    house.backups.rotate(house.database)

    assert house.holders(CANARY) == []
    with closing(sqlite3.connect(old)) as db:
        assert db.execute("SELECT leaf_id FROM conversations").fetchone() == (messages[0].id,)


def test_what_a_damaged_snapshot_still_holds_is_not_forgotten_to_be_taken_out(house: House) -> None:
    chat, messages = house.chat("What grows?", CANARY)
    snapshot = house.backups.take()
    snapshot.path.write_bytes(snapshot.path.read_bytes()[:-5000])
    house.store.erase_messages(chat, messages[1].id)
    house.backups.rotate(house.database)
    with house.database.reading() as db:
        assert db.execute("SELECT count(*) FROM erased").fetchone()[0] == 1


# Before a change of the schema


def test_the_file_is_copied_before_the_first_pending_step(tmp_path: Path) -> None:
    profile = Profile(tmp_path)
    profile.create()
    with closing(sqlite3.connect(profile.database)) as db:
        db.executescript(f"{STEPS[0]} PRAGMA user_version = 1;")
        db.execute("INSERT INTO conversations VALUES ('c', 'A title', 'x', 'x', NULL)")
        db.commit()
    backups = Backups(profile.database, profile.backups)
    Database(profile.database, before_migration=backups.take).close()

    (snapshot,) = backups.all()
    with closing(sqlite3.connect(snapshot.path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT title FROM conversations").fetchone() == ("A title",)


# Restore


def test_what_is_missing_comes_back_with_its_ids_and_nothing_here_is_changed(house: House) -> None:
    lost, lost_messages = house.chat("lost", "found")
    kept, messages = house.chat("one", "two", "three")
    snapshot = house.backups.take()
    house.catalogue.rename(kept, "Mine", by="person")
    house.store.erase_messages(kept, messages[2].id)
    house.catalogue.delete(lost)
    house.catalogue.erase_deleted()
    new, _ = house.chat("since then")
    expected = Difference(chats_to_add=1, chats_with_more_messages=1, messages_to_add=3)

    assert preview(house.backups, snapshot, house.database) == expected
    assert house.store.conversation(lost) is None, "a preview changes nothing"
    assert merge(house.backups, snapshot, house.database) == expected

    assert [item.id for item in house.store.tree(lost)] == [item.id for item in lost_messages]
    assert house.texts(kept) == ["one", "two", "three"]
    assert house.texts(new) == ["since then"]
    chat = house.store.conversation(kept)
    assert chat is not None
    assert (chat.title, chat.leaf_id) == ("Mine", messages[1].id)
    assert merge(house.backups, snapshot, house.database).is_none
    assert [found.message_id for found in house.catalogue.search("found")] == [lost_messages[1].id]


def test_a_message_that_says_something_else_here_is_kept_in_both_versions(house: House) -> None:
    chat, messages = house.chat("question", "the old answer", "and then?")
    snapshot = house.backups.take()
    changed = StoredMessage(messages[1].id, messages[0].id, Message("assistant", (Text("the new answer"),)), "complete")
    house.store.save_messages(chat, changed)

    difference = merge(house.backups, snapshot, house.database)
    assert difference == Difference(chats_with_more_messages=1, messages_to_add=1, messages_changed=1)
    answers = [item for item in house.store.tree(chat) if item.parent_id == messages[0].id]
    assert [item.message.text for item in answers] == ["the new answer", "the old answer"]
    assert answers[0].id == messages[1].id
    assert merge(house.backups, snapshot, house.database).is_none, "twice adds nothing twice"


def test_a_chat_that_waits_to_be_erased_is_back_after_a_restore(house: House) -> None:
    chat, _ = house.chat("one", "two")
    snapshot = house.backups.take()
    house.catalogue.delete(chat)
    assert preview(house.backups, snapshot, house.database) == Difference(chats_to_add=1)
    merge(house.backups, snapshot, house.database)
    assert [found.id for found in house.catalogue.chats(limit=9)] == [chat]


def test_what_was_restored_is_not_taken_out_of_the_snapshots_later(house: House) -> None:
    chat, messages = house.chat("one", "two")
    snapshot = house.backups.take()
    house.store.erase_messages(chat, messages[1].id)
    merge(house.backups, snapshot, house.database)
    house.backups.rotate(house.database)
    assert house.backups.counts(snapshot) == (1, 2)


def test_a_snapshot_of_an_older_schema_is_restored_and_stays_as_it_is(house: House) -> None:
    old = house.profile.backups / "hearth-20260101T000000.000000Z.db"
    with closing(sqlite3.connect(old)) as db:
        db.executescript(f"{STEPS[0]} PRAGMA user_version = 1;")
        db.execute("INSERT INTO conversations VALUES ('c', 'Old', '2026-01-01T00:00:00+00:00', '2026-01-01', NULL)")
        db.execute(
            "INSERT INTO messages VALUES ('m', 'c', NULL, 'user', '[{\"type\": \"text\", \"text\": \"hi\"}]',"
            " 'complete', NULL, NULL, '2026-01-01T00:00:00+00:00')"
        )
        db.commit()
    before = old.read_bytes()
    snapshot = house.backups.find(old.name)
    assert snapshot is not None
    assert merge(house.backups, snapshot, house.database).messages_to_add == 1
    assert house.texts("c") == ["hi"]
    assert old.read_bytes() == before


def hostile(path: Path, kind: str) -> None:
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:-4096])
    elif kind == "garbage":
        path.write_bytes(b"garbage" * 4000)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "a trigger":
        sql(path, "CREATE TRIGGER evil AFTER UPDATE ON messages BEGIN DELETE FROM messages; END")
    elif kind == "a view that never ends":
        sql(
            path,
            "ALTER TABLE messages RENAME TO other",
            "CREATE VIEW messages AS WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT * FROM r",
        )
    elif kind == "newer":
        sql(path, "PRAGMA user_version = 99")
    else:
        path.unlink()
        sql(path, "CREATE TABLE bookmarks (url)")


@pytest.mark.parametrize(
    "kind", ["cut", "garbage", "empty", "a trigger", "a view that never ends", "newer", "another program's"]
)
def test_row_43_a_damaged_or_foreign_file_is_refused_and_what_is_here_is_safe(house: House, kind: str) -> None:
    chat, _ = house.chat(*["word " * 300] * 20)
    snapshot = house.backups.take()
    hostile(snapshot.path, kind)
    before = house.texts(chat)
    for look in (preview, merge):
        with pytest.raises(StoreError) as caught:
            look(house.backups, snapshot, house.database)
        assert caught.value.key == "backup-damaged"
    house.backups.rotate(house.database)
    assert house.texts(chat) == before
    assert not list(house.profile.backups.glob(".draft*"))


# The command


def test_hearth_backup_prints_the_path_of_a_good_snapshot(house: House) -> None:
    house.chat("Why?", "Because.")
    house.database.close()
    ended = hearth("backup", "--data-dir", str(house.profile.data_dir))
    assert (ended.returncode, ended.stderr) == (0, "")
    (snapshot,) = house.backups.all()
    assert ended.stdout.strip() == str(snapshot.path)
    assert house.backups.is_good(snapshot)


def test_hearth_backup_changes_nothing_of_a_database_that_it_does_not_own(tmp_path: Path) -> None:
    profile = Profile(tmp_path)
    profile.create()
    with closing(sqlite3.connect(profile.database)) as db:
        db.executescript(f"{STEPS[0]} PRAGMA user_version = 1;")
    before = profile.database.read_bytes()
    ended = hearth("backup", "--data-dir", str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    assert profile.database.read_bytes() == before


def test_hearth_backup_works_beside_a_running_hearth_and_loads_no_page(serve: Serve, tmp_path: Path) -> None:
    house = House(tmp_path / "data")
    house.chat("Why?", "Because.")
    house.database.close()
    served = serve()
    script = (
        "import sys; from launcher.__main__ import main; code = main(sys.argv[1:]);"
        "print({'gradio', 'webview', 'PySide6', 'uvicorn'} & set(sys.modules), code, file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, "backup", "--data-dir", str(served.data_dir)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stderr.strip() == "set() 0"
    assert Path(ended.stdout.strip()).parent == house.profile.backups


@pytest.mark.parametrize("kind", ["none", "damaged"])
def test_hearth_backup_says_in_a_sentence_why_there_is_none(tmp_path: Path, kind: str) -> None:
    if kind == "damaged":
        tmp_path.joinpath("hearth.db").write_bytes(b"garbage" * 1000)
    ended = hearth("backup", "--data-dir", str(tmp_path))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.strip().endswith(".")
    assert "Traceback" not in ended.stderr


def test_a_copy_of_a_snapshot_under_a_name_of_ours_is_one_too(house: House) -> None:
    house.chat("Why?")
    snapshot = house.backups.take()
    copy = snapshot.path.with_name("hearth-20250101T120000.000000Z.db")
    shutil.copy(snapshot.path, copy)
    assert [one.path for one in house.backups.all()] == [snapshot.path, copy]
