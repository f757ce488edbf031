"""The banner over all tabs: what a person has to know about the safety of the chats, as long as it holds."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from assistant.caretaker import Caretaker
from assistant.errors import StoreError
from assistant.i18n import Translator
from assistant.ui.links import as_html
from assistant.ui.wiring import Changes, wire


class Banner:
    """Lays the banner out in the Blocks that is open. A disk fills up, and has room again, when no handler runs: the
    feed tells the page to look again when `words` has changed. `unsaved` says why words are not on disk yet, None when
    all are."""

    def __init__(self, caretaker: Caretaker, unsaved: Callable[[], StoreError | None], t: Translator) -> None:
        self._caretaker, self._unsaved, self._t = caretaker, unsaved, t
        with gr.Row(elem_id="banner", visible=False) as self._row:
            self._words = gr.Markdown(elem_id="banner-words", container=False)
            self.backups = gr.Button(t("banner.backups"), elem_id="banner-backups", size="sm", scale=0, visible=False)
            self._close = gr.Button(t("banner.close"), elem_id="banner-close", size="sm", scale=0, visible=False)
        self.look = gr.Button("look", elem_id="banner-look")  # pressed by transcript.js when the feed says so

    def words(self) -> str:
        """What is to be told, as HTML; empty where there is nothing."""
        unsaved = self._unsaved()
        said = "".join(self._said(error) for error in (*([unsaved] if unsaved else []), *self._caretaker.notices))
        return f'<div role="alert">{said}</div>' if said else ""

    def wire(self, blocks: gr.Blocks) -> None:
        """Ties the handlers to the page."""
        whole = [self._row, self._words, self.backups, self._close]
        wire([blocks.load, self.look.click], self._show, outputs=whole)
        wire([self._close.click], self._dismiss, outputs=whole)

    def _show(self) -> Changes:
        words, notices = self.words(), self._caretaker.notices
        return {
            self._row: gr.update(visible=bool(words)),
            self._words: words,
            self.backups: gr.update(visible=bool(notices)),
            self._close: gr.update(visible=bool(notices)),
        }

    def _dismiss(self) -> Changes:
        self._caretaker.dismiss()
        return self._show()

    def _said(self, error: StoreError) -> str:
        message, hint = as_html(error.message_in(self._t)), as_html(error.hint_in(self._t))
        return f"<p><strong>{message}</strong> {hint}</p>"
