"""A Hearth that runs: the app, its server and its claim on the profile, started step by step and ended together."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from assistant import create_app
from assistant.paths import Profile
from launcher.journal import hide_keys
from launcher.lean_import import spare_gradio_its_rest
from launcher.server import Server

log = logging.getLogger(__name__)

Step = Literal["data", "interface", "server"]


class Running:
    """`start` may raise anything; after a failure it may be called again. `on_death` is called when the server ends
    by itself. `choices` are the command line's: endpoint, model, api_key. `open_folder` shows a folder on the desktop,
    where there is one."""

    def __init__(
        self,
        profile: Profile,
        choices: dict[str, str | None],
        *,
        on_death: Callable[[BaseException], None],
        open_folder: Callable[[Path], None] | None = None,
    ) -> None:
        self._profile, self._choices, self._on_death = profile, choices, on_death
        self._open_folder = open_folder
        self._server: Server | None = None
        self._app: Any = None

    def start(self, report: Callable[[Step], None]) -> str:
        """Builds and serves Hearth, telling each step, and gives the first one-time address."""
        gc.disable()  # thousands of modules and no garbage: looking for some takes a fifth of the time
        try:
            return self._start(report)
        finally:
            gc.freeze()  # it all stays: later looks, in the middle of an answer, pass it over
            gc.enable()

    def _start(self, report: Callable[[Step], None]) -> str:
        report("data")
        self._app = create_app(self._profile, **self._choices)
        self._app.open_folder = self._open_folder
        self._app.seal_process()
        hide_keys(self._app.keys_to_hide)
        server = Server(on_death=self._on_death)
        try:
            report("interface")
            spare_gradio_its_rest()
            asgi = self._app.asgi(server.port)
            report("server")
            server.start(asgi)
        except BaseException:
            server.stop()
            raise
        self._server = server
        return self.address()

    def address(self) -> str:
        """A fresh one-time address."""
        return self._app.one_time_address()

    def stop(self) -> None:
        """Ends the server, and with it running answers (saved) and the engine."""
        if self._server is not None:
            self._server.stop()
            self._server = None
