"""Rows 39 and 40 of the faults, the tools' part: what Hearth keeps about tools is damaged, or cannot be written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from assistant import create_app
from assistant.errors import HearthError, SettingsError, ToolError
from assistant.kept_file import KeptFile
from assistant.paths import Profile
from assistant.private_files import write_private_bytes
from assistant.tool_rules import ToolRules
from assistant.tools.notes import Notes
from assistant.tools.own.allowed import LARGEST_FILE_BYTES, Allowance, Allowed
from assistant.tools.tool import Origin, tool
from tests.conftest import Served, hearth
from tests.fake_endpoint import fake_endpoint
from tests.faults.conftest import fill
from tests.faults.test_mcp import launch
from tests.mcp_house import allowed, called, house

DAMAGE = {
    "empty": b"",
    "cut": b'{"version": 1, "rules": [{"tool"',
    "binary": b"\xff\xfe\x00\x00",
    "another type": b"[1, 2]",
    "wrong types": b'{"version": 1, "rules": 7, "files": 7, "demo": 7}',
    "unknown version": b'{"version": 99, "demo": [99]}',
    "deep": b"[" * 100_000,
    "huge": b" " * 60_000_000,
}
FILES = ("tools.json", "functions.json", "server-tools.json")


def look(name: str) -> str:
    """Looks something up."""
    return name


LOOK = tool(look, origin=Origin("server", "mine"), risk="server")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGE)
def test_row_40_a_damaged_file_about_tools_is_kept_aside_and_told(tmp_path: Path, name: str, damage: str) -> None:
    (tmp_path / name).write_bytes(DAMAGE[damage])

    notice = create_app(Profile(tmp_path)).notice

    assert notice is not None
    (kept,) = tmp_path.glob(f"{name}.corrupt-*")
    assert kept.read_bytes() == DAMAGE[damage]
    assert kept.name in notice.hint
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", FILES)
def test_row_40_what_one_start_has_set_aside_the_next_one_still_tells(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"{")
    hearth("doctor", "--data-dir", str(tmp_path))

    assert create_app(Profile(tmp_path)).notice is not None


def test_row_40_files_in_order_are_told_nothing_of(tmp_path: Path) -> None:
    rules = ToolRules(tmp_path / "tools.json")
    rules.set(LOOK, "allow")
    record = KeptFile(tmp_path / "functions.json", most_bytes=LARGEST_FILE_BYTES)
    Allowed(record).put("mine", Allowance(digest="d"))

    assert create_app(Profile(tmp_path)).notice is None
    assert Allowed(record).get("mine", "d") is not None


@pytest.mark.parametrize("damage", DAMAGE)
def test_row_40_a_server_whose_tools_are_forgotten_is_asked_about_again(tmp_path: Path, damage: str) -> None:
    async def run() -> None:
        async with house(tmp_path, launch()) as servers:
            await allowed(servers)
            assert await called(servers) == "You said tea"
        (tmp_path / "server-tools.json").write_bytes(DAMAGE[damage])
        async with house(tmp_path) as servers:
            assert servers.tools() == (), "nothing is known of them"
            await servers.start("demo")
            change = servers.view("demo").change
            assert change is not None, "a list that nobody has seen is not taken in silence"
            assert servers.tools() == ()
            servers.accept_tools("demo", [each.fingerprint for each in servers.view("demo").tools.values()])
            assert await called(servers) == "You said tea"
            assert servers.notice is None

    asyncio.run(run())


def test_row_40_notes_that_are_no_text_are_left_as_they_are(tmp_path: Path) -> None:
    notes, found = Notes(tmp_path / "notes.md", write_private_bytes), "- Tee\n".encode("utf-16")
    notes.path.write_bytes(found)
    for act in (notes.all, notes.text, lambda: notes.add("Likes tea"), lambda: notes.replace_all("mine", seen="")):
        with pytest.raises(ToolError) as refused:
            act()
        assert refused.value.key == "tool-notes-no-text"
    assert notes.path.read_bytes() == found


def test_row_39_on_a_full_disk_what_was_said_of_tools_stays_and_nothing_is_half_said(small_disk: Path) -> None:
    rules = ToolRules(small_disk / "tools.json")
    rules.set(LOOK, "off")
    record = KeptFile(small_disk / "functions.json", most_bytes=LARGEST_FILE_BYTES)
    functions = Allowed(record)
    functions.put("mine", Allowance(digest="old"))
    notes = Notes(small_disk / "notes.md", write_private_bytes)
    notes.add("Likes tea")
    before = {path.name: path.read_bytes() for path in small_disk.iterdir()}
    filler = fill(small_disk)

    with pytest.raises(SettingsError, match="could not be written"):
        rules.set(LOOK, "allow")
    with pytest.raises(SettingsError):
        rules.offer("m", is_on=True)
    with pytest.raises(HearthError):
        functions.put("mine", Allowance(digest="new"))
    with pytest.raises(ToolError):
        notes.add("Likes coffee" + " much" * 300)

    assert (rules.of(LOOK), rules.are_offered("m")) == ("off", None)
    assert functions.get("mine", "new") is None, "what could not be kept does not hold either"
    filler.unlink()
    assert {path.name: path.read_bytes() for path in small_disk.iterdir()} == before, "no litter either"
    rules.set(LOOK, "allow")
    functions.put("mine", Allowance(digest="new"))
    assert ToolRules(small_disk / "tools.json").of(LOOK) == "allow"
    assert notes.add("Likes coffee")


def test_row_39_tools_of_a_server_that_cannot_be_written_hold_until_hearth_ends(tmp_path: Path) -> None:
    async def run() -> None:
        async with house(tmp_path, launch()) as servers:
            (tmp_path / "server-tools.json").mkdir()  # no file can take the place of a folder
            await allowed(servers)
            assert await called(servers) == "You said tea"

    asyncio.run(run())


@pytest.mark.browser
def test_row_40_the_page_says_what_became_of_the_rules_until_one_is_set(
    serve: Callable[..., Served], page: Page, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "tools.json").write_bytes(b"{")
    with fake_endpoint() as endpoint:
        page.goto(serve("--endpoint", endpoint.url, data_dir=data).address)
        expect(page.locator("#notice")).to_contain_text("every tool asks first")
        expect(page.locator("#notice")).to_contain_text("tools.json.corrupt-")
