"""The SQLite file below the chats: opened safely, written by one at a time, and its faults told in our words."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from assistant.errors import StoreError
from assistant.migrations import migrate


class Database:
    """One open database; any thread may use it. Everything may raise StoreError.

    What was written is on the disk when `writing` is left (`synchronous=FULL`), and readers do not wait for it (WAL).
    `path` None is one in memory, of which no word reaches the disk. Only its `owner` takes over what an earlier
    Hearth left behind; a command beside a running one must not.
    """

    def __init__(
        self, path: Path | None, *, is_owner: bool = True, before_migration: Callable[[], object] = lambda: None
    ) -> None:
        self.path = path
        self._writer_lock, self._reader_lock = threading.RLock(), threading.RLock()
        with self._told():
            if path is not None:
                _check_whole(path)
                path.touch(mode=0o600)
            self._writer = _connect(path)
            self._reader = self._writer
            try:
                self._open(is_owner=is_owner, before_migration=before_migration)
                if path is None:
                    self._reader_lock = self._writer_lock
                else:
                    self._reader = _connect(path)
                    self._reader.execute("PRAGMA query_only = ON")
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Closes the file; the database is not used afterwards."""
        with self._writer_lock, self._reader_lock:
            self._reader.close()
            self._writer.close()

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """A transaction: all of it, or nothing."""
        with self._writer_lock, self._told():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """A connection that sees everything written so far."""
        with self._reader_lock, self._told():
            yield self._reader

    def forget_erased(self) -> None:
        """Takes the remains of deleted rows out of the index and the log of writes. SQLite zeroes the pages that this
        frees, so that no byte of what was deleted stays in the file."""
        with self._writer_lock, self._reader_lock, self._told():
            for index in ("words", "titles"):
                self._writer.execute(f"INSERT INTO {index} ({index}) VALUES ('optimize')")  # noqa: S608  # our names
            self._writer.execute("PRAGMA wal_checkpoint (TRUNCATE)").fetchall()

    def _open(self, *, is_owner: bool, before_migration: Callable[[], object]) -> None:
        self._writer.execute("PRAGMA secure_delete = ON")
        self._writer.execute("PRAGMA temp_store = MEMORY")
        migrate(self._writer, before=before_migration)  # refuses a newer file before anything is written to it
        self._writer.execute("PRAGMA journal_mode = WAL").fetchall()
        self._writer.execute("PRAGMA synchronous = FULL")
        if is_owner:
            self._writer.execute("UPDATE messages SET status = 'interrupted' WHERE status = 'streaming'")

    @contextmanager
    def _told(self) -> Generator[None]:
        """Turns what SQLite and the system raise into our errors."""
        try:
            yield
        except (sqlite3.Error, OSError, OverflowError, UnicodeError) as error:
            raise StoreError(_fault(error), path=self.path, reason=str(error)) from error


def now() -> datetime:
    """This moment, as every row's time is made."""
    return datetime.now(UTC)


def as_text(moment: datetime) -> str:
    """A time as the database holds it: UTC, so that texts sort as times do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _connect(path: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None, timeout=5)
    connection.row_factory = sqlite3.Row
    # Halves of characters are text to a model and to JSON, and none to SQLite's reader.
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return connection


def _check_whole(path: Path) -> None:
    """Refuses a file that was cut. SQLite notices only where it reads a page that is missing. The header's size is
    right where the last writer was a recent SQLite and nothing waits in the log (sqlite.org/fileformat2, 1.3.7)."""
    wal = path.with_name(f"{path.name}-wal")
    if not path.exists() or (wal.exists() and wal.stat().st_size):
        return
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or header[24:28] != header[92:96]:
        return
    page = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    if path.stat().st_size < pages * (65536 if page == 1 else page):
        raise sqlite3.DatabaseError("the file is shorter than it says")


def _fault(error: Exception) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")) or "shorter than it says" in str(error):
        return "store.corrupt"
    if isinstance(error, OverflowError | UnicodeError | sqlite3.IntegrityError | sqlite3.DataError):
        return "store.refused"  # these words, and not the disk: no waiting helps
    return "store.full" if name.startswith(("SQLITE_FULL", "SQLITE_IOERR_WRITE")) else "store.unavailable"
