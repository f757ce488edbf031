"""Marks in place of characters that nobody sees, or that turn the others around: for lists, logs and terminals. Pure.

Whoever may name something (a server, a model, a file) could otherwise forge lines of the log, hide a word in a list, or
give a terminal orders: escape sequences set its title, rewrite what was printed, and in some fill the clipboard.
"""

from __future__ import annotations

import re

_ORDERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # line feed and tab are none


def visible(text: str) -> str:
    """`text` on one line, with the code of every character that is not seen: controls, bidi marks, zero width, tags."""
    return "".join(one if one.isprintable() else _code(one) for one in text)


def visible_lines(text: str) -> str:
    """The same of words in lines: line feeds and tabs stay, and whatever else is not seen has its code."""
    return "".join(one if one.isprintable() or one in "\n\t" else _code(one) for one in text)


def harmless(text: str) -> str:
    """Words for a terminal: lines, tabs and emoji as they are, and the codes of what a terminal would obey."""
    return _ORDERS.sub(lambda found: _code(found[0]), text)


def _code(one: str) -> str:
    number = ord(one)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
