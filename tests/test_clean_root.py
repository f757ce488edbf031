"""The README's commands on a bare Debian 12, where nothing that this machine happens to have can help.

The commands are read from README.md. A root of Debian's smallest size is made, the last commit is cloned into it, and
everything happens inside. Needs root, debootstrap and a way to the package registries.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

HOUSE = Path(__file__).resolve().parent.parent
ENTER = HOUSE / "tests" / "clean_root" / "enter"
CACHE = Path(tempfile.gettempdir()) / "clean-root-cache"
RELEASE = "bookworm"
PATIENCE_SECONDS = 900
T = TypeVar("T")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("debootstrap"),
        reason="a root of its own needs root and debootstrap",
    ),
]


def from_readme(name: str) -> str:
    """The command below the mark `name`, as a person would paste it (without sudo: in the root they are root)."""
    found = re.search(rf"<!-- {name} -->\n```sh\n(.+)\n```", (HOUSE / "README.md").read_text(encoding="utf-8"))
    assert found, f"README.md has no command marked {name}"
    return found[1].removeprefix("sudo ").replace("apt install", "apt-get install --yes --quiet=2")


def mirrors() -> list[tuple[str, str]]:
    """(address, suite) of this machine's own package sources for the release; empty on another system."""
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(CODENAME)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    lines = {tuple(line.split()) for line in told.stdout.splitlines()}
    return sorted({(line[0], line[1]) for line in lines if len(line) == 3 and line[2].startswith(RELEASE)})


def bare_system() -> Path:
    """An archive of Debian's smallest root, made once per machine."""
    archive = CACHE / f"{RELEASE}.tar"
    if not archive.exists():
        CACHE.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            sources = [address for address, suite in mirrors() if "security" not in suite and "updates" not in suite]
            build = ["debootstrap", "--variant=minbase", RELEASE, f"{folder}/root", *sources[:1]]
            subprocess.run(build, check=True, timeout=PATIENCE_SECONDS, stdout=subprocess.DEVNULL)
            subprocess.run(["tar", "-C", f"{folder}/root", "-cf", f"{folder}/tar", "."], check=True, timeout=300)
            Path(folder, "tar").rename(archive)
    return archive


@dataclass(frozen=True)
class CleanRoot:
    folder: Path

    @property
    def checkout(self) -> Path:
        return self.folder / "root" / "hearth"

    @property
    def database(self) -> Path:
        return self.folder / "root" / ".local" / "share" / "hearth" / "hearth.db"

    def command(self, line: str) -> list[str]:
        return [str(ENTER), str(self.folder), "bash", "-c", f"cd /root/hearth && {line}"]

    def run(
        self, line: str, *, cut_off: bool = False, timeout_seconds: float = PATIENCE_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(line),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_seconds,
            env=environment(cut_off=cut_off),
        )


def environment(*, cut_off: bool, display: str = "") -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    return ours | ({"CUT_OFF": "1"} if cut_off else {}) | ({"DISPLAY": display} if display else {})


@pytest.fixture(scope="module")
def clean_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CleanRoot]:
    """A bare system with a clone of the last commit and what the README names: nothing of ours has run in it."""
    folder = tmp_path_factory.mktemp("clean-root")
    root = CleanRoot(folder)
    try:
        subprocess.run(["tar", "-C", str(folder), "-xf", str(bare_system())], check=True, timeout=300)
        if found := mirrors():
            lines = [f"deb {address} {suite} main" for address, suite in found]
            (folder / "etc/apt/sources.list").write_text("\n".join(lines) + "\n", encoding="utf-8")
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(HOUSE), str(root.checkout)], check=True)
        installed = root.run(f"apt-get update --quiet=2 && DEBIAN_FRONTEND=noninteractive {from_readme('packages')}")
        assert installed.returncode == 0, installed.stdout + installed.stderr
        yield root
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def set_up(clean_root: CleanRoot) -> CleanRoot:
    """After the README's command has once been there with the network."""
    told = clean_root.run(from_readme("run") + " --version")
    assert told.returncode == 0, told.stderr
    return clean_root


@contextmanager
def x_server() -> Generator[str]:
    """A display of its own, as `:7`."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x900x24", "-nolisten", "tcp", "-r"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            yield f":{told.readline().strip()}"
    finally:
        server.terminate()
        server.wait(timeout=10)


def eventually(look: Callable[[], T], *, within_seconds: float) -> T:
    """What `look` finds, once it finds something; else what it found last."""
    deadline = time.monotonic() + within_seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.25)
    return found


def answers(database: Path) -> list[str]:
    """The parts of every finished answer in a database that another process has open."""
    if not database.exists():
        return []
    with tempfile.TemporaryDirectory() as folder:
        for path in database.parent.glob("hearth.db*"):
            shutil.copy(path, folder)
        connection = sqlite3.connect(Path(folder, "hearth.db"))
        try:
            query = "SELECT parts FROM messages WHERE role = 'assistant' AND status = 'complete'"
            return [parts for (parts,) in connection.execute(query)]
        except sqlite3.OperationalError:
            return []
        finally:
            connection.close()


def test_the_command_installs_hearth_on_a_bare_system(set_up: CleanRoot) -> None:
    told = set_up.run(f"{from_readme('again')} --version", cut_off=True)

    assert told.returncode == 0, told.stderr
    assert re.fullmatch(r"\S*\s*\d+\.\d+\.\d+\n", told.stdout), told.stdout


def test_it_answers_with_the_network_cut(set_up: CleanRoot) -> None:
    told = set_up.run(f"{from_readme('again')} ask 'Name three colours.'", cut_off=True)

    assert told.returncode == 0, told.stderr
    assert told.stdout.strip()


def test_its_window_opens_and_answers_with_the_network_cut(set_up: CleanRoot, tmp_path: Path) -> None:
    with x_server() as display, (tmp_path / "said").open("w+", encoding="utf-8") as said:

        def x(*arguments: str) -> str:
            told = subprocess.run(
                ["xdotool", *arguments],
                capture_output=True,
                text=True,
                check=False,
                timeout=20,
                env=os.environ | {"DISPLAY": display},
            )
            return told.stdout.strip()

        started = subprocess.Popen(
            set_up.command(from_readme("again")),
            stdout=said,
            stderr=said,
            env=environment(cut_off=True, display=display),
        )
        try:
            window = eventually(lambda: x("search", "--onlyvisible", "--name", "Hearth$"), within_seconds=60)
            assert window, Path(said.name).read_text(encoding="utf-8")
            window = window.splitlines()[0]
            eventually(set_up.database.exists, within_seconds=60)
            asked = 0.0
            while not (found := answers(set_up.database)) and asked < 90:
                # The page says nothing to an X server: ask again until it is there and listens.
                x("mousemove", "--window", window, "500", "718", "click", "1")
                x("type", "--delay", "20", "Name three colours.")
                x("key", "Return")
                found = eventually(lambda: answers(set_up.database), within_seconds=15)
                asked += 15
            assert found, Path(said.name).read_text(encoding="utf-8")
            assert started.poll() is None
        finally:
            started.kill()  # and with it everything that it started, which shares its process namespace
            started.wait(timeout=20)


@pytest.mark.skipif("HEARTH_TESTED_HERE" in os.environ, reason="already inside the clean root")
@pytest.mark.skipif(
    "HEARTH_WHOLE_CLEAN_ROOT" not in os.environ, reason="all tests again: set HEARTH_WHOLE_CLEAN_ROOT=1"
)
def test_the_test_command_passes_on_a_bare_system(set_up: CleanRoot) -> None:
    told = set_up.run(f"HEARTH_TESTED_HERE=1 {from_readme('test')} -q", timeout_seconds=1500)

    assert told.returncode == 0, told.stdout[-20_000:] + told.stderr[-5_000:]
