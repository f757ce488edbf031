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
from contextlib import suppress
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
LONGEST_SOCKET_PATH = 100  # the systems' limits begin at 104
_FAULTS = (OSError, EOFError, ValueError, KeyError, AuthenticationError)


class Instance:
    """This process's claim on a profile."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._lock = FileLock(profile.instance_lock, thread_local=False)
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
        Raises StartError when it does not reply, or is only there to say why it did not start."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.claim():
            try:
                reply = self._ask(request)
                if "fault" in reply:
                    raise StartError("start-other-failed")
                return reply
            except _FAULTS as error:
                if time.monotonic() > deadline:
                    raise StartError("start-no-reply", path=self._profile.data_dir) from error
                time.sleep(0.1)
        return None

    def fresh_address(self) -> str:
        """Another one-time address of the running one. Raises StartError where it gives none."""
        try:
            return self._ask("address")["address"]
        except _FAULTS as error:
            raise StartError("start-no-reply", path=self._profile.data_dir) from error

    def answer(self, folder: Path, reply: Callable[[Request], Reply]) -> None:
        """Answers other starts, in threads of its own, until `release`. The channel's socket goes into `folder`.
        Raises StartError where the data dir cannot be written."""
        key = secrets.token_bytes(32)
        self._listener = _listener(folder / "control")
        try:
            self._publish(json.dumps({"address": self._listener.address, "key": key.hex()}))
        except OSError as error:
            reason = error.strerror or "?"
            raise StartError("data-dir", path=self._profile.data_dir, reason=reason) from error
        threading.Thread(target=self._listen, args=[self._listener, key, reply], name="instance", daemon=True).start()

    def release(self) -> None:
        """Gives the profile free."""
        if self._listener is not None:
            listener, self._listener = self._listener, None
            with suppress(OSError):  # what is left there is replaced by the next start
                self._profile.instance_file.unlink(missing_ok=True)
            listener.close()
        self._lock.release()

    def _publish(self, found: str) -> None:
        temporary = self._profile.instance_file.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(found)
        temporary.replace(self._profile.instance_file)

    def _ask(self, request: Request) -> Reply:
        found = json.loads(self._profile.instance_file.read_text(encoding="utf-8"))
        address = found["address"]
        with Client(tuple(address) if isinstance(address, list) else address) as connection:
            if not connection.poll(PATIENCE_SECONDS):
                raise TimeoutError  # it is stopped, or hangs
            answer_challenge(connection, bytes.fromhex(found["key"]))
            connection.send_bytes(json.dumps(request).encode())
            if not connection.poll(PATIENCE_SECONDS):
                raise TimeoutError
            return json.loads(connection.recv_bytes(LARGEST_MESSAGE_BYTES))

    def _listen(self, listener: Listener, key: bytes, reply: Callable[[Request], Reply]) -> None:
        while True:
            try:
                connection = listener.accept()
            except OSError as error:
                if self._listener is not listener:
                    return  # closed by release
                log.warning("another start could not be heard: %s", error)
                time.sleep(1)  # no file descriptor was left, say
                continue
            # A thread for each: one that says nothing keeps nobody waiting.
            threading.Thread(target=_answer_one, args=[connection, key, reply], daemon=True).start()


def _listener(path: Path) -> Listener:
    if os.name == "nt":
        return Listener(family="AF_PIPE")
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:  # TMPDIR lies deep; the key guards a loopback socket too
        return Listener(("127.0.0.1", 0), family="AF_INET")
    return Listener(str(path), family="AF_UNIX")


def _answer_one(connection: Connection, key: bytes, reply: Callable[[Request], Reply]) -> None:
    with connection:
        try:
            deliver_challenge(connection, key)
            request = json.loads(connection.recv_bytes(LARGEST_MESSAGE_BYTES))
            if request in ("address", "show"):
                connection.send_bytes(json.dumps(reply(request)).encode())
        except _FAULTS as error:
            log.info("a request from another start was not answered: %s", type(error).__name__)
