"""The native window, under a real X server with a window manager."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.conftest import Served, eventually, hearth
from tests.desktop.conftest import Opened
from tests.desktop.screen import Screen
from tests.faults.test_process_faults import SERVER_THAT_DIES

pytestmark = pytest.mark.desktop
OpenWindow = Callable[..., Opened]


def saved(data_dir: Path, status: str) -> list[str]:
    """The parts of the saved messages with this status."""
    if not (data_dir / "hearth.db").is_file():
        return []
    with sqlite3.connect(f"file:{data_dir / 'hearth.db'}?mode=ro", uri=True) as database:
        return [row[0] for row in database.execute("SELECT parts FROM messages WHERE status = ?", [status])]


def gone(family: list[psutil.Process]) -> bool:
    return not any(member.is_running() and member.status() != psutil.STATUS_ZOMBIE for member in family)


def test_a_person_asks_with_the_keyboard_and_the_starter_model_answers(open_window: OpenWindow) -> None:
    opened = open_window()
    assert eventually(opened.has_window, within_seconds=30)
    assert eventually(opened.has_page, within_seconds=60)
    window = opened.window()
    assert opened.screen.xdotool("getwindowname", window).endswith("Hearth")
    opened.screen.xdotool("windowactivate", "--sync", window)

    def asked() -> bool:  # the page takes a moment to draw its composer
        opened.screen.xdotool("type", "--delay", "20", "Name three colours.")
        opened.screen.xdotool("key", "Return")
        return eventually(
            lambda: any("colours" in parts for parts in saved(opened.data_dir, "complete")), within_seconds=3
        )

    assert eventually(asked, within_seconds=30)
    assert eventually(lambda: len(saved(opened.data_dir, "complete")) >= 2, within_seconds=90)
    family = opened.family()
    opened.close_as_a_person()
    assert opened.process.wait(timeout=5) == 0
    assert eventually(lambda: gone(family), within_seconds=5)


def test_row_44_closing_in_mid_start_ends_everything_too(open_window: OpenWindow) -> None:
    opened = open_window()
    assert eventually(opened.has_window, within_seconds=30)
    family = opened.family()
    opened.close_as_a_person()
    assert eventually(lambda: opened.process.poll() is not None, within_seconds=5)
    assert eventually(lambda: gone(family), within_seconds=5)


def test_a_window_that_another_program_destroys_ends_everything(open_window: OpenWindow) -> None:
    opened = open_window()
    assert eventually(lambda: opened.has_window() and opened.has_page(), within_seconds=90)
    family = opened.family()
    opened.screen.xdotool("windowclose", opened.window())
    assert opened.process.wait(timeout=5) == 0
    assert eventually(lambda: gone(family), within_seconds=5)


def test_row_44_a_terminated_window_ends_everything(open_window: OpenWindow) -> None:
    opened = open_window()
    assert eventually(lambda: opened.has_window() and opened.has_page(), within_seconds=90)
    family = opened.family()
    opened.process.terminate()
    assert opened.process.wait(timeout=5) == 0
    assert eventually(lambda: gone(family), within_seconds=5)


def test_row_44_a_killed_window_leaves_no_process_behind(open_window: OpenWindow) -> None:
    opened = open_window()
    assert eventually(lambda: opened.has_window() and opened.has_page(), within_seconds=90)
    family = opened.family()
    opened.process.kill()
    assert eventually(lambda: gone(family), within_seconds=5)


def test_a_window_that_lost_its_cookie_is_let_in_again(open_window: OpenWindow) -> None:
    opened = open_window(command=[sys.executable, "-m", "tests.desktop.forgetful"])
    assert eventually(lambda: opened.has_window() and opened.has_page(), within_seconds=30)
    time.sleep(3)  # the page is up
    opened.process.send_signal(signal.SIGUSR1)

    assert eventually(lambda: opened.log.count("page ready") == 2, within_seconds=10)
    time.sleep(3)
    assert opened.log.count("page ready") == 2, "once, and not again and again"
    assert opened.process.poll() is None


def test_row_42_a_second_start_brings_the_first_window_to_the_front_and_ends(open_window: OpenWindow) -> None:
    first = open_window()
    assert eventually(lambda: first.has_window() and first.has_page(), within_seconds=90)
    first.screen.xdotool("windowminimize", first.window())
    assert eventually(lambda: not first.has_window(), within_seconds=5)
    second = open_window()
    assert second.process.wait(timeout=30) == 0
    assert eventually(first.has_window, within_seconds=5)


def newer_database(data_dir: Path) -> bytes:
    """Chats that only a later Hearth can read."""
    data_dir.mkdir()
    with closing(sqlite3.connect(data_dir / "hearth.db")) as db:
        db.execute("PRAGMA user_version = 99")
    return (data_dir / "hearth.db").read_bytes()


def test_a_newer_database_is_told_in_the_window_and_left_as_it_is(open_window: OpenWindow, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    before = newer_database(data_dir)
    opened = open_window(data_dir=data_dir)
    assert eventually(opened.has_window, within_seconds=30)
    assert eventually(lambda: "newer Hearth" in opened.log, within_seconds=30)
    assert opened.process.poll() is None, "the window stays and says why"
    opened.close_as_a_person()
    assert opened.process.wait(timeout=5) == 1
    assert (data_dir / "hearth.db").read_bytes() == before


def test_beside_a_window_that_could_not_start_serve_says_so(open_window: OpenWindow, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    newer_database(data_dir)
    opened = open_window(data_dir=data_dir)
    assert eventually(lambda: opened.has_window() and "newer Hearth" in opened.log, within_seconds=60)
    ended = hearth("serve", "--data-dir", str(data_dir))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "its window says why" in ended.stderr.lower()


def test_a_failed_start_can_be_tried_again(open_window: OpenWindow, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    newer_database(data_dir)
    opened = open_window(data_dir=data_dir)
    assert eventually(lambda: opened.has_window() and "newer Hearth" in opened.log, within_seconds=60)
    (data_dir / "hearth.db").unlink()
    opened.screen.xdotool("windowactivate", "--sync", opened.window())

    def tried() -> bool:  # the button has the focus once the failure is drawn
        opened.screen.xdotool("key", "Return")
        return eventually(opened.has_page, within_seconds=20)

    assert eventually(tried, within_seconds=60)
    opened.close_as_a_person()
    assert opened.process.wait(timeout=5) == 0


@pytest.mark.slow
def test_a_window_opens_on_a_running_serve_and_says_when_that_has_ended(
    open_window: OpenWindow, serve: Callable[..., Served]
) -> None:
    served = serve()
    opened = open_window(data_dir=served.data_dir)
    assert eventually(lambda: opened.has_window() and opened.has_page(), within_seconds=60)
    assert served.stop() == 0
    assert eventually(lambda: "has ended" in opened.log, within_seconds=10)
    assert opened.process.poll() is None, "the window stays and says why"
    again = opened.log.count("page ready") + 1
    opened.screen.xdotool("windowactivate", "--sync", opened.window())

    def tried() -> bool:
        opened.screen.xdotool("key", "Return")
        return eventually(lambda: opened.log.count("page ready") == again, within_seconds=20)

    assert eventually(tried, within_seconds=60), "it starts a Hearth of its own"
    opened.close_as_a_person()
    assert opened.process.wait(timeout=5) == 0


def test_row_45_a_server_that_dies_is_told_in_the_window_whose_end_is_then_1(screen: Screen, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER_THAT_DIES, "--data-dir", str(tmp_path)],
        env=os.environ | {"DISPLAY": screen.display},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        opened = Opened(process, screen, tmp_path)
        log = tmp_path / "logs" / "hearth.log"
        assert eventually(lambda: log.is_file() and "has stopped" in opened.log, within_seconds=60)
        assert "the server's thread dies" in opened.log
        assert opened.process.poll() is None, "the window stays and says why"
        opened.close_as_a_person()
        assert process.wait(timeout=10) == 1
    finally:
        process.kill()
        process.wait()


def test_nothing_is_written_beside_the_data_dir(open_window: OpenWindow, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    opened = open_window(HOME=str(home), XDG_CACHE_HOME=str(home / ".cache"), XDG_CONFIG_HOME=str(home / ".config"))
    assert eventually(lambda: opened.has_window() and opened.has_page(), within_seconds=90)
    opened.close_as_a_person()
    assert opened.process.wait(timeout=5) == 0
    written = {path.relative_to(home) for path in home.rglob("*") if path.is_file()}
    # The graphics driver's own cache, which it keeps for every program.
    assert {path for path in written if path.parts[:2] != (".cache", "mesa_shader_cache")} == set()


def test_row_46_without_a_display_a_sentence_names_the_way_out(tmp_path: Path) -> None:
    ended = hearth("--data-dir", str(tmp_path), DISPLAY="", WAYLAND_DISPLAY="")
    assert ended.returncode == 1
    assert "hearth serve" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_row_46_a_display_that_refuses_is_told_in_a_sentence(tmp_path: Path) -> None:
    ended = hearth("--data-dir", str(tmp_path), DISPLAY=":4711", WAYLAND_DISPLAY="", BROWSER="/nonexistent")
    assert ended.returncode == 1
    assert "hearth serve" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_names_that_the_window_s_guard_replaces_are_still_there(screen: Screen) -> None:
    from webview.platforms import qt  # late: it loads Qt

    for owner, name in (
        (qt.BrowserView.WebPage, "onFeaturePermissionRequested"),
        (qt.BrowserView.WebPage, "acceptNavigationRequest"),
        (qt.BrowserView.NavigationHandler, "acceptNavigationRequest"),
        (qt.BrowserView.WebView, "show_inspector"),
        (qt.BrowserView, "on_download_requested"),
        (qt, "environ_append"),
    ):
        assert callable(getattr(owner, name))
    assert screen.display
