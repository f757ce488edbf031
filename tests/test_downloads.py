"""Downloads from a real server that does what servers do: whole and checked, or not there at all."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant.egress import Egress
from assistant.engines.machine import Machine
from assistant.errors import LibraryError
from assistant.library.downloads import Downloads, Progress
from assistant.library.piece import FetchLimits
from assistant.library.shelf import Library
from assistant.library.source import check_hop, hop, sources
from tests.faults.conftest import small_disk  # noqa: F401  # a fixture
from tests.model_files import gguf, large
from tests.range_server import RangeServer, Served, range_server

QUICK = FetchLimits(stall_seconds=0.5, retries=2, first_wait_seconds=0.05, longest_wait_seconds=0.1, sync_bytes=262_144)
MODEL = large(4)
SHA256 = hashlib.sha256(MODEL).hexdigest()
NAME = "m.gguf"


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with range_server() as server:
        server.files["/m.gguf"] = Served(MODEL)
        yield server


class Desk:
    """Downloads into a folder of the test's own."""

    def __init__(
        self, folder: Path, *, is_offline: Callable[[], bool] = lambda: False, kept_free_bytes: int = 1_000_000
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        machine = Machine(8_000_000_000, 4)
        self.library = Library(folder, None, look=list, machine=machine, kept_free_bytes=kept_free_bytes)
        self.egress = Egress(is_offline=is_offline)
        self.downloads = Downloads(self.library, self.egress, limits=QUICK)
        self.downloads.load()

    async def get(self, address: str) -> Progress:
        await self.downloads.start(sources(address))
        return await self.ended()

    async def ended(self) -> Progress:
        await until(lambda: not self.downloads.is_busy)
        return self.view

    @property
    def view(self) -> Progress:
        [view] = self.downloads.views()
        return view

    def fault(self) -> str:
        fault = self.view.fault
        assert fault is not None and fault.message
        return fault.key

    def names(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


async def until(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not claim():  # noqa: ASYNC110  # it is what a page does, too
            await asyncio.sleep(0.01)


Use = Callable[[Desk], Awaitable[None]]


def run(folder: Path, use: Callable[[Desk], Coroutine[Any, Any, None]], **more: Any) -> None:
    async def running() -> None:
        desk = Desk(folder, **more)
        try:
            await use(desk)
        finally:
            await desk.downloads.aclose()

    asyncio.run(running())


def test_a_model_arrives_whole_private_and_under_its_name_alone(tmp_path: Path, server: RangeServer) -> None:
    async def use(desk: Desk) -> None:
        ended = await desk.get(f"{server.url}/m.gguf?download=true")
        assert (ended.state, ended.received_bytes, ended.total_bytes) == ("done", len(MODEL), len(MODEL))
        assert desk.names() == {NAME}
        assert (desk.folder / NAME).read_bytes() == MODEL
        assert os.name == "nt" or (desk.folder / NAME).stat().st_mode & 0o077 == 0
        [visit] = desk.egress.visits()
        assert (visit.host, visit.reason, visit.received_bytes) == ("127.0.0.1", "download", len(MODEL))
        [asked] = server.asked
        assert asked.path == "/m.gguf?download=true"
        assert {name.lower() for name in asked.headers} == {"host", "user-agent", "accept", "accept-encoding"}

    run(tmp_path / "models", use)


def test_it_can_be_paused_and_goes_on_from_there(tmp_path: Path, server: RangeServer) -> None:
    async def use(desk: Desk) -> None:
        server.next("/m.gguf", Served(MODEL, bytes_per_second=4_000_000))
        await desk.downloads.start(sources(f"{server.url}/m.gguf"))
        await until(lambda: desk.view.received_bytes > 1_500_000)
        await desk.downloads.pause(NAME)
        assert desk.view.state == "paused"
        had = desk.view.received_bytes
        assert NAME not in desk.names() and 0 < had < len(MODEL)

        await desk.downloads.resume(NAME)
        assert (await desk.ended()).state == "done"
        assert server.asked[1].headers["Range"] == f"bytes={had}-"
        assert server.asked[1].headers["If-Range"] == '"one"'
        assert (desk.folder / NAME).read_bytes() == MODEL

    run(tmp_path / "models", use)


def test_after_a_restart_it_is_paused_and_goes_on_when_told(tmp_path: Path, server: RangeServer) -> None:
    async def begin(desk: Desk) -> None:
        server.next("/m.gguf", Served(MODEL, bytes_per_second=4_000_000))
        await desk.downloads.start(sources(f"{server.url}/m.gguf"))
        await until(lambda: desk.view.received_bytes > 1_500_000)

    async def go_on(desk: Desk) -> None:
        await asyncio.sleep(0.1)
        assert desk.view.state == "paused" and len(server.asked) == 1
        await desk.downloads.resume(NAME)
        assert (await desk.ended()).state == "done"
        assert server.asked[1].headers["Range"]
        assert (desk.folder / NAME).read_bytes() == MODEL and desk.names() == {NAME}

    run(tmp_path / "models", begin)
    run(tmp_path / "models", go_on)


def test_a_file_that_changed_meanwhile_is_fetched_anew(tmp_path: Path, server: RangeServer) -> None:
    other = large(4, seed=9)

    async def use(desk: Desk) -> None:
        server.next("/m.gguf", Served(MODEL, bytes_per_second=4_000_000))
        await desk.downloads.start(sources(f"{server.url}/m.gguf"))
        await until(lambda: desk.view.received_bytes > 1_500_000)
        await desk.downloads.pause(NAME)
        server.files["/m.gguf"] = Served(other, etag='"two"', bytes_per_second=8_000_000)
        await desk.downloads.resume(NAME)
        await until(lambda: desk.view.note == "changed")
        assert (await desk.ended()).state == "done"
        assert (desk.folder / NAME).read_bytes() == other

    run(tmp_path / "models", use)


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_where_nobody_can_tell_whether_it_is_the_same_file_it_begins_anew(
    tmp_path: Path, server: RangeServer, etag: str
) -> None:
    server.files["/m.gguf"] = Served(MODEL, etag=etag)
    server.next("/m.gguf", Served(MODEL, etag=etag, cut_after=2_000_000))

    async def use(desk: Desk) -> None:
        assert (await desk.get(f"{server.url}/m.gguf")).state == "done"
        assert server.asked[1].headers["Range"] is None
        assert (desk.folder / NAME).read_bytes() == MODEL

    run(tmp_path / "models", use)


@pytest.mark.parametrize(
    "fault",
    [
        Served(MODEL, cut_after=1_000_000),
        Served(MODEL, stall_after=1_300_000),
        Served(MODEL, stall_after=0),
        Served(MODEL, cut_after=0),
        Served(b"busy", status=503),
    ],
)
def test_what_passes_is_tried_again(tmp_path: Path, server: RangeServer, fault: Served) -> None:
    server.next("/m.gguf", fault)

    async def use(desk: Desk) -> None:
        assert (await desk.get(f"{server.url}/m.gguf")).state == "done"
        assert len(server.asked) == 2
        assert (desk.folder / NAME).read_bytes() == MODEL

    run(tmp_path / "models", use)


def test_trying_again_has_an_end_and_keeps_what_came(tmp_path: Path, server: RangeServer) -> None:
    server.files["/m.gguf"] = Served(MODEL, stall_after=300_000)

    async def use(desk: Desk) -> None:
        ended = await desk.get(f"{server.url}/m.gguf")
        assert ended.state == "failed" and desk.fault() == "download-stalled"
        assert len(server.asked) == 1 + QUICK.retries
        assert desk.names() == {f"{NAME}.part", f"{NAME}.part.json"}

        server.files["/m.gguf"] = Served(MODEL)
        await desk.downloads.resume(NAME)
        assert (await desk.ended()).state == "done"
        assert server.asked[-1].headers["Range"] == f"bytes={ended.received_bytes}-"

    run(tmp_path / "models", use)


def test_a_byte_now_and_then_is_a_stall(tmp_path: Path, server: RangeServer) -> None:
    server.files["/m.gguf"] = Served(MODEL, bytes_per_second=0)
    slow = Served(MODEL[:4000], announced_extra=len(MODEL), bytes_per_second=1)

    async def use(desk: Desk) -> None:
        server.next("/m.gguf", slow)
        assert (await desk.get(f"{server.url}/m.gguf")).state == "done"

    run(tmp_path / "models", use)


@pytest.mark.parametrize(
    ("served", "key"),
    [
        (Served(MODEL[:-5000] + bytes(5000), headers={}), "download-checksum"),
        (Served(b"<!DOCTYPE html>" + bytes(3_000_000)), "download-not-gguf"),
        (Served(b"<!DOCTYPE html>"), "download-not-gguf"),
        (Served(MODEL[:3_000_000]), "download-checksum"),
        (Served(MODEL, status=404), "download-not-found"),
        (Served(MODEL, status=403), "download-forbidden"),
        (Served(MODEL, status=418), "download-refused"),
        (Served(MODEL, headers={"Content-Encoding": "gzip"}), "download-packed"),
        (Served(b"", redirect="http://example.org/m.gguf"), "download-redirect"),
        (Served(b"", redirect="/m.gguf"), "download-redirect"),
        (Served(b"", redirect="ftp://127.0.0.1/m.gguf"), "download-redirect"),
        (Served(b"", redirect="http://user:word@127.0.0.1/m.gguf"), "download-redirect"),
    ],
)
def test_what_is_wrong_is_refused_and_leaves_nothing(
    tmp_path: Path, server: RangeServer, served: Served, key: str
) -> None:
    server.files["/m.gguf"] = served

    async def use(desk: Desk) -> None:
        ended = await desk.get(f"{server.url}/m.gguf#sha256={SHA256}")
        assert ended.state == "failed" and desk.fault() == key
        assert desk.names() == set()

    run(tmp_path / "models", use)


def test_half_a_model_without_a_checksum_is_known_by_its_own_header(tmp_path: Path, server: RangeServer) -> None:
    server.files["/m.gguf"] = Served(MODEL[: len(MODEL) // 2])

    async def use(desk: Desk) -> None:
        await desk.get(f"{server.url}/m.gguf")
        fault = desk.view.fault
        assert fault is not None and "only 50 % of it is there" in fault.message
        assert desk.names() == set()

    run(tmp_path / "models", use)


@pytest.mark.parametrize("says_length", [True, False])
def test_a_longer_answer_than_announced_is_not_taken(tmp_path: Path, server: RangeServer, says_length: bool) -> None:
    """Its length is another than Hugging Face's page about it says."""
    linked = {"X-Linked-Etag": f'"{SHA256}"', "X-Linked-Size": str(len(MODEL))}
    server.files["/o/r/resolve/main/m.gguf"] = Served(b"", redirect="/m.gguf", headers=linked)
    server.files["/m.gguf"] = Served(MODEL + b"more", says_length=says_length)

    async def use(desk: Desk) -> None:
        await desk.downloads.start(sources("o/r/m.gguf", hub=server.url))
        assert (await desk.ended()).state == "failed"
        assert desk.fault() == "download-wrong-length"
        assert desk.names() == set()

    run(tmp_path / "models", use)


def test_hugging_face_says_the_checksum_and_sends_us_on_with_no_word_about_us(
    tmp_path: Path, server: RangeServer
) -> None:
    linked = {"X-Linked-Etag": f'"{SHA256}"', "X-Linked-Size": str(len(MODEL))}
    server.files["/o/r/resolve/main/m.gguf"] = Served(b"", redirect="/blobs/1?signed=yes", headers=linked)
    server.files["/blobs/1"] = Served(MODEL)
    server.next("/blobs/1", Served(MODEL[:-9] + bytes(9)))

    async def use(desk: Desk) -> None:
        await desk.downloads.start(sources("o/r/m.gguf", hub=server.url))
        await desk.ended()
        assert desk.fault() == "download-checksum" and desk.names() == set()
        await desk.downloads.resume(NAME)
        assert (await desk.ended()).state == "done"
        assert [asked.path for asked in server.asked[:2]] == ["/o/r/resolve/main/m.gguf", "/blobs/1?signed=yes"]
        assert not any(asked.headers["Authorization"] or asked.headers["Cookie"] for asked in server.asked)

    run(tmp_path / "models", use)


def test_another_server_of_the_same_hub_goes_on_by_the_checksum(tmp_path: Path, server: RangeServer) -> None:
    linked = {"X-Linked-Etag": f'"{SHA256}"', "X-Linked-Size": str(len(MODEL))}
    server.files["/o/r/resolve/main/m.gguf"] = Served(b"", redirect="/a", headers=linked)
    server.files["/a"] = Served(MODEL, etag='"of the second server"')
    server.next("/a", Served(MODEL, etag='"of the first server"', cut_after=2_000_000))

    async def use(desk: Desk) -> None:
        await desk.downloads.start(sources("o/r/m.gguf", hub=server.url))
        assert (await desk.ended()).state == "done"
        assert server.asked[-1].headers["Range"] == "bytes=2000000-"

    run(tmp_path / "models", use)


def test_a_file_that_the_hub_replaced_meanwhile_is_fetched_anew(tmp_path: Path, server: RangeServer) -> None:
    other = large(4, seed=5)
    first = {"X-Linked-Etag": f'"{SHA256}"', "X-Linked-Size": str(len(MODEL))}
    then = {"X-Linked-Etag": f'"{hashlib.sha256(other).hexdigest()}"', "X-Linked-Size": str(len(other))}
    server.files["/o/r/resolve/main/m.gguf"] = Served(b"", redirect="/b", headers=then)
    server.next("/o/r/resolve/main/m.gguf", Served(b"", redirect="/a", headers=first))
    server.files["/a"] = Served(MODEL, cut_after=2_000_000)
    server.files["/b"] = Served(other)

    async def use(desk: Desk) -> None:
        await desk.downloads.start(sources("o/r/m.gguf", hub=server.url))
        assert (await desk.ended()).state == "done"
        assert (desk.folder / NAME).read_bytes() == other

    run(tmp_path / "models", use)


def test_a_model_in_parts_has_its_name_only_when_all_of_it_is_there(tmp_path: Path, server: RangeServer) -> None:
    names = [f"big-0000{number}-of-00002.gguf" for number in (1, 2)]
    for name in names:
        server.files[f"/{name}"] = Served(gguf())
    server.files[f"/{names[1]}"] = Served(b"nothing", status=404)

    async def use(desk: Desk) -> None:
        ended = await desk.get(f"{server.url}/{names[0]}")
        assert (ended.state, ended.part, ended.parts) == ("failed", 2, 2)
        assert not desk.names() & set(names)
        server.files[f"/{names[1]}"] = Served(gguf())
        await desk.downloads.resume(names[0])
        assert (await desk.ended()).state == "done"
        assert desk.names() == set(names)
        assert [model.name for model in desk.library.here()] == ["big-00001-of-00002"]

    run(tmp_path / "models", use)


def test_cancelling_takes_everything_away(tmp_path: Path, server: RangeServer) -> None:
    async def use(desk: Desk) -> None:
        server.next("/m.gguf", Served(MODEL, bytes_per_second=4_000_000))
        await desk.downloads.start(sources(f"{server.url}/m.gguf"))
        await until(lambda: desk.view.received_bytes > 1_500_000)
        await desk.downloads.cancel(NAME)
        assert desk.downloads.views() == [] and desk.names() == set()

    run(tmp_path / "models", use)


def test_offline_refuses_before_a_byte_leaves_and_in_the_middle(tmp_path: Path) -> None:
    async def use(desk: Desk) -> None:
        await desk.get("https://192.0.2.1/m.gguf")
        assert desk.fault() == "offline"
        [visit] = desk.egress.visits()
        assert (visit.reason, visit.is_allowed) == ("download", False)
        assert desk.names() == set()

    run(tmp_path / "models", use, is_offline=lambda: True)


def test_a_disk_without_room_is_told_before_anything_comes(tmp_path: Path, server: RangeServer) -> None:
    huge = Served(MODEL, announced_extra=10**14)
    server.files["/m.gguf"] = huge

    async def use(desk: Desk) -> None:
        await desk.get(f"{server.url}/m.gguf")
        assert desk.fault() == "library-no-room"
        assert desk.names() == set()

    run(tmp_path / "models", use)


def test_a_disk_that_fills_up_says_so_and_goes_on_when_there_is_room(server: RangeServer, small_disk: Path) -> None:  # noqa: F811
    """Nobody knows beforehand how long the file is, and nothing is kept free."""
    server.files["/m.gguf"] = Served(MODEL, says_length=False)
    filler = small_disk / "filler"
    filler.write_bytes(bytes(4_000_000))

    async def use(desk: Desk) -> None:
        await desk.get(f"{server.url}/m.gguf")
        assert desk.fault() == "library-disk-full"
        assert NAME not in desk.names()
        filler.unlink()
        await desk.downloads.resume(NAME)
        assert (await desk.ended()).state == "done"
        assert (desk.folder / NAME).read_bytes() == MODEL and desk.names() == {NAME}

    run(small_disk / "models", use, kept_free_bytes=0)


def test_what_is_here_already_is_not_fetched_over(tmp_path: Path, server: RangeServer) -> None:
    async def use(desk: Desk) -> None:
        (desk.folder / NAME).write_bytes(gguf())
        with pytest.raises(LibraryError, match="is here already"):
            await desk.downloads.start(sources(f"{server.url}/m.gguf"))
        assert server.asked == []

    run(tmp_path / "models", use)


def test_a_damaged_state_costs_that_download_and_no_other(tmp_path: Path, server: RangeServer) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    good = {"version": 1, "pieces": [{"url": f"{server.url}/m.gguf", "name": NAME}]}
    (folder / f"{NAME}.part.json").write_text(json.dumps(good))
    (folder / "a.gguf.part.json").write_text('{"pieces": [')
    (folder / "a.gguf.part").write_bytes(b"GGUF")
    hostile = {"version": 1, "pieces": [{"url": f"{server.url}/m.gguf", "name": "../../evil.gguf"}]}
    (folder / "b.gguf.part.json").write_text(json.dumps(hostile))

    async def use(desk: Desk) -> None:
        assert desk.view.name == NAME
        assert desk.names() == {f"{NAME}.part.json"}
        await desk.downloads.resume(NAME)
        assert (await desk.ended()).state == "done"

    run(folder, use)


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("", "download-address"),
        ("model.gguf", "download-address"),
        ("owner/repo", "download-address"),
        ("owner/../x/model.gguf", "download-address"),
        ("ftp://example.org/m.gguf", "download-address"),
        ("https:///m.gguf", "download-address"),
        ("https://example.org:notaport/m.gguf", "download-address"),
        ("https://example.org/m gguf", "download-address"),
        ("https://example.org/m.gguf#elsewhere", "download-address"),
        ("https://me:secret@example.org/m.gguf", "download-credentials"),
        ("http://example.org/m.gguf", "download-plain-http"),
        ("http://8.8.8.8/m.gguf", "download-plain-http"),
        ("https://example.org/", "download-no-file"),
        ("https://example.org/model.bin", "download-no-file"),
        ("https://example.org/%2e%2e%2fm.gguf", "download-no-file"),
        ("owner/repo/README.md", "download-no-file"),
    ],
)
def test_an_address_that_is_none_has_its_sentence(typed: str, key: str) -> None:
    with pytest.raises(LibraryError) as caught:
        sources(typed)
    assert caught.value.key == key and caught.value.message


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("Qwen/Qwen3-4B-GGUF/m.gguf", "https://huggingface.co/Qwen/Qwen3-4B-GGUF/resolve/main/m.gguf"),
        ("o/r/sub/m.gguf", "https://huggingface.co/o/r/resolve/main/sub/m.gguf"),
        ("huggingface.co/o/r/blob/main/m.gguf", "https://huggingface.co/o/r/resolve/main/m.gguf"),
        ("https://huggingface.co/o/r/blob/v2/m.gguf", "https://huggingface.co/o/r/resolve/v2/m.gguf"),
        ("https://example.org/a/blob/m.gguf?x=1", "https://example.org/a/blob/m.gguf?x=1"),
        ("http://192.168.1.5:8000/m.gguf", "http://192.168.1.5:8000/m.gguf"),
        ("http://nas/m.gguf", "http://nas/m.gguf"),
    ],
)
def test_an_address_may_be_written_as_people_copy_it(typed: str, url: str) -> None:
    [source] = sources(typed)
    assert (source.url, source.name) == (url, "m.gguf")


@pytest.mark.parametrize(
    ("comes_from", "location"),
    [
        ("https://example.org/m.gguf", "http://example.org/m.gguf"),
        ("https://example.org/m.gguf", "http://127.0.0.1/m.gguf"),
        ("https://example.org/m.gguf", "https://127.0.0.1/m.gguf"),
        ("https://example.org/m.gguf", "https://192.168.1.1/m.gguf"),
        ("https://example.org/m.gguf", "https://router/m.gguf"),
        ("https://example.org/m.gguf", "https://[::1]/m.gguf"),
        ("https://example.org/m.gguf", "file:///etc/passwd"),
        ("http://127.0.0.1/m.gguf", "http://example.org/m.gguf"),
        ("https://example.org/m.gguf", "https://a:b@example.net/m.gguf"),
    ],
)
def test_no_server_sends_us_where_we_do_not_go(comes_from: str, location: str) -> None:
    with pytest.raises(LibraryError) as caught:
        hop(comes_from, location)
    assert caught.value.key == "download-redirect"


def test_a_server_may_send_us_to_another_one() -> None:
    assert hop("https://example.org/a/m.gguf", "../b?c#d") == "https://example.org/b?c"
    check_hop("https://cdn.example.net/x", comes_from="https://example.org/m.gguf")


def test_what_a_kill_left_of_a_download_s_own_notes_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / ".m.gguf.part.json.nx99catz").write_text("{", encoding="utf-8")
    assert Desk(tmp_path).names() == set()
