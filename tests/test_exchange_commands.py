"""`hearth import` and `hearth export` as real processes, beside a running Hearth too."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Served, hearth
from tests.exports import chatgpt_zip, claude_chat


def test_chats_go_in_and_out_beside_a_running_hearth(serve: Callable[..., Served], tmp_path: Path) -> None:
    data = ("--data-dir", str(serve().data_dir))
    chatgpt = chatgpt_zip(tmp_path / "chatgpt.zip")
    claude = tmp_path / "conversations.json"
    claude.write_text(json.dumps([claude_chat()]), encoding="utf-8")
    added = hearth("import", str(chatgpt), str(claude), *data)
    assert (added.returncode, added.stdout) == (0, "Chats added: 2.\n")
    again = hearth("import", str(chatgpt), *data)
    assert (again.returncode, again.stdout) == (0, "Chats added: 0.\n")
    assert "Chats that were here already: 1." in again.stderr

    out = tmp_path / "all.json"
    written = hearth("export", str(out), *data)
    assert written.returncode == 0, written.stderr
    assert {chat["title"] for chat in json.loads(out.read_text(encoding="utf-8"))["chats"]} == {
        "A heron, twice",
        "Rivers",
    }
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    piped = hearth("export", "-", *data)
    assert json.loads(piped.stdout)["chats"] == json.loads(out.read_text(encoding="utf-8"))["chats"]


def test_what_cannot_be_done_is_told_in_a_sentence(tmp_path: Path) -> None:
    data = ("--data-dir", str(tmp_path / "data"))
    (tmp_path / "noise").write_bytes(b"\0\1\2")
    for path in (tmp_path / "missing.zip", tmp_path / "noise", tmp_path):
        told = hearth("import", str(path), *data)
        assert (told.returncode, told.stdout) == (1, "Chats added: 0.\n"), path
        assert told.stderr.startswith("Skipped: ")
        assert "Traceback" not in told.stderr
    nowhere = hearth("export", str(tmp_path / "no" / "such" / "folder.json"), *data)
    assert nowhere.returncode == 1
    assert "could not be written" in nowhere.stderr
    assert hearth("import", *data).returncode == 2


def test_an_export_that_fails_leaves_the_earlier_one(tmp_path: Path) -> None:
    data = ("--data-dir", str(tmp_path / "data"))
    out = tmp_path / "all.json"
    out.write_text("earlier", encoding="utf-8")
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "hearth.db").mkdir()
    failed = hearth("export", str(out), *data)
    assert failed.returncode == 1
    assert out.read_text(encoding="utf-8") == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.json", "data"]
