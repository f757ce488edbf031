"""Makes the executable and its archive: `uv run python build/make.py` leaves both in dist/."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import version

HOUSE = Path(__file__).resolve().parent.parent
DIST = HOUSE / "dist"
BUNDLE = DIST / "hearth"
# Symbols for debugging. Not all: what auditwheel changed (numpy's libraries) is broken by strip.
STRIPPED = ("xllamacpp/xllamacpp*.so", "libpython3*.so*", "PySide6/*.abi3.so", "hf_xet/*.so", "pandas/_libs/*.so")
LARGEST_SHOWN = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-archive", action="store_true", help="only the folder")
    options = parser.parse_args()
    if not find_spec("PyInstaller"):
        sys.exit(run_with_pyinstaller())
    began = time.monotonic()
    freeze()
    strip()
    print(f"{BUNDLE.relative_to(HOUSE)} in {time.monotonic() - began:.0f} s\n{sizes(BUNDLE)}")
    if not options.no_archive:
        made = archive()
        print(f"{made.relative_to(HOUSE)}: {made.stat().st_size / 1e6:.0f} MB")


def run_with_pyinstaller() -> int:
    """Runs this again with the dependency group that whoever only uses Hearth does not install."""
    uv = os.environ.get("UV") or shutil.which("uv")  # uv tells what it runs where it is
    if not uv:
        raise SystemExit("PyInstaller is not installed. Run this through uv: uv run python build/make.py")
    command = [uv, "run", "--frozen", "--group", "bundle", "python", __file__, *sys.argv[1:]]
    return subprocess.run(command, cwd=HOUSE, check=False).returncode


def freeze() -> None:
    """PyInstaller's folder, in dist/. Its work path is outside: the default would be this very folder."""
    with tempfile.TemporaryDirectory(prefix="hearth-build-") as work:
        command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"]
        command += ["--distpath", str(DIST), "--workpath", work, str(HOUSE / "build" / "hearth.spec")]
        subprocess.run(command, check=True, cwd=HOUSE, env=os.environ | {"PYTHONHASHSEED": "1"})


def strip() -> None:
    """Takes the debugging symbols out of the bundle's copies; the files that they were copied from stay as they are."""
    if sys.platform != "linux" or not (tool := shutil.which("strip")):
        return
    inside = BUNDLE / "_internal"
    for library in (path for pattern in STRIPPED for path in inside.glob(pattern) if not path.is_symlink()):
        subprocess.run([tool, "--strip-unneeded", str(library)], check=True)


def sizes(folder: Path) -> str:
    """How large the folder is, and which files make it so."""
    files = [(path.stat().st_size, path.relative_to(folder)) for path in folder.rglob("*") if is_own_file(path)]
    total = sum(size for size, _ in files)
    lines = [f"{total / 1e6:.0f} MB in {len(files)} files; the largest:"]
    lines += [f"{size / 1e6:8.1f} MB  {path.as_posix()}" for size, path in sorted(files, reverse=True)[:LARGEST_SHOWN]]
    return "\n".join(lines)


def is_own_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def archive() -> Path:
    """The compressed folder, named after version and platform."""
    name = f"hearth-{version.number()}-{version.platform_name()}"
    if sys.platform == "win32":
        return Path(shutil.make_archive(str(DIST / name), "zip", DIST, "hearth"))
    target = DIST / f"{name}.tar.xz"
    contents = "Hearth.app" if sys.platform == "darwin" else "hearth"
    if shutil.which("xz"):  # on all cores, which Python's own does not
        command = ["tar", "--owner=0", "--group=0", "--sort=name", "-C", str(DIST), "-cf", str(target)]
        compress = "--use-compress-program=xz -T0 -6" if sys.platform == "linux" else "-J"
        subprocess.run([*command, compress, contents], check=True)
    else:
        with tarfile.open(target, "w:xz") as tar:
            tar.add(DIST / contents, contents)
    return target


if __name__ == "__main__":
    main()
