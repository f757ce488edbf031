"""Files on their way to the person: written into the private folder that the page may serve from, then downloaded."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import gradio as gr

from assistant.exchange.exporter import Exporter, ExportFormat
from assistant.i18n import Translator
from assistant.ui.wiring import Changes

KEPT_SECONDS = 300


class Downloads:
    """Lays a hidden link out in the Blocks that is open; commands.js follows it as soon as it leads somewhere new.

    `folder` is the one that Gradio may serve from. A file that was downloaded is removed a while later, by the next
    download or at the end.
    """

    def __init__(self, exporter: Exporter, folder: Callable[[], Path | None], t: Translator) -> None:
        self._exporter, self._folder, self._t = exporter, folder, t
        self._given: list[tuple[float, Path]] = []
        self.link = gr.DownloadButton(t("export.link"), elem_id="export-link", size="sm")

    def all_chats(self, kind: ExportFormat) -> Changes:
        """Gives all chats as one file. Raises StoreError."""
        place = self._place()
        name = {"json": "hearth-chats.json", "md": "hearth-chats.zip", "html": "hearth-chats.html"}[kind]
        self._exporter.write_all(place / name, kind)
        return self._given_out(place / name)

    def one_chat(self, conversation_id: str, kind: ExportFormat) -> Changes:
        """Gives one chat as a file that has its title as a name. Raises StoreError."""
        return self._given_out(self._exporter.write_one(conversation_id, self._place(), kind))

    def _given_out(self, path: Path) -> Changes:
        """The words on the link change with every file: that is what commands.js looks for."""
        return {self.link: gr.update(value=str(path), label=f"{self._t('export.link')} {path.parent.name} {path.name}")}

    def _place(self) -> Path:
        now = time.monotonic()
        for given, folder in list(self._given):
            if now - given > KEPT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
                self._given.remove((given, folder))
        place = Path(tempfile.mkdtemp(prefix="export-", dir=self._folder()))
        self._given.append((now, place))
        return place
