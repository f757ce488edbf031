"""The executable: built as `build/make.py` builds it, tried by `build/smoke.py`, and opened on a bare Debian 12."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.i18n import LANGUAGES, Translator
from tests.test_clean_root import ENTER, HOUSE, bare_system, environment, from_readme, mirrors

sys.path.insert(0, str(HOUSE / "build"))  # a folder of scripts, which find one another this way too

import cuts
import licences
from person import screen
from smoke import first_day
from stage import NOBODY, Stage

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("debootstrap"),
        reason="a network and a root of its own need root and debootstrap",
    ),
]
NOT_FOR_THE_BUNDLE = ("python3-venv", "git")


@pytest.fixture(scope="module")
def bundle() -> Path:
    """A bundle made now, of what is in the tree."""
    command = [sys.executable, "build/make.py", "--no-archive"]
    made = subprocess.run(command, cwd=HOUSE, check=False, capture_output=True, text=True, timeout=900)
    assert made.returncode == 0, made.stdout[-2000:] + made.stderr[-5000:]
    return HOUSE / "dist" / "hearth"


def test_the_bundle_passes_its_smoke_test(bundle: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "build/smoke.py", str(bundle), "--source"]
    with capfd.disabled():  # its report is read in CI
        print()
        tried = subprocess.run(command, cwd=HOUSE, check=False, timeout=1200)

    assert tried.returncode == 0


def test_the_bundle_holds_nothing_that_was_cut_and_no_path_of_the_machine_that_made_it(bundle: Path) -> None:
    inside = bundle / "_internal"
    files = [path.relative_to(inside).as_posix() for path in inside.rglob("*") if path.is_file()]

    assert not {name: reason for name in files if (reason := cuts.reason_to_cut(name))}
    assert not [name for name in files if name.endswith(("direct_url.json", "RECORD"))]


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_bundle_speaks_every_language(bundle: Path, tmp_path: Path, code: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "settings.json").write_text(json.dumps({"language": code}), encoding="utf-8")
    chats = tmp_path / "chats.json"
    told = subprocess.run(
        [str(bundle / "hearth"), "export", str(chats), "--data-dir", str(data)],
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )

    assert (told.returncode, told.stderr.strip()) == (0, Translator(code)("exchange.written", count=0, path=chats))


def test_the_bundle_holds_no_library_whose_licence_nobody_read(bundle: Path) -> None:
    top = [path.name for path in (bundle / "_internal").glob("lib*.so*") if not path.is_symlink()]

    assert top
    assert not [name for name in top if licences.licence_of(name) is None]


def test_the_door_of_the_bundle_is_as_shut_as_that_of_the_source(bundle: Path) -> None:
    environment = os.environ | {"HEARTH_EXECUTABLE": str(bundle / "hearth")}
    command = [sys.executable, "-m", "pytest", "-q", "tests/faults/test_front_door.py"]
    tried = subprocess.run(
        command, cwd=HOUSE, env=environment, check=False, capture_output=True, text=True, timeout=900
    )

    assert tried.returncode == 0, tried.stdout[-6000:]


def test_building_leaves_the_installed_engine_as_it_was(bundle: Path) -> None:
    frozen = next((bundle / "_internal" / "xllamacpp").glob("*.so"))
    installed = next(Path(sys.prefix).glob("lib/python*/site-packages/xllamacpp/*.so"))

    assert frozen.stat().st_ino != installed.stat().st_ino
    assert frozen.stat().st_size < installed.stat().st_size


@pytest.fixture(scope="module")
def bare_root(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[Path]:
    """A bare system without Python, with the libraries that the README names and the bundle."""
    root = tmp_path_factory.mktemp("bare-root")
    root.chmod(0o755)  # pytest's folders are root's alone
    try:
        subprocess.run(["tar", "-C", str(root), "-xf", str(bare_system())], check=True, timeout=300)
        if found := mirrors():
            lines = [f"deb {address} {suite} main" for address, suite in found]
            (root / "etc/apt/sources.list").write_text("\n".join(lines) + "\n", encoding="utf-8")
        words = [word for word in from_readme("packages").split() if word not in NOT_FOR_THE_BUNDLE]
        install = f"apt-get update --quiet=2 && DEBIAN_FRONTEND=noninteractive {' '.join(words)}"
        subprocess.run([ENTER, root, "bash", "-c", install], check=True, timeout=900, env=environment(cut_off=False))
        shutil.copytree(bundle, root / "opt" / "hearth é", symlinks=True)
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.mark.parametrize("who", ["root", "an ordinary user"])
def test_the_bundle_has_a_first_day_on_a_bare_system_without_python_or_network(
    bare_root: Path, tmp_path: Path, who: str
) -> None:
    assert not list((bare_root / "usr" / "bin").glob("python*"))
    home = bare_root / "home" / who
    home.mkdir(mode=0o700)
    become: tuple[str, ...] = ()
    if who != "root":
        os.chown(home, NOBODY, NOBODY)
        become = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")

    with screen() as person:
        command = (str(ENTER), str(bare_root), *become, "env", f"HOME=/home/{who}", "/opt/hearth é/hearth")
        variables = {"PATH": os.environ["PATH"], "CUT_OFF": "1"}
        stage = Stage(command, home, person.display, variables)
        first_day(stage, person, bare_root / "opt", said=tmp_path / "said")
