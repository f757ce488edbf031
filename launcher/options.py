"""The command line as a value, and how a fault is told on it."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path

from assistant.errors import HearthError
from assistant.paths import Profile
from assistant.visible import harmless
from launcher.words import t

log = logging.getLogger("hearth")

OK, FAULT, INTERRUPTED = 0, 1, 130


@dataclass(frozen=True)
class Options:
    """The command line, with what the environment adds."""

    command: str
    profile: Profile
    endpoint: str | None
    model: str | None
    api_key: str | None
    is_debug: bool
    question: str = ""
    is_json: bool = False
    files: tuple[Path, ...] = ()

    @property
    def choices(self) -> dict[str, str | None]:
        """What holds for this run only, as `create_app` takes it."""
        return {"endpoint": self.endpoint, "model": self.model, "api_key": self.api_key}


def parse(words: Sequence[str]) -> Options:
    """The options. Ends the process with 2 and a sentence on standard error where they are wrong."""
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    shared.add_argument("--data-dir", type=_folder, metavar="DIR", help=t("cli.data-dir"))
    shared.add_argument("--endpoint", metavar="URL", help=t("cli.endpoint"))
    shared.add_argument("--model", metavar="NAME", help=t("cli.model"))
    shared.add_argument("--debug", action="store_true", help=t("cli.debug"))
    parser = argparse.ArgumentParser("hearth", description=t("cli.about"), parents=[shared], allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"Hearth {version()}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title=t("cli.commands"))
    commands.add_parser("serve", parents=[shared], help=t("cli.serve"), allow_abbrev=False)
    ask = commands.add_parser("ask", parents=[shared], help=t("cli.ask"), allow_abbrev=False)
    ask.add_argument("question", help=t("cli.question"))
    doctor = commands.add_parser("doctor", parents=[shared], help=t("cli.doctor"), allow_abbrev=False)
    doctor.add_argument("--json", action="store_true", dest="is_json", help=t("cli.json"))
    commands.add_parser("backup", parents=[shared], help=t("cli.backup"), allow_abbrev=False)
    importing = commands.add_parser("import", parents=[shared], help=t("cli.import"), allow_abbrev=False)
    importing.add_argument("files", nargs="+", metavar="FILE", help=t("cli.import-files"))
    exporting = commands.add_parser("export", parents=[shared], help=t("cli.export"), allow_abbrev=False)
    exporting.add_argument("files", nargs=1, metavar="FILE", help=t("cli.export-file"))
    found = vars(parser.parse_args(words))
    chosen: Path | None = found.get("data_dir") or _folder(os.environ.get("HEARTH_DATA_DIR", ""))
    return Options(
        command=found.get("command") or "window",
        profile=Profile(chosen) if chosen else Profile.default(),
        endpoint=found.get("endpoint"),
        model=found.get("model"),
        api_key=os.environ.get("HEARTH_API_KEY") or None,
        is_debug=bool(found.get("debug")),
        question=found.get("question", ""),
        is_json=bool(found.get("is_json")),
        files=tuple(_file(name) for name in found.get("files", ())),
    )


def tell(error: HearthError) -> None:
    """A fault as two sentences on standard error, and in the log."""
    log.error("%s", error.message)
    print(harmless(f"{error.message_in(t)} {error.hint_in(t)}"), file=sys.stderr)


def version() -> str:
    """This Hearth's version, as it was installed."""
    try:
        return installed_version("hearth-assistant")
    except PackageNotFoundError:
        return "?"


def _file(text: str) -> Path:
    """A file that was named; "-" stays as it is. Absolute, since Hearth works in a folder of its own."""
    return Path(text) if text == "-" else Path(text).expanduser().absolute()


def _folder(text: str) -> Path | None:
    return Path(text).expanduser().absolute() if text else None
