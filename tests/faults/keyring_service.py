"""A desktop's keyring of a test's own: a private session bus with a real gnome-keyring on it, unlocked or locked."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def gnome_keyring(home: Path, *, is_locked: bool = False) -> Iterator[dict[str, str]]:
    """Gives the environment of programs on that desktop. `home` holds the keyring's files; a second one on the same
    home finds what the first one kept. Locked: nobody is there who could type its password."""
    run_time = Path(tempfile.mkdtemp(prefix="keyring-"))
    environment = {"HOME": str(home), "XDG_RUNTIME_DIR": str(run_time), "XDG_DATA_HOME": str(home / "share")}
    bus = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address=1", f"--address=unix:dir={run_time}"],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert bus.stdout is not None
    environment["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
    how = ["--start"] if is_locked else ["--unlock"]
    service = subprocess.Popen(
        ["gnome-keyring-daemon", "--foreground", "--components=secrets", *how],
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert service.stdin is not None
    service.stdin.write(b"" if is_locked else b"password")
    service.stdin.close()
    try:
        _wait_until_it_serves(environment)
        yield environment
    finally:
        for process in (service, bus):
            process.terminate()
            process.wait(10)
        bus.stdout.close()
        shutil.rmtree(run_time, ignore_errors=True)


def _wait_until_it_serves(environment: dict[str, str]) -> None:
    asking = [
        *("dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus"),
        *("org.freedesktop.DBus.GetNameOwner", "string:org.freedesktop.secrets"),
    ]
    for _ in range(100):
        if subprocess.run(asking, env=os.environ | environment, capture_output=True, check=False).returncode == 0:
            return
        subprocess.run(["sleep", "0.1"], check=True)
    raise AssertionError("the keyring does not start")
