"""Chats on disk: trees of messages in a SQLite file that holds every word before it has been on screen for long."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace

from assistant.attachments import Attachments, AttachmentsInMemory
from assistant.database import Database, as_text, now
from assistant.pick import Wish
from assistant.records import (
    StoredConversation,
    StoredMessage,
    attached,
    called,
    insert_conversation,
    new_id,
    save_message,
    stored_conversation,
    stored_message,
)


class Store:
    """The chats of one database, and the files of their messages: in memory where no place for them is given. Any
    thread may call; all may raise StoreError."""

    def __init__(self, database: Database, attachments: Attachments | None = None) -> None:
        self.database, self.attachments = database, attachments or AttachmentsInMemory()

    def close(self) -> None:
        """Closes the file; the store is not used afterwards."""
        self.database.close()

    def add_conversation(self) -> StoredConversation:
        """A new, empty chat."""
        conversation = StoredConversation(new_id())
        with self.database.writing() as db:
            insert_conversation(db, conversation)
        return conversation

    def add_tree(self, conversation: StoredConversation, messages: Sequence[StoredMessage]) -> None:
        """Adds a whole chat as it is, times and all: one that was brought in or copied. Messages in any order, all
        below one another; an id that is there already is a StoreError, and then nothing was added."""
        with self.database.writing() as db:
            insert_conversation(db, conversation)
            _add(db, conversation.id, messages)
            db.execute("UPDATE conversations SET leaf_id = ? WHERE id = ?", (conversation.leaf_id, conversation.id))

    def add_messages(self, conversation_id: str, messages: Sequence[StoredMessage]) -> None:
        """Adds messages to a chat's tree, all or none; what the chat shows and when it changed stay as they are."""
        with self.database.writing() as db:
            _add(db, conversation_id, messages)

    def conversation(self, conversation_id: str) -> StoredConversation | None:
        """The chat with this id, deleted ones too until they are erased; None where there is none."""
        with self.database.reading() as db:
            row = db.execute("SELECT * FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
        return stored_conversation(row) if row else None

    def conversation_from(self, origin: str) -> StoredConversation | None:
        """The chat that was brought in as `origin`; None where there is none."""
        with self.database.reading() as db:
            row = db.execute("SELECT * FROM conversations WHERE origin = ?", (origin,)).fetchone()
        return stored_conversation(row) if row else None

    def last_conversation(self) -> StoredConversation | None:
        """The chat that was changed last."""
        with self.database.reading() as db:
            row = db.execute(
                "SELECT * FROM conversations WHERE deleted_at IS NULL AND archived_at IS NULL"
                " ORDER BY updated_at DESC, rowid DESC LIMIT 1"
            ).fetchone()
        return stored_conversation(row) if row else None

    def empty_conversation(self) -> StoredConversation | None:
        """A chat that nobody has written in, not even a draft, if there is one."""
        with self.database.reading() as db:
            row = db.execute(
                "SELECT * FROM conversations WHERE leaf_id IS NULL AND draft = '' AND draft_files = '[]'"
                " AND deleted_at IS NULL"
                " AND NOT EXISTS (SELECT 1 FROM messages WHERE conversation_id = conversations.id)"
                " ORDER BY updated_at DESC LIMIT 1"
            ).fetchone()
        return stored_conversation(row) if row else None

    def save_messages(self, conversation_id: str, *messages: StoredMessage) -> None:
        """Writes messages, parents first, all or none: new ones are added, known ones say what they say now. The last
        one becomes the chat's leaf."""
        with self.database.writing() as db:
            for item in messages:
                save_message(db, item, conversation_id)
            db.execute(
                "UPDATE conversations SET leaf_id = ?, updated_at = ? WHERE id = ?",
                (messages[-1].id, as_text(now()), conversation_id),
            )

    def mark_messages(self, *messages: StoredMessage) -> None:
        """Keeps what messages say of being sent (`mark` and `stand_in`), all or none. When their chat changed stays."""
        with self.database.writing() as db:
            for item in messages:
                db.execute(
                    "UPDATE messages SET mark = ?, stand_in = ? WHERE id = ?", (item.mark, item.stand_in, item.id)
                )

    def show(self, conversation_id: str, leaf_id: str | None) -> None:
        """Makes a message the one that the chat is shown up to; None shows the empty beginning."""
        with self.database.writing() as db:
            db.execute("UPDATE conversations SET leaf_id = ? WHERE id = ?", (leaf_id, conversation_id))

    def branch(self, leaf_id: str | None) -> list[StoredMessage]:
        """The messages from the first one down to `leaf_id`, in order; empty for None."""
        with self.database.reading() as db:
            query = f"{_UP} SELECT {_MESSAGE} FROM up {_JOINED} ORDER BY up.depth DESC"
            rows = db.execute(query, (leaf_id,)).fetchall()
        return [stored_message(row) for row in rows]

    def tree(self, conversation_id: str) -> list[StoredMessage]:
        """Every message of a chat, parents before children, siblings in the order in which they were made."""
        with self.database.reading() as db:
            rows = db.execute(
                f"SELECT {_MESSAGE} FROM messages m LEFT JOIN usage u ON u.message_id = m.id"
                " WHERE m.conversation_id = ? ORDER BY m.number",
                (conversation_id,),
            ).fetchall()
        return _parents_first([stored_message(row) for row in rows])

    def siblings(self, conversation_id: str, leaf_id: str | None) -> dict[str, tuple[str, ...]]:
        """For each message from the first one down to `leaf_id` that has siblings: the ids of all of them, itself
        included, in the order in which they were made."""
        with self.database.reading() as db:
            rows = db.execute(
                f"{_UP} SELECT up.id, s.id AS sibling, s.number FROM up JOIN messages m ON m.id = up.id"
                " JOIN messages s ON s.parent_id = m.parent_id"
                " UNION ALL SELECT up.id, s.id, s.number FROM up JOIN messages m ON m.id = up.id"
                " JOIN messages s ON s.conversation_id = ? AND s.parent_id IS NULL WHERE m.parent_id IS NULL"
                " ORDER BY 3",
                (leaf_id, conversation_id),
            ).fetchall()
        found: dict[str, tuple[str, ...]] = {}
        for row in rows:
            found[row["id"]] = (*found.get(row["id"], ()), row["sibling"])
        return {message_id: ids for message_id, ids in found.items() if len(ids) > 1}

    def newest_leaf(self, message_id: str) -> str:
        """Where one arrives from a message by going to the newest reply each time: the message itself, or one below."""
        with self.database.reading() as db:
            row = db.execute(
                """
                WITH RECURSIVE down (id, depth) AS (
                    SELECT ?, 0
                    UNION ALL
                    SELECT (SELECT id FROM messages WHERE parent_id = down.id ORDER BY number DESC LIMIT 1), depth + 1
                    FROM down WHERE down.id IS NOT NULL
                )
                SELECT id FROM down WHERE id IS NOT NULL ORDER BY depth DESC LIMIT 1
                """,
                (message_id,),
            ).fetchone()
        return str(row["id"])

    def below(self, message_id: str) -> list[StoredMessage]:
        """A message and everything that came of it, parents before children."""
        with self.database.reading() as db:
            rows = db.execute(
                f"{_DOWN} SELECT {_MESSAGE} FROM down JOIN messages m ON m.id = down.id"
                " LEFT JOIN usage u ON u.message_id = m.id ORDER BY m.number",
                (message_id,),
            ).fetchall()
        return _parents_first([stored_message(row) for row in rows])

    def erase_messages(self, conversation_id: str, message_id: str) -> None:
        """Erases a message and everything below it for good. Where the chat was shown up to one of them, it is shown
        up to a sibling's newest leaf, else up to the parent."""
        with self.database.writing() as db:
            gone = [row["id"] for row in db.execute(f"{_DOWN} SELECT id FROM down", (message_id,))]
            top = db.execute("SELECT parent_id FROM messages WHERE id = ?", (message_id,)).fetchone()
            leaf = db.execute("SELECT leaf_id FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
            if not top or not leaf:
                return
            other = db.execute(
                "SELECT id FROM messages WHERE conversation_id = ? AND parent_id IS ? AND id <> ?"
                " ORDER BY number DESC LIMIT 1",
                (conversation_id, top["parent_id"], message_id),
            ).fetchone()
            if leaf["leaf_id"] in set(gone):
                db.execute(
                    "UPDATE conversations SET leaf_id = ? WHERE id = ?",
                    (other["id"] if other else top["parent_id"], conversation_id),
                )
            erase_rows(db, gone, self.attachments)
        if other and leaf["leaf_id"] in set(gone):
            self.show(conversation_id, self.newest_leaf(other["id"]))
        self.database.forget_erased()

    def copy_branch(self, leaf_id: str, *, title: str, wish: Wish) -> StoredConversation:
        """A new chat that holds the messages from the first one down to `leaf_id`, with ids of their own."""
        copies: list[StoredMessage] = []
        for item in self.branch(leaf_id):
            parent = copies[-1].id if copies else None
            copies.append(replace(item, id=new_id(), parent_id=parent, origin=None))
        chat = StoredConversation(new_id(), title, copies[-1].id if copies else None, titled_by="person", wish=wish)
        self.add_tree(chat, copies)
        return chat


_UP = """
    WITH RECURSIVE up (id, depth) AS (
        SELECT ?, 0
        UNION ALL
        SELECT messages.parent_id, up.depth + 1 FROM messages JOIN up ON messages.id = up.id
        WHERE messages.parent_id IS NOT NULL
    )
"""
_DOWN = """
    WITH RECURSIVE down (id) AS (
        SELECT ? UNION ALL SELECT messages.id FROM messages JOIN down ON messages.parent_id = down.id
    )
"""
_JOINED = "JOIN messages m ON m.id = up.id LEFT JOIN usage u ON u.message_id = m.id"
_MESSAGE = "m.*, u.message_id AS counted, u.prompt_tokens, u.completion_tokens, u.tokens_per_second"


def _add(db: sqlite3.Connection, conversation_id: str, messages: Sequence[StoredMessage]) -> None:
    """Adds messages inside a transaction. Those that were erased once are wanted again: else the next rotation of
    snapshots would take them out of all of them."""
    for item in _parents_first(messages):
        save_message(db, item, conversation_id, must_be_new=True)
    wanted = [(conversation_id,), *((item.id,) for item in messages)]
    db.executemany("DELETE FROM erased WHERE id = ?", wanted)


def erase_rows(
    db: sqlite3.Connection,
    message_ids: Iterable[str],
    attachments: Attachments | None,
    *,
    files: Iterable[str] = (),
) -> None:
    """Deletes messages inside a transaction, and notes that snapshots are to forget them. Their files go first, and
    `files` too, by the names they are stored as: an end in between leaves messages that are erased the next time, and
    never files that nobody knows of."""
    moment = as_text(now())
    files = set(files)
    for message_id in message_ids:
        rows = db.execute(
            "DELETE FROM messages WHERE id = ? RETURNING parts, conversation_id", (message_id,)
        ).fetchall()
        files.update(*(attached(row["parts"]) for row in rows))
        runs = [(row["conversation_id"], call) for row in rows for call in called(row["parts"])]
        db.executemany("DELETE FROM tool_runs WHERE conversation_id = ? AND call_id = ?", runs)
        db.execute("INSERT OR IGNORE INTO erased (id, erased_at) VALUES (?, ?)", (message_id, moment))
    if attachments is None or not files:
        return
    for row in db.execute("SELECT parts FROM messages WHERE parts LIKE '%\"attachment\"%'"):  # a copy has the same
        files -= attached(row["parts"])
    for stored_as in files:
        attachments.remove(stored_as)


def _parents_first(messages: Sequence[StoredMessage]) -> list[StoredMessage]:
    """The same messages, each after its parent where that is among them; else in the order given."""
    known = {item.id for item in messages}
    waiting: dict[str, list[StoredMessage]] = {}
    ready: list[StoredMessage] = []
    for item in messages:
        if item.parent_id in known:
            waiting.setdefault(str(item.parent_id), []).append(item)
        else:
            ready.append(item)
    ordered: list[StoredMessage] = []
    for item in ready:
        level = [item]
        while level:
            ordered += level
            level = [child for parent in level for child in waiting.pop(parent.id, [])]
    return ordered
