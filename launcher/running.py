"""A Hearth that runs: the app, its server and its claim on the profile, started step by step and ended together."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Literal

from assistant import create_app
from assistant.paths import Profile
from launcher.journal import hide_keys
from launcher.server import Server

log = logging.getLogger(__name__)

Step = Literal["data", "interface", "server"]


class Running:
    """`start` may raise anything; after a failure it may be called again. `on_death` is called when the server ends
    by itself. `choices` are the command line's: endpoint, model, api_key."""

    def __init__(
        self, profile: Profile, choices: dict[str, str | None], *, on_death: Callable[[BaseException], None]
    ) -> None:
        self._profile, self._choices, self._on_death = profile, choices, on_death
        self._server: Server | None = None
        self._app: Any = None

    def start(self, report: Callable[[Step], None]) -> str:
        """Builds and serves Hearth, telling each step, and gives the first one-time address."""
        report("data")
        self._app = create_app(self._profile, **self._choices)
        self._app.seal_process()
        hide_keys(self._app.keys_to_hide)
        server = Server(on_death=self._on_death)
        try:
            report("interface")
            spare_gradio_its_stubs()
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


def spare_gradio_its_stubs() -> None:
    """Half of Gradio's import is rewriting .pyi files for an editor. Replaces that one function before the components
    load; where a new Gradio has none of that name, it starts the slow way."""
    name = "gradio.component_meta"
    if name in sys.modules or any(isinstance(finder, _StubSparer) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _StubSparer(name))


class _StubSparer:
    """Finds one module as the others would, and takes its function out once it has been loaded."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG002
        if name != self._name:
            return None
        sys.meta_path.remove(self)  # pyright: ignore[reportArgumentType]
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            if hasattr(module, "create_or_modify_pyi"):
                module.create_or_modify_pyi = lambda *_args, **_more: None  # type: ignore[attr-defined]
            else:
                log.info("this Gradio has no create_or_modify_pyi; it starts the slow way")

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
