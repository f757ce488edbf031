"""API keys: for this session in memory, or, when the person ticks it, in a file that only this user can read.

A key belongs to its endpoint's origin (scheme, host and port) and is never given to another one.
"""

from __future__ import annotations

import json
import logging
import os
import stat
from pathlib import Path
from urllib.parse import urlsplit

from assistant.errors import SettingsError
from assistant.settings import write_private

log = logging.getLogger(__name__)

LONGEST_KEY = 4096


class Keys:
    """The keys of one profile. `path` is the file for remembered ones; it exists only while it holds one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._session: dict[str, str] = {}
        self._seen: set[str] = set()

    def seen(self) -> frozenset[str]:
        """Every key that this process has held, for the log to hide."""
        return frozenset(self._seen)

    def get(self, endpoint: str) -> str | None:
        """The key for the endpoint's origin: this session's, else the remembered one."""
        origin = origin_of(endpoint)
        return self._session.get(origin) or self._remembered().get(origin)

    def is_remembered(self, endpoint: str) -> bool:
        """Whether the file holds a key for this endpoint."""
        return origin_of(endpoint) in self._remembered()

    def put(self, endpoint: str, key: str, *, remember: bool) -> None:
        """Takes a key for the endpoint in place of the one it had, in memory or in the file. Raises SettingsError where
        it cannot be a key or the file cannot be written; then what was there stays."""
        if not remember:
            check_key(key)
            self._forget_remembered(origin_of(endpoint))
            self.put_for_session(endpoint, key)
            return
        self._write(self._remembered() | {origin_of(endpoint): check_key(key)})
        self._seen.add(check_key(key))
        self._session.pop(origin_of(endpoint), None)

    def put_for_session(self, endpoint: str, key: str) -> None:
        """Takes a key for this session only; it goes before a remembered one, which stays. Raises SettingsError."""
        self._session[origin_of(endpoint)] = check_key(key)
        self._seen.add(check_key(key))

    def remove(self, endpoint: str) -> None:
        """Forgets the endpoint's key everywhere. Raises SettingsError where the file cannot be written."""
        self._forget_remembered(origin_of(endpoint))
        self._session.pop(origin_of(endpoint), None)

    def _forget_remembered(self, origin: str) -> None:
        remembered = self._remembered()
        if origin in remembered:
            self._write({name: value for name, value in remembered.items() if name != origin})

    def _remembered(self) -> dict[str, str]:
        try:
            handle = os.open(self._path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                log.warning("the key file was not read: %s", error.strerror)
            return {}
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            log.warning("the key file is no file")
            return {}
        with os.fdopen(handle, "rb") as file:
            if os.name == "posix" and stat.S_IMODE(os.fstat(handle).st_mode) & 0o077:
                os.fchmod(handle, 0o600)
                log.warning("the key file was readable by others; it is private again")
            try:
                content = json.loads(file.read(1_000_000).decode("utf-8"))
            except (ValueError, RecursionError):
                log.warning("the key file is damaged")
                return {}
        found = {str(k): str(v) for k, v in content.items()} if isinstance(content, dict) else {}
        self._seen.update(found.values())
        return found

    def _write(self, keys: dict[str, str]) -> None:
        if keys:
            write_private(self._path, json.dumps(keys))
            return
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise SettingsError("settings.unwritable", path=self._path, reason=error.strerror or "?") from error


def origin_of(endpoint: str) -> str:
    """Scheme, host and port of an address, spelled one way: `https://Host:443/v1` gives `https://host:443`."""
    parts = urlsplit(endpoint)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


def check_key(key: str) -> str:
    """The key without surrounding spaces. Raises SettingsError where it could not be sent in a header as it is."""
    stripped = key.strip()
    if not stripped:
        raise SettingsError("key.empty")
    if len(stripped) > LONGEST_KEY:
        raise SettingsError("key.long", limit=LONGEST_KEY)
    if not all("!" <= character <= "~" for character in stripped) or any(c in stripped for c in "\"'"):
        raise SettingsError("key.characters")
    return stripped
