"""One besieged Hearth for each file of attacks, looked at after every one of them; and a disk that can be filled."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_steps import Answer as Words
from tests.faults.siege import Besieged, besieged

LONG = Words([f"word{number} " for number in range(3000)], rate_per_second=60)  # longer than any attack


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    """One for all tests of a file: a start takes seconds."""
    with besieged(tmp_path_factory.mktemp("besieged") / "data", LONG) as hearth:
        yield hearth


@pytest.fixture
def hearth(standing: Besieged) -> Iterator[Besieged]:
    """The standing one. After the attack it answers, the three chats are intact, the key is in no answer and no log."""
    yield standing
    standing.assert_unharmed()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m,mode=700", "tmpfs", str(place)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount a file system; CI does")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all the room there is."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
    return filler
