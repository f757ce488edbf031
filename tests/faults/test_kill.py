"""Row 38 of the faults: kill -9 at random points, while streaming, saving, changing settings, deleting, backing up and
migrating. After each kill: the file is whole, every acknowledged message is there, settings are old or new."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from assistant.backup import Backups
from assistant.migrations import STEPS
from assistant.paths import Profile
from assistant.settings import Settings
from tests.conftest import eventually, hearth_command
from tests.fake_endpoint import FakeEndpoint
from tests.fake_steps import Answer as Words
from tests.faults.siege import Besieged, Served

SEED = 20261123
CHILD_KILLS, WHOLE_KILLS, MIGRATION_KILLS = 160, 10, 30
OLD_CHATS, OLD_MESSAGES = 40, 25
WORDS = Words([f"word{number} " for number in range(60)], rate_per_second=150)


@dataclass
class Acknowledged:
    """What the child said, over all its lives."""

    said: dict[str, str] = field(default_factory=dict[str, str])  # message -> words
    chat_of: dict[str, str] = field(default_factory=dict[str, str])
    answered: set[str] = field(default_factory=set[str])
    streamed: dict[str, int] = field(default_factory=dict[str, int])
    erasing: set[str] = field(default_factory=set[str])
    erased: set[str] = field(default_factory=set[str])
    setting: int = 0
    counts: Counter[str] = field(default_factory=Counter[str])
    _chat: str = ""

    def hear(self, line: str) -> None:
        kind, *rest = line.split(" ")
        self.counts[kind] += 1
        match kind:
            case "chat":
                self._chat = rest[0]
            case "said":
                self.said[rest[0]] = rest[1]
                self.chat_of[rest[0]] = self._chat
            case "answered":
                self.answered.add(rest[0])
                self.chat_of.setdefault(rest[0], self._chat)
            case "streamed":
                self.streamed[rest[0]] = max(int(rest[1]), self.streamed.get(rest[0], 0))
                self.chat_of.setdefault(rest[0], self._chat)
            case "erasing":
                self.erasing.add(rest[0])
            case "erased":
                self.erased.add(rest[0])
            case "setting":
                self.setting = int(rest[0])
            case "opened":
                assert rest == [], f"damaged: {rest}"
            case _:
                assert kind == "backup", line


@contextmanager
def looked_at(path: Path) -> Iterator[sqlite3.Connection]:
    """What a kill left, log of writes and all, on a copy: the next start is to find it as it was."""
    copy = path.parent / "looked-at"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for end in ("", "-wal"):
        if path.with_name(f"{path.name}{end}").exists():
            shutil.copy(path.with_name(f"{path.name}{end}"), copy / f"db{end}")
    with closing(sqlite3.connect(copy / "db", isolation_level=None)) as db:
        yield db
    shutil.rmtree(copy)


def assert_whole(db: sqlite3.Connection) -> None:
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    db.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    indexed = db.execute(
        "SELECT count(*) FROM messages WHERE status <> 'streaming' AND role IN ('user', 'assistant')"
        " AND parts LIKE '%\"text\"%' AND number NOT IN (SELECT rowid FROM words)"
    ).fetchone()
    assert indexed == (0,)


def text_of(parts: str) -> str:
    return "".join(part.get("text", "") for part in json.loads(parts) if part["type"] == "text")


def assert_nothing_lost(profile: Profile, known: Acknowledged) -> None:
    with looked_at(profile.database) as db:
        if not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            assert not known.said
            return
        assert_whole(db)
        rows = {row[0]: row for row in db.execute("SELECT id, parts, status FROM messages")}
    for message, words in known.said.items():
        if known.chat_of[message] not in known.erasing:
            assert text_of(rows[message][1]) == words
    for message in known.answered:
        if known.chat_of[message] not in known.erasing:
            assert rows[message][2] == "complete"
            assert len(text_of(rows[message][1])) == len("".join(WORDS.tokens))
    for message, length in known.streamed.items():
        if known.chat_of[message] not in known.erasing:
            assert len(text_of(rows[message][1])) >= length
    for message, chat in known.chat_of.items():
        assert chat not in known.erased or message not in rows, "deleted is gone"
    assert_settings(profile, known.setting)


def assert_settings(profile: Profile, least: int) -> None:
    assert not list(profile.data_dir.glob("settings.json.corrupt-*"))
    if profile.settings_file.exists():
        found = Settings.model_validate_json(profile.settings_file.read_text(encoding="utf-8"))
        assert found.max_tokens is not None
        assert found.max_tokens >= least or found.max_tokens // 1000 > least // 1000
        assert found.system_prompt == f"prompt {found.max_tokens} " * 200, "never half"
    else:
        assert least == 0


def assert_backups_good(profile: Profile) -> int:
    backups = Backups(profile.database, profile.backups)
    assert all(backups.is_good(snapshot) for snapshot in backups.all())
    return len(backups.all())


def live_and_die(profile: Profile, endpoint: str, seed: int, known: Acknowledged, seconds: float) -> None:
    """One life of the child, ended by kill -9 so long after it opened its chats."""
    command = [sys.executable, "-m", "tests.faults.driver", str(profile.data_dir), endpoint, str(seed)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert child.stdout is not None
    assert child.stderr is not None
    with child.stdout, child.stderr:
        first = child.stdout.readline().decode()
        assert first.startswith("opened"), child.stderr.read().decode()
        known.hear(first.strip())
        killer = threading.Timer(seconds, child.kill)
        killer.start()
        whole = child.stdout.read().decode()
        killer.join()
        assert child.wait(10) == -signal.SIGKILL, child.stderr.read().decode()
    for line in whole.splitlines(keepends=True):
        if line.endswith("\n"):
            known.hear(line.strip())


def kill_child(tmp_path: Path, kills: int) -> Acknowledged:
    profile, known, chance = Profile(tmp_path / "data"), Acknowledged(), random.Random(SEED)
    endpoint = FakeEndpoint(None, free=WORDS)
    try:
        for life in range(1, kills + 1):
            live_and_die(profile, endpoint.url, life, known, chance.uniform(0.02, 1.6))
            try:
                assert_nothing_lost(profile, known)
            except (AssertionError, KeyError, sqlite3.Error) as error:
                raise AssertionError(f"kill {life} of {kills}: {error!r}") from error
    finally:
        endpoint.close()
    assert_backups_good(profile)
    return known


def old_database(path: Path) -> None:
    """A database of the first schema, in use."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL").fetchall()
        db.executescript(f"{STEPS[0]} PRAGMA user_version = 1;")
        db.execute("BEGIN")
        for chat in range(OLD_CHATS):
            last = f"{chat}-{OLD_MESSAGES - 1}"
            db.execute("INSERT INTO conversations VALUES (?, '', '2026-01-01', '2026-01-01', ?)", (str(chat), last))
            for number in range(OLD_MESSAGES):
                db.execute(
                    "INSERT INTO messages VALUES (?, ?, ?, 'user', json_array(json_object('type', 'text', 'text', ?)),"
                    " 'complete', NULL, NULL, '2026-01-01')",
                    (
                        f"{chat}-{number}",
                        str(chat),
                        f"{chat}-{number - 1}" if number else None,
                        f"old {chat} {number} {'word ' * 40}",
                    ),
                )
        db.execute("COMMIT")


MIGRATE = """
import sys
from pathlib import Path
from assistant.backup import Backups
from assistant.paths import Profile
from assistant.rescue import open_chats
profile = Profile(Path(sys.argv[1]))
print("begins", flush=True)
opened = open_chats(profile.database, Backups(profile.database, profile.backups))
print("opened", flush=True)
sys.stdin.read()
"""


def kill_migration(tmp_path: Path, kills: int) -> Counter[int]:
    """Kills within the span that a migration takes here, each on a fresh copy; which schema was found afterwards."""
    pattern = tmp_path / "pattern.db"
    old_database(pattern)
    chance, found = random.Random(SEED), Counter[int]()
    span = 0.0
    for number in range(kills + 1):
        profile = Profile(tmp_path / f"migrated-{number}")
        profile.create()
        shutil.copy(pattern, profile.database)
        child = subprocess.Popen(
            [sys.executable, "-c", MIGRATE, str(profile.data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert child.stdin is not None
        assert child.stdout is not None
        with child.stdin, child.stdout:
            assert child.stdout.readline() == b"begins\n"
            began = time.monotonic()
            if number == 0:  # nobody is killed: how long does it take?
                assert child.stdout.readline() == b"opened\n"
                span = time.monotonic() - began
            else:
                time.sleep(chance.uniform(0, span * 1.1))
            child.kill()
            child.wait(10)
        with looked_at(profile.database) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            found[version] += 1
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            count = "SELECT count(*) FROM messages WHERE json_extract(parts, '$[0].text') LIKE 'old %'"
            assert db.execute(count).fetchone() == (OLD_CHATS * OLD_MESSAGES,)
            if version > 1:
                assert_whole(db)
        backups = Backups(profile.database, profile.backups)
        assert all(backups.is_good(snapshot) for snapshot in backups.all())
        assert version == 1 or backups.all(), "a snapshot comes before the first step"
        shutil.rmtree(profile.data_dir)
    return found


@pytest.mark.slow
def test_row_38_ten_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    known = kill_child(tmp_path, 7)
    assert known.counts["said"] > 0
    assert sum(kill_migration(tmp_path, 3).values()) == 4


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_row_38_190_kills_of_a_child_lose_nothing_that_was_acknowledged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = kill_child(tmp_path, CHILD_KILLS)
    versions = kill_migration(tmp_path, MIGRATION_KILLS)
    assert known.counts["said"] > CHILD_KILLS / 4
    assert known.counts["answered"] > CHILD_KILLS / 10
    assert known.counts["setting"] > 10
    assert known.counts["erased"] > 3
    assert known.counts["backup"] > 10
    counts = {**known.counts, "kills": CHILD_KILLS + MIGRATION_KILLS, "migrations": dict(versions)}
    with capsys.disabled():
        print("\nrow 38:", counts)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_row_38_ten_kills_of_the_whole_program_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Asked over its page's own calls; acknowledged is a question that the page was shown among the settled ones."""
    data_dir, chance = tmp_path / "data", random.Random(SEED)
    endpoint = FakeEndpoint(None, free=Words([f"word{number} " for number in range(400)], rate_per_second=100))
    known: list[str] = []
    try:
        for life in range(WHOLE_KILLS):
            command = hearth_command(
                "serve", "--data-dir", str(data_dir), "--endpoint", endpoint.url, "--model", "fake"
            )
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True
            )
            assert process.stdout is not None
            with process.stdout:
                address = process.stdout.readline().strip()
                assert urlsplit(address).port, "it started"
                hearth = Besieged(Served(data_dir, process, address), endpoint)
                question = f"whole question {life}"
                with hearth.question(question, f"life-{life}"), hearth.feed() as frames:
                    for frame in frames:
                        if "cards" in frame and question in json.dumps(frame["cards"]):
                            known.append(question)
                            break
                    time.sleep(chance.uniform(0, 2.5))
                    os.kill(process.pid, signal.SIGKILL)
                process.wait(10)
            assert eventually(lambda: True)
            with looked_at(data_dir / "hearth.db") as db:
                assert_whole(db)
                texts = {text_of(row[0]) for row in db.execute("SELECT parts FROM messages WHERE role = 'user'")}
            assert set(known) <= texts, f"kill {life}"
    finally:
        endpoint.close()
    assert len(known) == WHOLE_KILLS
