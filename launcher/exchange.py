"""`hearth import` and `hearth export`: chats in and out, beside a running Hearth too. Gradio is never loaded here."""

from __future__ import annotations

import sys

from assistant import create_app
from assistant.visible import visible
from launcher.options import FAULT, OK, Options
from launcher.process import PrivateFolder
from launcher.words import t


def bring_in(options: Options, _: PrivateFolder) -> int:
    """Prints how many chats were added, and on standard error what became of the others."""
    app = create_app(options.profile, **options.choices)
    app.seal_process()
    report = app.import_chats(options.files, _show)
    print(t("exchange.added", count=report.added), flush=True)
    for key, count in (("exchange.grown", report.grown), ("exchange.known", report.known)):
        if count:
            print(t(key, count=count), file=sys.stderr)
    for item in report.skipped:
        print(visible(t("exchange.skipped", name=item.name, reason=item.reason(t))), file=sys.stderr)
    is_failure = bool(report.skipped) and not (report.added or report.grown or report.known)
    return FAULT if is_failure else OK


def write_out(options: Options, _: PrivateFolder) -> int:
    """Writes all chats into a file, or to standard output for "-"."""
    app = create_app(options.profile, **options.choices)
    app.seal_process()
    if options.files[0].name == "-":
        app.export_chats(None)
        return OK
    count = app.export_chats(options.files[0])
    print(t("exchange.written", count=count, path=options.files[0]), file=sys.stderr)
    return OK


def _show(done: int, of: int) -> None:
    if not sys.stderr.isatty():
        return
    print(f"\r{t('exchange.progress', done=done, of=of)}", end="\n" if done == of else "", file=sys.stderr, flush=True)
