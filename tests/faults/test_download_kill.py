"""A download killed with -9 at ten points goes on to the same bytes, and never has its name before it is whole."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.model_files import large
from tests.range_server import Served, range_server

pytestmark = pytest.mark.slow

KILLS = 10
SEED = 20261125
CHILD = """
import asyncio, sys
from pathlib import Path
from assistant.egress import Egress, seal_process
from assistant.library.downloads import Downloads
from assistant.library.piece import FetchLimits
from assistant.engines.machine import Machine
from assistant.library.shelf import Library
from assistant.library.source import sources

async def main(folder, address):
    library = Library(Path(folder), None, look=list, machine=Machine(8_000_000_000, 4))
    egress = Egress()
    seal_process(egress)
    downloads = Downloads(library, egress, limits=FetchLimits(sync_bytes=2_000_000))
    downloads.load()
    if views := downloads.views():
        await downloads.resume(views[0].name)
    else:
        await downloads.start(sources(address))
    print("running", flush=True)
    while downloads.is_busy:
        await asyncio.sleep(0.02)
    [view] = downloads.views()
    print(view.state, view.fault, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def child(folder: Path, address: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", CHILD, str(folder), address], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("has_checksum", [False, True])
def test_killed_at_ten_points_it_resumes_to_the_same_bytes(tmp_path: Path, has_checksum: bool) -> None:
    chance = random.Random(SEED)
    model = large(60)
    with range_server() as server:
        server.files["/m.gguf"] = Served(model, bytes_per_second=20_000_000)
        address = f"{server.url}/m.gguf"
        if has_checksum:
            import hashlib

            address += f"#sha256={hashlib.sha256(model).hexdigest()}"
        for _ in range(KILLS):
            asked = len(server.asked)
            with child(tmp_path, address) as process:
                assert process.stdout is not None and process.stdout.readline().strip() == "running"
                assert eventually(lambda asked=asked: len(server.asked) > asked)
                time.sleep(chance.uniform(0, 0.3))
                process.kill()
            assert not (tmp_path / "m.gguf").exists()
        server.files["/m.gguf"] = Served(model)
        with child(tmp_path, address) as process:
            told = process.communicate(timeout=60)[0]
        assert told.splitlines() == ["running", "done None"]
        assert (tmp_path / "m.gguf").read_bytes() == model
        assert {path.name for path in tmp_path.iterdir()} == {"m.gguf"}
        starts = [int((each.headers["Range"] or "bytes=0-").removeprefix("bytes=")[:-1]) for each in server.asked]
        assert starts == sorted(starts) and starts[-1] > 0, starts
