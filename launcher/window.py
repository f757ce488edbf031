"""The native window: the start page with its steps and failures, and the way from there to the page."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NoReturn

os.environ["QT_API"] = "pyside6"  # PyQt6 is GPL; qtpy reads this when it is imported

import webview

from assistant.errors import HearthError
from assistant.paths import asset
from launcher.outside import open_outside
from launcher.words import t

log = logging.getLogger(__name__)

_BACK_ENDS: dict[str, Literal["qt", "edgechromium"]] = {"linux": "qt", "win32": "edgechromium"}  # else: the system's
WIDTH, HEIGHT, LEAST = 1200, 800, (360, 480)


class Window:
    """`show` owns the main thread until the window is closed; everything else may be called from any thread.

    `on_try_again` is called when the person presses that button on the start page, `on_locked`, from the main thread,
    when the page no longer lets this window in.
    """

    def __init__(
        self, *, log_file: Path, on_try_again: Callable[[], None], on_locked: Callable[[], None], is_debug: bool
    ) -> None:
        self._on_locked = on_locked
        self._is_debug = is_debug
        self._origin = ""
        self._failure: HearthError | None = None
        webview.settings["ALLOW_DOWNLOADS"] = True
        webview.settings["ALLOW_FILE_URLS"] = False
        webview.settings["OPEN_EXTERNAL_LINKS_IN_BROWSER"] = True
        buttons = _StartButtons(self.failure_shown, log_file=log_file, on_try_again=on_try_again)
        window = webview.create_window(
            t("app.name"),
            html=_start_page(),
            js_api=buttons,
            width=WIDTH,
            height=HEIGHT,
            min_size=LEAST,
            text_select=True,
            zoomable=True,
            background_color="#1b1917" if _is_dark() else "#fdfcfa",
        )
        assert window is not None  # noqa: S101  # None only when an event handler vetoes it, and there is none
        self._window = window
        self._lock = threading.RLock()

    def show(self, begin: Callable[[], None], *, on_destroyed: Callable[[], NoReturn]) -> None:
        """Shows the start page, calls `begin` in a thread, and returns when the window is closed. `on_destroyed` is
        called where another program destroyed it."""
        if sys.platform == "linux":
            from launcher.qt_guard import EndWithWindow, install, watch_for_lock  # late: it loads Qt
            from launcher.qt_printing import watch_for_printing

            install(is_ours=self._is_ours, is_debug=self._is_debug)
            kept: list[EndWithWindow] = []
            self._window.events.before_show += lambda: kept.append(EndWithWindow(on_destroyed))
            self._window.events.before_show += lambda: watch_for_lock(is_ours=self._is_ours, on_locked=self._on_locked)
            self._window.events.before_show += watch_for_printing
        webview.start(
            begin,
            gui=_BACK_ENDS.get(sys.platform),
            debug=False,
            private_mode=True,
            icon=str(asset("icons", "hearth.png")),
        )

    def report(self, step: str) -> None:
        """Names the step that the start is at."""
        log.info("start: %s", step)
        self._run(f"hearth.step({json.dumps(t(f'start.step.{step}'))})")

    def open(self, address: str) -> None:
        """Leaves the start page for a one-time address."""
        with self._lock:
            self._failure = None
            self._origin = "/".join(address.split("/")[:3])
            self._window.load_url(address)
            log.info("page ready")

    def fail(self, error: HearthError) -> None:
        """Shows the start page with what went wrong, wherever the window is now."""
        with self._lock:
            self._failure = error
            if self._origin:
                self._origin = ""
                self._window.load_html(_start_page(), base_uri="")  # its default is a file: address
            self._run(f"hearth.fail({json.dumps(error.message_in(t))}, {json.dumps(error.hint_in(t))})")

    def failure_shown(self) -> HearthError | None:
        """The failure on the start page; None while there is none, and when the start page was left."""
        return None if self._origin else self._failure

    def bring_to_front(self) -> None:
        """Restores and raises the window."""
        self._window.restore()
        self._window.show()

    def close(self) -> None:
        """Closes it, as the person would."""
        self._window.destroy()

    def _is_ours(self, url: str) -> bool:
        return bool(self._origin) and url.startswith(f"{self._origin}/")

    def _run(self, script: str) -> None:
        """Runs a script on the start page once it is there. Never `evaluate_js`, which needs eval."""
        self._window.events.loaded.wait(20)
        self._window.run_js(script)


class _StartButtons:
    """What the start page's buttons may do. The page behind it sees the same object, so everything refuses there:
    without a failure on the start page there is nothing to press."""

    def __init__(
        self, failure: Callable[[], HearthError | None], *, log_file: Path, on_try_again: Callable[[], None]
    ) -> None:
        self._failure, self._log_file, self._on_try_again = failure, log_file, on_try_again

    def try_again(self) -> None:
        """Starts Hearth once more."""
        if self._failure():
            self._on_try_again()

    def open_log(self) -> None:
        """Shows the log in the system's viewer."""
        if self._failure():
            open_outside(str(self._log_file))

    def details(self) -> str:
        """What "Copy details" puts on the clipboard."""
        failure = self._failure()
        if failure is None:
            return ""
        return "\n".join([failure.message, failure.hint, f"Python {sys.version}", sys.platform, _tail(self._log_file)])


def _tail(log_file: Path) -> str:
    try:
        return "\n".join(log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-60:])
    except OSError:
        return ""


def _start_page() -> str:
    words: dict[str, Any] = {
        name: t(f"start.{name}") for name in ("title", "first-step", "try-again", "open-log", "copy", "copied")
    }
    page = asset("start.html").read_text(encoding="utf-8")
    for name, text in words.items():
        page = page.replace(f"{{{{{name}}}}}", text)
    return page


def _is_dark() -> bool:
    """Whether the window's first colour should be dark; the page itself asks the system again."""
    return os.environ.get("GTK_THEME", "").lower().endswith(("dark", ":dark"))
