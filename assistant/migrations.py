"""The database's schema, as steps: step N takes a database of version N-1 to N. Steps are added, never changed.

`user_version` holds the version. A database that is newer than the last step is refused and not touched.
"""

from __future__ import annotations

import sqlite3

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
)


def migrate(connection: sqlite3.Connection) -> None:
    """Takes the database to the newest version, each step whole or not at all. Raises StoreError for a newer one."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(STEPS):
        raise StoreError("store.newer", version=version, known=len(STEPS))
    for number, step in enumerate(STEPS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;")
