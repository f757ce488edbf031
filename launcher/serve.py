"""`hearth serve`: the page without a window, for a browser on this machine."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable

from assistant.errors import StartError
from assistant.i18n import ENGLISH as t
from launcher.instance import Instance, Reply, Request
from launcher.options import OK, Options
from launcher.process import PrivateFolder
from launcher.running import Running

log = logging.getLogger(__name__)


def serve(options: Options, private: PrivateFolder, *, show: Callable[[str], object] = lambda _address: None) -> int:
    """Prints a one-time address as the first line, hands one to `show`, and serves until SIGTERM or SIGINT."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    instance = Instance(options.profile)
    reply = instance.claim_or_ask("address")
    if reply is not None:
        print(reply["address"], flush=True)
        show(reply["address"])
        return OK
    deaths: list[BaseException] = []

    def die(reason: BaseException) -> None:
        deaths.append(reason)
        ended.set()

    running = Running(options.profile, options.choices, on_death=die)
    try:
        print(running.start(lambda step: log.info("start: %s", step)), flush=True)
        instance.answer(private.path, lambda request: answer(request, running))
        show(running.address())
        print(t("cli.serving"), file=sys.stderr, flush=True)
        wait(ended)
    finally:
        running.stop()
        instance.release()
    if deaths:
        raise StartError("start-server-died") from deaths[0]
    return OK


def answer(_: Request, running: Running) -> Reply:
    """What another start is told: without a window of our own, it opens one on the address."""
    return {"address": running.address()}


def wait(ended: threading.Event) -> None:
    """Waits so that signals are seen on Windows too."""
    while not ended.wait(0.5):
        pass
