"""The composition root: builds settings, store, engine and conversation, and hands out the guarded page."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from starlette.types import ASGIApp

from assistant.doctor import Report
from assistant.events import Event
from assistant.paths import Profile


class App:
    """One Hearth on one profile. Use from one event loop."""

    profile: Profile

    def asgi(self, port: int) -> ASGIApp:
        """The page behind the guard, for a server that listens on 127.0.0.1:`port`. Imports Gradio: takes seconds, so
        call it in a thread. Its lifespan opens the store and starts the engine (shutdown ends both), so that
        `uvicorn.Config(app.asgi(port), lifespan="on")` is all that a server needs. Raises StoreError."""
        raise NotImplementedError

    def one_time_address(self) -> str:
        """A fresh `http://127.0.0.1:PORT/open?code=...`, after `asgi`. Safe from any thread."""
        raise NotImplementedError

    async def ask(self, question: str) -> AsyncGenerator[Event]:
        """Answers one question outside any chat; nothing of it is saved."""
        raise NotImplementedError
        yield

    async def examine(self) -> Report:
        """What `hearth doctor` reports. Never raises; whatever is wrong is a check in the report."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Ends engine and store; for callers that used `ask` or `examine` without a server."""
        raise NotImplementedError


def build_app(profile: Profile, *, endpoint: str | None, model: str | None, api_key: str | None) -> App:
    """See `assistant.create_app`."""
    raise NotImplementedError
