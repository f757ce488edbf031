"""The chats as a person looks for them: lists for the side bar, search, titles, folders, drafts, deletion with Undo."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from assistant.attachments import Attachments
from assistant.database import Database, as_text, now
from assistant.messages import Attachment
from assistant.pick import Wish
from assistant.records import (
    StoredConversation,
    TitledBy,
    attached,
    files_column,
    stored_conversation,
    wish_columns,
)
from assistant.store import erase_rows

LONGEST_TITLE = 120
LONGEST_FOLDER = 60
MOST_TITLES = 10  # that a search shows above the messages
# Scripts that put no spaces between words: the index knows their sentences as single words.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_WORD = re.compile(r"\w+", re.UNICODE)


@dataclass(frozen=True)
class Found:
    """A message that holds what was searched for: its chat's id and title, and the words around the first hit, with
    the hits between `\\x02` and `\\x03`. `message_id` is empty where only the chat's title matches."""

    conversation_id: str
    title: str
    message_id: str = ""
    excerpt: str = ""


class Catalogue:
    """What the side bar does. Any thread may call; every method may raise StoreError. Chats that nobody has written in
    are not listed, deleted ones only while they can be had back."""

    def __init__(self, database: Database, attachments: Attachments | None = None) -> None:
        self._database, self._attachments = database, attachments

    def chats(self, *, limit: int, is_archived: bool = False) -> list[StoredConversation]:
        """Chats outside folders, the last changed first; pinned ones are not among them unless archived."""
        pinned = "" if is_archived else " AND folder = '' AND pinned_at IS NULL"
        return self._list(
            f"archived_at IS {'NOT ' if is_archived else ''}NULL{pinned} ORDER BY updated_at DESC LIMIT ?", limit
        )

    def pinned(self, *, limit: int) -> list[StoredConversation]:
        """The pinned chats, the last pinned first."""
        return self._list("pinned_at IS NOT NULL AND archived_at IS NULL ORDER BY pinned_at DESC LIMIT ?", limit)

    def folders(self) -> dict[str, int]:
        """The folders by name, and how many chats are in each. A folder is there as long as a chat is in it."""
        with self._database.reading() as db:
            rows = db.execute(
                f"SELECT folder, count(*) AS many FROM conversations WHERE {_LISTED} AND folder <> ''"
                " AND archived_at IS NULL GROUP BY folder ORDER BY folder COLLATE NOCASE"
            ).fetchall()
        return {row["folder"]: row["many"] for row in rows}

    def in_folder(self, folder: str, *, limit: int) -> list[StoredConversation]:
        """The chats of a folder, the last changed first."""
        return self._list("folder = ? AND archived_at IS NULL ORDER BY updated_at DESC LIMIT ?", folder, limit)

    def count_archived(self) -> int:
        """How many chats are put away."""
        with self._database.reading() as db:
            found = db.execute(
                f"SELECT count(*) FROM conversations WHERE {_LISTED} AND archived_at IS NOT NULL"
            ).fetchone()
        return int(found[0])

    def search(self, query: str, *, limit: int = 50) -> list[Found]:
        """The messages that hold all words of the query, the newest first, the last word as far as it was typed; chats
        whose title holds them come first. Nothing for a query without a letter or digit."""
        words = _WORD.findall(query)
        if not words:
            return []
        is_unspaced = _UNSPACED.search(query) is not None
        titles, messages = (_titles_unspaced, _messages_unspaced) if is_unspaced else (_titles, _messages)
        with self._database.reading() as db:
            chats = titles(db, words, min(limit, MOST_TITLES))
            return [*chats, *messages(db, words, limit - len(chats))]

    def rename(self, conversation_id: str, title: str, *, by: TitledBy) -> None:
        """Gives a chat a title; an engine's never replaces a person's."""
        with self._database.writing() as db:
            db.execute(
                "UPDATE conversations SET title = ?, titled_by = ?"
                " WHERE id = ? AND (? OR titled_by IN ('nobody', 'words', 'engine'))",
                (_line(title, LONGEST_TITLE), by, conversation_id, by == "person"),
            )

    def pin(self, conversation_id: str, is_pinned: bool) -> None:  # noqa: FBT001  # what a switch says
        """Puts a chat at the top of the side bar, or back to its day."""
        self._set(conversation_id, "pinned_at", as_text(now()) if is_pinned else None)

    def archive(self, conversation_id: str, is_archived: bool) -> None:  # noqa: FBT001
        """Puts a chat away without deleting it, or takes it back."""
        self._set(conversation_id, "archived_at", as_text(now()) if is_archived else None)

    def move(self, conversation_id: str, folder: str) -> None:
        """Puts a chat into a folder, which need not be there yet; an empty name takes it out."""
        self._set(conversation_id, "folder", _line(folder, LONGEST_FOLDER))

    def save_draft(self, conversation_id: str, text: str) -> None:
        """Keeps what stands in the composer but was not sent."""
        self._set(conversation_id, "draft", text.encode("utf-8", "replace").decode("utf-8").replace("\0", ""))

    def save_draft_files(self, conversation_id: str, files: Sequence[Attachment]) -> None:
        """Keeps which files stand in the composer."""
        self._set(conversation_id, "draft_files", files_column(files))

    def wish(self, conversation_id: str, wish: Wish) -> None:
        """Keeps by which model, and how, the chat is to be answered."""
        with self._database.writing() as db:
            db.execute(
                "UPDATE conversations SET picked_endpoint = ?, picked_model = ?, thinking = ? WHERE id = ?",
                (*wish_columns(wish), conversation_id),
            )

    def delete(self, conversation_id: str) -> None:
        """Takes a chat out of every list; until `erase_deleted` it can be had back."""
        self._set(conversation_id, "deleted_at", as_text(now()))

    def restore(self, conversation_id: str) -> None:
        """Undo of `delete`."""
        self._set(conversation_id, "deleted_at", None)

    def erase_deleted(self, *, older_than: timedelta = timedelta(0)) -> None:
        """Erases for good what was deleted so long ago."""
        before = as_text(now() - older_than)
        with self._database.writing() as db:
            gone = [
                (str(row["id"]), attached(row["draft_files"]))
                for row in db.execute("SELECT id, draft_files FROM conversations WHERE deleted_at <= ?", (before,))
            ]
            for chat, draft_files in gone:
                db.execute("UPDATE conversations SET leaf_id = NULL WHERE id = ?", (chat,))
                messages = db.execute("SELECT id FROM messages WHERE conversation_id = ?", (chat,)).fetchall()
                erase_rows(db, [row["id"] for row in messages], self._attachments, files=draft_files)
                db.execute("DELETE FROM conversations WHERE id = ?", (chat,))
                db.execute("INSERT OR IGNORE INTO erased (id, erased_at) VALUES (?, ?)", (chat, as_text(now())))
        if gone:
            self._database.forget_erased()

    def counts(self) -> tuple[int, int]:
        """How many chats and messages there are."""
        with self._database.reading() as db:
            row = db.execute(
                f"SELECT (SELECT count(*) FROM conversations WHERE {_LISTED}), (SELECT count(*) FROM messages)"
            ).fetchone()
        return int(row[0]), int(row[1])

    def all_ids(self) -> list[str]:
        """The ids of all chats that are not deleted, the oldest first."""
        with self._database.reading() as db:
            rows = db.execute(f"SELECT id FROM conversations WHERE {_LISTED} ORDER BY created_at, rowid")
            return [str(row["id"]) for row in rows]

    def _list(self, condition: str, *values: object) -> list[StoredConversation]:
        with self._database.reading() as db:
            rows = db.execute(f"SELECT * FROM conversations WHERE {_LISTED} AND {condition}", values).fetchall()
        return [stored_conversation(row) for row in rows]

    def _set(self, conversation_id: str, column: str, value: str | None) -> None:
        with self._database.writing() as db:
            db.execute(f"UPDATE conversations SET {column} = ? WHERE id = ?", (value, conversation_id))


_LISTED = "deleted_at IS NULL AND (leaf_id IS NOT NULL OR draft <> '' OR draft_files <> '[]')"


# Both indexes are read from the newest row on, so that SQLite can stop early: ranking would read every hit.
_TITLES = (
    "SELECT c.id, c.title FROM titles JOIN conversations c ON c.number = titles.rowid"
    f" WHERE {{}} AND {_LISTED} ORDER BY titles.rowid DESC LIMIT ?"
)
_MESSAGES = (
    "SELECT c.id, c.title, m.id, {} FROM words JOIN messages m ON m.number = words.rowid"
    " JOIN conversations c ON c.id = m.conversation_id"
    " WHERE {} AND c.deleted_at IS NULL ORDER BY words.rowid DESC LIMIT ?"
)


def _titles(db: sqlite3.Connection, words: list[str], limit: int) -> list[Found]:
    rows = db.execute(_TITLES.format("titles MATCH ?"), (_match(words), limit)).fetchall()
    return [Found(*row) for row in rows]


def _messages(db: sqlite3.Connection, words: list[str], limit: int) -> list[Found]:
    said = "snippet(words, 0, char(2), char(3), '…', 16)"
    rows = db.execute(_MESSAGES.format(said, "words MATCH ?"), (_match(words), limit)).fetchall()
    return [Found(*row) for row in rows]


# Scripts without spaces: the index does not know their words, so that every text is looked through.
def _titles_unspaced(db: sqlite3.Connection, words: list[str], limit: int) -> list[Found]:
    condition, values = _holds("titles.title", words)
    rows = db.execute(_TITLES.format(condition), (*values, limit)).fetchall()
    return [Found(*row) for row in rows]


def _messages_unspaced(db: sqlite3.Connection, words: list[str], limit: int) -> list[Found]:
    condition, values = _holds("words.text", words)
    rows = db.execute(_MESSAGES.format("words.text", condition), (*values, limit)).fetchall()
    return [Found(chat, title, message, _excerpt(said, words[0])) for chat, title, message, said in rows]


def _match(words: list[str]) -> str:
    """A query to an index: all words, the last as far as it was typed."""
    return " ".join([*(f'"{word}"' for word in words[:-1]), f'"{words[-1]}" *'])


def _holds(column: str, words: list[str]) -> tuple[str, list[str]]:
    """A condition that a column's text holds all words, and its values."""
    values = [f"%{_literally(word)}%" for word in words]
    return " AND ".join([f"{column} LIKE ? ESCAPE '\\'"] * len(words)), values


def _excerpt(text: str, word: str) -> str:
    at = max(text.lower().find(word.lower()), 0)
    end = at + len(word)
    before, after = text[max(at - 24, 0) : at], text[end : end + 48]
    opening, closing = "…" if at > 24 else "", "…" if end + 48 < len(text) else ""
    return f"{opening}{before}\x02{text[at:end]}\x03{after}{closing}"


def _literally(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _line(text: str, longest: int) -> str:
    """Text as one line of at most so many characters."""
    words = " ".join(text.encode("utf-8", "replace").decode("utf-8").replace("\0", "").split())
    return words if len(words) <= longest else f"{words[: longest - 1].rstrip()}…"
