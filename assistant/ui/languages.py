"""The page in the language that is chosen: laid out anew when another one is. To whoever serves it, one application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import Context
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send


class Pages:
    """`build` lays the page out in a language, by its code; `lifespan` is that of everything behind the page. A page
    that is replaced lives on until the end: what it was asked before may still be under way."""

    def __init__(
        self,
        build: Callable[[str], FastAPI],
        language: str,
        *,
        lifespan: Callable[[Any], AbstractAsyncContextManager[None]],
    ) -> None:
        self.language = language
        self._build, self._behind = build, lifespan
        self._page = build(language)
        self._outside = Starlette(lifespan=self._live)
        self._changing = asyncio.Lock()
        self._is_over = asyncio.Event()
        self._lives: list[asyncio.Task[None]] = []

    @property
    def routes(self) -> list[BaseRoute]:
        """Those of the page that is served."""
        return self._page.routes

    async def speak(self, language: str) -> None:
        """From now on the page is served in this language; one that is open has to be loaded again."""
        async with self._changing:
            if language == self.language:
                return
            fresh = Context()  # in that of an event's handler, Gradio takes what is laid out for a part of its page
            page = await asyncio.to_thread(fresh.run, self._build, language)
            await self._begin(page)
            self._page, self.language = page, language

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._outside if scope["type"] == "lifespan" else self._page)(scope, receive, send)

    @asynccontextmanager
    async def _live(self, _: Starlette) -> AsyncGenerator[None]:
        async with self._behind(self):
            await self._begin(self._page)
            try:
                yield
            finally:
                self._is_over.set()
                await asyncio.gather(*self._lives)

    async def _begin(self, page: FastAPI) -> None:
        """In a task of its own: what a page begins has to be ended by the same one. Raises what its start raised."""
        has_begun = asyncio.get_running_loop().create_future()

        async def live() -> None:
            try:
                async with page.router.lifespan_context(page):
                    has_begun.set_result(None)
                    await self._is_over.wait()
            except BaseException as error:
                if has_begun.done():
                    raise
                has_begun.set_exception(error)

        self._lives.append(asyncio.create_task(live(), name=f"page {len(self._lives) + 1}"))
        await has_begun
