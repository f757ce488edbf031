"""Printing what the page asks to print: Qt asks for a printer, or for a file where there is none, and says how it went.

pywebview leaves this to the program: without it, `window.print()` does nothing in Qt's window.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtPrintSupport import QPrintDialog, QPrinter, QPrinterInfo
from PySide6.QtWidgets import QMessageBox
from webview.platforms import qt

from launcher.qt_downloads import downloads_folder
from launcher.words import t

log = logging.getLogger(__name__)

_IS_OVER = "dispatchEvent(new Event('hearth-printed'))"  # commands.js waits for it


def watch_for_printing() -> None:
    """Ties `window.print()` to the system's dialogue. For once there is a window."""
    for window in qt.BrowserView.instances.values():
        view = window.webview
        # Not inside Qt's own signal: the dialogue runs a loop of its own.
        view.page().printRequested.connect(lambda view=view: QTimer.singleShot(0, lambda: _print(view)))


def _print(view: Any) -> None:
    printer = QPrinter(QPrinter.PrinterMode.HighResolution)
    title = view.title() or t("app.name")
    printer.setDocName(title)
    if not QPrinterInfo.availablePrinterNames():  # the working directory, Qt's own proposal, is gone after the end
        name = re.sub(r"[^\w .-]+", "_", title).strip(" .")[:80]
        printer.setOutputFileName(str(downloads_folder() / f"{name or t('app.name')}.pdf"))
    if QPrintDialog(printer, view).exec() != QPrintDialog.DialogCode.Accepted:
        view.page().runJavaScript(_IS_OVER)
        return

    def tell(is_printed: bool) -> None:  # noqa: FBT001  # Qt's signal; it also keeps the printer while Qt writes to it
        view.printFinished.disconnect(tell)
        view.page().runJavaScript(_IS_OVER)
        log.info("printed on %s: %s", printer.printerName() or "a file", is_printed)
        if not is_printed:
            QMessageBox.warning(view, t("app.name"), t("error.print"))

    view.printFinished.connect(tell)
    view.print(printer)
