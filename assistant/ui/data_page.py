"""The Chats page of the Settings tab: bringing chats in from elsewhere, and taking all of them out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import gradio as gr

from assistant.errors import HearthError
from assistant.exchange.exporter import FORMATS, ExportFormat
from assistant.exchange.importer import Importer, ImportReport
from assistant.i18n import Translator
from assistant.ui.export import Downloads
from assistant.ui.links import as_html
from assistant.ui.sidebar import Sidebar
from assistant.ui.state import PageState
from assistant.ui.wiring import Changes, wire
from assistant.visible import visible

SKIPPED_SHOWN = 50
LOOK_SECONDS = 0.3


class DataPage:
    """Lays the page out in the Blocks that is open."""

    def __init__(self, importer: Importer, downloads: Downloads, t: Translator) -> None:
        self._importer, self._downloads, self._t = importer, downloads, t
        with gr.Column(elem_id="data-page", elem_classes="settings-page"):
            gr.Markdown(f"## {t('data.import')}\n\n{t('data.import.about')}", container=False)
            self._files = gr.File(
                label=t("data.files"),
                elem_id="import-files",
                file_count="multiple",
                file_types=[".zip", ".json", ".md"],
                height=140,
            )
            self._report = gr.Markdown(elem_id="import-report", container=False)
            gr.Markdown(f"## {t('data.export')}\n\n{t('data.export.about')}", container=False)
            self._format = gr.Radio(
                [(t(f"data.format.{kind}"), kind) for kind in FORMATS],
                value="json",
                label=t("data.format"),
                elem_id="export-format",
            )
            self._export = gr.Button(t("data.export-all"), elem_id="export-all", scale=0)
            self._fault = gr.Markdown(elem_id="export-fault", container=False)

    def wire(self, state: gr.State, sidebar: Sidebar) -> None:
        """Ties the handlers to the page. The side bar lists what came in."""
        self._sidebar = sidebar
        brought = [self._files, self._report, *sidebar.outputs]
        wire([self._files.upload], self._bring_in, inputs=[state, self._files], outputs=brought)
        outputs = [self._downloads.link, self._fault]
        wire([self._export.click], self._take_out, inputs=[self._format], outputs=outputs)

    async def _bring_in(self, page: PageState, paths: list[str] | None) -> AsyncGenerator[Changes]:
        if not paths:
            return
        progress = [0, 0]

        def told(done: int, of: int) -> None:
            progress[:] = done, of

        work = asyncio.create_task(asyncio.to_thread(self._importer.bring_in, [Path(name) for name in paths], told))
        while not work.done():
            done, of = progress
            said = self._t("exchange.progress", done=done, of=of) if of else self._t("data.reading")
            bar = f'<progress max="{of}" value="{done}"></progress>' if of else ""
            yield {self._report: f'<div class="hearth-result"><p>{as_html(said)}</p>{bar}</div>'}
            await asyncio.wait({work}, timeout=LOOK_SECONDS)
        try:
            said = self._told(work.result())
        except HearthError as error:
            said = f'<div class="hearth-result hearth-bad"><p>{as_html(error.message_in(self._t))}</p></div>'
        yield {self._files: None, self._report: said} | await self._sidebar.refresh(page)

    def _told(self, report: ImportReport) -> str:
        t = self._t
        lines = [t("exchange.added", count=report.added)]
        lines += [t("exchange.grown", count=report.grown)] if report.grown else []
        lines += [t("exchange.known", count=report.known)] if report.known else []
        said = "".join(f"<p>{as_html(line)}</p>" for line in lines)
        rows = "".join(
            f"<li>{as_html(visible(item.name)[:120])}: {as_html(visible(item.reason(t)))}</li>"
            for item in report.skipped[:SKIPPED_SHOWN]
        )
        if len(report.skipped) > SKIPPED_SHOWN:
            rows += f"<li>{as_html(t('data.more-skipped', count=len(report.skipped) - SKIPPED_SHOWN))}</li>"
        skipped = f"<p>{as_html(t('data.skipped'))}</p><ul>{rows}</ul>" if rows else ""
        mood = "hearth-bad" if rows else "hearth-good"
        return f'<div class="hearth-result {mood}">{said}{skipped}</div>'

    async def _take_out(self, kind: ExportFormat) -> Changes:
        try:
            return {self._fault: ""} | await asyncio.to_thread(self._downloads.all_chats, kind)
        except HearthError as error:
            return {self._fault: as_html(error.message_in(self._t))}
