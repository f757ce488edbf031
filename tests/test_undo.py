"""What an answer did to files is one step, undone and done again byte by byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.errors import ToolError
from assistant.tools import files
from assistant.undo import what_became
from tests.workbench import Desk, tree


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.store.close()


def furnish(desk: Desk) -> None:
    (desk.root / "plan.md").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    (desk.root / "plan.md").chmod(0o640)
    (desk.root / "old").mkdir()
    (desk.root / "old" / "big.bin").write_bytes(bytes(range(256)) * 100)


def work(desk: Desk) -> None:
    """Everything that a tool can do to files, some of it twice."""
    desk.call("edit_file", path="plan.md", old="two", new="2\nand a half")
    desk.call("edit_file", path="plan.md", old="one", new="1")
    desk.call("write_file", path="new/deep/list.txt", text="a\n")
    desk.call("move_file", path="old/big.bin", new_path="archive/big.bin")
    desk.call("write_file", path="brief.txt", text="gone again")
    desk.call("move_file", path="brief.txt", new_path="long.txt")


def test_all_of_an_answer_is_undone_with_rights_and_times(desk: Desk) -> None:
    furnish(desk)
    before = tree(desk.root)
    work(desk)

    desk.undo.turn(desk.answer_id, "undo")

    assert tree(desk.root) == before
    assert desk.undo.steps(desk.chat_id)[desk.answer_id].is_undone


def test_what_was_undone_is_done_again(desk: Desk) -> None:
    furnish(desk)
    work(desk)
    after = tree(desk.root)
    desk.undo.turn(desk.answer_id, "undo")

    desk.undo.turn(desk.answer_id, "redo")

    assert tree(desk.root) == after | {"old": after["old"]}
    assert not desk.undo.steps(desk.chat_id)[desk.answer_id].is_undone


def test_undo_survives_a_restart(desk: Desk) -> None:
    furnish(desk)
    before = tree(desk.root)
    work(desk)
    desk.store.close()
    desk.open()

    desk.undo.turn(desk.answer_id, "undo")

    assert tree(desk.root) == before


def test_the_step_names_each_file_once_and_says_what_became_of_it(desk: Desk) -> None:
    furnish(desk)
    work(desk)
    step = desk.undo.steps(desk.chat_id)[desk.answer_id]

    assert {(file.path, what_became(file)) for file in step.files} == {
        ("plan.md", "changed"),
        ("new/deep/list.txt", "new"),
        ("old/big.bin", "gone"),
        ("archive/big.bin", "new"),
        ("long.txt", "new"),
    }


@pytest.mark.parametrize("by_the_person", [b"mine", None], ids=["changed", "removed"])
def test_what_was_changed_since_is_not_overwritten(desk: Desk, by_the_person: bytes | None) -> None:
    furnish(desk)
    work(desk)
    if by_the_person is None:
        (desk.root / "long.txt").unlink()
        (desk.root / "plan.md").unlink()
    else:
        (desk.root / "plan.md").write_bytes(by_the_person)
    as_it_is = tree(desk.root)

    with pytest.raises(ToolError, match=r"plan\.md was changed since, so nothing was undone"):
        desk.undo.turn(desk.answer_id, "undo")

    assert tree(desk.root) == as_it_is
    assert not desk.undo.steps(desk.chat_id)[desk.answer_id].is_undone


def test_doing_it_again_does_not_overwrite_either(desk: Desk) -> None:
    furnish(desk)
    work(desk)
    desk.undo.turn(desk.answer_id, "undo")
    (desk.root / "long.txt").write_text("mine")

    with pytest.raises(ToolError, match=r"long\.txt was changed since"):
        desk.undo.turn(desk.answer_id, "redo")

    assert (desk.root / "long.txt").read_text() == "mine"


def test_an_earlier_answer_is_undone_once_the_later_one_is(desk: Desk) -> None:
    first = desk.answer_id
    desk.call("write_file", path="a.txt", text="1")
    desk.begin_answer()
    desk.call("edit_file", path="a.txt", old="1", new="2")

    with pytest.raises(ToolError, match="was changed since"):
        desk.undo.turn(first, "undo")
    desk.undo.turn(desk.answer_id, "undo")
    desk.undo.turn(first, "undo")

    assert tree(desk.root) == {}


def test_what_failed_is_no_change(desk: Desk) -> None:
    (desk.root / "a.txt").write_text("1")
    (desk.root / "folder").mkdir()
    with pytest.raises(ToolError):
        desk.call("write_file", path="a.txt/b.txt", text="2")
    with pytest.raises(ToolError):
        desk.call("move_file", path="a.txt", new_path="folder")

    assert desk.undo.steps(desk.chat_id) == {}


def test_a_file_that_was_moved_is_brought_back_however_large_it_is(desk: Desk) -> None:
    with (desk.root / "film.bin").open("wb") as file:
        file.truncate(files.MOST_BYTES + 1)
    before = tree(desk.root)
    desk.call("move_file", path="film.bin", new_path="films/a.bin")

    desk.undo.turn(desk.answer_id, "undo")
    assert tree(desk.root) == before
    desk.undo.turn(desk.answer_id, "redo")
    assert (desk.root / "films" / "a.bin").stat().st_size == files.MOST_BYTES + 1


def test_two_files_that_changed_places_change_back(desk: Desk) -> None:
    (desk.root / "a").write_text("A")
    (desk.root / "b").write_text("B")
    before = tree(desk.root)
    for path, new_path in (("a", "c"), ("b", "a"), ("c", "b")):
        desk.call("move_file", path=path, new_path=new_path)

    desk.undo.turn(desk.answer_id, "undo")

    assert tree(desk.root) == before


def test_a_chat_that_is_erased_takes_its_images_along(desk: Desk) -> None:
    desk.call("write_file", path="a.txt", text="a secret")
    desk.store.erase_messages(desk.chat_id, desk.answer_id)

    with desk.store.database.reading() as db:
        left = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("file_changes", "file_images")]
    assert left == [0, 0]
