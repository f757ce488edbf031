"""What a machine that cannot show the window is told, with children that fail as Qt does."""

from __future__ import annotations

import sys

import pytest

from assistant.errors import StartError
from launcher import webview_probe
from launcher.webview_probe import check_window, packages_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux builds its web view from packages")


def told(monkeypatch: pytest.MonkeyPatch, script: str) -> StartError:
    """What `check_window` raises when the child runs `script`."""
    monkeypatch.setenv("DISPLAY", ":4711")
    with pytest.raises(StartError) as caught:
        check_window([sys.executable, "-c", f"import sys, os, time; {script}"])
    return caught.value


def test_row_46_a_missing_library_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "ImportError: libnss3.so: cannot open shared object file: No such file or directory"
    error = told(monkeypatch, f"sys.exit({reason!r})")
    assert error.key == "start-no-web-view"
    assert "sudo apt install libnss3" in error.hint
    assert "hearth serve" in error.hint


def test_a_child_that_aborts_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    error = told(monkeypatch, "print('qt.qpa: no', file=sys.stderr, flush=True); os.abort()")
    assert (error.key, error.values["reason"]) == ("start-web-view-fails", "qt.qpa: no")


def test_a_display_that_refuses_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, "sys.exit('could not connect to display :4711')").key == "start-display-refused"


def test_a_child_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webview_probe, "PROBE_SECONDS", 0.5)
    assert told(monkeypatch, "time.sleep(60)").key == "start-web-view-hangs"


def test_no_display_needs_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(StartError) as caught:
        check_window(["/nonexistent"])
    assert caught.value.key == "start-no-display"


@pytest.mark.parametrize(("glibc", "name"), [((2, 36), "libasound2"), ((2, 39), "libasound2t64")])
def test_packages_have_the_name_that_this_system_s_apt_knows(glibc: tuple[int, int], name: str) -> None:
    libraries = ["libasound.so.2", "libnssutil3.so", "libnss3.so", "libunheard-of.so.1"]
    assert packages_of(libraries, glibc=glibc) == [name, "libnss3", "libunheard-of.so.1"]
