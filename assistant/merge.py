"""Restoring by merge: what a snapshot has and this database has not comes back; nothing that is here is changed."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from assistant.backup import Backups, Snapshot
from assistant.database import Database


@dataclass(frozen=True)
class Difference:
    """What restoring a snapshot brings: chats that are not here, messages of theirs and of chats that are here, and
    among these how many say something else here; of them both versions are kept."""

    chats_to_add: int = 0
    chats_with_more_messages: int = 0
    messages_to_add: int = 0
    messages_changed: int = 0

    @property
    def is_none(self) -> bool:
        """Whether everything in the snapshot is here."""
        return self == Difference()


@dataclass(frozen=True)
class _Plan:
    difference: Difference
    chats: tuple[str, ...]  # that are not here
    undeleted: tuple[str, ...]  # here, but deleted
    messages: dict[str, str]  # the id of each message to add, with the id that it gets


def preview(backups: Backups, snapshot: Snapshot, database: Database) -> Difference:
    """What `merge` would do. Raises StoreError, for a damaged or foreign file too."""
    with backups.opened(snapshot) as old:
        return _plan(old, database).difference


def merge(backups: Backups, snapshot: Snapshot, database: Database) -> Difference:
    """Brings back what the snapshot has and the database has not, all of it or nothing: missing chats and messages
    with their ids, a message that says something else here as a sibling. Titles, folders and what a chat shows stay as
    they are here; a chat that was deleted here is there again. Doing it twice adds nothing twice. Raises StoreError."""
    with backups.opened(snapshot) as old:
        plan = _plan(old, database)
        if plan.difference.is_none:
            return plan.difference
        with old.reading() as source, database.writing() as db:
            _add_chats(source, db, plan)
            _add_messages(source, db, plan)
            back = [*plan.chats, *plan.undeleted, *plan.messages]
            db.executemany("DELETE FROM erased WHERE id = ?", [(one,) for one in back])  # wanted again
    return plan.difference


def _plan(old: Database, here: Database) -> _Plan:
    with old.reading() as source, here.reading() as db:
        filled = {str(row[0]) for row in source.execute("SELECT DISTINCT conversation_id FROM messages")}
        chats = source.execute("SELECT id, draft, draft_files, deleted_at FROM conversations").fetchall()
        known = {str(row["id"]): row["deleted_at"] for row in db.execute("SELECT id, deleted_at FROM conversations")}
        wanted = [
            str(row["id"])
            for row in chats
            if row["deleted_at"] is None and (row["id"] in filled or row["draft"] or row["draft_files"] != "[]")
        ]
        missing = tuple(chat for chat in wanted if chat not in known)
        undeleted = tuple(chat for chat in wanted if known.get(chat))
        allowed = {*wanted, *known}
        messages: dict[str, str] = {}
        grown: set[str] = set()
        changed = 0
        for row in source.execute("SELECT id, conversation_id, role, parts, status FROM messages ORDER BY number"):
            if row["conversation_id"] not in allowed:
                continue
            there = db.execute("SELECT role, parts FROM messages WHERE id = ?", (row["id"],)).fetchone()
            new_id = str(row["id"])
            if there is not None:
                if _says_the_same(row, there):
                    continue
                new_id = _id_of_version(row)
                if db.execute("SELECT 1 FROM messages WHERE id = ?", (new_id,)).fetchone():
                    continue
                changed += 1
            messages[str(row["id"])] = new_id
            if row["conversation_id"] not in missing:
                grown.add(str(row["conversation_id"]))
    difference = Difference(len(missing) + len(undeleted), len(grown), len(messages), changed)
    return _Plan(difference, missing, undeleted, messages)


def _add_chats(source: sqlite3.Connection, db: sqlite3.Connection, plan: _Plan) -> None:
    for chat in plan.chats:
        row = source.execute("SELECT * FROM conversations WHERE id = ?", (chat,)).fetchone()
        values = {name: row[name] for name in row.keys() if name != "number"}  # noqa: SIM118  # a Row gives values
        if (
            values["origin"]
            and db.execute("SELECT 1 FROM conversations WHERE origin = ?", (values["origin"],)).fetchone()
        ):
            values["origin"] = None  # the same chat was brought in anew since
        _insert(db, "conversations", values)
    db.executemany("UPDATE conversations SET deleted_at = NULL WHERE id = ?", [(chat,) for chat in plan.undeleted])


def _add_messages(source: sqlite3.Connection, db: sqlite3.Connection, plan: _Plan) -> None:
    touched: dict[str, str] = {}
    for row in _rows(source, "messages", list(plan.messages)):
        values = {name: row[name] for name in row.keys() if name != "number"}  # noqa: SIM118
        values["id"] = plan.messages[row["id"]]
        values["parent_id"] = plan.messages.get(row["parent_id"], row["parent_id"])
        values["status"] = "interrupted" if row["status"] == "streaming" else row["status"]
        _insert(db, "messages", values)
        touched[str(row["conversation_id"])] = str(values["id"])
        counted = source.execute("SELECT * FROM usage WHERE message_id = ?", (row["id"],)).fetchone()
        if counted is not None:
            _insert(db, "usage", {name: counted[name] for name in counted.keys()} | {"message_id": values["id"]})  # noqa: SIM118
    for chat, last in touched.items():  # a chat that was empty here shows something now
        db.execute("UPDATE conversations SET leaf_id = ? WHERE id = ? AND leaf_id IS NULL", (last, chat))


def _rows(source: sqlite3.Connection, table: str, ids: Sequence[str]) -> Iterator[sqlite3.Row]:
    for one in ids:
        yield source.execute(f"SELECT * FROM {table} WHERE id = ?", (one,)).fetchone()


def _insert(db: sqlite3.Connection, table: str, values: Mapping[str, object]) -> None:
    columns, marks = ", ".join(values), ", ".join("?" * len(values))
    db.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(values.values()))


def _says_the_same(old: sqlite3.Row, here: sqlite3.Row) -> bool:
    """An answer that was being written when the snapshot was made is no other version of the finished one."""
    if old["role"] != here["role"]:
        return False
    return old["parts"] == here["parts"] or old["status"] == "streaming"


def _id_of_version(row: sqlite3.Row) -> str:
    """The same id each time for the same words, so that restoring twice adds one sibling."""
    said = f"{row['id']}\0{row['role']}\0{row['parts']}"
    return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:32]
