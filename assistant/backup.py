"""Snapshots of the chats: made while Hearth runs, checked before they count, thinned out, and rid of what was deleted.

A snapshot is a SQLite file of its own in DATA/backups/, named by the moment it was made (UTC).
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from assistant.database import Database, now
from assistant.errors import StoreError
from assistant.migrations import STEPS
from assistant.records import called

log = logging.getLogger(__name__)

DAILY, WEEKLY = 7, 4
DUE_AFTER = timedelta(days=1)
PATIENCE_SECONDS = 60.0  # for another process that makes a snapshot just now
_NAME = re.compile(r"hearth-(\d{8}T\d{6}\.\d{6})Z\.db")
_FORMAT = "%Y%m%dT%H%M%S.%f"
_PAGES_AT_ONCE = 256
_STEPS_BETWEEN_LOOKS = 100_000


@dataclass(frozen=True)
class Snapshot:
    """One file. Its time is its name's, so that copying it about changes nothing."""

    path: Path
    made_at: datetime
    size_bytes: int


class Backups:
    """The snapshots of one database. Any thread and any process may use it: one at a time makes or changes snapshots.

    `is_ending` is looked at often: once it is true, work is given up with StoreError and leaves no trace.
    """

    def __init__(self, database: Path, folder: Path, *, is_ending: Callable[[], bool] = lambda: False) -> None:
        self._database, self._folder, self._is_ending = database, folder, is_ending
        # One object per process would deadlock with itself in another thread only; this one may be entered again.
        self._lock = FileLock(folder / ".lock", thread_local=False, mode=0o600)
        self._own = threading.RLock()

    def all(self) -> list[Snapshot]:
        """The snapshots that there are, the newest first."""
        found: list[Snapshot] = []
        with suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                moment = _moment(path.name)
                if moment is not None and path.is_file() and not path.is_symlink():
                    found.append(Snapshot(path, moment, path.stat().st_size))
        return sorted(found, key=lambda snapshot: snapshot.made_at, reverse=True)

    def find(self, name: str) -> Snapshot | None:
        """The snapshot with this file name; None where there is none."""
        return next((snapshot for snapshot in self.all() if snapshot.path.name == name), None)

    def is_due(self) -> bool:
        """Whether none was made within the last day. One from the future, by a clock that was wrong, does not count."""
        moment = now()
        return not any(moment - DUE_AFTER < snapshot.made_at <= moment for snapshot in self.all())

    def take(self) -> Snapshot:
        """Makes a snapshot of the database as it is now, beside whoever writes to it. Raises StoreError, and then there
        is no more and no less than before: "store.corrupt" where the database itself is damaged."""
        with self._alone(), self._draft() as draft:
            self._copy(draft)
            moment = now()
            path = self._folder / f"hearth-{moment.strftime(_FORMAT)}Z.db"
            _publish(draft, path)
        log.info("a snapshot was made: %s", path.name)
        return Snapshot(path, moment, path.stat().st_size)

    def counts(self, snapshot: Snapshot) -> tuple[int, int] | None:
        """How many chats and messages a snapshot holds; None where it cannot be read."""
        try:
            with self._reading(snapshot.path) as db:
                return _count(db)
        except (sqlite3.Error, OSError):
            return None

    def newest_good(self) -> Snapshot | None:
        """The newest snapshot that is whole."""
        return next((snapshot for snapshot in self.all() if self.is_good(snapshot)), None)

    def is_good(self, snapshot: Snapshot) -> bool:
        """Whether a snapshot is a whole database of ours."""
        try:
            with self._reading(snapshot.path) as db:
                check_schema(db)
                check_whole(db)
        except (sqlite3.Error, OSError):
            return False
        return True

    def rotate(self, database: Database | None = None) -> None:
        """Removes the snapshots that are not kept, and takes what was deleted out of the others. The owner gives its
        open database: the list of what was deleted is then emptied. Raises StoreError."""
        with self._alone():
            self._remove_litter()
            kept = keep(self.all())
            for snapshot in self.all():
                if snapshot not in kept:
                    snapshot.path.unlink(missing_ok=True)
                    log.info("an old snapshot was removed: %s", snapshot.path.name)
            erased = self._erased()
            if erased and self._forget(erased, kept) and database is not None:
                with database.writing() as db:
                    db.executemany("DELETE FROM erased WHERE id = ?", [(erased_id,) for erased_id in erased])

    @contextmanager
    def opened(self, snapshot: Snapshot) -> Generator[Database]:
        """A private copy of a snapshot, brought to the newest schema and open; the snapshot itself stays as it is.
        Raises StoreError("backup-damaged") for a file that is damaged or not ours."""
        with self._own, self._draft() as draft, _told(snapshot.path):
            try:
                shutil.copyfile(snapshot.path, draft)
                with self._reading(draft) as db:
                    check_schema(db)
                    check_whole(db)
            except sqlite3.DatabaseError as error:
                raise StoreError("backup-damaged", name=snapshot.path.name, reason=str(error)) from error
            database = Database(draft, is_owner=False)
            try:
                yield database
            finally:
                database.close()

    def _copy(self, draft: Path) -> None:
        if not self._database.exists() or not self._database.stat().st_size:
            raise StoreError("backup-nothing")
        with _told(self._database):
            with self._reading(self._database) as source, closing(sqlite3.connect(draft)) as copy:
                source.execute("BEGIN")  # one moment, however long the copying takes and whoever writes meanwhile
                source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                source.backup(copy, pages=_PAGES_AT_ONCE, progress=lambda *_: self._look(), sleep=0)
                copy.execute("PRAGMA journal_mode = DELETE").fetchall()  # a file that stands alone
            with self._reading(draft) as db:
                check_whole(db)

    def _forget(self, erased: set[str], snapshots: Sequence[Snapshot]) -> bool:
        """Takes chats and messages out of the snapshots, words, index and all. Whether that was done in every one."""
        are_done = True
        for snapshot in snapshots:
            try:
                with self._reading(snapshot.path) as db:
                    check_schema(db)
                    held = _held(db, erased)
                if held:
                    with self._draft() as draft:
                        self._copy_without(snapshot.path, draft, held)
                        _publish(draft, snapshot.path)
                    log.info("%d deleted chats and messages were taken out of %s", len(held), snapshot.path.name)
            except (sqlite3.Error, OSError) as error:
                if self._is_ending():
                    raise StoreError("store.unavailable", path=snapshot.path, reason="Hearth ends") from error
                log.warning("%s still holds what was deleted: %s", snapshot.path.name, error)
                are_done = False
        return are_done

    def _copy_without(self, path: Path, draft: Path, erased: set[str]) -> None:
        """A copy without some chats and messages. It is written anew from its rows, so that no page of it can hold a
        rest of what is not in them."""
        with self._draft() as whole:
            shutil.copyfile(path, whole)
            with closing(sqlite3.connect(whole, isolation_level=None)) as db:
                self._watch(db)
                db.execute("PRAGMA journal_mode = MEMORY").fetchall()
                db.execute("PRAGMA secure_delete = ON").fetchall()
                erase(db, erased)
                draft.unlink()
                db.execute("VACUUM INTO ?", (str(draft),))
            draft.chmod(0o600)
            with self._reading(draft) as db:
                check_whole(db)

    def _erased(self) -> set[str]:
        if not self._database.exists():
            return set()
        with _told(self._database), self._reading(self._database) as db:
            if not _has_table(db, "erased"):
                return set()
            return {str(row[0]) for row in db.execute("SELECT id FROM erased")}

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Nobody else makes or changes snapshots meanwhile. The lock is free after a kill."""
        with self._own, _told(self._folder):
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                lock = self._lock.acquire(timeout=PATIENCE_SECONDS)
            except Timeout as error:
                raise StoreError("backup-busy") from error
            with lock:
                yield

    @contextmanager
    def _draft(self) -> Generator[Path]:
        """A private file in the folder that is gone afterwards, unless it was given a name."""
        path = self._folder / f".draft-{os.getpid()}-{threading.get_ident()}-{now().strftime(_FORMAT)}.db"
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            yield path
        finally:
            for name in (path.name, *(f"{path.name}{end}" for end in ("-journal", "-wal", "-shm"))):
                with suppress(OSError):
                    path.with_name(name).unlink(missing_ok=True)

    def _remove_litter(self) -> None:
        """What was left by a process that was killed. Drafts of the living are in use."""
        for path in self._folder.glob(".draft-*"):
            maker = path.name.split("-")[1]
            if not (maker.isdigit() and psutil.pid_exists(int(maker))):
                with suppress(OSError):
                    path.unlink()

    @contextmanager
    def _reading(self, path: Path) -> Generator[sqlite3.Connection]:
        """A connection that changes nothing, gives up when Hearth ends, and believes nothing of what it reads."""
        with closing(read_only(path)) as db:
            self._watch(db)
            yield db

    def _watch(self, db: sqlite3.Connection) -> None:
        db.set_progress_handler(self._is_ending, _STEPS_BETWEEN_LOOKS)

    def _look(self) -> None:
        if self._is_ending():
            raise sqlite3.OperationalError("Hearth ends")


def keep(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """Those to keep, the newest first: the newest of each of the last seven days that have one, then of each of four
    weeks before; always the newest of all."""
    kept: list[Snapshot] = []
    days: set[object] = set()
    weeks: set[object] = set()
    for snapshot in sorted(snapshots, key=lambda snapshot: snapshot.made_at, reverse=True):
        day, week = snapshot.made_at.date(), snapshot.made_at.isocalendar()[:2]
        if day in days:
            continue
        if len(days) < DAILY:
            days.add(day)
            kept.append(snapshot)
        elif week not in weeks and len(weeks) < WEEKLY:
            weeks.add(week)
            kept.append(snapshot)
    return kept


def erase(db: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Deletes chats and messages from a database of any schema version. What a chat was shown up to is then the newest
    message that is left in it."""
    values = [(one,) for one in ids]
    db.execute("PRAGMA foreign_keys = OFF")  # in version 1 a message would take its children with it
    db.execute("BEGIN IMMEDIATE")
    if _has_table(db, "tool_runs"):
        _erase_what_tools_did(db, values)
    db.executemany("DELETE FROM messages WHERE conversation_id = ?", values)
    db.executemany("DELETE FROM messages WHERE id = ?", values)
    db.executemany("DELETE FROM conversations WHERE id = ?", values)
    db.execute("DELETE FROM usage WHERE message_id NOT IN (SELECT id FROM messages)")
    db.execute(
        "UPDATE messages SET parent_id = NULL"
        " WHERE parent_id IS NOT NULL AND parent_id NOT IN (SELECT id FROM messages)"
    )
    db.execute(
        "UPDATE conversations SET leaf_id = (SELECT id FROM messages WHERE conversation_id = conversations.id"
        " ORDER BY rowid DESC LIMIT 1) WHERE leaf_id IS NOT NULL AND leaf_id NOT IN (SELECT id FROM messages)"
    )
    for index in ("words", "titles"):
        if _has_table(db, index):
            db.execute(f"INSERT INTO {index} ({index}) VALUES ('optimize')")
    db.execute("COMMIT")


def _erase_what_tools_did(db: sqlite3.Connection, values: list[tuple[str]]) -> None:
    for table in ("tool_runs", "tool_allowances", "tool_switches"):
        db.executemany(f"DELETE FROM {table} WHERE conversation_id = ?", values)
    for value in values:
        rows = db.execute("SELECT conversation_id, parts FROM messages WHERE id = ?", value).fetchall()
        runs = [(row[0], call) for row in rows for call in called(row[1])]
        db.executemany("DELETE FROM tool_runs WHERE conversation_id = ? AND call_id = ?", runs)


def check_whole(db: sqlite3.Connection) -> None:
    """Raises sqlite3.DatabaseError where SQLite finds damage."""
    found = db.execute("PRAGMA integrity_check (1)").fetchone()
    if found is None or found[0] != "ok":
        raise sqlite3.DatabaseError(str(found[0] if found else "unreadable"))


def check_schema(db: sqlite3.Connection) -> None:
    """Raises sqlite3.DatabaseError unless the tables, indices and triggers are those of a Hearth: a file from elsewhere
    could bring a trigger or a view that does something of its own."""
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if not 1 <= version <= len(STEPS) or _schema(db) != _known_schema(version):
        raise sqlite3.DatabaseError("it is not one of Hearth's")


def _known_schema(version: int) -> set[tuple[str, ...]]:
    with closing(sqlite3.connect(":memory:")) as db:
        for step in STEPS[:version]:
            db.executescript(step)
        return _schema(db)


def _schema(db: sqlite3.Connection) -> set[tuple[str, ...]]:
    rows = db.execute(
        "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%'"
    ).fetchall()
    return {(str(row[0]), str(row[1]), str(row[2]), re.sub(r'[\s"]', "", str(row[3]))) for row in rows}


def _count(db: sqlite3.Connection) -> tuple[int, int]:
    row = db.execute(
        "SELECT (SELECT count(DISTINCT conversation_id) FROM messages), (SELECT count(*) FROM messages)"
    ).fetchone()
    return int(row[0]), int(row[1])


def _held(db: sqlite3.Connection, ids: set[str]) -> set[str]:
    """Those of the ids that the database holds."""
    there = {str(row[0]) for row in db.execute("SELECT id FROM conversations UNION ALL SELECT id FROM messages")}
    return there & ids


def _has_table(db: sqlite3.Connection, name: str) -> bool:
    return db.execute("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", (name,)).fetchone() is not None


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that leaves the file and its log of writes as they are."""
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5)
    db.text_factory = lambda raw: raw.decode("utf-8", "replace")
    db.execute("PRAGMA trusted_schema = OFF")
    return db


def _publish(draft: Path, path: Path) -> None:
    """Gives a finished file its name, so that it lasts through a power cut."""
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
    draft.replace(path)
    if os.name == "posix":
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _moment(name: str) -> datetime | None:
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None


@contextmanager
def _told(path: Path) -> Generator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        name = getattr(error, "sqlite_errorname", "")
        is_full = name.startswith(("SQLITE_FULL", "SQLITE_IOERR_WRITE")) or getattr(error, "errno", 0) in _NO_ROOM
        if is_full:
            raise StoreError("backup-no-room") from error
        is_damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        raise StoreError(
            "store.corrupt" if is_damaged else "store.unavailable", path=path, reason=str(error)
        ) from error


_NO_ROOM = (28, 122, 27)  # ENOSPC, EDQUOT, EFBIG; Windows has other numbers for other faults
