"""Sums and short programs, computed in a sandbox that has nothing (sandbox.py)."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Annotated, Any

from pydantic import Field

from assistant.errors import ToolError
from assistant.tools.hands import Hands
from assistant.tools.tool import Code

_SECONDS, _CALCULATE_SECONDS = 10.0, 2.0
_MOST_DATA = 2_000_000
_FUNCTIONS = (
    "from math import acos, asin, atan, atan2, cbrt, ceil, comb, cos, cosh, degrees, dist, e, exp, factorial, floor,"
    " gcd, hypot, inf, isqrt, lcm, log, log10, log2, perm, pi, prod, radians, sin, sinh, sqrt, tan, tanh, tau, trunc"
)


def calculate(expression: Annotated[str, Field(min_length=1, max_length=2000)]) -> str:
    """Work out a sum, such as (3 + 4) * 12 / 5 or sqrt(2). Use it for every sum instead of doing it in your head."""
    from assistant.tools.sandbox import run  # late: its library takes a while, which no start should wait for

    output, value = run(f"({_as_python(expression)}\n)", {}, seconds=_CALCULATE_SECONDS, before=_FUNCTIONS)
    if isinstance(value, tuple):
        raise ToolError("tool-sum-comma")
    return output + (_number(value) if isinstance(value, float) else _shown(value))


def run_python(hands: Hands, code: Annotated[str, Field(min_length=1, max_length=100_000)]) -> str:
    """Run a short Python program and give back what it prints, and the value of its last line. It has math, json, re,
    datetime and random, but no other packages, no files and no network. The text of this chat is in the list
    `messages`, each one a dict with `role` and `text`."""
    from assistant.tools.sandbox import MOST_OUTPUT, run  # late: see above

    output, value = run(code, {"messages": _data(hands)}, seconds=_SECONDS)
    shown = "" if value is None else _shown(value)[:MOST_OUTPUT]
    return output + shown or "It ran, and printed nothing."


def preview_python(hands: Hands, code: str) -> Code:
    """The program itself."""
    del hands
    return Code("python", code)


def _number(value: float) -> str:
    """As a person writes it: 0.1 + 0.2 is 0.3, and 12.0 is 12."""
    exact, short = repr(value), f"{value:.15g}"
    return short if len(short) < len(exact) - 3 else exact.removesuffix(".0")


def _shown(value: Any) -> str:
    with suppress(ValueError):  # an integer of more digits than Python writes
        return str(value) if isinstance(value, str | float | int) else repr(value)
    return "a number of too many digits"


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
    """A sum as people write it: with other signs for times and divided, `^` for powers, `5!`, per cent, commas between
    thousands, `=` at its end."""
    plain = expression.strip().rstrip("=?").strip()
    for sign, ours in (("×", "*"), ("·", "*"), ("÷", "/"), ("−", "-"), ("^", "**"), ("√", "sqrt")):
        plain = plain.replace(sign, ours)
    plain = re.sub(r"(?<=\d)\s+[xX]\s+(?=[\d(])", " * ", plain)
    plain = re.sub(r"(\d+)!(?!=)", r"factorial(\1)", plain)
    if not re.search(r"[a-z]\w*\s*\(", plain):  # between what a function is given, a comma is another thing
        plain = re.sub(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])", lambda found: found[0].replace(",", ""), plain)
    plain = re.sub(r"%\s*of\b", "/100*", plain)
    return re.sub(r"(\d+(?:\.\d+)?)\s*%(?!\s*[\w(.])", r"(\1/100)", plain)
