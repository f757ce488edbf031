"""Rows 37, 44, 45, 47 and 62 of the faults, as far as no other file has them: too little memory, a server that dies, a
flood in the log, a thousand messages. (tests/faults/__init__.py says where each row is tested.)"""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.conftest import Served, eventually
from tests.fake_steps import Answer as Words
from tests.faults.siege import JSON, Besieged, besieged

Serve = Callable[..., Served]

WITH_LITTLE_MEMORY = """
import subprocess, sys
class Starved(subprocess.Popen):
    def __init__(self, command, **more):
        is_engine = "assistant.engines.child" in command
        super().__init__(["prlimit", "--as=300000000", *command] if is_engine else command, **more)
subprocess.Popen = Starved
from launcher.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits a process as Linux does")
def test_row_37_an_engine_without_memory_is_told_in_a_sentence_and_leaves_no_child(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITH_LITTLE_MEMORY, "ask", "Hi", "--data-dir", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (ended.returncode, ended.stdout.strip()) == (1, "")
    assert "built-in engine" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not [child for child in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(child.info["cmdline"])]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_row_44_ended_in_mid_stream_all_of_it_is_gone_in_five_seconds(tmp_path: Path, number: signal.Signals) -> None:
    words = Words([f"word{count} " for count in range(3000)], rate_per_second=60)
    with (
        besieged(tmp_path / "data", words) as hearth,
        hearth.question("Tell me something long.", "page"),
        hearth.feed() as frames,
    ):
        assert any("word5" in json.dumps(frame) for frame in frames)
        family = [hearth.process, *hearth.process.children(recursive=True)]
        began = time.monotonic()
        hearth.served.process.send_signal(number)
        assert hearth.served.process.wait(timeout=10) == 0
        assert time.monotonic() - began < 5
        assert eventually(lambda: not any(member.is_running() for member in family), within_seconds=5)
        assert not hearth.private.exists()
        with pytest.raises(ConnectionRefusedError), closing(socket.create_connection(("127.0.0.1", hearth.port), 2)):
            pass
        hearth.chats = hearth.rows()
        assert len(hearth.chats) == 6


SERVER_THAT_DIES = """
import sys, uvicorn
from launcher import __main__ as hearth
real = uvicorn.Server.on_tick
async def on_tick(self, counter):
    if counter > 20:
        raise RuntimeError("the server's thread dies")
    return await real(self, counter)
uvicorn.Server.on_tick = on_tick
sys.exit(hearth.main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_row_45_a_server_that_dies_ends_serve_with_a_sentence_and_1(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SERVER_THAT_DIES, "serve", "--data-dir", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "has stopped" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "the server's thread dies" in (tmp_path / "logs" / "hearth.log").read_text(encoding="utf-8")


def test_row_47_a_flood_in_the_log_stays_below_its_cap(tmp_path: Path) -> None:
    script = (
        "import logging; from pathlib import Path; from launcher.journal import open_journal as o;"
        f"o(Path({str(tmp_path / 'logs' / 'hearth.log')!r}), is_debug=False);"
        "[logging.getLogger('hearth').info('flood %d %s', n, 'x' * 2000) for n in range(10_000)]"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stderr == ""
    logs = list((tmp_path / "logs").iterdir())
    assert sum(log.stat().st_size for log in logs) < 5_000_000
    assert "flood 9999" in (tmp_path / "logs" / "hearth.log").read_text(encoding="utf-8")


def ask_and_read(hearth: Besieged, text: str) -> None:
    """Asks as the page does, reads in the feed that it was asked, and waits for the answer."""
    question = json.dumps({"chat": hearth.last_chat(), "text": text}).encode()
    # The answer before is on disk a moment before the chat takes another question.
    assert eventually(lambda: hearth.ask("/ask", method="POST", headers=JSON, body=question).status == 200)
    with hearth.feed() as frames:
        assert any(text in json.dumps(frame) for frame in frames)
    assert eventually(lambda: is_answered(hearth, text))


def is_answered(hearth: Besieged, text: str) -> bool:
    with closing(sqlite3.connect(f"file:{hearth.served.data_dir / 'hearth.db'}?mode=ro", uri=True)) as db:
        found = db.execute(
            "SELECT 1 FROM messages a JOIN messages q ON a.parent_id = q.id"
            " WHERE a.status = 'complete' AND q.parts LIKE ?",
            (f'%"{text}"%',),
        )
        return found.fetchone() is not None


def figures(hearth: Besieged) -> dict[str, float]:
    return {
        "threads": hearth.process.num_threads(),
        "files": hearth.process.num_fds(),
        "memory": hearth.memory_megabytes(),
        "temporary": len(hearth.files_left()),
        "children": len(hearth.process.children(recursive=True)),
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_row_62_a_thousand_messages_leave_threads_files_and_memory_flat(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with besieged(tmp_path / "data", Words(("Short ", "answer."))) as hearth:
        seen: list[dict[str, float]] = []
        for number in range(500):  # a question and an answer each
            ask_and_read(hearth, f"question {number}")
            if number in (50, 499):
                time.sleep(1)
                seen.append(figures(hearth))
        early, late = seen
        with capsys.disabled():
            print("\nrow 62:", early, late)
        assert late["threads"] <= early["threads"] + 4
        assert late["files"] <= early["files"] + 8
        assert late["temporary"] <= early["temporary"]
        assert late["children"] <= early["children"]
        assert late["memory"] < early["memory"] + 60
        hearth.assert_unharmed()
