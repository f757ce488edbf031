"""Rows 22, 23 and 27 for names: a title, a model's id, a file's name may come from a model, a server or a stranger's
file, and stand in lists, lines, logs and terminals. They are words there, on one line, and nothing else."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from assistant.database import Database
from assistant.kept_file import write_private
from assistant.messages import Attachment, Message, Reasoning, Text, ToolCall, user
from assistant.paths import Profile
from assistant.records import Failure, StoredConversation, StoredMessage, new_id, new_message
from assistant.store import Store
from tests.conftest import Served, hearth, hearth_command
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer, Status
from tests.faults.sink import Sink

PLANTED = (
    '\n\n<b class="planted">planted</b> <img src="{sink}/name.png" onerror="window.caught=1">'
    "![a]({sink}/named.png) <script>window.caught=1</script>\n\n"
    "<style>body{{display:none}}</style> $$\\href{{javascript:window.caught=1}}{{x}}$$\n\n"
    '<h1 class="planted">planted</h1>'
)
FORGED = "x\n2026-01-01 00:00:00,000 INFO hearth: forged\r\x1b]0;owned\x07\x1b[2J\u202e\u200b\U000e0041"


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.close()


def furnish(data_dir: Path, planted: str) -> None:
    """A profile in which everything that has a name has this one."""
    profile = Profile(data_dir)
    profile.create()
    store = Store(Database(profile.database))
    place = f"{new_id()}/{new_id()}"
    question = new_message(None, Message("user", (Text("a heron"), Attachment(planted, planted, place))))
    parts = (Reasoning("thought"), ToolCall("1", planted, "{}"), Text("a heron"))
    failed = Failure("engine-model-missing", {"model": planted, "url": planted})
    answer = StoredMessage(new_id(), question.id, Message("assistant", parts), "failed", planted, failure=failed)
    unknown = Failure("of-a-hearth-to-come", {"key": planted})
    last = StoredMessage(new_id(), answer.id, Message("assistant", (Text("The last one."),)), "failed", failure=unknown)
    for name in ("folder", "is_pinned", "is_archived", ""):
        more = {name: planted if name == "folder" else True} if name else {}
        tree = [question, answer, last] if not name else [new_message(None, user("a heron"))]
        store.add_tree(StoredConversation(new_id(), planted, tree[-1].id, **more), tree)  # type: ignore[arg-type]
    store.close()
    write_private(profile.settings_file, json.dumps({"endpoint": "http://127.0.0.1:9/v1", "model": planted}))


@pytest.mark.browser
def test_a_name_is_nothing_but_words_wherever_it_is_shown(
    page: Page, serve: Callable[..., Served], sink: Sink, tmp_path: Path
) -> None:
    planted = sink.in_words(PLANTED)
    furnish(tmp_path / "data", planted)
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr(f"/{planted}", "x")
        archive.writestr(f"{planted}.md", b"\xff")
        archive.writestr("conversations.json", json.dumps([{"mapping": {}, "title": planted}]))

    def sound(place: str) -> None:
        expect(page.locator(place)).to_contain_text("planted")
        page.wait_for_timeout(300)
        assert page.locator(".planted").count() == 0, place
        assert page.evaluate("window.caught") is None

    page.goto(serve(data_dir=tmp_path / "data").address)
    expect(page.locator("#chat-settled")).to_contain_text("The last one.")
    sound("#chat-settled")
    sound("#chat-list")
    expect(page.locator("#model-picker input")).to_have_value(re.compile("planted"))
    page.click("#model-picker input")
    sound("#model-picker .options")
    page.keyboard.press("Escape")
    page.click("#chat-list .hearth-folder")
    sound("#chat-list .hearth-inside")
    page.locator("#sidebar .hearth-do-archived").click()
    sound("#chat-list")
    page.fill("#search-chats input, #search-chats textarea", "heron")
    sound("#chat-list .hearth-hit >> nth=0")
    page.click("#tab-settings-button")
    page.click("#page-chats-button")
    page.set_input_files("#import-files input[type=file]", str(tmp_path / "export.zip"))
    sound("#import-report")
    assert sink.visitors == []


def test_row_27_no_name_forges_a_line_of_the_log_or_hides_in_it(tmp_path: Path) -> None:
    missing = Status(404, {"error": {"message": "model not found", "code": "model_not_found"}})
    with fake_endpoint(missing, title="") as endpoint:
        address = ("--endpoint", endpoint.url, "--data-dir", str(tmp_path))
        told = hearth("ask", "Hi", "--model", FORGED, *address)
    log = (tmp_path / "logs" / "hearth.log").read_text(encoding="utf-8")

    assert told.returncode == 1
    assert "forged" in log, "it is told"
    assert not [line for line in log.splitlines() if line.endswith("hearth: forged") or line.startswith("2026-01-01")]
    assert not [one for one in log if not one.isprintable() and one != "\n"]
    assert not [one for one in told.stderr if one in "\x1b\x07\r"]


@pytest.mark.parametrize("command", ["ask", "doctor", "import"])
def test_row_27_nobody_gives_the_terminal_orders(tmp_path: Path, command: str) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr(f"/{FORGED}", "x")
    with fake_endpoint(*[Answer((FORGED, "\x1b", "[2J", "end"))] * (command != "import"), models=[FORGED]) as endpoint:
        words = {"ask": ["Hi"], "doctor": [], "import": [str(tmp_path / "export.zip")]}[command]
        shown = in_a_terminal(
            command, *words, "--endpoint", endpoint.url, "--model", "fake", "--data-dir", str(tmp_path / "data")
        )

    assert "forged" in shown
    assert not [one for one in shown if one in "\x1b\x07\x9b"]


def in_a_terminal(*words: str) -> str:
    """What a command prints where a person reads it."""
    ours, its = pty.openpty()
    with subprocess.Popen(hearth_command(*words), stdin=its, stdout=its, stderr=its, env=os.environ) as process:
        os.close(its)
        shown = b""
        with suppress(OSError):  # the last one has hung up
            while more := os.read(ours, 65536):
                shown += more
        process.wait(30)
    os.close(ours)
    return shown.decode()
