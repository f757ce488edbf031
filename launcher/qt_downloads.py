"""Saving what the page hands out: asks where, in the person's own Downloads folder, and says when it did not work."""

from __future__ import annotations

import logging
from pathlib import Path, PurePath
from typing import Any

from PySide6.QtCore import QStandardPaths
from PySide6.QtWebEngineCore import QWebEngineDownloadRequest
from PySide6.QtWidgets import QFileDialog, QMessageBox

from launcher.words import t

log = logging.getLogger(__name__)


def save(view: Any, download: QWebEngineDownloadRequest) -> None:
    """Takes the place of pywebview's `on_download_requested`, which calls a method that Qt 6 no longer has.

    The dialogue opens in the Downloads folder: the working directory is Hearth's own and is gone after the end.
    """
    suggested = PurePath(download.downloadFileName().replace("\\", "/")).name
    chosen, _ = QFileDialog.getSaveFileName(view, "", str(downloads_folder() / suggested))
    if not chosen:
        return  # not accepted: Qt drops it
    path = Path(chosen)
    download.setDownloadDirectory(str(path.parent))
    download.setDownloadFileName(path.name)

    def tell(state: QWebEngineDownloadRequest.DownloadState) -> None:
        if state == QWebEngineDownloadRequest.DownloadState.DownloadInterrupted:
            reason = download.interruptReasonString()
            log.error("a file was not saved: %s", reason)
            QMessageBox.warning(view, t("app.name"), t("error.start-save", reason=reason))

    download.stateChanged.connect(tell)
    download.accept()


def downloads_folder() -> Path:
    """Where the person's files arrive; their home where the system has no such folder."""
    found = Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DownloadLocation))
    return found if found.is_dir() else Path.home()
