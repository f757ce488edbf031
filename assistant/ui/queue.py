"""The queue of what open pages ask for: Gradio's own, but woken when there is something to do.

Gradio's looks a thousand times a second whether something waits, and a hundred times whether some progress is to be
told (Hearth tells none), which keeps a processor at 5 % for nothing; and with every event it reckons statistics over
the last ten thousand, with pandas. What is overridden here is private to Gradio: a test counts how often an idle Hearth
wakes up, and says so when a new one calls it by other names.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import gradio as gr
from gradio.queueing import Queue
from gradio.utils import run_coro_in_background, set_task_name

MOST_WAITING = 64  # handlers that have not begun; more pages than that ask at once only when something is wrong


class PageQueue(Queue):
    """All handlers may run at once, as many as Gradio has places for; up to MOST_WAITING wait for one."""

    def __init__(self, blocks: gr.Blocks) -> None:
        super().__init__(
            live_updates=True,
            concurrency_count=blocks.max_threads,
            update_intervals=1,
            max_size=MOST_WAITING,
            blocks=blocks,
            default_concurrency_limit=None,
        )
        self.pending_event_ids_session = _AlwaysPending()
        self._news = asyncio.Event()

    async def push(self, *asked: Any, **named: Any) -> Any:
        """Takes one more, and sees to it that it begins."""
        pushed = await super().push(*asked, **named)
        self._news.set()
        return pushed

    async def process_events(self, *events: Any, **named: Any) -> None:
        """Runs a handler; its place is free afterwards."""
        try:
            await super().process_events(*events, **named)
        finally:
            self._news.set()

    async def start_processing(self) -> None:
        """Begins what waits, whenever something has come or ended."""
        try:
            while not self.stopped:
                self._news.clear()
                while None in self.active_jobs and (waiting := self.get_events()) is not None:
                    self._begin(*waiting)
                await self._news.wait()
        finally:
            self.stopped = True
            self._cancel_asyncio_tasks()

    async def start_progress_updates(self) -> None:
        """No handler of Hearth's tells Gradio of its progress."""

    def compute_analytics_summary(self, records: Any) -> Any:  # noqa: ARG002  # Gradio's name
        """Nobody looks at Gradio's statistics."""
        return self.cached_event_analytics_summary

    def _begin(self, events: list[Any], is_batch: bool, concurrency_id: str) -> None:  # noqa: FBT001  # Gradio's order
        began, first = time.time(), events[0]
        self.active_jobs[self.active_jobs.index(None)] = events
        beside = self.event_queue_per_concurrency_id[concurrency_id]
        beside.current_concurrency += 1
        beside.start_times_per_fn[first.fn].add(began)
        task = run_coro_in_background(self.process_events, events, is_batch, began, first.fn)
        set_task_name(task, first.session_hash, first.fn._id, first._id, is_batch)
        self._asyncio_tasks.add(task)
        task.add_done_callback(self._asyncio_tasks.discard)


class _AlwaysPending(dict[str, set[str]]):
    """Gradio's events that are pending, by page, and one more for each page that never comes: so a page keeps its one
    stream of events for as long as it is there.

    Gradio ends it when nothing is pending, and its client opens another for the next event. An event that begins in
    between is lost: its frames go into a stream that the client is just closing, and the page waits for ever (seen in
    6.31, in one of ten questions that were asked while the page loaded). With something always pending it never ends.
    """

    def __setitem__(self, session: str, events: set[str]) -> None:
        super().__setitem__(session, events | {"the page itself"})
