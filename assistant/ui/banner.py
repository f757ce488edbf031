"""The banner over all tabs: what a person has to know about the safety of the chats, as long as it holds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from html import escape

import gradio as gr

from assistant.caretaker import Caretaker
from assistant.errors import StoreError
from assistant.i18n import Translator
from assistant.ui.wiring import Changes, wire

LOOK_SECONDS = 3.0
MAX_FOLLOWERS = 12  # each holds one of Gradio's places for a running handler, also for a while when its page is gone


class Banner:
    """Lays the banner out in the Blocks that is open. A disk fills up, and has room again, when no handler runs: so one
    runs for each page, looks every few seconds, and says nothing while nothing is new. `unsaved` says why words are not
    on disk yet, None when all are."""

    def __init__(self, caretaker: Caretaker, unsaved: Callable[[], StoreError | None], t: Translator) -> None:
        self._caretaker, self._unsaved, self._t = caretaker, unsaved, t
        with gr.Row(elem_id="banner", visible=False) as self._row:
            self._words = gr.Markdown(elem_id="banner-words", container=False)
            self.backups = gr.Button(t("banner.backups"), elem_id="banner-backups", size="sm", scale=0, visible=False)
            self._close = gr.Button(t("banner.close"), elem_id="banner-close", size="sm", scale=0, visible=False)
        self._followers: deque[object] = deque(maxlen=MAX_FOLLOWERS)

    def wire(self, blocks: gr.Blocks) -> None:
        """Ties the handlers to the page."""
        whole = [self._row, self._words, self.backups, self._close]
        wire([blocks.load], self._follow, outputs=whole)
        wire([self._close.click], self._dismiss, outputs=whole)

    async def _follow(self) -> AsyncGenerator[Changes]:
        """The banner as it is, and as it becomes. Of too many pages the oldest are told no more."""
        me, shown = object(), ""
        self._followers.append(me)
        while me in self._followers:
            if (words := self._said()) != shown:
                shown = words
                yield self._changes(words)
            await asyncio.sleep(LOOK_SECONDS)

    def _changes(self, words: str) -> Changes:
        notices = self._caretaker.notices
        return {
            self._row: gr.update(visible=bool(words)),
            self._words: words,
            self.backups: gr.update(visible=bool(notices)),
            self._close: gr.update(visible=bool(notices)),
        }

    def _said(self) -> str:
        unsaved = self._unsaved()
        said = "".join(self._paragraph(error) for error in (*([unsaved] if unsaved else []), *self._caretaker.notices))
        return f'<div role="alert">{said}</div>' if said else ""

    def _dismiss(self) -> Changes:
        self._caretaker.dismiss()
        return self._changes(self._said())

    def _paragraph(self, error: StoreError) -> str:
        message, hint = escape(error.message_in(self._t)), escape(error.hint_in(self._t))
        return f"<p><strong>{message}</strong> {hint}</p>"
