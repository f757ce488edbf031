"""The child process in which a person's function runs. Nothing of their file is ever loaded anywhere else.

Protocol: one JSON line on standard input (see `Order`), JSON lines on standard output: {"piece": [SHOWN...]} for each
thing a generator yields, and one of {"functions": [...], "left_out": [...]}, {"shown": [SHOWN...]} or {"fault": {...}}
at the end. What the function prints goes to standard error. It ends when its standard input does, with all that it has
started, so that nothing outlives Hearth. Needs nothing of Hearth but this file and its neighbours `signatures` and
`shown`, which beside the standard library need pydantic.
"""

from __future__ import annotations

import asyncio
import importlib.abc
import importlib.util
import inspect
import json
import linecache
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from assistant.tools.own.shown import shown
from assistant.tools.own.signatures import ArgumentsRefused, described, given, public_functions

MODULE = "own_function"
_LONGEST_FAULT = 2000


@dataclass(frozen=True)
class Order:
    """What to do with a file's `source`: describe its functions, or call one, if it is named."""

    path: str
    source: str
    function: str = ""
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])


def main() -> None:
    """Does what it is told, once."""
    answer, orders = _claim_streams()
    line = orders.readline()
    if not line:
        return
    order = Order(**json.loads(line))
    threading.Thread(target=_end_with_parent, args=(orders,), daemon=True).start()

    def say(message: dict[str, Any]) -> None:
        text = json.dumps(message, ensure_ascii=False, default=str).encode("utf-8", "replace")  # half a character: ?
        with os.fdopen(os.dup(answer), "wb") as out:
            out.write(text + b"\n")

    try:
        say(_done(order, say))
    except ArgumentsRefused as error:
        say({"fault": {"kind": "arguments", "what": str(error)}})
    except BaseException as error:  # noqa: BLE001  # whatever their code raises, an exit too, is told and not ours
        say({"fault": _fault(error, order)})
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads of theirs do not hold us up


def _claim_streams() -> tuple[int, Any]:
    """Standard output and input for us alone: the function finds no input, and prints to standard error."""
    answer, orders = os.dup(1), os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # pyright: ignore
    return answer, orders


def _end_with_parent(orders: Any) -> None:
    """Blocks until the parent is gone or has had enough."""
    while orders.read(4096):
        pass
    if os.name == "posix" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)  # and what the function has started
    os._exit(1)


def _done(order: Order, say: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    module = _loaded(order)
    if not order.function:
        functions, left_out = described(module)
        return {"functions": functions, "left_out": left_out}
    function = public_functions(module)[order.function]
    result = function(**given(function, order.arguments))
    if inspect.iscoroutine(result):
        result = asyncio.run(result)
    if inspect.isasyncgen(result):
        result = _drawn(result)
    if not inspect.isgenerator(result):
        return {"shown": shown(result, function)}
    for piece in result:
        say({"piece": shown(piece, function)})
    return {"shown": []}


def _drawn(pieces: Any) -> Iterator[Any]:
    """An asynchronous generator as a plain one."""
    with asyncio.Runner() as runner:
        while True:
            try:
                yield runner.run(anext(pieces))
            except StopAsyncIteration:
                return


class _AsShown(importlib.abc.InspectLoader):
    """Loads exactly the text that the person has seen, whatever the file says now and whatever encoding it claims."""

    def __init__(self, order: Order) -> None:
        self._order = order

    def get_source(self, fullname: str) -> str:  # noqa: ARG002  # importlib's call
        return self._order.source

    def get_code(self, fullname: str) -> Any:
        return self.source_to_code(self.get_source(fullname), self._order.path)


def _loaded(order: Order) -> ModuleType:
    lines = [f"{line}\n" for line in order.source.split("\n")]
    linecache.cache[order.path] = (len(order.source), None, lines, order.path)  # for the lines of a traceback
    spec = importlib.util.spec_from_loader(MODULE, _AsShown(order), origin=order.path)
    assert spec is not None and spec.loader is not None  # noqa: S101  # for the type checker: it has both
    module = importlib.util.module_from_spec(spec)
    module.__file__ = order.path
    sys.modules[MODULE] = module
    spec.loader.exec_module(module)
    return module


def _fault(error: BaseException, order: Order) -> dict[str, Any]:
    """What happened, and in which line of the person's file."""
    told = traceback.format_exception_only(error)  # of what is no Python the last part says it; else notes come after
    what = " ".join(told[-1 if isinstance(error, SyntaxError) else 0].split())[:_LONGEST_FAULT]
    if isinstance(error, SyntaxError) and error.filename == order.path:
        return {"kind": "raised", "what": what, "line": error.lineno or 0, "code": (error.text or "").strip()}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == order.path]
    if not frames:
        return {"kind": "raised", "what": what}
    trace = [f"line {frame.lineno}, in {frame.name}: {frame.line}" for frame in frames]
    return {"kind": "raised", "what": what, "line": frames[-1].lineno, "code": frames[-1].line, "trace": trace[-8:]}


if __name__ == "__main__":
    main()
