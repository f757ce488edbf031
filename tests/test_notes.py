"""Notes stand in a plain file that is the person's: what an editor writes there holds, and nothing of it is lost."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from assistant.errors import ToolError
from assistant.private_files import write_private_bytes
from assistant.tools.notes import MOST_NOTES, Notes
from assistant.tools.workspace import checked_workspace
from tests.workbench import Workbench


def test_what_is_remembered_is_recalled_in_a_later_chat(tmp_path: Path) -> None:
    Workbench(tmp_path).call("remember", note="Likes green\n tea")

    later = Workbench(tmp_path)
    assert later.call("recall", about="which tea") == "- Likes green tea"
    assert later.call("recall") == "- Likes green tea"
    assert "Nothing was noted about that" in later.call("recall", about="coffee")


def test_a_note_is_kept_once_and_forgotten_for_good(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.call("remember", note="Has a cat")
    assert bench.call("remember", note="Has  a cat") == "That was noted already."
    bench.call("forget", note="- Has a cat")

    assert bench.notes.all() == []
    with pytest.raises(ToolError, match="no such note"):
        bench.call("forget", note="Has a cat")


def test_what_the_person_wrote_into_the_file_stays(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.notes.path.write_text("# About me\r\n\r\n* Lives in Ulm\nno note, just words\n", encoding="utf-8")
    bench.call("remember", note="Has a cat")
    bench.call("forget", note="Lives in Ulm")

    assert bench.notes.path.read_text(encoding="utf-8") == "# About me\n\nno note, just words\n- Has a cat\n"


def test_the_file_is_the_persons_alone(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.call("remember", note="Has a cat")

    assert stat.S_IMODE(bench.notes.path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["notes.md"]


@pytest.mark.parametrize("seen", ["- Has a cat", ""])
def test_what_was_noted_while_the_person_edited_stays(tmp_path: Path, seen: str) -> None:
    notes = Notes(tmp_path / "notes.md", write_private_bytes)
    notes.replace_all(f"{seen}\n- Likes tea" if seen else "- Likes tea")
    notes.replace_all("- Has two cats", seen=seen)

    assert notes.all() == ["Has two cats", "Likes tea"]


def test_there_is_a_limit(tmp_path: Path) -> None:
    notes = Notes(tmp_path / "notes.md", write_private_bytes)
    notes.replace_all("".join(f"- note {number}\n" for number in range(MOST_NOTES)))

    with pytest.raises(ToolError, match="as many as can be"):
        notes.add("one more")
    assert len(notes.all()) == MOST_NOTES


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.md").mkdir()

    with pytest.raises(ToolError, match="could not be read or written"):
        Notes(tmp_path / "notes.md", write_private_bytes).add("x")


def test_a_workspace_is_a_folder_and_none_of_hearths_own(tmp_path: Path) -> None:
    own, other = tmp_path / "hearth", tmp_path / "project"
    for folder in (own / "workspace" / "inner", own / "attachments", other):
        folder.mkdir(parents=True)
    (tmp_path / "door").symlink_to(own)

    assert checked_workspace(f" {other} ", own) == str(other)
    assert checked_workspace(str(own / "workspace" / "inner"), own) == str(own / "workspace" / "inner")
    assert checked_workspace(str(tmp_path), own) == str(tmp_path)  # what is Hearth's stays shut in it
    assert checked_workspace("", own) == checked_workspace(str(own / "workspace"), own) == ""
    for wrong in ("project", str(tmp_path / "none"), "/", str(own), str(own / "attachments"), str(tmp_path / "door")):
        with pytest.raises(ToolError):
            checked_workspace(wrong, own)
