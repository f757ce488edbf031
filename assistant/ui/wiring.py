"""How handlers are tied to the page: one place, so that no event is shown as an API or draws a progress bar.

A handler that gives its changes at once is answered in the request that asks for it. Only one that yields, for what
takes long, goes through Gradio's queue, for which a page has to hold one of the few connections that a browser has for
an address.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Literal

import gradio as gr

Changes = dict[Any, Any]
"""What a handler gives back: new values or `gr.update(...)` by component; what is not named stays as it is."""


def wire(
    triggers: Sequence[Any],
    handler: Callable[..., Any],
    *,
    inputs: Sequence[Any] = (),
    outputs: Sequence[Any] = (),
    mode: Literal["once", "multiple", "always_last"] = "once",
) -> Any:
    """Runs `handler` on any of the triggers (such as `button.click`). Gives the event, which has `.then`. `mode`
    says what becomes of triggers that come while it runs: none counts, each does, or the last one, as after typing."""
    yields = inspect.isasyncgenfunction(handler)
    return gr.on(
        list(triggers),
        _never_silent(handler, outputs) if yields else handler,
        list(inputs),
        list(outputs),
        show_progress="hidden",
        api_visibility="private",
        trigger_mode=mode,
        queue=yields,
    )


def chain(event: Any, handler: Callable[..., Any], *, inputs: Sequence[Any] = (), outputs: Sequence[Any] = ()) -> Any:
    """Runs `handler` once the page has what the handlers of `event` gave it, a result of `wire` or `chain`."""
    return event.then(
        handler, list(inputs), list(outputs), show_progress="hidden", api_visibility="private", queue=False
    )


def _never_silent(handler: Callable[..., AsyncGenerator[Changes]], outputs: Sequence[Any]) -> Callable[..., Any]:
    """The handler, saying "no change" where it would yield nothing: Gradio 6.31 then empties every output."""

    @functools.wraps(handler)
    async def told(*inputs: Any) -> AsyncGenerator[Changes]:
        is_silent = True
        async with aclosing(handler(*inputs)) as changes:
            async for change in changes:
                is_silent = False
                yield change
        if is_silent:
            yield {outputs[0]: gr.update()}

    return told
