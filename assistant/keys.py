"""API keys: in memory for this session, in the system's keyring, or, by consent, in a file that only you can read.

A key belongs to its endpoint's origin (scheme, host and port) and is never given to another one.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

from assistant.errors import SettingsError
from assistant.kept_file import write_private
from assistant.keyrings import KeyringFault, KeyringName, Safe

log = logging.getLogger(__name__)

LONGEST_KEY = 4096
RETRY_SECONDS = 20

KeyPlace = Literal["session", "keyring", "file"]


class Keys:
    """The keys of one profile. `path` is the file: it holds the keys that are kept there, and for one that is kept in
    the keyring only its origin, with null. It exists only while it holds something.

    `get` never waits: what the keyring holds is read by `prepare`, and by a thread that goes on while it is locked.
    """

    def __init__(self, path: Path, safe: Safe) -> None:
        self._path, self._safe = path, safe
        self._session: dict[str, str] = {}
        self._from_keyring: dict[str, str] = {}
        self._seen: set[str] = set()
        self._may_be_in_keyring: set[str] = set()  # a call that was given up may still have come through
        self._retrying = threading.Lock()

    def seen(self) -> frozenset[str]:
        """Every key that this process has held, for the log to hide."""
        return frozenset(self._seen)

    def hide(self, *secrets: str) -> None:
        """These too are for the log to hide: what is kept here in one piece with others."""
        self._seen.update(secret for secret in secrets if secret)

    def prepare(self) -> None:
        """Reads what the keyring holds for this profile; waits for it no longer than a few seconds. One that does not
        answer is asked again later, since its owner may unlock it."""
        if self._read_keyring() and self._retrying.acquire(blocking=False):
            threading.Thread(target=self._read_later, name="keyring, later", daemon=True).start()

    def keyring(self) -> KeyringName | None:
        """The system's keyring if one can be used; may take a few seconds."""
        return self._safe.name()

    def missing(self, endpoint: str) -> bool:
        """Whether the endpoint's key lies in the keyring and could not be read."""
        origin = origin_of(endpoint)
        return self.get(endpoint) is None and origin in self._kept()

    def get(self, endpoint: str) -> str | None:
        """The key for the endpoint's origin: this session's, else the one that is kept."""
        origin = origin_of(endpoint)
        return self._session.get(origin) or self._kept().get(origin) or self._from_keyring.get(origin)

    def place(self, endpoint: str) -> KeyPlace | None:
        """Where the endpoint's key is; None where there is none."""
        origin, kept = origin_of(endpoint), self._kept()
        if origin in self._session:
            return "session"
        if origin in kept:
            return "keyring" if kept[origin] is None else "file"
        return None

    def put(self, endpoint: str, key: str, *, place: KeyPlace) -> KeyPlace:
        """Takes a key for the endpoint in place of the one it had, and gives the place where it is now: this session
        where the keyring would not have it. Raises SettingsError where it cannot be a key or the file cannot be
        written; then what was there stays."""
        origin, checked = origin_of(endpoint), check_key(key)
        self._seen.add(checked)
        if place == "keyring":
            try:
                self._safe.write(self._entry(origin), checked)
            except KeyringFault as fault:
                log.warning("the keyring did not take a key: %s", fault)
                self._may_be_in_keyring.add(origin)
                place = "session"
        kept = self._kept()
        was_in_keyring = origin in kept and kept[origin] is None
        if place == "session":
            self._write({name: value for name, value in kept.items() if name != origin})
            self._session[origin] = checked
        else:
            self._write({**kept, origin: None if place == "keyring" else checked})
            self._session.pop(origin, None)
        if place == "keyring":
            self._from_keyring[origin] = checked
        elif was_in_keyring:
            self._forget_in_keyring(origin)
        return place

    def put_for_session(self, endpoint: str, key: str) -> None:
        """Takes a key for this session only; it goes before one that is kept, which stays. Raises SettingsError."""
        self._session[origin_of(endpoint)] = check_key(key)
        self._seen.add(check_key(key))

    def remove(self, endpoint: str) -> None:
        """Forgets the endpoint's key everywhere. Raises SettingsError where the file cannot be written, or the keyring
        keeps it; then it is told, and can be tried again."""
        origin, kept = origin_of(endpoint), self._kept()
        self._session.pop(origin, None)
        if origin in kept and kept[origin] is None:
            try:
                self._safe.erase(self._entry(origin))
            except KeyringFault as fault:
                log.warning("the keyring did not give a key up: %s", fault)
                raise SettingsError("key.keyring-keeps") from fault
        elif origin in self._may_be_in_keyring:
            self._forget_in_keyring(origin)
        self._from_keyring.pop(origin, None)
        if origin in kept:
            self._write({name: value for name, value in kept.items() if name != origin})

    def _forget_in_keyring(self, origin: str) -> None:
        self._from_keyring.pop(origin, None)
        try:
            self._safe.erase(self._entry(origin))
        except KeyringFault as fault:
            log.warning("the keyring did not give a key up: %s", fault)

    def _entry(self, origin: str) -> str:
        """A name that another profile's key for the same origin does not have."""
        return f"{origin} in {self._path.parent}"

    def _read_keyring(self) -> bool:
        """Reads what was not read yet; whether something could not be."""
        for origin, value in self._kept().items():
            if value is not None or origin in self._from_keyring:
                continue
            try:
                found = self._safe.read(self._entry(origin))
            except KeyringFault as fault:
                log.warning("the keyring gave no key for %s: %s", origin, fault)
                return True
            if found is not None:
                self._from_keyring[origin] = found
                self._seen.add(found)
        return False

    def _read_later(self) -> None:
        while self._read_keyring():
            time.sleep(RETRY_SECONDS)
        self._retrying.release()

    def _kept(self) -> Mapping[str, str | None]:
        try:
            handle = os.open(self._path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
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
        if not isinstance(content, dict):
            return {}
        found: dict[str, str | None] = {}
        for origin, value in cast("dict[str, object]", content).items():
            try:
                found[origin] = None if value is None else check_key(str(value))
            except SettingsError:  # a hand has been there; what cannot be sent is no key
                log.warning("the key file holds what is no key")
        self._seen.update(value for value in found.values() if value)
        return found

    def _write(self, keys: Mapping[str, str | None]) -> None:
        if keys == self._kept():
            return
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
