"""Opening the chats at a start: a damaged file is set aside untouched, and what can be read of it is carried over."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from assistant.backup import Backups, check_whole, read_only
from assistant.database import Database, as_text, now
from assistant.errors import StoreError
from assistant.messages import parts_from_json
from assistant.migrations import pending

log = logging.getLogger(__name__)

LARGEST_CHECKED_BYTES = 128_000_000  # 0.1 s here, on a warm disk; a larger one is checked once the window is there
LONGEST_SEARCH_SECONDS = 20.0
_HEADER_BYTES = 100
_ENDS = ("", "-wal", "-shm")


@dataclass(frozen=True)
class Opened:
    """The database, what to tell about it in a banner, and whether it has been checked already."""

    database: Database
    notices: tuple[StoreError, ...] = ()
    is_checked: bool = False


@dataclass
class _Found:
    """What could be read of one table: rows by number, and the numbers that rows are known to have had."""

    rows: dict[int, dict[str, object]] = field(default_factory=dict[int, dict[str, object]])
    known: set[int] = field(default_factory=set[int])


def open_chats(path: Path, backups: Backups) -> Opened:
    """The database of a Hearth that owns it, whatever it finds there. Raises StoreError where nothing can be done: a
    newer database, a disk without room."""
    _finish(path)
    is_unclean = _size(_beside(path, "-wal")) > 0
    is_small = _size(path) <= LARGEST_CHECKED_BYTES
    is_new = not path.exists() and not is_unclean
    if not _is_suspect(path, backups, is_to_check=marker(path).exists() or (is_unclean and is_small)):
        try:
            database = Database(path, before_migration=lambda: _snapshot(backups))
        except StoreError as error:
            if error.key != "store.corrupt":
                raise
            log.error("the database is damaged: %s", error.values.get("reason"))
        else:
            marker(path).unlink(missing_ok=True)
            notices = (StoreError("store.missing"), _offer(backups)) if is_new and backups.all() else ()
            return Opened(database, notices, is_checked=is_unclean and is_small)
    notices = _set_aside(path)
    return Opened(Database(path), (*notices, _offer(backups)), is_checked=True)


def marker(path: Path) -> Path:
    """A file that says that the database was found damaged while it was in use."""
    return _beside(path, ".damaged")


def damage(path: Path, *, db: sqlite3.Connection | None = None) -> str | None:
    """What is wrong inside the database; None where nothing is, or it cannot be looked at just now."""
    try:
        with closing(db or read_only(path)) as connection:
            pending(connection)
            check_whole(connection)
    except sqlite3.OperationalError as error:
        log.info("the database was not checked: %s", error)
    except sqlite3.DatabaseError as error:
        return str(error)
    except StoreError:  # newer than we are: not ours to judge
        return None
    return None


def _is_suspect(path: Path, backups: Backups, *, is_to_check: bool) -> bool:
    if _size(path) == 0:  # or not there
        return _size(_beside(path, "-wal")) > 0 or (path.exists() and bool(backups.all()))
    if not is_to_check:
        return False
    found = damage(path)
    if found is not None:
        log.error("the database is damaged: %s", found)
    return found is not None


def _snapshot(backups: Backups) -> None:
    """Ahead of a change of the schema. Without it there is none."""
    backups.take()


def _offer(backups: Backups) -> StoreError:
    """The newest good snapshot, as a sentence."""
    newest = backups.newest_good()
    counts = backups.counts(newest) if newest is not None else None
    if newest is None or counts is None:
        return StoreError("backup-none")
    return StoreError(
        "backup-offered", date=f"{newest.made_at.astimezone():%Y-%m-%d %H:%M}", chats=counts[0], messages=counts[1]
    )


def _set_aside(path: Path) -> tuple[StoreError, ...]:
    """Builds the new database first and only then gives it the name, so that a kill at any point loses neither."""
    fresh = _beside(path, ".rescued")
    for end in _ENDS:
        _beside(fresh, end).unlink(missing_ok=True)
    kept = _beside(path, f".corrupt-{now():%Y%m%dT%H%M%S%f}")
    try:
        carried = _carry_over(path, fresh)
        if not _size(_beside(path, "-wal")):  # then neither of the two holds anything
            for end in _ENDS[1:]:
                _beside(path, end).unlink(missing_ok=True)
        for end in _ENDS:
            with suppress(FileNotFoundError):
                _beside(path, end).replace(_beside(kept, end))
        fresh.replace(path)
        marker(path).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError("store.unavailable", path=path, reason=error.strerror or "?") from error
    log.error("the damaged database was set aside as %s; %s", kept.name, carried)
    if not carried["messages"]:
        return (StoreError("store.set-aside-unread", kept=kept.name),)
    return (StoreError("store.set-aside", kept=kept.name, **carried),)


def _finish(path: Path) -> None:
    """Ends what a kill interrupted: the old file was renamed, and the new one, which was complete, was not."""
    fresh, wal = _beside(path, ".rescued"), _beside(path, "-wal")
    if not fresh.exists() or path.exists():
        return
    if _size(wal):  # the kill came between the two renames
        kept = max(path.parent.glob(f"{path.name}.corrupt-*"), default=_beside(path, ".corrupt-"))
        wal.replace(_beside(kept, "-wal"))
    wal.unlink(missing_ok=True)
    _beside(path, "-shm").unlink(missing_ok=True)
    fresh.replace(path)
    log.info("the rescue of an earlier start was brought to its end")


def _carry_over(path: Path, fresh: Path) -> dict[str, object]:
    """Everything of `path` that can be read, into a new database `fresh`; how much that was. First with the writes that
    wait in the log, then without: one that belongs to another state of the file makes it unreadable."""
    database = Database(fresh)
    try:
        held: set[str] = set()
        lost = many = 0
        with database.writing() as db:
            for source in _sources(path):
                with closing(source):
                    source.execute("PRAGMA writable_schema = ON")  # reads a file that is shorter than it says, too
                    chats, messages = _find(source, "conversations"), _find(source, "messages")
                    held |= {str(row.get("id")) for row in chats.rows.values()}
                    many = max(many, len(chats.known))
                    lost = max(lost, _add(db, source, chats, messages))
            counted = db.execute("SELECT count(DISTINCT conversation_id), count(*) FROM messages")
            chats_here, messages_here = counted.fetchone()
        database.forget_erased()
    finally:
        database.close()
        for end in _ENDS[1:]:
            with suppress(OSError):
                _beside(fresh, end).unlink(missing_ok=True)
    return {"chats": chats_here, "messages": messages_here, "lost": lost, "held": max(len(held), many, chats_here)}


def _sources(path: Path) -> Iterator[sqlite3.Connection]:
    """Ways to read a damaged file that change nothing of it."""
    had_shm = _beside(path, "-shm").exists()
    states = ["mode=ro", "immutable=1"] if _size(_beside(path, "-wal")) else ["immutable=1"]
    if len(states) == 2 and damage(path, db=_connect(path, "immutable=1")) is None:
        states.reverse()  # the log spoils what is whole without it
    is_read = False
    for state in states:
        with suppress(sqlite3.Error):
            db = _connect(path, state)
            db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            is_read = True
            yield db
    if not had_shm:
        _beside(path, "-shm").unlink(missing_ok=True)
    if not is_read and _size(path) > _HEADER_BYTES:
        mended = _with_new_header(path)
        try:
            yield _connect(mended, "immutable=1")
        finally:
            mended.unlink(missing_ok=True)


def _connect(path: Path, state: str) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.resolve().as_uri()}?{state}", uri=True, isolation_level=None)
    db.row_factory = sqlite3.Row
    db.text_factory = lambda raw: raw.decode("utf-8", "replace")
    db.execute("PRAGMA trusted_schema = OFF")
    return db


def _with_new_header(path: Path) -> Path:
    """A copy with the first hundred bytes of a database of ours: what they said is the same for every Hearth."""
    pattern, copy = _beside(path, ".pattern"), _beside(path, ".mended")
    Database(pattern).close()
    header = pattern.read_bytes()[:_HEADER_BYTES]
    pattern.unlink()
    shutil.copyfile(path, copy)
    copy.chmod(0o600)
    with copy.open("r+b") as file:
        file.write(header[:28] + (_size(copy) // 4096).to_bytes(4, "big") + header[32:])
    return copy


def _find(db: sqlite3.Connection, table: str) -> _Found:
    """The rows of a table, read from both ends up to where they cannot be; then what lies between, part by part."""
    found = _Found()
    if _scan(db, table, found, "ASC"):
        return found
    last = max(found.rows, default=0)
    below = set(found.rows)
    _scan(db, table, found, "DESC")
    for numbers in _NUMBERS[table]:
        for order in ("ASC", "DESC"):
            with suppress(sqlite3.Error):
                for row in db.execute(f"{numbers} {order}"):
                    found.known.add(int(row[0]))
    first = min(set(found.rows) - below, default=max(found.known | {last}) + _PROBED)
    deadline = time.monotonic() + LONGEST_SEARCH_SECONDS
    parts = [(last + 1, first - 1)]
    while parts and time.monotonic() < deadline:
        low, high = parts.pop()
        if low > high:
            continue
        try:
            rows = db.execute(f"SELECT rowid AS row_number, * FROM {table} WHERE rowid BETWEEN ? AND ?", (low, high))
            _take(found, rows.fetchall())
        except sqlite3.Error:
            if low < high:
                middle = (low + high) // 2
                parts += [(low, middle), (middle + 1, high)]
    found.known |= set(found.rows)
    return found


_PROBED = 256  # numbers behind the last one that is known, where the end of a table cannot be read
_NUMBERS = {  # where else the numbers of a table's rows stand
    "conversations": ("SELECT rowid FROM conversations INDEXED BY conversations_by_update ORDER BY updated_at",),
    "messages": (
        "SELECT rowid FROM messages INDEXED BY messages_by_conversation ORDER BY conversation_id",
        "SELECT id FROM words_docsize ORDER BY id",
    ),
}


def _scan(db: sqlite3.Connection, table: str, found: _Found, order: str) -> bool:
    """Reads as far as it goes; whether that was to the end."""
    try:
        for row in db.execute(f"SELECT rowid AS row_number, * FROM {table} ORDER BY rowid {order}"):
            _take(found, [row])
    except sqlite3.Error as error:
        log.info("%s can be read in part: %s", table, error)
        return False
    return True


def _take(found: _Found, rows: list[sqlite3.Row]) -> None:
    for row in rows:
        found.rows[int(row["row_number"])] = _as_dict(row)


def _add(db: sqlite3.Connection, source: sqlite3.Connection, chats: _Found, messages: _Found) -> int:
    """Writes what was read into the new database, where it is not there already; how many messages are missing."""
    with suppress(sqlite3.Error):
        for row in source.execute("SELECT * FROM erased"):
            _insert(db, "erased", _as_dict(row))
    erased = _values(db, "erased", "id")
    leaves = _add_chats(db, [row for _, row in sorted(chats.rows.items()) if row.get("id") not in erased])
    lost = len(messages.known - set(messages.rows))
    wanted = [
        row for _, row in sorted(messages.rows.items()) if not {row.get("id"), row.get("conversation_id")} & erased
    ]
    lost += _add_messages(db, wanted, leaves)
    with suppress(sqlite3.Error):
        for row in source.execute("SELECT * FROM usage"):
            _insert(db, "usage", _as_dict(row))
    return lost


def _add_chats(db: sqlite3.Connection, rows: list[dict[str, object]]) -> list[tuple[object, object]]:
    """Adds chats; gives for each the message that it is shown up to, and its id."""
    origins = _values(db, "conversations", "origin")
    leaves: list[tuple[object, object]] = []
    for row in rows:
        row.pop("number", None)
        leaves.append((row.pop("leaf_id", None), row.get("id")))
        for column in ("created_at", "updated_at"):
            row[column] = _time(row.get(column))
        if row.get("origin") in origins:
            row["origin"] = None
        _insert(db, "conversations", row)
    return leaves


def _add_messages(db: sqlite3.Connection, rows: list[dict[str, object]], leaves: list[tuple[object, object]]) -> int:
    """Adds messages and shows each chat up to its leaf; how many could not be added. One whose question is lost follows
    the message before it, so that a chat stays in one piece."""
    there, lost = _values(db, "messages", "id"), 0
    last: dict[object, object] = {}
    for row in rows:
        name, chat = row.get("id"), row.get("conversation_id")
        row.pop("number", None)
        if name not in there:
            if row.get("parent_id") is not None and row["parent_id"] not in there:
                row["parent_id"] = last.get(chat)
            moment = row["created_at"] = _time(row.get("created_at"))
            row["mark"] = row["mark"] if row.get("mark") in ("pinned", "left_out") else None
            row["stand_in"] = row["stand_in"] if isinstance(row.get("stand_in"), str) else None
            _insert(db, "conversations", {"id": chat, "created_at": moment, "updated_at": moment})
            if not (_is_legible(row) and _insert(db, "messages", row)):
                lost += 1
                continue
            there.add(name)
        last[chat] = name
    for leaf, chat in [*leaves, *((leaf, chat) for chat, leaf in last.items())]:
        if leaf in there:
            db.execute("UPDATE conversations SET leaf_id = ? WHERE id = ? AND leaf_id IS NULL", (leaf, chat))
    return lost


def _is_legible(row: dict[str, object]) -> bool:
    """Whether what a message says can be read back."""
    try:
        parts_from_json(json.loads(str(row.get("parts"))))
        failure = row.get("failure")
        return failure is None or isinstance(json.loads(str(failure)), dict)
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def _time(found: object) -> str:
    """A row's time, or this moment where it cannot be read."""
    try:
        return as_text(datetime.fromisoformat(str(found)))
    except (ValueError, OverflowError):
        return as_text(now())


def _values(db: sqlite3.Connection, table: str, column: str) -> set[object]:
    return {row[0] for row in db.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")}


def _insert(db: sqlite3.Connection, table: str, row: dict[str, object]) -> bool:
    """Adds a row as far as the table has its columns; whether it could be, or was there."""
    columns = [name for name in row if name in _COLUMNS[table]]
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    try:
        db.execute(
            f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING", [row[name] for name in columns]
        )
    except (sqlite3.IntegrityError, sqlite3.DataError, OverflowError) as error:
        log.info("a row of %s was not readable: %s", table, error)
        return False
    return True


def _as_dict(row: sqlite3.Row) -> dict[str, object]:
    return {name: row[name] for name in row.keys()}  # noqa: SIM118  # a Row iterates over its values


# What may be carried over: a damaged file may have columns of any name.
_COLUMNS = {
    "conversations": {"id", "title", "created_at", "updated_at", "titled_by", "folder", "draft", "pinned_at"}
    | {"draft_files", "archived_at", "deleted_at", "origin", "picked_endpoint", "picked_model", "thinking"},
    "messages": {"id", "conversation_id", "parent_id", "role", "parts", "status", "failure", "model", "created_at"}
    | {"origin", "mark", "stand_in"},
    "usage": {"message_id", "prompt_tokens", "completion_tokens", "tokens_per_second"},
    "erased": {"id", "erased_at"},
}


def _beside(path: Path, end: str) -> Path:
    return path.with_name(f"{path.name}{end}")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
