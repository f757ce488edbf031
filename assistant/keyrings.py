"""The system's own safe for secrets: Keychain, Credential Manager, Secret Service, KWallet. Known ones only, by name.

`keyring` would choose by itself, by environment variables, a settings file and entry points, each of which can load
foreign code. And a safe may ask its owner for a password, or not answer at all: nobody waits for one longer than
PATIENCE_SECONDS, and one that kept somebody waiting is left alone for a while.
"""

from __future__ import annotations

import importlib
import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeVar

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 2.5
LEFT_ALONE_SECONDS = 30
SERVICE = "Hearth"

KeyringName = Literal["secret-service", "kwallet", "keychain", "credential-manager"]
Result = TypeVar("Result")

_LINUX: tuple[tuple[KeyringName, str, str], ...] = (
    ("secret-service", "keyring.backends.SecretService", "Keyring"),
    ("kwallet", "keyring.backends.kwallet", "DBusKeyring"),  # needs dbus-python; KDE of today offers the first one too
)
_MAC: tuple[tuple[KeyringName, str, str], ...] = (("keychain", "keyring.backends.macOS", "Keyring"),)
_WINDOWS: tuple[tuple[KeyringName, str, str], ...] = (
    ("credential-manager", "keyring.backends.Windows", "WinVaultKeyring"),
)


class KeyringFault(Exception):
    """The system's keyring did not do what it was asked: there is none, it is locked, or it does not answer."""


class Safe(Protocol):
    """A place for secrets by name; every call may raise KeyringFault, and none takes longer than PATIENCE_SECONDS."""

    def name(self) -> KeyringName | None:
        """Which keyring this is; None where none can be used."""
        ...

    def read(self, entry: str) -> str | None: ...

    def write(self, entry: str, secret: str) -> None: ...

    def erase(self, entry: str) -> None: ...


class SystemKeyring:
    """The keyring of this system and user. Any thread may call. What a call does happens in a thread of its own, which
    is left behind when it does not come back."""

    def __init__(self) -> None:
        self._backend: Any = None
        self._name: KeyringName | None = None
        self._left_alone_until = 0.0
        self._looked = False

    def name(self) -> KeyringName | None:
        """See `Safe`. Looks once, and again when there was none."""
        if self._name is None:
            try:
                self._name, self._backend = self._patiently(_find)
            except KeyringFault as fault:
                log.info("no keyring: %s", fault)
        return self._name

    def read(self, entry: str) -> str | None:
        """The secret under this name; None where there is none."""
        return self._patiently(lambda: self._found().get_password(SERVICE, entry))

    def write(self, entry: str, secret: str) -> None:
        """Puts a secret under this name, in place of what was there, and makes sure that it can be read again."""

        def put() -> None:
            backend = self._found()
            backend.set_password(SERVICE, entry, secret)
            if backend.get_password(SERVICE, entry) != secret:
                raise KeyringFault("what was put in did not come out")

        self._patiently(put, is_wish=True)

    def erase(self, entry: str) -> None:
        """Removes the secret under this name; it may be gone already."""

        def remove() -> None:
            backend = self._found()
            if backend.get_password(SERVICE, entry) is not None:
                backend.delete_password(SERVICE, entry)

        self._patiently(remove, is_wish=True)

    def _found(self) -> Any:
        if self._backend is None:
            self._name, self._backend = _find()
        return self._backend

    def _patiently(self, work: Callable[[], Result], *, is_wish: bool = False) -> Result:
        """The work's result. A person's own wish is tried even with a keyring that is left alone."""
        if time.monotonic() < self._left_alone_until and not is_wish:
            raise KeyringFault("it did not answer a moment ago")
        results: list[Result] = []
        faults: list[BaseException] = []

        def run() -> None:
            try:
                results.append(work())
            except BaseException as error:  # noqa: BLE001  # a border: the back ends raise what their systems give them
                faults.append(error)

        thread = threading.Thread(target=run, name="keyring", daemon=True)
        thread.start()
        thread.join(PATIENCE_SECONDS)
        if results:
            self._left_alone_until = 0.0
            return results[0]
        if not faults:
            self._left_alone_until = time.monotonic() + LEFT_ALONE_SECONDS
            raise KeyringFault("it does not answer")
        raise KeyringFault(f"{type(faults[0]).__name__}: {faults[0]}") from faults[0]


def _find() -> tuple[KeyringName, Any]:
    known = _MAC if sys.platform == "darwin" else _WINDOWS if sys.platform == "win32" else _LINUX
    reasons: list[str] = []
    for name, module, class_name in known:
        try:
            # Late and by name: nothing of `keyring` is loaded before somebody has a key to keep.
            found = getattr(importlib.import_module(module), class_name)
            _ = found.priority  # raises RuntimeError where it cannot be used, without asking anybody anything
            return name, found()
        except Exception as error:  # noqa: BLE001  # whatever a desktop's service answers, it is not to be used
            reasons.append(f"{name}: {error}")
    raise KeyringFault("; ".join(reasons))
