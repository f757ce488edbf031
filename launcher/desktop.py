"""`hearth`: the window at once, Hearth behind it step by step; and what else to do where there can be no window."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import webbrowser
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from assistant.errors import HearthError, StartError
from launcher.instance import PATIENCE_SECONDS, Instance, Reply, Request
from launcher.options import FAULT, OK, Options, tell
from launcher.outside import open_outside
from launcher.process import PrivateFolder
from launcher.webview_probe import check_window
from launcher.words import t

log = logging.getLogger(__name__)

END_SECONDS = 4.5
LET_IN_SECONDS = 5.0


def open_window(options: Options, private: PrivateFolder) -> int:
    """Shows the window until it is closed. A second start brings the first one's window to the front."""
    instance = Instance(options.profile)
    reply = instance.claim_or_ask("show")  # first of all: whoever starts a second time waits for nothing but this
    if reply is not None and "address" not in reply:
        return OK
    try:
        _check_machine()
    except StartError as error:
        instance.release()
        if error.key in ("start-no-display", "start-display-refused") or not _has_browser():
            raise
        tell(error)
        return _in_browser(options, private)
    return _Desktop(options, private, instance, address=reply["address"] if reply else None).run()


class _Desktop:
    """One window and the Hearth behind it; with `address`, behind it is one that another process runs."""

    def __init__(self, options: Options, private: PrivateFolder, instance: Instance, *, address: str | None) -> None:
        from launcher.window import Window  # late: it loads the web view

        self._options, self._private, self._instance, self._address = options, private, instance, address
        self._running = None
        self._is_starting = threading.Lock()
        self._has_settled = threading.Event()  # a start that others may ask about has ended, well or not
        self._has_failed = False
        self._let_in_at = 0.0
        self._window = Window(
            log_file=options.profile.log_file,
            on_try_again=self._begin,
            on_locked=self._let_in_again,
            is_debug=options.is_debug,
        )

    def run(self) -> NoReturn:
        """Shows the window until it is closed, and ends the process."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._window.close())
        if self._address is None:
            self._instance.answer(self._private.path, self._answer)
        else:
            threading.Thread(target=self._outlive_other, name="other", daemon=True).start()
        # The graphics driver's cache, else below the home: everything that Hearth writes lies in one folder.
        os.environ["MESA_SHADER_CACHE_DIR"] = str(self._options.profile.data_dir / "cache")
        self._window.show(self._begin, on_destroyed=self._end)
        self._end()

    def _end(self) -> NoReturn:
        watchdog = threading.Timer(END_SECONDS, self._end_hard)
        watchdog.daemon = True
        watchdog.start()
        if self._running is not None:
            self._running.stop()
        if self._address is None:
            self._instance.release()
        self._private.remove()
        logging.shutdown()
        # Qt takes its web view apart at exit in an order that can crash; nothing is left to do for us.
        os._exit(FAULT if self._has_failed else OK)

    def _begin(self) -> None:
        threading.Thread(target=self._start, name="start", daemon=True).start()

    def _start(self) -> None:
        if not self._is_starting.acquire(blocking=False):
            return
        try:
            self._has_settled.clear()
            self._has_failed = False
            self._window.open(self._address or self._started())
        except HearthError as error:
            self._fail(error)
        except Exception as error:  # a border: whatever it is, the window says so
            log.exception("the start failed")
            self._fail(StartError("start-failed", reason=f"{type(error).__name__}: {error}"[:300]))
        finally:
            self._has_settled.set()
            self._is_starting.release()

    def _let_in_again(self) -> None:
        """The window lost its cookie: it gets another code, but does not ask for one again and again."""
        if time.monotonic() - self._let_in_at > LET_IN_SECONDS:
            self._let_in_at = time.monotonic()
            threading.Thread(target=self._open_anew, name="let in", daemon=True).start()

    def _open_anew(self) -> None:
        try:
            if self._address is not None:
                self._window.open(self._instance.fresh_address())
            elif self._running is not None:
                self._window.open(self._running.address())
        except StartError as error:  # the other Hearth is ending; whoever waits for that will say so
            log.info("no new way in: %s", error)

    def _started(self) -> str:
        from launcher.running import Running  # late: the window is up by now

        if self._running is not None:
            self._running.stop()  # what is left of one that died
        self._running = Running(
            self._options.profile,
            self._options.choices,
            on_death=self._die,
            open_folder=lambda folder: open_outside(str(folder)),
        )
        return self._running.start(self._window.report)

    def _die(self, _: BaseException) -> None:
        self._fail(StartError("start-server-died"))

    def _fail(self, error: HearthError) -> None:
        log.error("told in the window: %s", error)
        self._has_failed = True
        self._window.fail(error)

    def _answer(self, request: Request) -> Reply:
        if request == "show":
            self._window.bring_to_front()
            return {"shown": True}
        # A second start while we start waits for the address.
        if not self._has_settled.wait(PATIENCE_SECONDS) or self._running is None or self._has_failed:
            return {"fault": "not running"}
        return {"address": self._running.address()}

    def _outlive_other(self) -> None:
        """Waits for the end of the Hearth that another process runs, and says so; "Try again" then starts our own."""
        while not self._instance.claim():
            time.sleep(1)
        self._address = None
        self._instance.answer(self._private.path, self._answer)
        self._has_settled.set()
        self._fail(StartError("start-other-ended"))

    def _end_hard(self) -> None:
        log.error("the end took too long")
        self._private.remove()
        os._exit(FAULT)


def _check_machine() -> None:
    """Raises StartError where no window can be shown."""
    if sys.platform != "linux":
        return
    if os.geteuid() == 0:
        log.info("running as root: QtWebEngine starts without its sandbox")
        os.environ["QTWEBENGINE_DISABLE_SANDBOX"] = "1"
    program = [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-P", "-m", "launcher"]
    check_window([*program, "probe-window"], meanwhile=_load_window)


def _load_window() -> None:
    """Loads Qt while the child tries it, which is most of the time to the start page. What is missing here is missing
    there too, and told from there: an import can fail but not abort."""
    with suppress(ImportError):
        import_module("launcher.qt_guard")
        import_module("launcher.window")


def _has_browser() -> bool:
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def _in_browser(options: Options, private: PrivateFolder) -> int:
    from launcher.serve import serve  # late: it loads the server, which the window has to come before

    print(t("cli.browser"), file=sys.stderr)
    return serve(options, private, show=open_outside)
