"""Rows 29 to 36 of the faults, as the chat meets them: the question is kept, what came is kept with why it ended, both
are there at the next start, the next question is answered, and the three chats that were there are as they were."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from assistant.conversation import Conversation, EngineChoice
from assistant.conversations import Conversations
from assistant.database import Database
from assistant.engines.endpoint import EndpointEngine
from assistant.engines.limits import Limits
from assistant.i18n import ENGLISH as t
from assistant.records import StoredMessage
from assistant.settings import Settings
from assistant.store import Store
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import (
    Answer,
    CompressionBomb,
    ContextOverflow,
    Cut,
    Endless,
    GiantLine,
    Payloads,
    Silence,
    SlowBytes,
    Status,
    Step,
    bad_json,
    bad_utf8,
    error_event,
    html,
    oddities,
    unknown_events,
)
from tests.faults.siege import furnish

QUICK = Limits(
    connect_seconds=1, first_byte_seconds=0.6, stall_seconds=0.5, list_seconds=1, answer_bytes=3_000_000, retries=1
)
LATER = Answer(("And ", "on."))


@dataclass(frozen=True)
class Kept:
    """What stands on disk afterwards: question, answer, question, answer."""

    rows: list[StoredMessage]

    @property
    def text(self) -> str:
        return self.rows[1].message.text

    @property
    def why(self) -> str:
        """The key of what the person is told; its sentence and the key's hint are in the locale file."""
        failure = self.rows[1].failure
        if failure is None:
            return ""
        assert t(f"error.{failure.key}", **failure.values)
        return failure.key


def after(*steps: Step, data_dir: Path, url: str | None = None) -> Kept:
    """Asks, meets the fault, asks again somewhere good, and looks at what a new start finds."""
    furnish(data_dir)
    before = rows_of_the_three(data_dir)

    async def scene() -> str:
        store = Store(Database(data_dir / "hearth.db"))
        with fake_endpoint(*steps) as bad, fake_endpoint(LATER) as good:
            engines = [EndpointEngine(address, model="fake", limits=QUICK) for address in (url or bad.url, good.url)]
            using = [engines[0]]
            conversations = Conversations(
                store, private=Store(Database(None)), choose=lambda _pick: EngineChoice(using[0], Settings())
            )
            chat = await conversations.new()
            await ask(chat, "Hello?")
            using[0] = engines[1]
            await ask(chat, "And now?")
            for engine in engines:
                await engine.aclose()
        await conversations.aclose()
        store.close()
        return chat.id

    chat = asyncio.run(scene())
    store = Store(Database(data_dir / "hearth.db"))
    rows = store.tree(chat)
    store.close()
    assert rows_of_the_three(data_dir, len(before)) == before
    assert [row.message.role for row in rows] == ["user", "assistant", "user", "assistant"]
    assert [rows[0].message.text, rows[2].message.text] == ["Hello?", "And now?"]
    assert (rows[3].message.text, rows[3].status) == ("And on.", "complete")
    return Kept(rows)


async def ask(chat: Conversation, question: str) -> None:
    await chat.send(question)
    async with asyncio.timeout(20):
        while chat.live is not None:
            await chat.news.wait()


def rows_of_the_three(data_dir: Path, count: int = 6) -> Sequence[Any]:
    with closing(sqlite3.connect(data_dir / "hearth.db")) as db:
        return db.execute("SELECT * FROM messages ORDER BY number LIMIT ?", (count,)).fetchall()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/v1", "http://no-such-host.invalid/v1", "https://127.0.0.1:{port}/v1", "http://x y/v1"]
)
def test_row_29_an_endpoint_that_is_not_there_costs_no_question(tmp_path: Path, url: str) -> None:
    with fake_endpoint() as plain:
        kept = after(data_dir=tmp_path, url=url.replace("{port}", str(plain.port)))
    assert (kept.text, kept.rows[1].status) == ("", "failed")
    assert kept.why in (
        *("engine-refused-connection", "engine-unknown-host", "engine-not-tls", "engine-address"),
        *("engine-closed", "engine-no-reply", "engine-address-spaces"),
    )


@pytest.mark.parametrize("step", [Cut(("Half", " a")), Answer(("Half", " a"), finish_reason=None), error_event()])
def test_row_30_an_answer_that_breaks_off_is_saved_and_marked(tmp_path: Path, step: Step) -> None:
    kept = after(step, data_dir=tmp_path)
    assert kept.text in ("Half a", "Hello")
    assert (kept.rows[1].status, kept.why[:7]) == ("failed", "engine-")


@pytest.mark.parametrize("step", [bad_json(), bad_utf8(), oddities(), unknown_events(), Payloads([b"null"] * 500)])
def test_row_31_junk_in_a_stream_is_survived(tmp_path: Path, step: Step) -> None:
    assert after(step, data_dir=tmp_path).text.startswith("Hello")


@pytest.mark.parametrize(
    "step", [html(), Status(204), Status(200, b"hello", {"Content-Type": "text/plain"}), Status(200, b"{}")]
)
def test_row_32_what_is_no_endpoint_is_called_so(tmp_path: Path, step: Step) -> None:
    assert after(step, data_dir=tmp_path).why == "engine-not-compatible"


@pytest.mark.parametrize("as_event", [False, True])
def test_row_33_a_chat_that_is_too_long_is_told_and_deletes_nothing(tmp_path: Path, as_event: bool) -> None:
    assert after(ContextOverflow(as_event), data_dir=tmp_path).why == "engine-question-too-long-by"


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([Status(401)], "engine-key-wanted"),
        ([Status(403)], "engine-key-wanted"),
        ([Status(404)], "engine-no-chat-here"),
        ([Status(429, headers={"Retry-After": "3600"})], "engine-busy-for"),
        ([Status(429)] * 2, "engine-busy"),
        ([Status(500)], "engine-server-fault"),
        ([Status(503)] * 2, "engine-busy"),
    ],
)
def test_row_34_a_refusal_is_told_after_bounded_retries(tmp_path: Path, steps: list[Step], why: str) -> None:
    assert after(*steps, data_dir=tmp_path).why == why


@pytest.mark.parametrize(
    ("step", "text", "why"),
    [
        (Silence(), "", "engine-silent"),
        (Silence(("Hello",)), "Hello", "engine-stalled"),
        (SlowBytes(0.1), "Hello", "engine-stalled"),
    ],
)
def test_row_35_silence_ends_in_a_sentence(tmp_path: Path, step: Step, text: str, why: str) -> None:
    kept = after(step, data_dir=tmp_path)
    assert (kept.text, kept.why) == (text, why)


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (Endless(), ("engine-too-large", "engine-too-long")),
        (GiantLine(8), ("engine-line-too-long", "engine-too-large")),
        (CompressionBomb(64), ("engine-compressed",)),
    ],
)
def test_row_36_what_never_ends_is_ended_within_bounds(tmp_path: Path, step: Step, why: tuple[str, ...]) -> None:
    before = psutil.Process().memory_info().rss
    assert after(step, data_dir=tmp_path).why in why
    assert psutil.Process().memory_info().rss - before < 100_000_000
