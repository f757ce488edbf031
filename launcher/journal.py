"""The log: one file below the data dir, capped in size, without secrets or chats. A log that fails stops nothing."""

from __future__ import annotations

import faulthandler
import logging
import sys
import threading
from collections.abc import Callable, Collection
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import Any

from assistant.redaction import conceal
from assistant.visible import visible

log = logging.getLogger("hearth")

LARGEST_BYTES = 1_000_000
KEPT_FILES = 3
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# These tell addresses (with the one-time code in them) or every request.
_QUIET = ("uvicorn.access", "httpx", "httpx2", "httpcore", "httpcore2", "openai", "asyncio", "PIL", "filelock")


def open_journal(log_file: Path, *, is_debug: bool) -> None:
    """Sends all logging to `log_file`; to standard error too with `is_debug`, or where the file cannot be written."""
    root = logging.getLogger()
    root.handlers.clear()
    root.setLevel(logging.INFO)
    try:
        log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        log_file.touch(mode=0o600)
        handler = RotatingFileHandler(
            log_file, maxBytes=LARGEST_BYTES, backupCount=KEPT_FILES, encoding="utf-8", errors="backslashreplace"
        )
        root.addHandler(_formatted(handler))
    except OSError:
        is_debug = True
    if is_debug and sys.stderr is not None:
        root.addHandler(_formatted(logging.StreamHandler()))
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.raiseExceptions = False  # a full disk must not print a traceback for every line
    logging.captureWarnings(True)  # noqa: FBT003
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    if sys.stderr is not None:
        faulthandler.enable()


def hide_keys(keys: Callable[[], Collection[str]]) -> None:
    """From now on the log also hides the keys that `keys` gives, whatever they look like."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, _Discreet):
            handler.formatter.keys = keys


class _Discreet(logging.Formatter):
    """Takes keys out of the finished line, traceback and all: a server may echo one, a library may log what it sent.
    And nobody's words begin a line of their own, or turn one around: only a record does, and a traceback's stand in."""

    keys: Callable[[], Collection[str]] = tuple

    def format(self, record: logging.LogRecord) -> str:
        return conceal(super().format(record), self.keys())

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        return visible(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return "\n".join(f"    {visible(line)}" for line in super().formatException(ei).split("\n"))


def _formatted(handler: logging.Handler) -> logging.Handler:
    handler.setFormatter(_Discreet(FORMAT))
    return handler


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt | SystemExit) and error is not None:
        log.critical("uncaught", exc_info=(kind, error, trace))
