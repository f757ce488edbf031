"""The Backups page of the Settings tab: the snapshots, what one of them would bring back, and bringing it back."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import gradio as gr

from assistant.backup import Snapshot
from assistant.caretaker import Caretaker
from assistant.errors import HearthError, StoreError
from assistant.i18n import Translator
from assistant.merge import Difference
from assistant.ui.links import as_html
from assistant.ui.wiring import Changes, wire


class BackupsPage:
    """Lays the page out in the Blocks that is open."""

    def __init__(self, caretaker: Caretaker, t: Translator) -> None:
        self._caretaker, self._t = caretaker, t
        with gr.Column(elem_id="backups-page", elem_classes="settings-page"):
            with gr.Row(elem_id="backups-head"):
                gr.Markdown(f"## {t('backups.title')}\n\n{t('backups.about')}", container=False)
                self._now = gr.Button(t("backups.now"), elem_id="backup-now", size="sm", scale=0)
            self._choice = gr.Radio(
                label=t("backups.choice"), info=t("backups.choice.help"), elem_id="backup-choice", visible=False
            )
            self._none = gr.Markdown(t("backups.none"), elem_id="backup-none", container=False)
            self._preview = gr.Markdown(elem_id="backup-preview", container=False)
            self._restore = gr.Button(
                t("backups.restore"), elem_id="backup-restore", variant="primary", scale=0, visible=False
            )
            self._kept = gr.Markdown(elem_id="backup-kept", container=False)

    def wire(self, tab: gr.Tab, way_in: gr.Button) -> None:
        """Ties the handlers to the page. The list is read when it is opened: by its tab, or by the button `way_in`."""
        whole = [self._choice, self._none, self._preview, self._restore, self._kept]
        wire([tab.select, way_in.click], self._show, outputs=whole)
        wire([self._now.click], self._back_up, outputs=whole)
        wire([self._choice.input], self._look_into, inputs=[self._choice], outputs=whole)
        wire([self._restore.click], self._bring_back, inputs=[self._choice], outputs=whole)

    async def _show(self) -> Changes:
        return await asyncio.to_thread(self._list)

    async def _back_up(self) -> Any:
        yield {self._preview: _sentences([self._t("backups.working")], "plain")}
        try:
            snapshot = await asyncio.to_thread(self._caretaker.back_up)
        except HearthError as error:
            yield {self._preview: self._failed(error)}
            return
        said = self._t("backups.made", name=snapshot.path.name)
        yield await self._show() | {self._preview: _sentences([said], "good")}

    async def _look_into(self, name: str | None) -> Any:
        yield {
            self._preview: _sentences([self._t("backups.working")], "plain"),
            self._restore: gr.update(visible=False),
        }
        try:
            difference = await asyncio.to_thread(self._caretaker.preview, self._chosen(name))
        except HearthError as error:
            yield {self._preview: self._failed(error)}
            return
        yield {
            self._preview: _sentences(difference_words(difference, self._t), "plain"),
            self._restore: gr.update(visible=not difference.is_none),
        }

    async def _bring_back(self, name: str | None) -> Any:
        yield {
            self._preview: _sentences([self._t("backups.working")], "plain"),
            self._restore: gr.update(visible=False),
        }
        try:
            brought = await asyncio.to_thread(self._caretaker.restore, self._chosen(name))
        except HearthError as error:
            yield {self._preview: self._failed(error), self._restore: gr.update(visible=True)}
            return
        said = self._t("backups.restored", chats=brought.chats_to_add, messages=brought.messages_to_add)
        yield await self._show() | {self._preview: _sentences([said], "good")}

    def _list(self) -> Changes:
        """What there is. The choice and its preview stay: a quick hand may have chosen before the list was read."""
        snapshots = self._caretaker.backups.all()
        return {
            self._choice: gr.update(
                choices=[(self._line(one), one.path.name) for one in snapshots], visible=bool(snapshots)
            ),
            self._none: gr.update(visible=not snapshots),
            self._kept: self._set_aside(),
        }

    def _line(self, snapshot: Snapshot) -> str:
        counts = self._caretaker.backups.counts(snapshot)
        when, size = self._t.moment(snapshot.made_at), _size(snapshot.size_bytes)
        if counts is None:
            return self._t("backups.line-unreadable", when=when, size=size)
        return self._t("backups.line", when=when, size=size, chats=counts[0], messages=counts[1])

    def _set_aside(self) -> str:
        """The damaged files that were kept, in words; empty where there are none."""
        path = self._caretaker.database.path
        names = sorted(found.name for found in path.parent.glob(f"{path.name}.corrupt-*")) if path else []
        names = [name for name in names if not name.endswith(("-wal", "-shm"))]
        if not names or path is None:
            return ""
        listed = "".join(f"<li><code>{as_html(name)}</code></li>" for name in names)
        said = as_html(self._t("backups.set-aside", folder=path.parent))
        return f"<h2>{as_html(self._t('backups.set-aside.title'))}</h2><p>{said}</p><ul>{listed}</ul>"

    def _chosen(self, name: str | None) -> Snapshot:
        snapshot = self._caretaker.backups.find(name or "")
        if snapshot is None:
            raise StoreError("backup-gone")
        return snapshot

    def _failed(self, error: HearthError) -> str:
        return _sentences([error.message_in(self._t), error.hint_in(self._t)], "bad")


def difference_words(difference: Difference, t: Translator) -> list[str]:
    """What restoring would bring, as sentences."""
    if difference.is_none:
        return [t("backups.preview.none")]
    said = [t("backups.preview", chats=difference.chats_to_add, messages=difference.messages_to_add)]
    if difference.chats_with_more_messages:
        said.append(t("backups.preview.more", chats=difference.chats_with_more_messages))
    if difference.messages_changed:
        said.append(t("backups.preview.changed", messages=difference.messages_changed))
    return [*said, t("backups.preview.safe")]


def _sentences(sentences: list[str], mood: Literal["good", "bad", "plain"]) -> str:
    shown = " ".join(f"<p>{as_html(sentence)}</p>" for sentence in sentences if sentence)
    return f'<div class="hearth-result hearth-{mood}">{shown}</div>'


def _size(count: int) -> str:
    return f"{count / 1000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
