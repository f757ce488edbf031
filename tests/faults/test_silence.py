"""Row 61: nothing gets out. A room in which every attempt is heard, and Hearth in it (see quiet_room.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent.parent
LONGEST_SECONDS = 580  # a minute on a quiet machine; each step has a limit of its own

pytestmark = [
    pytest.mark.desktop,
    pytest.mark.timeout(LONGEST_SECONDS + 20),
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0,
        reason="a network of its own needs root and Linux",
    ),
]


@pytest.mark.slow
def test_a_start_a_chat_and_a_change_of_settings_attempt_no_foreign_connection(tmp_path: Path) -> None:
    """The window's Chromium included: what of it would have to be excepted would have to be named here."""
    room = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]  # all of it ends with us
    command = [*room, sys.executable, "-m", "tests.faults.quiet_room", str(tmp_path)]
    told = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False)

    assert told.returncode == 0, told.stdout + told.stderr
    found = json.loads(told.stdout.splitlines()[-1])
    assert found == {"hears": True, "refused": [], "packets": [], "proxied": []}
