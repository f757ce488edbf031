"""What pywebview's Qt back end does not refuse by itself: navigation away, pop-ups, cameras and microphones.

Its names are private to pywebview; a test fails when they move.
"""

from __future__ import annotations

import ctypes
import logging
import struct
from collections.abc import Callable
from typing import Any, NoReturn
from urllib.parse import urlsplit

from PySide6.QtCore import QAbstractNativeEventFilter, Qt, QTimer, QUrl
from PySide6.QtGui import QGuiApplication
from PySide6.QtWebEngineCore import QWebEngineLoadingInfo, QWebEnginePage
from PySide6.QtWidgets import QApplication, QMessageBox

from launcher.lean_import import spare_qt_its_rest
from launcher.outside import open_outside
from launcher.qt_downloads import save
from launcher.words import t

spare_qt_its_rest()
from webview.platforms import qt  # noqa: E402  # after that

log = logging.getLogger(__name__)

_LOCKED = 401
_QUESTIONS = {"http": "link.question", "https": "link.question", "mailto": "link.question-mail"}


def install(*, is_ours: Callable[[str], bool], is_debug: bool) -> None:
    """Teaches the page classes that the window will be made of. `is_ours` tells whether the window may go to an
    address; other web addresses are offered to the system's browser, and nothing else is followed.

    The classes are changed and not replaced: their own `super()` calls go by the name that a replacement would take.
    """

    def stay(_page: Any, url: QUrl, kind: QWebEnginePage.NavigationType, is_main_frame: bool) -> bool:  # noqa: FBT001
        address = _whole(url)
        is_start_page = url.scheme() in ("data", "about") and kind == QWebEnginePage.NavigationType.NavigationTypeTyped
        if not is_main_frame or is_ours(address) or is_start_page:
            return True
        _offer(address)
        return False

    def open_no_window(_page: Any, url: QUrl, _kind: Any, _is_main_frame: bool) -> bool:  # noqa: FBT001
        _offer(_whole(url))
        return False

    def grant_nothing(page: Any, url: QUrl, feature: Any) -> None:
        page.setFeaturePermission(url, feature, QWebEnginePage.PermissionPolicy.PermissionDeniedByUser)

    QGuiApplication.setApplicationName(t("app.name"))  # else the desktop calls us __main__.py
    QGuiApplication.setDesktopFileName("hearth")
    QGuiApplication.setAttribute(Qt.ApplicationAttribute.AA_DisableShaderDiskCache)  # it lies outside the data dir
    teach(qt.BrowserView.WebPage, "acceptNavigationRequest", stay)
    teach(qt.BrowserView.WebPage, "onFeaturePermissionRequested", grant_nothing)
    teach(qt.BrowserView.NavigationHandler, "acceptNavigationRequest", open_no_window)
    teach(qt.BrowserView, "on_download_requested", save)
    teach(qt, "environ_append", _without_granting(qt.environ_append))
    if not is_debug:
        teach(qt.BrowserView.WebView, "show_inspector", _no_inspector)


def watch_for_lock(*, is_ours: Callable[[str], bool], on_locked: Callable[[], None]) -> None:
    """Calls `on_locked` when our own page answers 401: this window has lost its cookie. For once there is a window."""

    def changed(info: QWebEngineLoadingInfo) -> None:
        is_answer = info.errorDomain() == QWebEngineLoadingInfo.ErrorDomain.HttpStatusCodeDomain
        if is_answer and info.errorCode() == _LOCKED and is_ours(info.url().toString()):
            on_locked()

    for view in qt.BrowserView.instances.values():
        view.webview.page().loadingChanged.connect(changed)


class EndWithWindow(QAbstractNativeEventFilter):
    """Ends the application when another program destroys its X window: Qt would go on without one, unseen."""

    _DESTROY_NOTIFY = 17  # X11's number; the event: type (1 byte), pad, sequence (2), parent (4), window (4)

    def __init__(self, end: Callable[[], NoReturn]) -> None:
        super().__init__()
        self._end = end
        application = QApplication.instance()
        assert application is not None  # noqa: S101  # it is made before the window whose event calls us
        application.installNativeEventFilter(self)

    def nativeEventFilter(self, event_type: Any, message: Any) -> tuple[bool, int]:  # noqa: N802  # Qt's name
        if bytes(event_type) == b"xcb_generic_event_t":
            kind, _, _, _, window = _XCB_EVENT.unpack(ctypes.string_at(int(message), _XCB_EVENT.size))
            if kind & 0x7F == self._DESTROY_NOTIFY and window in _our_windows():
                log.info("the window was destroyed from outside")
                self._end()  # here and now: back in Qt, it would draw into the window that is gone, and crash
        return False, 0


_XCB_EVENT = struct.Struct("=BBHII")


def _our_windows() -> list[int]:
    return [int(view.winId()) for view in qt.BrowserView.instances.values()]


def teach(owner: Any, name: str, method: Callable[..., Any]) -> None:
    """Replaces a method or function that is there. Raises AttributeError where a new pywebview has moved it: no window
    is better than one that goes anywhere."""
    getattr(owner, name)
    setattr(owner, name, method)


def _without_granting(append: Callable[..., Any]) -> Callable[..., Any]:
    """pywebview's `environ_append` without the flag that lets Chromium grant camera, microphone and screen by itself:
    with it, the page is never even asked about."""

    def appended(name: str, *values: str) -> None:
        append(name, *(value for value in values if "fake-ui-for-media-stream" not in value))

    return appended


def _no_inspector(self: Any) -> None:
    """Outside --debug nothing listens for a debugger."""


def _whole(url: QUrl) -> str:
    """The address as it travels, all of it ASCII: no letter passes for another, and none turns the rest round."""
    return url.toEncoded().toStdString()


def _offer(address: str) -> None:
    """Asks, with the whole address in sight, whether the system's browser or mail program shall open it."""
    if urlsplit(address).scheme not in _QUESTIONS:
        log.info("a link of another kind was not followed")
        return
    QTimer.singleShot(0, lambda: _ask(address))  # not inside Qt's own decision: the dialogue runs a loop of its own


def _ask(address: str) -> None:
    view = next(iter(qt.BrowserView.instances.values()), None)
    box = QMessageBox(view)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(t("link.title"))
    box.setText(t(_QUESTIONS[urlsplit(address).scheme]))
    box.setInformativeText(address)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setStandardButtons(QMessageBox.StandardButton.Open | QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(QMessageBox.StandardButton.Cancel)
    if box.exec() == QMessageBox.StandardButton.Open:
        open_outside(address)
