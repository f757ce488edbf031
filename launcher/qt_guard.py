"""What pywebview's Qt back end does not refuse by itself: navigation away, pop-ups, cameras and microphones.

Its names are private to pywebview; a test fails when they move.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from PySide6.QtCore import Qt, QTimer, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWebEngineCore import QWebEnginePage
from PySide6.QtWidgets import QMessageBox
from webview.platforms import qt

from assistant.i18n import ENGLISH as t

log = logging.getLogger(__name__)


def install(*, is_ours: Callable[[str], bool], is_debug: bool) -> None:
    """Replaces the page classes that the window will be made of. `is_ours` tells whether the window may go to an
    address; other web addresses are offered to the system's browser, and nothing else is followed."""

    class GuardedPage(qt.BrowserView.WebPage):
        def __init__(self, parent: Any = None, profile: Any = None) -> None:
            super().__init__(parent, profile)
            if hasattr(self, "permissionRequested"):
                self.permissionRequested.connect(lambda permission: permission.deny())

        def acceptNavigationRequest(  # noqa: N802  # pyright: ignore[reportIncompatibleMethodOverride]  # Qt's names
            self,
            url: QUrl,
            kind: QWebEnginePage.NavigationType,
            is_main_frame: bool,  # noqa: FBT001
        ) -> bool:
            address = url.toString()
            is_start_page = url.scheme() in ("data", "about") and kind == _TYPED
            if not is_main_frame or is_ours(address) or is_start_page:
                return True
            _offer(address)
            return False

        def onFeaturePermissionRequested(self, url: QUrl, feature: Any) -> None:  # noqa: N802
            self.setFeaturePermission(url, feature, QWebEnginePage.PermissionPolicy.PermissionDeniedByUser)

    class LinkPage(qt.BrowserView.NavigationHandler):
        """Takes what would be a new window."""

        def acceptNavigationRequest(self, url: QUrl, _kind: Any, _is_main_frame: bool) -> bool:  # noqa: N802, FBT001  # pyright: ignore[reportIncompatibleMethodOverride]
            _offer(url.toString())
            return False

    qt.BrowserView.WebPage = GuardedPage
    qt.BrowserView.NavigationHandler = LinkPage
    if not is_debug:
        qt.BrowserView.WebView.show_inspector = _no_inspector


def _no_inspector(self: Any) -> None:
    """Outside --debug nothing listens for a debugger."""


_TYPED = QWebEnginePage.NavigationType.NavigationTypeTyped


def _offer(address: str) -> None:
    """Asks, with the whole address in sight, whether the system's browser shall open it."""
    if urlsplit(address).scheme not in ("http", "https"):
        log.info("a link of another kind was not followed")
        return
    QTimer.singleShot(0, lambda: _ask(address))  # not inside Qt's own decision: the dialogue runs a loop of its own


def _ask(address: str) -> None:
    view = next(iter(qt.BrowserView.instances.values()), None)
    box = QMessageBox(view)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(t("link.title"))
    box.setText(t("link.question"))
    box.setInformativeText(address)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setStandardButtons(QMessageBox.StandardButton.Open | QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(QMessageBox.StandardButton.Cancel)
    if box.exec() == QMessageBox.StandardButton.Open:
        QDesktopServices.openUrl(QUrl(address))
