"""The schema: whatever an earlier Hearth wrote is there after an update, and a snapshot of it as it was."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from assistant.backup import Backups
from assistant.catalogue import Catalogue
from assistant.migrations import STEPS
from assistant.paths import Profile
from assistant.rescue import open_chats
from assistant.store import Store


def write_as_version(path: Path, version: int) -> None:
    """A question and its answer, as every Hearth since the first has written them."""
    with closing(sqlite3.connect(path)) as db:
        for step in STEPS[:version]:
            db.executescript(step)
        db.execute(f"PRAGMA user_version = {version}")
        moment = "2026-01-01T00:00:00.000000+00:00"
        db.execute(
            "INSERT INTO conversations (id, title, created_at, updated_at) VALUES ('c', 'Of old', ?, ?)",
            (moment, moment),
        )
        for name, parent, role, text in (("q", None, "user", "Which herons?"), ("a", "q", "assistant", "Grey ones.")):
            db.execute(
                "INSERT INTO messages (id, conversation_id, parent_id, role, parts, status, model, created_at)"
                " VALUES (?, 'c', ?, ?, json_array(json_object('type', 'text', 'text', ?)), 'complete', 'm', ?)",
                (name, parent, role, text, moment),
            )
        db.execute("INSERT INTO usage (message_id, prompt_tokens, completion_tokens) VALUES ('a', 5, 3)")
        db.execute("UPDATE conversations SET leaf_id = 'a'")
        db.commit()


@pytest.mark.parametrize("version", range(1, len(STEPS) + 1))
def test_chats_of_every_released_schema_are_there_and_found_after_an_update(tmp_path: Path, version: int) -> None:
    profile = Profile(tmp_path)
    profile.create()
    write_as_version(profile.database, version)
    backups = Backups(profile.database, profile.backups)
    opened = open_chats(profile.database, backups)
    try:
        store, catalogue = Store(opened.database), Catalogue(opened.database)
        (chat,) = catalogue.chats(limit=9)
        assert (chat.title, opened.notices) == ("Of old", ())
        rows = store.branch(chat.leaf_id)
        assert [row.message.text for row in rows] == ["Which herons?", "Grey ones."]
        assert rows[1].usage is not None
        assert [found.message_id for found in catalogue.search("heron")] == ["q"]
        assert [found.conversation_id for found in catalogue.search("old")] == ["c"]
    finally:
        opened.database.close()
    made = [snapshot.path for snapshot in backups.all()]
    assert len(made) == (0 if version == len(STEPS) else 1), "before the first pending step, and only then"
    for path in made:
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (version,)
            assert db.execute("SELECT count(*) FROM messages").fetchone() == (2,)
