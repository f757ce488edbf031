"""Where a bundle is tried: somewhere else, with nothing of this checkout, as one user or another, and what is left."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

NOBODY = 65534
NOT_THERE = "/nonexistent"


@dataclass(frozen=True)
class Stage:
    """A way to run one program: `command` begins its command lines, `home` is its user's and empty at first."""

    command: tuple[str, ...]
    home: Path
    display: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    folder: Path = Path(Path.cwd().anchor)

    @property
    def data_dir(self) -> Path:
        """Where a Linux program finds it by itself; elsewhere HEARTH_DATA_DIR says so."""
        return self.home / ".local" / "share" / "hearth" if sys.platform == "linux" else self.home / "data"

    def start(self, *arguments: str, said: Path) -> subprocess.Popen[str]:
        """Starts it; what it says goes to the file `said`."""
        with said.open("w", encoding="utf-8") as file:
            return subprocess.Popen(
                [*self.command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=self._environment(),
                cwd=self.folder,
                text=True,
                start_new_session=True,
            )

    def run(self, *arguments: str, timeout_seconds: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *arguments],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env=self._environment(),
            cwd=self.folder,
            timeout=timeout_seconds,
        )

    def answers(self) -> list[str]:
        """The parts of every finished answer in the database."""
        return self._query("SELECT parts FROM messages WHERE role = 'assistant' AND status = 'complete'")

    def questions(self) -> list[str]:
        return self._query("SELECT parts FROM messages WHERE role = 'user'")

    def with_variables(self, **variables: str) -> Stage:
        return replace(self, variables=self.variables | variables)

    def _environment(self) -> dict[str, str]:
        """Nothing of ours: no Python on the path, no way to the checkout, a home of its own."""
        ours = {"PATH": NOT_THERE, "HOME": str(self.home), "LANG": "C.UTF-8"}
        if sys.platform != "linux":
            ours |= {"HEARTH_DATA_DIR": str(self.data_dir)}
        if os.name == "nt":  # Windows' own libraries look for these
            ours |= {name: os.environ[name] for name in ("SYSTEMROOT", "TEMP", "TMP") if name in os.environ}
            ours |= {"LOCALAPPDATA": str(self.home), "USERPROFILE": str(self.home)}
        return ours | ({"DISPLAY": self.display} if self.display else {}) | self.variables

    def _query(self, query: str) -> list[str]:
        # A copy: opening the database itself could leave files of ours beside it, which its user may not write to.
        with tempfile.TemporaryDirectory() as folder:
            for path in self.data_dir.glob("hearth.db*"):
                shutil.copy(path, folder)
            if not (database := Path(folder, "hearth.db")).exists():
                return []
            connection = sqlite3.connect(database)
            try:
                return [text for (text,) in connection.execute(query)]
            except sqlite3.DatabaseError:  # copied while it was being written
                return []
            finally:
                connection.close()


@contextmanager
def elsewhere(bundle: Path) -> Generator[Path]:
    """A copy of the bundle with a space and an é in its path, readable for everybody and writable for root alone."""
    with tempfile.TemporaryDirectory(prefix="hearth elsewhere é ") as folder:
        place = Path(folder)
        place.chmod(0o755)
        copied = place / "Mes programmes é" / "hearth"
        shutil.copytree(bundle, copied, symlinks=True)
        if os.name == "posix":
            subprocess.run(["chmod", "-R", "a+rX,go-w", str(place)], check=True)
        yield copied


def stage_for(program: Sequence[str], home: Path, *, display: str, as_nobody: bool = False) -> Stage:
    """A stage for this program with a new, empty home; `as_nobody`: as a user who is not root."""
    home.mkdir(parents=True)
    home.chmod(0o700)
    become = []
    if as_nobody:
        os.chown(home, NOBODY, NOBODY)
        become = [shutil.which("setpriv") or "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return Stage((*become, *program), home, display=display)


def left_over(folder: Path) -> list[str]:
    """The command lines of all processes, of whatever session, whose program or libraries lie below `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            mapped = Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8", errors="replace")
            if process.status() != psutil.STATUS_ZOMBIE and str(folder) in mapped:
                found.append(" ".join(process.cmdline()) or process.name())
        except (psutil.Error, OSError):
            continue
    return found
