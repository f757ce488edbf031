"""One running Hearth for each data dir: a lock that a killed process frees, and a channel to reach the running one.

The channel is a Unix socket in the private folder (a named pipe on Windows) with a random key; where it is and the key
stand in a file that only this user can read. Both sides speak JSON, never pickle.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from assistant.errors import StartError
from assistant.paths import Profile

log = logging.getLogger(__name__)

Request = Literal["address", "show"]
Reply = dict[str, Any]
PATIENCE_SECONDS = 30.0
LARGEST_MESSAGE_BYTES = 65_536
_FAULTS = (OSError, EOFError, ValueError, KeyError, AuthenticationError)


class Instance:
    """This process's claim on a profile."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._lock = FileLock(profile.instance_lock)
        self._listener: Listener | None = None

    def claim(self) -> bool:
        """Whether this process is the running one of the profile, from now on until it ends."""
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        except OSError as error:
            reason = error.strerror or "?"
            raise StartError("data-dir", path=self._profile.data_dir, reason=reason) from error
        return True

    def claim_or_ask(self, request: Request) -> Reply | None:
        """None when the claim was had, else what the running one replied. Waits for one that is still starting.
        Raises StartError when it does not reply."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.claim():
            try:
                return self._ask(request)
            except _FAULTS as error:
                if time.monotonic() > deadline:
                    raise StartError("start-no-reply", path=self._profile.data_dir) from error
                time.sleep(0.1)
        return None

    def answer(self, folder: Path, reply: Callable[[Request], Reply]) -> None:
        """Answers other starts, in threads of its own, until `release`. The channel's socket goes into `folder`."""
        key = secrets.token_bytes(32)
        where = None if os.name == "nt" else str(folder / "control")
        self._listener = Listener(where, family="AF_PIPE" if os.name == "nt" else "AF_UNIX")
        found = json.dumps({"address": self._listener.address, "key": key.hex()})
        temporary = self._profile.instance_file.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(found)
        temporary.replace(self._profile.instance_file)
        threading.Thread(target=self._listen, args=[self._listener, key, reply], name="instance", daemon=True).start()

    def release(self) -> None:
        """Gives the profile free."""
        if self._listener is not None:
            self._profile.instance_file.unlink(missing_ok=True)
            self._listener.close()
        self._lock.release()

    def _ask(self, request: Request) -> Reply:
        found = json.loads(self._profile.instance_file.read_text(encoding="utf-8"))
        with Client(found["address"]) as connection:
            answer_challenge(connection, bytes.fromhex(found["key"]))
            connection.send_bytes(json.dumps(request).encode())
            if not connection.poll(PATIENCE_SECONDS):
                raise TimeoutError
            return json.loads(connection.recv_bytes(LARGEST_MESSAGE_BYTES))

    def _listen(self, listener: Listener, key: bytes, reply: Callable[[Request], Reply]) -> None:
        while True:
            try:
                connection = listener.accept()
            except OSError:
                return  # closed by release
            # A thread for each: one that says nothing keeps nobody waiting.
            threading.Thread(target=_answer_one, args=[connection, key, reply], daemon=True).start()


def _answer_one(connection: Connection, key: bytes, reply: Callable[[Request], Reply]) -> None:
    with connection:
        try:
            deliver_challenge(connection, key)
            request = json.loads(connection.recv_bytes(LARGEST_MESSAGE_BYTES))
            if request in ("address", "show"):
                connection.send_bytes(json.dumps(reply(request)).encode())
        except _FAULTS as error:
            log.info("a request from another start was not answered: %s", type(error).__name__)
