"""`hearth ask` and `hearth doctor`: the assistant without a page. Gradio is never loaded here."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress

from assistant import create_app
from assistant.errors import HearthError, StartError
from assistant.events import TextDelta, TurnFailed
from assistant.i18n import ENGLISH
from assistant.visible import harmless
from launcher.journal import hide_keys
from launcher.options import FAULT, INTERRUPTED, OK, Options, tell
from launcher.process import PrivateFolder
from launcher.words import t


def ask(options: Options, _: PrivateFolder) -> int:
    """Streams the answer to standard output, and nothing else."""
    question = sys.stdin.buffer.read().decode(errors="replace") if options.question == "-" else options.question
    if not question.strip():
        raise StartError("start-no-question")
    return _until_done(_ask(options, question.encode(errors="replace").decode()))  # no halves of characters


def doctor(options: Options, _: PrivateFolder) -> int:
    """Prints what is wrong and how to mend it; 0 if an answer can be had."""
    return _until_done(_doctor(options))


async def _ask(options: Options, question: str) -> int:
    app = create_app(options.profile, **options.choices)
    app.seal_process()
    hide_keys(app.keys_to_hide)
    if app.notice is not None:
        tell(app.notice)  # the answer may come from somewhere else than the person thinks
    failure: HearthError | None = None
    has_begun = False
    try:
        async for event in app.ask(question):
            match event:
                case TextDelta(text):
                    has_begun = True
                    print(harmless(text) if sys.stdout.isatty() else text, end="", flush=True)
                case TurnFailed(error):
                    failure = error
                case _:
                    pass
        if has_begun or failure is None:
            print(flush=True)
    finally:
        await app.aclose()
    if failure is None:
        return OK
    tell(failure)
    return FAULT


async def _doctor(options: Options) -> int:
    app = create_app(options.profile, **options.choices)
    app.seal_process()
    hide_keys(app.keys_to_hide)
    try:
        report = await app.examine(ENGLISH if options.is_json else t)
    finally:
        await app.aclose()
    print(report.as_json() if options.is_json else report.as_text(t), flush=True)
    return OK if report.ok else FAULT


def _until_done(work: object) -> int:
    """Runs a coroutine; Ctrl+C and SIGTERM cancel it, so that the engine ends with us."""

    async def run() -> int:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # Windows raises KeyboardInterrupt instead
                asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            return INTERRUPTED
        except BrokenPipeError:
            # Whoever read us has enough; Python would complain about it once more at the exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return OK

    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):
            stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    return asyncio.run(run())
