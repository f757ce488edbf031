"""Sums and short programs in pydantic-monty: a Python of its own in a child process, without files, network or system.

The child is a program of its own (`monty`), told what to compute over a pipe. It holds itself to the limits; where it
does not, it is ended from here.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic_monty import Monty, MontyCrashedError, MontyError, MontyRuntimeError, MontySyntaxError, ResourceLimits

from assistant.errors import ToolError
from assistant.tools.hands import Hands
from assistant.tools.tool import Code

_SECONDS, _CALCULATE_SECONDS = 10.0, 2.0
_BYTES = 256_000_000
_OUTPUT = 20_000
_MOST_DATA = 2_000_000
_LONGEST_ERROR = 2000


def calculate(expression: Annotated[str, Field(min_length=1, max_length=2000)]) -> str:
    """Work out a sum, such as (3 + 4) * 12 / 5 or sqrt(2). Use it for every sum instead of doing it in your head."""
    plain = _as_python(expression)
    return _run(f"from math import *\n({plain}\n)", {}, seconds=_CALCULATE_SECONDS)


def run_python(hands: Hands, code: Annotated[str, Field(min_length=1, max_length=100_000)]) -> str:
    """Run a short Python program and give back what it prints, and the value of its last line. It has math, json, re,
    datetime and random, but no other packages, no files and no network. The text of this chat is in the list
    `messages`, each one a dict with `role` and `text`."""
    return _run(code, {"messages": _data(hands)}, seconds=_SECONDS)


def preview_python(hands: Hands, code: str) -> Code:
    """The program itself."""
    del hands
    return Code("python", code)


@dataclass
class _Output:
    """What a program prints, up to a length; the rest is dropped as it comes."""

    parts: list[str] = field(default_factory=list)
    length: int = 0

    def take(self, stream: Literal["stdout", "stderr"], text: str) -> None:
        del stream
        if self.length < _OUTPUT:
            self.parts.append(text[: _OUTPUT - self.length])
        self.length += len(text)

    def text(self) -> str:
        left = self.length - _OUTPUT
        return "".join(self.parts) + (f"\n... and {left:,} more characters\n" if left > 0 else "")


def _run(code: str, inputs: dict[str, Any], *, seconds: float) -> str:
    """What a program prints and gives. Blocks for as long as it takes. Raises ToolError, with what went wrong."""
    limits: ResourceLimits = {"max_feed_duration_secs": seconds, "max_memory": _BYTES, "max_recursion_depth": 500}
    output = _Output()
    try:
        with (
            Monty(binary_path=_worker(), min_processes=1, max_processes=1, request_timeout=seconds + 2) as pool,
            pool.checkout(script_name="program.py", limits=limits, os_policy={"sleep": "zero"}) as session,
        ):
            value = session.feed_run(code, inputs=inputs, print_callback=output.take)
    except (MontyRuntimeError, MontySyntaxError) as error:
        raise ToolError("tool-code", why=_why(error), printed=output.text()[-_LONGEST_ERROR:]) from None
    except MontyCrashedError:
        raise ToolError("tool-code-crashed", seconds=int(seconds)) from None
    except (MontyError, ValueError) as error:  # a value that cannot be brought over: of 5,000 digits, or a function
        raise ToolError("tool-code-value", why=str(error)[:_LONGEST_ERROR]) from None
    except OSError as error:
        raise ToolError("tool-code-missing", reason=error.strerror or "?") from error
    shown = "" if value is None else _shown(value)
    return (output.text() + shown)[: _OUTPUT + 200] or "It ran, and printed nothing."


def _shown(value: Any) -> str:
    with suppress(ValueError):  # an integer of more digits than Python writes
        return str(value) if isinstance(value, str | float | int) else repr(value)
    return "a number of too many digits"


def _why(error: MontyRuntimeError | MontySyntaxError) -> str:
    """Its traceback, or, for one of many lines, how that ends."""
    told = error.display().strip()
    return told if len(told) <= _LONGEST_ERROR else f"...{told[-_LONGEST_ERROR:]}"


def _data(hands: Hands) -> list[dict[str, str]]:
    """The chat as plain values, the newest messages where all would be too much."""
    left, data = _MOST_DATA, list[dict[str, str]]()
    for message in reversed(hands.messages):
        text = message.text.encode("utf-8", "replace").decode("utf-8")
        left -= len(text)
        if left < 0:
            break
        if text and message.role in ("user", "assistant"):
            data.append({"role": message.role, "text": text})
    return data[::-1]


def _as_python(expression: str) -> str:
    """A sum as people write it: with other signs for times and divided, `^` for powers, a thousand's comma, `=` at its
    end, and per cent."""
    plain = expression.strip().rstrip("=?").strip()
    for sign, ours in (("×", "*"), ("·", "*"), ("÷", "/"), ("−", "-"), ("^", "**"), ("√", "sqrt")):
        plain = plain.replace(sign, ours)
    plain = re.sub(r"(?<![\d.,(])(\d{1,3}(?:,\d{3})+)(?![\d,])(?![^()]*\))", lambda m: m[1].replace(",", ""), plain)
    return re.sub(r"(\d+(?:\.\d+)?)\s*%(?!\s*[\w(])", r"(\1/100)", plain)


def _worker() -> Path | None:
    """The program in the executable, which lies beside the code there; None leaves it to pydantic-monty to find it."""
    folder: str | None = getattr(sys, "_MEIPASS", None)
    return Path(folder) / ("monty.exe" if sys.platform == "win32" else "monty") if folder else None
