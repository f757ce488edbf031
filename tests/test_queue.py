"""The queue of the page's events: it runs what is asked, keeps a stream open, and sleeps while nothing is."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

import gradio as gr

from assistant.ui.queue import PageQueue


class Counting(selectors.DefaultSelector):
    """Counts how often the event loop wakes up."""

    wakes = 0

    def select(self, timeout: float | None = None) -> Any:
        self.wakes += 1
        return super().select(timeout)


def test_an_idle_queue_does_not_wake_up() -> None:
    selector = Counting()

    async def idle() -> int:
        with gr.Blocks() as blocks:
            gr.Button()
        queue = PageQueue(blocks)
        queue.start()
        await asyncio.sleep(0.2)
        before = selector.wakes
        await asyncio.sleep(0.5)
        return selector.wakes - before

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        assert runner.run(idle()) <= 3  # Gradio's own: five hundred


def test_a_page_s_stream_has_something_to_wait_for() -> None:
    with gr.Blocks() as blocks:
        gr.Button()
    pending = PageQueue(blocks).pending_event_ids_session
    pending["a page"] = set()
    assert pending["a page"]
