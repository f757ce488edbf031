"""How an MCP server is reached: a command to run or an address, as a value, and what of it a person allows."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from assistant.errors import SettingsError

LONGEST_NAME = 30
_NAME = re.compile(r"[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*")  # no "__" and no "_" at the end: see `offers`
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


@dataclass(frozen=True)
class Launch:
    """A server: a `command` with its arguments, run in `folder` (empty: the person's home), or a `url`. `secrets` are
    the values of environment variables or of headers, by name."""

    name: str
    command: str = ""
    arguments: tuple[str, ...] = ()
    folder: str = ""
    url: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    timeout_seconds: int = 60

    @property
    def fingerprint(self) -> str:
        """What a person allows: everything but the values of `secrets`. Another one has to be allowed anew."""
        allowed = [self.command, self.arguments, sorted(self.secrets), self.folder, self.url]
        return hashlib.sha256(json.dumps(allowed).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def shown(self) -> str:
        """The command as one would type it, or the address."""
        return self.url or shlex.join([self.command, *self.arguments])


def checked(launch: Launch) -> Launch:
    """The same without spaces around. Raises SettingsError where it cannot be a server."""
    name, command, url = launch.name.strip(), launch.command.strip(), launch.url.strip()
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise SettingsError("mcp-name", limit=LONGEST_NAME)
    if bool(command) == bool(url):
        raise SettingsError("mcp-command-or-address")
    words = (command, *launch.arguments, launch.folder, *launch.secrets, *launch.secrets.values())
    if any("\0" in word for word in words):
        raise SettingsError("mcp-nul")
    if url:
        _check_address(url)
    for key, value in launch.secrets.items():
        if not (_HEADER if url else _VARIABLE).fullmatch(key) or (url and not value.isprintable()):
            raise SettingsError("mcp-header" if url else "mcp-variable", name=key)
        if url and not value.isascii():
            raise SettingsError("mcp-header", name=key)
    return Launch(
        name,
        command,
        launch.arguments if command else (),
        launch.folder.strip() if command else "",
        url,
        dict(launch.secrets),
        launch.timeout_seconds,
    )


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fits = False
    else:
        fits = (
            fits
            and not parts.username
            and not parts.password
            and url.isascii()
            and url.isprintable()
            and " " not in url
        )
    if not fits:
        raise SettingsError("mcp-address")
