"""The `hearth` command: the window by default, and the others; some are hidden, for Hearth itself."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence

from assistant.errors import HearthError, StartError
from launcher.options import FAULT, INTERRUPTED, OK, Options, parse, tell, version
from launcher.output import find_terminal, log_output
from launcher.words import t

log = logging.getLogger("hearth")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code: 0 done, 1 a fault that was told in a sentence, 2 wrong usage."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["engine"]:
        from assistant.engines.child import main as engine  # late: the child loads nothing else of Hearth

        engine()
        return OK
    if words[:1] == ["keeper"]:
        from assistant.tools.mcp.keeper import main as keeper  # late: as above

        keeper()
        return OK
    if words[:1] == ["own-function"]:
        from assistant.tools.own.child import main as own_function  # late: as the engine

        own_function()
        return OK
    if words[:1] == ["probe-window"]:
        from launcher.webview_probe import probe  # late: this is a process of its own

        return probe()
    find_terminal()
    options = parse(words)
    t.follow(options.profile)
    try:
        return _run(options)
    except HearthError as error:
        tell(error)
        return FAULT
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception:
        if options.is_debug:
            raise
        log.exception("a bug")
        print(t("error.bug"), t("cli.log", path=options.profile.log_file), file=sys.stderr)
        return FAULT


def _run(options: Options) -> int:
    # late: only now is it certain that Hearth starts, and each command loads no more than it needs
    from launcher import process
    from launcher.journal import open_journal

    process.clean_environment()
    process.forget_foreign_modules()
    process.raise_file_limit()
    try:
        options.profile.create()
    except OSError as error:
        if options.command != "doctor":  # who reports it beside everything else
            reason = error.strerror or "?"
            raise StartError("data-dir", path=options.profile.data_dir, reason=reason) from error
    log_output(options.profile.log_file.with_name("output.log"))
    open_journal(options.profile.log_file, is_debug=options.is_debug)
    try:
        private = process.PrivateFolder()
    except OSError as error:
        raise StartError("start-temp", reason=error.strerror or "?") from error
    private.enter()
    log.info("Hearth %s, %s", version(), options.command)
    try:
        return _command(options.command)(options, private)
    finally:
        private.remove()


def _command(name: str) -> Callable[..., int]:
    if name == "serve":
        from launcher.serve import serve

        return serve
    if name in ("ask", "doctor"):
        from launcher import terminal

        return terminal.ask if name == "ask" else terminal.doctor
    if name == "backup":
        from launcher.snapshot import back_up

        return back_up
    if name in ("import", "export"):
        from launcher import exchange

        return exchange.bring_in if name == "import" else exchange.write_out
    from launcher.desktop import open_window

    return open_window


if __name__ == "__main__":
    sys.exit(main())
