"""A plain function in a thread of its own, which nobody has to wait for."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any


async def in_thread(function: Callable[[], Any], *, name: str) -> Any:
    """What `function` gives, or raises. Whoever stops waiting is free at once: the thread cannot be ended, so it goes
    on by itself, and what it brings then is dropped. It is none of the event loop's few threads, which the store needs
    too, and does not keep the process alive."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[Any] = loop.create_future()

    def told(settle: Callable[[Any], None], value: Any) -> None:
        if not result.done():
            settle(value)

    def run() -> None:
        try:
            given = context.run(function)
        except BaseException as error:  # noqa: BLE001  # it is raised where it is waited for
            settle, value = result.set_exception, _raisable(error)
        else:
            settle, value = result.set_result, given
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(told, settle, value)

    context = contextvars.copy_context()
    threading.Thread(target=run, name=f"tool {name}", daemon=True).start()
    return await result


def _raisable(error: BaseException) -> BaseException:
    """A future takes no StopIteration, and SystemExit would end the event loop."""
    return error if isinstance(error, Exception) and not isinstance(error, StopIteration) else RuntimeError(repr(error))
