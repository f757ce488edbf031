"""The banner over all tabs: what a person has to know about the safety of the chats, as long as it holds."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from assistant.caretaker import Caretaker
from assistant.errors import StoreError
from assistant.i18n import Translator
from assistant.ui.links import as_html
from assistant.ui.wiring import Changes, wire

LOOK_SECONDS = 3.0


class Banner:
    """Lays the banner out in the Blocks that is open. The page looks every few seconds: a disk fills up, and has room
    again, when no handler runs. `unsaved` says why words are not on disk yet, None when all are."""

    def __init__(self, caretaker: Caretaker, unsaved: Callable[[], StoreError | None], t: Translator) -> None:
        self._caretaker, self._unsaved, self._t = caretaker, unsaved, t
        with gr.Row(elem_id="banner", visible=False) as self._row:
            self._words = gr.Markdown(elem_id="banner-words", container=False)
            self.backups = gr.Button(t("banner.backups"), elem_id="banner-backups", size="sm", scale=0, visible=False)
            self._close = gr.Button(t("banner.close"), elem_id="banner-close", size="sm", scale=0, visible=False)
        self._shown = gr.State("")
        self._timer = gr.Timer(LOOK_SECONDS)

    def wire(self, blocks: gr.Blocks) -> None:
        """Ties the handlers to the page."""
        whole = [self._row, self._words, self.backups, self._close, self._shown]
        wire([blocks.load], self._show, outputs=whole)
        wire([self._timer.tick], self._look, inputs=[self._shown], outputs=whole)
        wire([self._close.click], self._dismiss, outputs=whole)

    def _show(self) -> Changes:
        return self._look(None)

    def _look(self, shown: str | None) -> Changes:
        """Nothing but itself where nothing is new: the page is drawn again for each change."""
        unsaved, notices = self._unsaved(), self._caretaker.notices
        said = "".join(self._said(error) for error in (*([unsaved] if unsaved else []), *notices))
        words = f'<div role="alert">{said}</div>' if said else ""
        if words == shown:
            return {self._shown: shown}
        return {
            self._row: gr.update(visible=bool(words)),
            self._words: words,
            self.backups: gr.update(visible=bool(notices)),
            self._close: gr.update(visible=bool(notices)),
            self._shown: words,
        }

    def _dismiss(self) -> Changes:
        self._caretaker.dismiss()
        return self._look(None)

    def _said(self, error: StoreError) -> str:
        message, hint = as_html(error.message_in(self._t)), as_html(error.hint_in(self._t))
        return f"<p><strong>{message}</strong> {hint}</p>"
