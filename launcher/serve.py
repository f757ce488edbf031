"""`hearth serve`: the page without a window, for a browser on this machine."""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from assistant.errors import StartError
from launcher.instance import Instance, Reply, Request
from launcher.options import OK, Options
from launcher.process import PrivateFolder
from launcher.words import t

if TYPE_CHECKING:
    from launcher.running import Running

log = logging.getLogger(__name__)


def serve(options: Options, private: PrivateFolder, *, show: Callable[[str], object] = lambda _address: None) -> int:
    """Prints a one-time address as the first line, hands one to `show`, and serves until SIGTERM or SIGINT."""
    ends: list[object] = []  # why it ends; a list, since a second signal may come while the first is being handled
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: ends.append(number))
    instance = Instance(options.profile)
    reply = instance.claim_or_ask("address")
    if reply is not None:
        print(reply["address"], flush=True)
        show(reply["address"])
        return OK
    from launcher.running import Running  # late: a second start has gone by now

    running = Running(options.profile, options.choices, on_death=ends.append)
    try:
        print(running.start(lambda step: log.info("start: %s", step)), flush=True)
        instance.answer(private.path, lambda request: answer(request, running))
        show(running.address())
        print(t("cli.serving"), file=sys.stderr, flush=True)
        while not ends:
            time.sleep(0.2)
    finally:
        running.stop()
        instance.release()
    if isinstance(ends[0], BaseException):
        raise StartError("start-server-died") from ends[0]
    return OK


def answer(_: Request, running: Running) -> Reply:
    """What another start is told: without a window of our own, it opens one on the address."""
    return {"address": running.address()}
