"""The database's schema, as steps: step N takes a database of version N-1 to N. Steps are added, never changed.

`user_version` holds the version. A database that is newer than the last step is refused and not touched.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from assistant.errors import StoreError

STEPS: tuple[str, ...] = (
    # 1: chats as trees of messages. `leaf_id` is the message a chat is shown up to; an edit or a retry adds a sibling.
    """
    CREATE TABLE conversations (
        id          TEXT PRIMARY KEY,
        title       TEXT NOT NULL DEFAULT '',
        created_at  TEXT NOT NULL,
        updated_at  TEXT NOT NULL,
        leaf_id     TEXT REFERENCES messages (id) DEFERRABLE INITIALLY DEFERRED
    ) STRICT;
    CREATE INDEX conversations_by_update ON conversations (updated_at DESC);

    CREATE TABLE messages (
        id              TEXT PRIMARY KEY,
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        parent_id       TEXT REFERENCES messages (id) ON DELETE CASCADE,
        role            TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant', 'tool')),
        parts           TEXT NOT NULL CHECK (json_valid(parts)),
        status          TEXT NOT NULL
            CHECK (status IN ('streaming', 'complete', 'cut', 'stopped', 'interrupted', 'failed')),
        failure         TEXT CHECK (failure IS NULL OR json_valid(failure)),
        model           TEXT,
        created_at      TEXT NOT NULL
    ) STRICT;
    CREATE INDEX messages_by_conversation ON messages (conversation_id);
    CREATE INDEX messages_by_parent ON messages (parent_id);
    CREATE INDEX messages_streaming ON messages (status) WHERE status = 'streaming';

    CREATE TABLE usage (
        message_id        TEXT PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
        prompt_tokens     INTEGER,
        completion_tokens INTEGER,
        tokens_per_second REAL
    ) STRICT;
    """,
    # 2: a side bar, a search, what was brought in, and what was deleted.
    """
    ALTER TABLE conversations ADD COLUMN titled_by TEXT NOT NULL DEFAULT 'nobody'
        CHECK (titled_by IN ('nobody', 'words', 'engine', 'person', 'import'));
    ALTER TABLE conversations ADD COLUMN folder TEXT NOT NULL DEFAULT '';
    ALTER TABLE conversations ADD COLUMN draft TEXT NOT NULL DEFAULT '';
    ALTER TABLE conversations ADD COLUMN pinned_at TEXT;
    ALTER TABLE conversations ADD COLUMN archived_at TEXT;
    ALTER TABLE conversations ADD COLUMN deleted_at TEXT; -- can be undone until the chat is erased
    ALTER TABLE conversations ADD COLUMN origin TEXT; -- where it was brought in from, such as "chatgpt:ID"
    CREATE UNIQUE INDEX conversations_by_origin ON conversations (origin) WHERE origin IS NOT NULL;
    CREATE INDEX conversations_deleted ON conversations (deleted_at) WHERE deleted_at IS NOT NULL;
    CREATE INDEX conversations_pinned ON conversations (pinned_at) WHERE pinned_at IS NOT NULL;
    CREATE INDEX conversations_in_folders ON conversations (folder, updated_at DESC) WHERE folder <> '';

    -- `number` ties a message to its words: a rowid of its own that VACUUM keeps. Nothing cascades from parent to
    -- child: SQLite follows a thousand of them at the most, and chats are longer.
    CREATE TABLE messages_2 (
        number          INTEGER PRIMARY KEY,
        id              TEXT NOT NULL UNIQUE,
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        parent_id       TEXT REFERENCES messages_2 (id) DEFERRABLE INITIALLY DEFERRED,
        role            TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant', 'tool')),
        parts           TEXT NOT NULL CHECK (json_valid(parts)),
        status          TEXT NOT NULL
            CHECK (status IN ('streaming', 'complete', 'cut', 'stopped', 'interrupted', 'failed')),
        failure         TEXT CHECK (failure IS NULL OR json_valid(failure)),
        model           TEXT,
        created_at      TEXT NOT NULL,
        origin          TEXT -- its name where the chat was brought in from
    ) STRICT;
    INSERT INTO messages_2
        SELECT rowid, id, conversation_id, parent_id, role, parts, status, failure, model, created_at, NULL
        FROM messages ORDER BY rowid;
    DROP TABLE messages;
    ALTER TABLE messages_2 RENAME TO messages;
    CREATE INDEX messages_by_conversation ON messages (conversation_id);
    CREATE INDEX messages_by_parent ON messages (parent_id);
    CREATE INDEX messages_streaming ON messages (status) WHERE status = 'streaming';

    -- What can be found: the words that a person wrote and was answered, once an answer rests.
    CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = "unicode61 remove_diacritics 2", prefix = '2 3');
    CREATE TRIGGER messages_added AFTER INSERT ON messages
        WHEN new.status <> 'streaming' AND new.role IN ('user', 'assistant')
    BEGIN
        INSERT INTO words (rowid, text)
            SELECT new.number, group_concat(json_extract(value, '$.text'), char(10)) FROM json_each(new.parts)
            WHERE json_extract(value, '$.type') = 'text' HAVING count(*) > 0;
    END;
    CREATE TRIGGER messages_changed AFTER UPDATE OF role, parts, status ON messages
        WHEN new.status <> 'streaming' AND new.role IN ('user', 'assistant')
    BEGIN
        DELETE FROM words WHERE rowid = old.number;
        INSERT INTO words (rowid, text)
            SELECT new.number, group_concat(json_extract(value, '$.text'), char(10)) FROM json_each(new.parts)
            WHERE json_extract(value, '$.type') = 'text' HAVING count(*) > 0;
    END;
    CREATE TRIGGER messages_erased AFTER DELETE ON messages
    BEGIN
        DELETE FROM words WHERE rowid = old.number;
    END;
    INSERT INTO words (rowid, text)
        SELECT number, (
            SELECT group_concat(json_extract(value, '$.text'), char(10)) FROM json_each(messages.parts)
            WHERE json_extract(value, '$.type') = 'text'
        ) AS said
        FROM messages
        WHERE status <> 'streaming' AND role IN ('user', 'assistant') AND said IS NOT NULL;
    UPDATE conversations SET titled_by = 'words', title = coalesce((
            SELECT trim(substr(replace(words.text, char(10), ' '), 1, 60))
            FROM messages JOIN words ON words.rowid = messages.number
            WHERE messages.conversation_id = conversations.id AND messages.role = 'user'
            ORDER BY messages.number LIMIT 1
        ), '')
        WHERE title = '';

    -- What must go from the snapshots too, at their next turn. `id` is a conversation's or a message's.
    CREATE TABLE erased (id TEXT PRIMARY KEY, erased_at TEXT NOT NULL) STRICT;
    """,
    # 3: titles are found by an index, like words. `number` ties a chat to its title there, as it does messages.
    """
    CREATE TABLE conversations_3 (
        number      INTEGER PRIMARY KEY,
        id          TEXT NOT NULL UNIQUE,
        title       TEXT NOT NULL DEFAULT '',
        created_at  TEXT NOT NULL,
        updated_at  TEXT NOT NULL,
        leaf_id     TEXT REFERENCES messages (id) DEFERRABLE INITIALLY DEFERRED,
        titled_by   TEXT NOT NULL DEFAULT 'nobody'
            CHECK (titled_by IN ('nobody', 'words', 'engine', 'person', 'import')),
        folder      TEXT NOT NULL DEFAULT '',
        draft       TEXT NOT NULL DEFAULT '',
        pinned_at   TEXT,
        archived_at TEXT,
        deleted_at  TEXT, -- can be undone until the chat is erased
        origin      TEXT -- where it was brought in from, such as "chatgpt:ID"
    ) STRICT;
    INSERT INTO conversations_3
        SELECT rowid, id, title, created_at, updated_at, leaf_id, titled_by, folder, draft, pinned_at, archived_at,
            deleted_at, origin
        FROM conversations ORDER BY rowid;
    DROP TABLE conversations;
    ALTER TABLE conversations_3 RENAME TO conversations;
    CREATE INDEX conversations_by_update ON conversations (updated_at DESC);
    CREATE UNIQUE INDEX conversations_by_origin ON conversations (origin) WHERE origin IS NOT NULL;
    CREATE INDEX conversations_deleted ON conversations (deleted_at) WHERE deleted_at IS NOT NULL;
    CREATE INDEX conversations_pinned ON conversations (pinned_at) WHERE pinned_at IS NOT NULL;
    CREATE INDEX conversations_archived ON conversations (archived_at) WHERE archived_at IS NOT NULL;
    CREATE INDEX conversations_in_folders ON conversations (folder, updated_at DESC) WHERE folder <> '';
    CREATE INDEX conversations_empty ON conversations (updated_at DESC) WHERE leaf_id IS NULL;

    CREATE VIRTUAL TABLE titles USING fts5 (title, tokenize = "unicode61 remove_diacritics 2", prefix = '2 3');
    CREATE TRIGGER conversations_added AFTER INSERT ON conversations
    BEGIN
        INSERT INTO titles (rowid, title) VALUES (new.number, new.title);
    END;
    CREATE TRIGGER conversations_titled AFTER UPDATE OF title ON conversations
    BEGIN
        UPDATE titles SET title = new.title WHERE rowid = old.number;
    END;
    CREATE TRIGGER conversations_erased AFTER DELETE ON conversations
    BEGIN
        DELETE FROM titles WHERE rowid = old.number;
    END;
    INSERT INTO titles (rowid, title) SELECT number, title FROM conversations;
    """,
    # 4: which model a chat was given, and how long it may think.
    """
    ALTER TABLE conversations ADD COLUMN picked_endpoint TEXT; -- NULL: the chat follows the settings
    ALTER TABLE conversations ADD COLUMN picked_model TEXT NOT NULL DEFAULT '';
    ALTER TABLE conversations ADD COLUMN thinking TEXT NOT NULL DEFAULT '';
    """,
    # 5: what of a chat its model is sent. `stand_in` is read in place of everything from the first message down to this
    # one: the engine's summary of it, or nothing where it is empty.
    """
    ALTER TABLE messages ADD COLUMN mark TEXT CHECK (mark IN ('pinned', 'left_out'));
    ALTER TABLE messages ADD COLUMN stand_in TEXT;
    """,
    # 6: what answers did to files, for undo: each by the first message of the answer. Images are packed (zlib).
    """
    CREATE TABLE file_changes (
        number        INTEGER PRIMARY KEY,
        answer_id     TEXT NOT NULL,
        workspace     TEXT NOT NULL,
        path          TEXT NOT NULL,
        before_sha256 TEXT, -- NULL: there was no such file
        before_mode   INTEGER,
        before_ns     INTEGER,
        after_sha256  TEXT,
        after_mode    INTEGER,
        after_ns      INTEGER,
        made_folders  INTEGER NOT NULL,
        is_undone     INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX file_changes_by_answer ON file_changes (answer_id);
    CREATE INDEX file_changes_by_before ON file_changes (before_sha256);
    CREATE INDEX file_changes_by_after ON file_changes (after_sha256);
    CREATE TABLE file_images (sha256 TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT;
    CREATE TRIGGER messages_erased_with_changes AFTER DELETE ON messages
    BEGIN
        DELETE FROM file_changes WHERE answer_id = old.id;
    END;
    CREATE TRIGGER file_changes_erased AFTER DELETE ON file_changes
    BEGIN
        DELETE FROM file_images WHERE sha256 IN (old.before_sha256, old.after_sha256)
            AND NOT EXISTS (SELECT 1 FROM file_changes WHERE before_sha256 = file_images.sha256)
            AND NOT EXISTS (SELECT 1 FROM file_changes WHERE after_sha256 = file_images.sha256);
    END;
    """,
    # 7: files that stand in a chat's composer and were not sent yet, as parts of a message.
    """
    ALTER TABLE conversations ADD COLUMN draft_files TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(draft_files));
    """,
    # 8: what tools did, and what was allowed in a chat: both end with it (see tool_log.py).
    """
    CREATE TABLE tool_runs (
        number          INTEGER PRIMARY KEY,
        id              TEXT NOT NULL UNIQUE,
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        call_id         TEXT NOT NULL,
        tool            TEXT NOT NULL,
        origin_kind     TEXT NOT NULL,
        origin_name     TEXT NOT NULL,
        arguments       TEXT NOT NULL,
        allowed_by      TEXT NOT NULL,
        outcome         TEXT NOT NULL,
        result          TEXT NOT NULL,
        began_at        TEXT NOT NULL,
        ended_at        TEXT
    ) STRICT;
    CREATE INDEX tool_runs_by_conversation ON tool_runs (conversation_id, call_id);
    CREATE TABLE tool_allowances (
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        fingerprint     TEXT NOT NULL,
        PRIMARY KEY (conversation_id, fingerprint)
    ) STRICT;
    CREATE TABLE tool_switches (
        conversation_id TEXT PRIMARY KEY REFERENCES conversations (id) ON DELETE CASCADE,
        is_on           INTEGER NOT NULL
    ) STRICT;
    """,
)


def pending(connection: sqlite3.Connection) -> int:
    """How many steps the database has still to take; 0 for one that is new and empty, too. Raises StoreError where it
    is newer than the last step, and sqlite3.DatabaseError where it is none."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(STEPS):
        raise StoreError("store.newer", version=version, known=len(STEPS))
    is_new = version == 0 and not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    return 0 if is_new else len(STEPS) - version


def migrate(connection: sqlite3.Connection, *, before: Callable[[], object] = lambda: None) -> None:
    """Takes the database to the newest version, each step whole or not at all; `before` is called ahead of the first
    one that changes what somebody has. Raises StoreError for a newer database."""
    if pending(connection):
        before()
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute("PRAGMA foreign_keys = OFF")  # a table that is made anew is dropped with what refers to it
    for number, step in enumerate(STEPS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;")
    connection.execute("PRAGMA foreign_keys = ON")
