"""What a page may do in Hearth's window, tried by hostile pages."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.desktop.screen import Screen

pytestmark = pytest.mark.desktop
OnStage = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def on_stage(screen: Screen, tmp_path: Path) -> Iterator[OnStage]:
    """Shows a page that runs the script, on a machine that seems to have a camera and a microphone."""
    (tmp_path / "Downloads").mkdir()
    with ExitStack() as stack:

        def show(script: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.desktop.stage", script],
                env=os.environ
                | {
                    "DISPLAY": screen.display,
                    "HOME": str(tmp_path),
                    "QTWEBENGINE_CHROMIUM_FLAGS": "--use-fake-device-for-media-stream",
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            return process

        yield show


@pytest.fixture
def elsewhere() -> Iterator[ThreadingHTTPServer]:
    """Another server of this machine, which notes what is asked of it."""

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    server.asked = asked  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize(
    "wish",
    [
        "navigator.mediaDevices.getUserMedia({audio: true})",
        "navigator.mediaDevices.getUserMedia({video: true})",
        "navigator.mediaDevices.getDisplayMedia({video: true})",
        "navigator.clipboard.readText()",
        "new Promise((yes, no) => navigator.geolocation.getCurrentPosition(yes, () => no({name: 'NotAllowedError'})))",
    ],
)
def test_the_page_cannot_watch_or_listen(on_stage: OnStage, wish: str) -> None:
    stage = on_stage(f"{wish}.then(() => say('granted'), (error) => say(error.name))")
    assert said(stage) in ("NotAllowedError", "AbortError")  # the second is how Qt says no to a capture


@pytest.mark.parametrize(
    "way", ["location.href = '{address}'", "follow('{address}', {{target: '_blank'}})", "window.open('{address}')"]
)
def test_a_link_elsewhere_waits_for_a_yes(
    on_stage: OnStage, screen: Screen, elsewhere: ThreadingHTTPServer, way: str
) -> None:
    address = f"http://127.0.0.1:{elsewhere.server_port}/secret"
    stage = on_stage(way.format(address=address) + "; setTimeout(() => say(location.pathname), 1500)")
    assert eventually(lambda: bool(screen.xdotool("search", "--onlyvisible", "--name", "^Open a link$")))
    assert said(stage) == "/", "the page stays where it is"
    screen.xdotool("key", "Escape")
    assert elsewhere.asked == []  # type: ignore[attr-defined]


# Pressed by a person: then Chromium hands what it does not know to the desktop, unless it is told not to.
PRESSED = 'document.body.innerHTML = \'<a href="{}" target="{}" style="font-size: 300px">press</a>\'; say(\'there\')'


def press(stage: subprocess.Popen[str], screen: Screen) -> None:
    assert said(stage) == "there"
    time.sleep(1)
    screen.xdotool("mousemove", "700", "350", "click", "1")


@pytest.mark.parametrize("target", ["_self", "_blank"])
@pytest.mark.parametrize(("address", "is_offered"), [("mailto:a@x.example", True), ("ssh://host/", False)])
def test_a_letter_is_offered_to_the_mail_program_and_nothing_else(
    on_stage: OnStage, screen: Screen, address: str, target: str, *, is_offered: bool
) -> None:
    press(on_stage(PRESSED.format(address, target)), screen)
    time.sleep(2)
    assert bool(screen.xdotool("search", "--onlyvisible", "--name", "^Open a link$")) == is_offered


@pytest.mark.parametrize("address", ["file:///etc/passwd", "data:text/html,x", "ssh://host/"])
def test_a_link_of_another_kind_leads_nowhere(on_stage: OnStage, screen: Screen, address: str) -> None:
    stage = on_stage(f"follow('{address}'); setTimeout(() => say(location.pathname), 1500)")
    assert said(stage) == "/"
    assert screen.xdotool("search", "--onlyvisible", "--name", "^Open a link$") == ""


def test_a_download_is_saved_where_the_person_says(on_stage: OnStage, screen: Screen, tmp_path: Path) -> None:
    on_stage("follow('/file?x=/../../deep', {download: ''})")
    assert eventually(lambda: bool(screen.xdotool("search", "--onlyvisible", "--name", "^Save As$")))
    screen.xdotool("search", "--name", "^Save As$", "windowactivate", "--sync", "key", "Return")
    saved = tmp_path / "Downloads" / "report.csv"
    assert eventually(lambda: saved.is_file() and saved.read_text() == "a,b\n1,2\n")


PRINTS = "document.title = 'A <chat>/x'; addEventListener('hearth-printed', () => say('over')); window.print()"


def test_printing_asks_and_makes_a_file_where_there_is_no_printer(
    on_stage: OnStage, screen: Screen, tmp_path: Path
) -> None:
    stage = on_stage(f"document.body.textContent = 'on paper'; {PRINTS}")
    assert eventually(lambda: bool(screen.xdotool("search", "--onlyvisible", "--name", "^Print$")))
    printed = tmp_path / "Downloads" / "A _chat_x.pdf"

    def pressed() -> bool:  # the dialogue takes a moment to listen to the keyboard
        screen.xdotool("search", "--name", "^Print$", "windowactivate", "--sync", "key", "Return")
        return eventually(printed.is_file, within_seconds=3)

    assert eventually(pressed, within_seconds=15)
    assert said(stage) == "over"
    assert printed.read_bytes().startswith(b"%PDF-")


def test_printing_that_is_called_off_leaves_nothing_and_is_over(
    on_stage: OnStage, screen: Screen, tmp_path: Path
) -> None:
    stage = on_stage(PRINTS)
    assert eventually(lambda: bool(screen.xdotool("search", "--onlyvisible", "--name", "^Print$")))

    def gone() -> bool:
        screen.xdotool("search", "--name", "^Print$", "windowactivate", "--sync", "key", "Escape")
        return not screen.xdotool("search", "--onlyvisible", "--name", "^Print$")

    assert eventually(gone)
    assert said(stage) == "over"
    assert list((tmp_path / "Downloads").iterdir()) == []


def test_the_start_page_s_buttons_refuse_once_it_was_left(on_stage: OnStage) -> None:
    stage = on_stage(
        "const wait = setInterval(() => { if (!window.pywebview?.api?.details) return; clearInterval(wait);"
        " window.pywebview.api.try_again(); window.pywebview.api.details().then((text) => say(`[${text}]`)); }, 50)"
    )
    assert said(stage) == "[]"


@pytest.mark.parametrize(
    ("link", "opened"),
    [
        ("http://127.0.0.1:9/a?b=c", "http://127.0.0.1:9/a?b=c"),
        # A letter of another script, and one that turns round what follows, as they are shown and handed over.
        ("https://\u0430pple.example/\u202egpj.exe", "https://xn--pple-43d.example/%E2%80%AEgpj.exe"),
        ("https://bank.example@elsewhere.example/", "https://bank.example@elsewhere.example/"),
    ],
)
def test_after_a_yes_the_browser_gets_the_address_and_nothing_of_ours(
    on_stage: OnStage, screen: Screen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: str, opened: str
) -> None:
    opener = tmp_path / "bin" / "xdg-open"
    opener.parent.mkdir()
    got = tmp_path / "got"
    opener.write_text(f'#!/bin/sh\n(echo "$1"; umask; env) > {got}.new; mv {got}.new {got}\n')
    opener.chmod(0o755)
    monkeypatch.setenv("PATH", f"{opener.parent}:{os.environ['PATH']}")
    on_stage(f"follow('{link}', {{target: '_blank'}})")
    assert eventually(lambda: bool(screen.xdotool("search", "--onlyvisible", "--name", "^Open a link$")))

    def pressed() -> bool:  # the question takes a moment to listen to the keyboard
        screen.xdotool("search", "--name", "^Open a link$", "windowactivate", "--sync", "key", "Tab")
        screen.xdotool("key", "space")
        return eventually(got.is_file, within_seconds=3)

    assert eventually(pressed, within_seconds=15)
    address, umask, *environment = got.read_text().splitlines()
    assert (address, umask) == (opened, "0022")
    assert not any(line.startswith(("QTWEBENGINE_", "QT_API")) for line in environment)


def test_a_window_that_is_locked_out_says_so_to_the_launcher(on_stage: OnStage) -> None:
    stage = on_stage("if (location.pathname === '/') location.href = '/locked'")

    assert said(stage) == "locked"
