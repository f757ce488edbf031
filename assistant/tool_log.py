"""What tools did, and what a person has allowed in a chat: kept in the chat's own database, so that it ends with it.

A private chat's are in memory only. An allowance belongs to one chat and one tool as it was then; a copy of the chat
begins without any. What a run was asked and gave is part of its chat's words: it is erased with the chat, or with the
message that asked for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from assistant.calls import AllowedBy, Outcome, ToolRun
from assistant.database import Database, as_text, now
from assistant.tools.tool import Origin

MOST_KEPT = 5_000
MOST_CHARACTERS = 4_000  # of arguments and of a result, in the log


@dataclass(frozen=True)
class LoggedRun:
    """One row of the log. `chat` is the chat's id, `title` its title now; `ended_at` is None for what runs, or what
    Hearth did not live to see the end of."""

    id: str
    chat: str
    title: str
    tool: str
    origin: Origin
    arguments: str
    allowed_by: AllowedBy
    outcome: Outcome
    result: str
    began_at: datetime
    ended_at: datetime | None


class ToolLog:
    """The log of one database. Any thread may call; all may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, chat: str, run: ToolRun) -> None:
        """Keeps a run that begins, or how one has ended."""
        ended = None if run.outcome == "running" else as_text(now())
        origin = run.tool.origin
        with self._database.writing() as db:
            db.execute(
                "INSERT INTO tool_runs (id, conversation_id, call_id, tool, origin_kind, origin_name, arguments,"
                " allowed_by, outcome, result, began_at, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET outcome = excluded.outcome, result = excluded.result,"
                " ended_at = excluded.ended_at",
                (
                    *(run.id, chat, run.call.id, run.tool.name, origin.kind, origin.name),
                    *(_short(run.call.arguments), run.allowed_by, run.outcome, _short(run.result)),
                    *(as_text(run.began_at), ended),
                ),
            )
            db.execute("DELETE FROM tool_runs WHERE number <= (SELECT max(number) FROM tool_runs) - ?", (MOST_KEPT,))

    def runs(self, *, limit: int = 200) -> list[LoggedRun]:
        """The last runs of all chats, the newest first."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT r.*, c.title FROM tool_runs r JOIN conversations c ON c.id = r.conversation_id"
                " WHERE c.deleted_at IS NULL ORDER BY r.number DESC LIMIT ?",
                (limit,),
            ).fetchall()
        return [
            LoggedRun(
                row["id"],
                row["conversation_id"],
                row["title"],
                row["tool"],
                Origin(row["origin_kind"], row["origin_name"]),
                row["arguments"],
                row["allowed_by"],
                row["outcome"],
                row["result"],
                datetime.fromisoformat(row["began_at"]),
                datetime.fromisoformat(row["ended_at"]) if row["ended_at"] else None,
            )
            for row in rows
        ]

    def allowed_in(self, chat: str) -> frozenset[str]:
        """The fingerprints of the tools that were allowed for the rest of this chat."""
        with self._database.reading() as db:
            rows = db.execute("SELECT fingerprint FROM tool_allowances WHERE conversation_id = ?", (chat,)).fetchall()
        return frozenset(row["fingerprint"] for row in rows)

    def allow_in(self, chat: str, fingerprints: Sequence[str]) -> None:
        """Allows tools for the rest of this chat."""
        with self._database.writing() as db:
            db.executemany(
                "INSERT OR IGNORE INTO tool_allowances (conversation_id, fingerprint) VALUES (?, ?)",
                [(chat, one) for one in fingerprints],
            )

    def switch_of(self, chat: str) -> bool | None:
        """Whether tools are switched on in this chat; None where nobody has said."""
        with self._database.reading() as db:
            row = db.execute("SELECT is_on FROM tool_switches WHERE conversation_id = ?", (chat,)).fetchone()
        return bool(row["is_on"]) if row else None

    def switch(self, chat: str, *, is_on: bool) -> None:
        """Switches tools on or off in this chat."""
        with self._database.writing() as db:
            db.execute(
                "INSERT INTO tool_switches (conversation_id, is_on) VALUES (?, ?)"
                " ON CONFLICT (conversation_id) DO UPDATE SET is_on = excluded.is_on",
                (chat, int(is_on)),
            )


def _short(text: str) -> str:
    """As much of a text as the log keeps, as SQLite holds it."""
    text = text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")
