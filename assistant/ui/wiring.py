"""How handlers are tied to the page: one place, so that no event is shown as an API or draws a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    return gr.on(
        list(triggers),
        handler,
        list(inputs),
        list(outputs),
        show_progress="hidden",
        api_visibility="private",
        trigger_mode=mode,
    )
