"""Rows 53 and 54 of the faults: file tools stay in the workspace, and write whole files or none."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.errors import ToolError
from assistant.tools.folder import HAS_FOLDER_HANDLES
from assistant.tools.place import names_of, path_of
from assistant.tools.tool import Diff
from assistant.tools.workspace import MOST_BYTES, Workspace
from tests.workbench import Desk, Workbench, tree

CANARY = "sk-CANARY-file"
TRICKS = [
    "../secret.txt",
    "a/../../secret.txt",
    "..",
    "./.././secret.txt",
    "..\\secret.txt",
    "a\\..\\..\\secret.txt",
    "/etc/passwd",
    "//etc/passwd",
    "\\\\server\\share\\x",
    "//server/share/x",
    "\\\\?\\C:\\x",
    "C:\\Windows\\win.ini",
    "C:secret.txt",
    "c:/x",
    "/proc/self/environ",
    "link.txt",
    "door/secret.txt",
    "a/round/round/../../../secret.txt",
    "twin.txt",
    "pipe",
    "socket",
    "device",
    "a\0b",
    "secret.txt\0.md",
    "a\nb",
    "\ud800",
    "x" * 300,
    "/".join("x" * 60),
    "",
    ".",
    "/",
    "file:///etc/passwd/..",
    "%2e%2e/../secret.txt",
    " ../secret.txt",
]


@pytest.fixture(params=[True, False], ids=["by handle", "by path"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Workbench:
    """A workspace full of traps, followed by handles and, as on Windows, without. Outside of it lies a secret."""
    if request.param and not HAS_FOLDER_HANDLES:
        pytest.skip("this system has no handles of folders")
    bench = Workbench(tmp_path)
    bench.workspace = Workspace(bench.root, by_handle=request.param)
    secret = tmp_path / "outside" / "secret.txt"
    secret.parent.mkdir()
    secret.write_text(CANARY)
    (tmp_path / "secret.txt").write_text(CANARY)
    (bench.root / "a").mkdir()
    (bench.root / "a" / "kept.txt").write_text("kept")
    (bench.root / "link.txt").symlink_to(secret)
    (bench.root / "door").symlink_to(secret.parent)
    (bench.root / "a" / "round").symlink_to(bench.root / "a")
    (bench.root / "twin.txt").hardlink_to(secret)
    os.mkfifo(bench.root / "pipe")
    return bench


def outside(bench: Workbench) -> dict[str, tuple[str, int, int]]:
    return {name: each for name, each in tree(bench.folder).items() if not name.startswith("workspace")}


def everything(bench: Workbench, path: str) -> Iterator[Callable[[], str]]:
    """Each tool with this path, in every place for one."""
    for name, arguments in (
        ("read_file", {"path": path}),
        ("list_files", {"folder": path}),
        ("find_files", {"pattern": "*", "folder": path}),
        ("search_files", {"text": "CANARY", "folder": path}),
        ("write_file", {"path": path, "text": "overwritten", "replace": True}),
        ("write_file", {"path": f"{path}/new.txt", "text": "new"}),
        ("edit_file", {"path": path, "old": "CANARY", "new": "gone"}),
        ("move_file", {"path": path, "new_path": "mine.txt"}),
        ("move_file", {"path": "a/kept.txt", "new_path": f"{path}/kept.txt"}),
    ):
        yield lambda name=name, arguments=arguments: bench.call(name, **arguments)


@pytest.mark.parametrize("path", TRICKS)
def test_no_path_leads_out_of_the_workspace(bench: Workbench, path: str) -> None:
    before = outside(bench)
    for attempt in everything(bench, path):
        with suppress(ToolError):  # inside, it may be a name like any other
            assert CANARY not in attempt()

    assert outside(bench) == before


OUT = ["../secret.txt", "a/../../secret.txt", "link.txt", "door/secret.txt", "twin.txt", "pipe", "/etc/passwd"]


@pytest.mark.parametrize("path", [*OUT, "C:\\x", "a\0b", "."])
def test_what_leads_out_or_is_no_file_is_refused(bench: Workbench, path: str) -> None:
    with pytest.raises(ToolError):
        bench.call("read_file", path=path)
    with pytest.raises(ToolError):
        bench.call("write_file", path=path, text="x", replace=True)


def test_searching_follows_no_link(bench: Workbench) -> None:
    assert CANARY not in bench.call("search_files", text="sk-CANARY")
    assert "secret.txt" not in bench.call("find_files", pattern="*.txt")
    assert "link.txt  (link, cannot be opened)" in bench.call("list_files")


# The smallest parts that a path can be put together from, and the worst.
PARTS = st.one_of(
    st.sampled_from(["..", ".", "", "a", "door", "link.txt", "secret.txt", "~", "C:", "...", "a:b", "CON", "nul.txt"]),
    st.text(max_size=8),
)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(PARTS, max_size=8), st.sampled_from(["/", "\\", "//", "/./"]))
def test_the_names_of_a_path_only_lead_down(parts: list[str], slash: str) -> None:
    try:
        names = names_of(slash.join(parts))
    except ToolError:
        return

    assert not any(name in ("", ".", "..") or set(name) & set("/\\\0") for name in names)
    assert Path("/workspace", *names).is_relative_to("/workspace")
    assert names_of(path_of(names)) == names


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(PARTS, min_size=1, max_size=5), st.sampled_from(["/", "\\"]))
def test_whatever_is_written_lies_inside(bench: Workbench, parts: list[str], slash: str) -> None:
    before = outside(bench)
    with suppress(ToolError):
        bench.call("write_file", path=slash.join(parts), text="x", replace=True)

    assert outside(bench) == before


DEVICES = ["CON", "con.txt", "NUL", "nul.tar.gz", "aux", "COM1", "lpt9.log", "COM¹", "CONIN$", "con .txt"]


@pytest.mark.parametrize("name", [*DEVICES, "a.", "a:b", "a|b", "a?", "file.txt:stream", "file.txt::$DATA", "a. "])
def test_windows_opens_no_device_and_no_second_stream(name: str) -> None:
    for path in (name, f"folder/{name}", f"{name}/file.txt"):
        with pytest.raises(ToolError):
            names_of(path, is_windows=True)


def test_windows_opens_ordinary_names() -> None:
    assert names_of("notes\\Übersicht (1).md", is_windows=True) == ("notes", "Übersicht (1).md")
    assert names_of("console/common.txt", is_windows=True) == ("console", "common.txt")


def test_a_folder_that_becomes_a_link_meanwhile_leads_nowhere(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    secrets = tmp_path / "outside"
    secrets.mkdir()
    (secrets / "file.txt").write_text(CANARY)
    (bench.root / "real").mkdir()
    (bench.root / "real" / "file.txt").write_text("mine")
    place, is_over = bench.root / "place", threading.Event()
    before = outside(bench)

    def swap() -> None:
        while not is_over.is_set():
            for target in (bench.root / "real", secrets):
                place.symlink_to(target)
                place.unlink()
            (bench.root / "real").rename(place)
            place.rename(bench.root / "real")

    def swap_and_tell() -> None:
        try:
            swap()
        except OSError as error:  # something was put there that is not ours
            broken.append(error)

    broken: list[OSError] = []
    swapping = threading.Thread(target=swap_and_tell)
    swapping.start()
    said: list[str] = []
    for _ in range(400):
        with suppress(ToolError):
            said.append(bench.call("read_file", path="place/file.txt"))
        with suppress(ToolError):
            said.append(bench.call("edit_file", path="place/file.txt", old="mine", new="mine"))
    is_over.set()
    swapping.join()

    assert not broken, "no tool makes the folder anew while it is away"
    assert CANARY not in "".join(said)
    assert "mine" in said, "now and then it is a folder, and then the file is read"
    assert outside(bench) == before


def test_hearths_own_folder_stays_shut_in_a_workspace_around_it(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    own = bench.root / "share" / "hearth"
    own.mkdir(parents=True)
    (own / "keys.json").write_text(CANARY)
    bench.workspace = Workspace(bench.root, closed=(own,))
    before = tree(own)

    with pytest.raises(ToolError, match="stays shut"):
        bench.call("read_file", path="share/hearth/keys.json")
    with pytest.raises(ToolError, match="stays shut"):
        bench.call("write_file", path="share/hearth/tools.json", text="{}")
    assert CANARY not in bench.call("search_files", text="sk-CANARY")
    assert tree(own) == before


# 54: writing


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.store.close()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"one\r\ntwo\r\n", b"one\r\n2\r\nand more\r\n"),
        (b"one\ntwo\r\nthree\n", b"one\n2\nand more\r\nthree\n"),
        (b"\xef\xbb\xbfone\r\ntwo", b"\xef\xbb\xbfone\r\n2\r\nand more"),
        ("one ä\ntwo".encode("cp1252"), "one ä\n2\nand more".encode("cp1252")),
        (b"\xff\xfe" + "one\r\ntwo".encode("utf-16-le"), b"\xff\xfe" + "one\r\n2\r\nand more".encode("utf-16-le")),
    ],
    ids=["Windows", "mixed", "with a mark", "Western", "UTF-16"],
)
def test_an_edit_keeps_encoding_line_ends_and_rights(desk: Desk, before: bytes, after: bytes) -> None:
    (desk.root / "a.txt").write_bytes(before)
    (desk.root / "a.txt").chmod(0o754)

    desk.call("edit_file", path="a.txt", old="two", new="2\nand more")

    assert (desk.root / "a.txt").read_bytes() == after
    assert (desk.root / "a.txt").stat().st_mode & 0o777 == 0o754
    desk.undo.turn(desk.answer_id, "undo")
    assert (desk.root / "a.txt").read_bytes() == before


def test_an_existing_file_is_replaced_only_when_that_is_said(desk: Desk) -> None:
    (desk.root / "a.txt").write_text("mine")

    with pytest.raises(ToolError, match="exists already"):
        desk.call("write_file", path="a.txt", text="new")
    assert (desk.root / "a.txt").read_text() == "mine"

    desk.call("write_file", path="a.txt", text="new", replace=True)
    assert (desk.root / "a.txt").read_text() == "new"


def test_the_diff_is_what_will_be_written(desk: Desk) -> None:
    (desk.root / "a.txt").write_bytes(b"one\r\ntwo\r\n")

    shown = desk.preview("edit_file", path="a.txt", old="one\ntwo", new="1\n2")
    assert shown == Diff("a.txt", "one\ntwo\n", "1\n2\n"), "line ends are kept, and nothing to read"
    assert desk.preview("write_file", path="b.txt", text="new\n") == Diff("b.txt", None, "new\n")
    assert tree(desk.root).keys() == {"a.txt"}, "looking changes nothing"

    desk.call("edit_file", path="a.txt", old="one\ntwo", new="1\n2")
    assert (desk.root / "a.txt").read_bytes() == b"1\r\n2\r\n"


def test_a_piece_that_is_there_twice_or_never_changes_nothing(desk: Desk) -> None:
    (desk.root / "a.txt").write_text("x x")

    for old, why in (("x", "2 times"), ("y", "not in"), ("X", "not in")):
        with pytest.raises(ToolError, match=why):
            desk.call("edit_file", path="a.txt", old=old, new="z")
    assert (desk.root / "a.txt").read_text() == "x x"
    desk.call("edit_file", path="a.txt", old="x", new="z", everywhere=True)
    assert (desk.root / "a.txt").read_text() == "z z"


def test_a_read_only_file_is_not_written(desk: Desk) -> None:
    (desk.root / "a.txt").write_text("mine")
    (desk.root / "a.txt").chmod(0o444)

    for name, more in (("write_file", {"text": "x", "replace": True}), ("edit_file", {"old": "mine", "new": "x"})):
        with pytest.raises(ToolError, match="read-only"):
            desk.call(name, path="a.txt", **more)
    assert (desk.root / "a.txt").read_text() == "mine"


def test_binary_and_large_files_are_told_honestly(desk: Desk) -> None:
    (desk.root / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))
    (desk.root / "large.txt").write_text("x" * (MOST_BYTES + 1))

    with pytest.raises(ToolError, match=r"photo\.png is not text: a PNG picture, 1,008 bytes"):
        desk.call("read_file", path="photo.png")
    with pytest.raises(ToolError, match=r"large\.txt is too large for a tool: 5,000,001 bytes"):
        desk.call("read_file", path="large.txt")
    with pytest.raises(ToolError, match="not text"):
        desk.call("write_file", path="photo.png", text="x", replace=True)
    assert "2 files were not searched" in desk.call("search_files", text="PNG")


def test_a_full_disk_leaves_the_old_file_whole(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a file system; CI does")
    try:
        desk = Desk(tmp_path / "data")
        desk.workspace = Workspace(disk)
        (disk / "a.txt").write_text("mine")
        before = tree(disk)
        for arguments in ({"path": "a.txt", "replace": True}, {"path": "b.txt"}):
            with pytest.raises(ToolError, match="no room on the disk"):
                desk.call("write_file", text="x" * 2_000_000, **arguments)

        assert tree(disk) == before
        assert desk.undo.steps(desk.chat_id) == {}
        desk.store.close()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_where_a_change_cannot_be_kept_nothing_is_written(desk: Desk) -> None:
    (desk.root / "a.txt").write_text("mine")
    desk.store.close()

    with pytest.raises(ToolError, match="could not be kept for undo, so it was not made"):
        desk.call("write_file", path="a.txt", text="new", replace=True)
    assert (desk.root / "a.txt").read_text() == "mine"
    desk.open()


def test_a_file_whose_folder_goes_away_meanwhile_is_not_put_into_a_new_one(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    (bench.root / "place").mkdir()
    (bench.root / "place" / "file.txt").write_text("mine")
    _, state = bench.workspace.read(("place", "file.txt"))
    shutil.rmtree(bench.root / "place")

    with pytest.raises(ToolError) as refused:
        bench.workspace.put(("place", "file.txt"), b"changed", state=state, is_new=False)

    assert refused.value.key == "tool-file-missing"
    assert not (bench.root / "place").exists()


@pytest.mark.parametrize("by_handle", [True, False])
def test_a_workspace_that_is_gone_is_said_to_be_gone_and_nothing_is_put_in_its_place(
    tmp_path: Path, by_handle: bool
) -> None:
    bench = Workbench(tmp_path)
    bench.workspace = Workspace(bench.root, by_handle=by_handle and HAS_FOLDER_HANDLES)
    shutil.rmtree(bench.root)

    for name, arguments in (
        ("list_files", {}),
        ("write_file", {"path": "a/b.txt", "text": "x"}),
        ("edit_file", {"path": "a.txt", "old": "x", "new": "y"}),
        ("move_file", {"path": "a.txt", "new_path": "b.txt"}),
    ):
        with pytest.raises(ToolError) as refused:
            bench.call(name, **arguments)
        assert refused.value.key == "tool-workspace-none"
    assert not bench.root.exists()


def test_undo_in_a_workspace_that_is_gone_says_so(desk: Desk) -> None:
    (desk.root / "a.txt").write_text("mine")
    desk.call("edit_file", path="a.txt", old="mine", new="yours")
    shutil.rmtree(desk.root)

    with pytest.raises(ToolError) as refused:
        desk.undo.turn(desk.answer_id, "undo")
    assert refused.value.key == "tool-workspace-none"
