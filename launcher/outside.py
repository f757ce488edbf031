"""Handing an address or a file to the person's own programs, as the person's session would start them."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import webbrowser
from pathlib import Path

from launcher.process import outside_environment

log = logging.getLogger(__name__)

_ADDRESSES = ("http://", "https://", "mailto:")


def open_outside(target: str) -> None:
    """Opens an address (http, https, mailto) or a file's path. A program that cannot be started is a line in the log.

    On Linux and macOS what we start may be the browser itself: it must not inherit our private temporary folder, which
    is gone after our end, nor our umask, nor that our web view runs without its sandbox.
    """
    opener = {"darwin": "open", "linux": "xdg-open"}.get(sys.platform)
    try:
        if opener is None or shutil.which(opener) is None:
            webbrowser.open(target if target.startswith(_ADDRESSES) else Path(target).as_uri())
            return
        subprocess.Popen(
            [opener, target],
            env=outside_environment(os.environ),
            cwd=Path.home(),
            umask=0o022,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, webbrowser.Error) as error:
        log.warning("nothing to open it with: %s", error)
