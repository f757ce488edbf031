"""Rows 19 to 21 of the faults: crowds, the slow, what would choke a handler, and a window that closes in mid-answer."""

from __future__ import annotations

import json
import socket
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.fake_steps import Answer as Words
from tests.faults.siege import END, FORM, JOIN, JSON, UPLOAD, Besieged, besieged, part

PATIENCE_SECONDS = 2.0  # what the window may be made to wait
MEGABYTE = 1_000_000
JOIN_HEAD = f"POST {JOIN} HTTP/1.1\r\nHost: {{host}}\r\nCookie: {{cookie}}\r\nContent-Type: application/json\r\n"


@contextmanager
def crowd(hearth: Besieged, number: int, words: bytes) -> Iterator[list[socket.socket]]:
    """So many connections, each of which has said `words`."""
    with ExitStack() as stack:
        plugs: list[socket.socket] = []
        for _ in range(number):
            plugs.append(stack.enter_context(hearth.plug()))
            with suppress(ConnectionError):
                plugs[-1].sendall(words)
        yield plugs


def statuses(plugs: list[socket.socket]) -> Counter[str]:
    """What each was told; "gone" where the connection was closed."""
    told: Counter[str] = Counter()
    for plug in plugs:
        with suppress(OSError):
            told[plug.recv(4096)[9:12].decode() or "gone"] += 1
    return told


def is_closed_within(plug: socket.socket, seconds: float) -> bool:
    plug.settimeout(seconds)
    try:
        while plug.recv(4096):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


@contextmanager
def a_running_answer(hearth: Besieged, session: str) -> Iterator[None]:
    """An answer that streams into a page meanwhile, and has gone on when the block ends."""
    with hearth.question("Tell me something long.", session):
        assert eventually(lambda: is_answering(hearth))
        seen: list[float] = []

        def look() -> None:
            with suppress(Exception), hearth.feed() as frames:
                seen.extend(time.monotonic() for frame in frames if "live" in frame)

        reader = threading.Thread(target=look, daemon=True)
        reader.start()
        assert eventually(lambda: len(seen) >= 2)
        yield
        ended = time.monotonic()
        assert eventually(lambda: bool(seen) and seen[-1] > ended + 0.2), "the running answer goes on"
        stop(hearth, session)


def stop(hearth: Besieged, session: str) -> None:
    assert hearth.join(hearth.function("chat-stop", "click"), [None], session).status == 200
    assert eventually(lambda: not is_answering(hearth))


def is_answering(hearth: Besieged) -> bool:
    with closing(sqlite3.connect(f"file:{hearth.served.data_dir / 'hearth.db'}?mode=ro", uri=True)) as db:
        return bool(db.execute("SELECT count(*) FROM messages WHERE status = 'streaming'").fetchone()[0])


# Row 19


def test_row_19_a_thousand_joins_at_once_keep_neither_window_nor_answer_waiting(hearth: Besieged) -> None:
    before = hearth.memory_megabytes()
    body = hearth.join_body(hearth.function("chat-stop", "click"), [None], "crowd")
    request = hearth.filled(JOIN_HEAD + f"Content-Length: {len(body)}\r\n\r\n") + body
    with a_running_answer(hearth, "window-1"), crowd(hearth, 1000, request) as plugs:
        assert hearth.seconds_to_answer() < PATIENCE_SECONDS
        told = statuses(plugs)
        assert set(told) <= {"200", "503"}
        assert told["200"] >= 16
    assert hearth.memory_megabytes() - before < 100


def test_row_19_a_thousand_strangers_at_once_keep_neither_window_nor_answer_waiting(hearth: Besieged) -> None:
    with (
        a_running_answer(hearth, "window-2"),
        crowd(hearth, 1000, hearth.filled("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")),
    ):
        assert hearth.seconds_to_answer() < PATIENCE_SECONDS


@pytest.mark.parametrize("number", [200, 1000])
@pytest.mark.parametrize("words", [b"", b"GET / HTTP/1.1\r\nHo"], ids=["silent", "half a head"])
def test_row_19_half_open_sockets_find_their_limit_and_the_window_its_place(
    hearth: Besieged, number: int, words: bytes
) -> None:
    before, files = hearth.memory_megabytes(), hearth.process.num_fds()
    with crowd(hearth, number, words), a_running_answer(hearth, f"window-{number}-{len(words)}"):
        assert hearth.seconds_to_answer() < PATIENCE_SECONDS
        assert hearth.process.num_fds() - files < 600
        assert hearth.memory_megabytes() - before < 100
    assert eventually(lambda: hearth.process.num_fds() - files < 20)


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such limit")
def test_row_19_a_low_limit_of_files_shuts_nobody_out(tmp_path: Path) -> None:
    """As macOS and many a shell have it: fewer files than the crowd has sockets. Hearth raises it when it starts."""
    import resource  # late: Windows has none

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        try:
            hearth = stack.enter_context(besieged(tmp_path / "data", Words(("Yes.",))))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        with crowd(hearth, 400, b""):
            assert hearth.seconds_to_answer() < PATIENCE_SECONDS
        hearth.assert_unharmed()


def test_row_19_of_a_crowd_only_strangers_are_sent_away(hearth: Besieged) -> None:
    with hearth.plug() as window:
        assert is_let_in(hearth, window)
        with crowd(hearth, 1000, b""):
            assert hearth.seconds_to_answer() < PATIENCE_SECONDS
            assert is_let_in(hearth, window)


def is_let_in(hearth: Besieged, plug: socket.socket) -> bool:
    plug.sendall(hearth.filled("HEAD / HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n"))
    return plug.recv(4096).startswith(b"HTTP/1.1 200")


def test_row_19_the_slow_are_not_waited_for_and_the_steady_are(hearth: Besieged) -> None:
    """Side by side: who is slow is hung up on after ten seconds, and not much before. An idle window, and an upload
    that is slow but steady, are not slow."""
    long = "Content-Length: 100000\r\n\r\n"
    upload = (
        f"POST {UPLOAD} HTTP/1.1\r\nHost: {{host}}\r\nCookie: {{cookie}}\r\nContent-Type: {FORM['Content-Type']}\r\n"
    )
    heads = {
        "silence": "",
        "slow head": "GET / HTTP/1.1\r\nHost: {host}\r\n",
        "second head": "GET /favicon.ico HTTP/1.1\r\nHost: {host}\r\n\r\nGET / HTTP/1.1\r\nX",
        "stalled call": JOIN_HEAD + long,
        "dripping call": JOIN_HEAD + long + "{",
        "dripping chunks": JOIN_HEAD + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
        "stalled upload": upload + long + "--edge\r\n",
        "dripping upload": upload + long + "--edge\r\n",
    }
    drips = {
        "slow head": b"X-A: b\r\n",
        "dripping call": b" ",
        "dripping chunks": b"1\r\n \r\n",
        "dripping upload": b"a",
    }
    file = part("steady.bin", b"x" * 150_000) + END
    pieces = [file[start : start + 12_000] for start in range(0, len(file), 12_000)]
    with ExitStack() as stack:
        steady, idle = stack.enter_context(hearth.plug()), stack.enter_context(hearth.plug())
        assert is_let_in(hearth, idle)
        steady.sendall(hearth.filled(upload + f"Content-Length: {len(file)}\r\n\r\n"))
        plugs = {name: stack.enter_context(hearth.plug()) for name in heads}
        for name, head in heads.items():
            plugs[name].sendall(hearth.filled(head))
        for second, piece in enumerate(pieces):
            steady.sendall(piece)
            for name, drip in drips.items():
                with suppress(ConnectionError):
                    plugs[name].sendall(drip)
            assert hearth.seconds_to_answer() < PATIENCE_SECONDS
            assert second != 6 or not is_closed_within(plugs["slow head"], 0.1), "too early"
            time.sleep(0.95)
        for name, plug in plugs.items():
            assert is_closed_within(plug, 1), name
        assert steady.recv(4096).startswith(b"HTTP/1.1 200")
        assert is_let_in(hearth, idle)
    assert eventually(lambda: not [path for path in hearth.uploads.iterdir() if path.is_file()])


def test_row_19_large_bodies_are_held_within_bounds(hearth: Besieged) -> None:
    """Each declares 7 MB and brings most of it: four are taken, the others are sent away before they are read."""
    before = hearth.memory_megabytes()
    head = hearth.filled(JOIN_HEAD + "Content-Length: 7000000\r\n\r\n")
    with crowd(hearth, 100, head + b'{"data": ["') as plugs:
        assert hearth.seconds_to_answer() < PATIENCE_SECONDS
        for plug in plugs:
            plug.settimeout(0.5)
        waiting = [plug for plug in plugs if not statuses([plug])["503"]]
        assert len(waiting) == 4
        for plug in waiting:
            plug.sendall(b"x" * 6_000_000)
        assert hearth.seconds_to_answer() < PATIENCE_SECONDS
        assert hearth.memory_megabytes() - before < 150


def test_row_19_of_a_flood_of_pages_only_the_newest_are_told_an_answer_as_it_comes(hearth: Besieged) -> None:
    with hearth.question("Tell me something long.", "the first page"):
        assert eventually(lambda: is_answering(hearth))
        with ExitStack() as pages:
            first, *_, newest = [pages.enter_context(hearth.feed()) for _ in range(60)]
            assert "" in first, "its place went to a newer page"  # the word that says so ends the stream
            frames = (frame for frame in newest if "live" in frame)
            assert len(list(zip(range(20), frames, strict=False))) == 20
        assert is_answering(hearth)
    stop(hearth, "the first page")


def test_row_19_pages_that_load_without_end_do_not_keep_their_handlers(hearth: Besieged) -> None:
    load = next(d["id"] for d in hearth.config["dependencies"] if any(event == "load" for _, event in d["targets"]))
    with hearth.question("Tell me something long.", "the first page"):
        assert eventually(lambda: is_answering(hearth))
        for number in range(60):
            assert hearth.join(load, [None], f"page {number}").status == 200
        assert hearth.seconds_to_answer() < PATIENCE_SECONDS
    stop(hearth, "the first page")


@pytest.mark.parametrize("length", [60_000, 1_000_000, 10_000_000])
def test_row_19_an_endless_head_is_cut_off(hearth: Besieged, length: int) -> None:
    head = "GET / HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\nX: " + "a" * length
    many = "GET / HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n" + "X: a\r\n" * (length // 6)
    for words in (head + "\r\n\r\n", many + "\r\n"):
        answer = hearth.ask_raw(words)
        assert answer[9:12] == (b"200" if length == 60_000 else b"400") or (length > 60_000 and not answer), answer[
            :100
        ]


# Row 20


def bad_calls(hearth: Besieged) -> dict[str, tuple[object, set[int]]]:
    ask = hearth.function("chat-send", "click")
    deep: object = "x"
    for _ in range(100):
        deep = [deep]
    return {
        "no data": ({"fn_index": ask, "data": []}, {200}),
        "too little": ({"fn_index": ask, "data": [None]}, {200}),
        "too much": ({"fn_index": ask, "data": [None] * 500}, {200}),
        "nothing": ({"fn_index": ask, "data": [None, None]}, {200}),
        "data is no list": ({"fn_index": ask, "data": "x"}, {422}),
        "no function": ({"fn_index": 9999, "data": []}, {404, 500}),
        "a negative function": ({"fn_index": -1, "data": []}, {404, 500}),
        "a huge function": ({"fn_index": 10**30, "data": []}, {400, 404, 422, 500}),
        "no number": ({"fn_index": "x", "data": []}, {422}),
        "deep": ({"fn_index": ask, "data": [None, deep]}, {400}),
        "50 MB": ({"fn_index": ask, "data": [None, "x" * 50 * MEGABYTE]}, {413}),
    }


def test_row_20_a_bad_call_is_a_clean_error_and_no_row(hearth: Besieged) -> None:
    count = number_of_messages(hearth)
    for name, (fields, expected) in bad_calls(hearth).items():
        body = json.dumps({"session_hash": "bad", "event_data": None, "trigger_id": None} | dict(fields)).encode()  # type: ignore[call-overload]
        answer = hearth.ask(JOIN, method="POST", headers=JSON, body=body)
        assert answer.status in expected, (name, answer.status, answer.body)
        assert b"Traceback" not in answer.body
    ask = hearth.function("chat-send", "click")
    for word in (b"NaN", b"-Infinity", b'"\\ud800"', b'"a\\u0000b"', b'"\xff"', b"1" * 10_000, b"[" * 10**6):
        body = b'{"session_hash": "bad", "fn_index": %d, "data": [null, %s]}' % (ask, word)
        assert hearth.ask(JOIN, method="POST", headers=JSON, body=body).status == 400, word[:20]
    time.sleep(0.5)
    assert number_of_messages(hearth) == count
    with a_running_answer(hearth, "after-bad-calls"):
        assert number_of_messages(hearth) == count + 2


@pytest.mark.parametrize("odd", [5, ["x"], {"text": "x"}, True, "\u202e\u2028\ufeff", {"path": 5}, "\x7f\x1b[31m"])
def test_row_20_an_odd_message_becomes_words_or_nothing(hearth: Besieged, odd: object) -> None:
    answer = hearth.join(hearth.function("chat-send", "click"), [None, odd], "odd")
    assert answer.status in (200, 400)
    if answer.status == 200:
        assert eventually(lambda: is_answering(hearth))
        stop(hearth, "odd")
    with closing(sqlite3.connect(f"file:{hearth.served.data_dir / 'hearth.db'}?mode=ro", uri=True)) as db:
        for (parts,) in db.execute("SELECT parts FROM messages"):
            assert all(isinstance(it["text"], str) for it in json.loads(parts))


def number_of_messages(hearth: Besieged) -> int:
    with closing(sqlite3.connect(f"file:{hearth.served.data_dir / 'hearth.db'}?mode=ro", uri=True)) as db:
        return db.execute("SELECT count(*) FROM messages").fetchone()[0]


# Row 21


def test_row_21_an_answer_outlives_the_window_that_asked_for_it(tmp_path: Path) -> None:
    words = Words([f"word{number} " for number in range(80)], rate_per_second=40)
    with besieged(tmp_path / "data", words) as hearth:
        with hearth.question("Will you finish?", "closed"):
            assert eventually(lambda: is_answering(hearth))
            with hearth.feed() as frames:
                assert any("word3" in json.dumps(frame) for frame in frames)
        assert is_answering(hearth)
        assert eventually(lambda: not is_answering(hearth), within_seconds=15)
        with closing(sqlite3.connect(f"file:{hearth.served.data_dir / 'hearth.db'}?mode=ro", uri=True)) as db:
            parts, status = db.execute("SELECT parts, status FROM messages ORDER BY rowid DESC LIMIT 1").fetchone()
        assert status == "complete"
        assert "word79" in parts
        hearth.assert_unharmed()


def test_row_21_what_was_answered_is_kept_when_hearth_itself_ends(tmp_path: Path) -> None:
    words = Words([f"word{number} " for number in range(3000)], rate_per_second=40)
    with besieged(tmp_path / "data", words) as hearth:
        with hearth.question("Will you be saved?", "ended"):
            assert eventually(lambda: is_answering(hearth))
            with hearth.feed() as frames:
                assert any("word9" in json.dumps(frame) for frame in frames)
                assert hearth.served.stop() == 0
        with closing(sqlite3.connect(f"file:{hearth.served.data_dir / 'hearth.db'}?mode=ro", uri=True)) as db:
            parts, status = db.execute("SELECT parts, status FROM messages ORDER BY rowid DESC LIMIT 1").fetchone()
        assert status in ("interrupted", "stopped")
        assert "word9" in parts
        assert not hearth.private.exists()
