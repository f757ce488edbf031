"""Where a server's program lies: a desktop program's PATH lacks what the person's terminal has."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import ToolError

LOGIN_SECONDS = 5
_MARK = "HEARTH-PATH:"
_HOME_PLACES = (
    ".local/bin",
    ".cargo/bin",
    ".volta/bin",
    ".bun/bin",
    ".deno/bin",
    ".asdf/shims",
    ".local/share/mise/shims",
    ".local/share/fnm/aliases/default/bin",
    ".fnm/aliases/default/bin",
    ".nix-profile/bin",
    ".docker/bin",
    ".npm-global/bin",
    "bin",
)
_PLACES = (
    "/opt/homebrew/bin",
    "/usr/local/bin",
    "/home/linuxbrew/.linuxbrew/bin",
    "/opt/local/bin",
    "/usr/bin",
    "/bin",
    "/snap/bin",
)
_WINDOWS_PLACES = (
    ("APPDATA", "npm"),
    ("LOCALAPPDATA", "Microsoft/WinGet/Links"),
    ("LOCALAPPDATA", "Programs/nodejs"),
    ("PROGRAMFILES", "nodejs"),
    ("PROGRAMFILES", "Docker/Docker/resources/bin"),
    ("USERPROFILE", "scoop/shims"),
)
_CURES = {
    "node": ("node", "npx", "npm", "pnpm", "corepack"),
    "uv": ("uv", "uvx"),
    "docker": ("docker", "podman"),
    "python": ("python", "python3", "pip", "pipx"),
    "deno": ("deno", "bun", "bunx"),
}


@dataclass(frozen=True)
class Program:
    """A program's file, and the PATH it is run with: it may start others (npx starts node)."""

    path: str
    search_path: str


@dataclass(frozen=True)
class Surroundings:
    """A person's home and environment, in which programs are looked for."""

    home: Path
    environment: Mapping[str, str]

    @staticmethod
    def here() -> Surroundings:
        """This process's own."""
        return Surroundings(Path.home(), os.environ)


def find(command: str, around: Surroundings, *, own_path: str = "") -> Program:
    """The program that `command` names; `own_path` is the PATH that the server itself was given. Asks the login shell
    only for what is found nowhere else, which may take seconds. Raises ToolError, with what mends it."""
    home, environment = around.home, around.environment
    wanted = str(home / command[2:]) if command.startswith(("~/", "~\\")) else command
    first = [own_path, environment.get("PATH", "")]
    usual = _joined([*first, *(str(place) for place in usual_places(home, environment))])
    for search_path in (usual, None):
        looked_in = _joined([*first, login_path(environment), usual]) if search_path is None else search_path
        if path := shutil.which(wanted, path=looked_in):
            return Program(path, _joined([str(Path(path).parent), looked_in]))
        if os.sep in wanted or "/" in wanted:
            break
    raise _missing(command)


def _missing(command: str) -> ToolError:
    name = Path(command).name.lower().removesuffix(".exe").removesuffix(".cmd")
    kind = next((kind for kind, names in _CURES.items() if name in names), "")
    return ToolError(f"mcp-missing-{kind}" if kind else "mcp-missing", command=command)


def usual_places(home: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """The folders that installers put programs into, those that are there."""
    places = [home / name for name in _HOME_PLACES]
    versions = home / ".nvm/versions/node"
    places += sorted(versions.glob("*/bin"), key=_version, reverse=True)  # the newest Node first
    if os.name == "nt":
        places += [Path(environment[base]) / name for base, name in _WINDOWS_PLACES if environment.get(base)]
    else:
        places += [Path(name) for name in _PLACES]
    return (place for place in places if place.is_dir())


def _version(folder: Path) -> list[int]:
    return [int(part) for part in folder.parent.name.lstrip("v").split(".") if part.isdigit()]


def login_path(environment: Mapping[str, str]) -> str:
    """The PATH of the person's login shell; empty where it does not say so in time."""
    shell = environment.get("SHELL", "")
    if os.name == "nt" or not shell or not Path(shell).is_absolute():
        return ""
    for flags in ("-lic", "-lc"):  # some set their PATH up for terminals only
        try:
            told = subprocess.run(
                [shell, flags, f'printf "\\n{_MARK}%s\\n" "$PATH"'],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=LOGIN_SECONDS,
                check=False,
                stdin=subprocess.DEVNULL,
                env={name: environment[name] for name in ("HOME", "USER", "LOGNAME", "PATH") if name in environment},
                start_new_session=True,  # an interactive one must not take a terminal from us
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        for line in told.stdout.splitlines():
            if line.startswith(_MARK):
                return line.removeprefix(_MARK)
    return ""


def _joined(paths: list[str]) -> str:
    """Several PATHs as one, each folder once. Empty and relative entries would mean the working directory."""
    folders = [folder for path in paths for folder in path.split(os.pathsep)]
    return os.pathsep.join(dict.fromkeys(folder for folder in folders if folder and Path(folder).is_absolute()))
