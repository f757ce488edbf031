"""Whether a text is too much for the page: its Markdown is drawn by the browser, in time that some texts blow up. Pure.

Measured in Chromium on two cores: 50,000 lone asterisks in one paragraph hold the page for five minutes, 40,000 e-mail
addresses for 96 s, 20,000 links for 25 s, 100,000 paragraphs for 18 s, 20,000 blocks of code for 6 s, 20,000 rows of a
table for 4 s; a megabyte of plain words for 0.2 s. The limits lie above what people's answers have, and what lies below
them is drawn in a second or two.
"""

from __future__ import annotations

import re

LONGEST = 400_000
MOST_LINES_WITH_MARKS = 3_000  # list items, rows, headings, fences
MOST_BLOCKS = 5_000
MOST_MARKS = 12_000
MOST_MARKS_IN_BLOCK = 500  # emphasis is matched in time that grows with the square of this

# Nothing in it is parsed. As CommonMark has it: an info string with a backtick in it opens no block.
_CODE = re.compile(r"^ {0,3}(`{3,})[^`\n]*\n.*?(?:^ {0,3}\1`*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"\n[ \t>]*\n")
_MARKED_LINE = re.compile(r"^[ \t>]*(?:[|#+*=-]|`{3}|~{3}|\d+[.)])", re.MULTILINE)
_MARK = re.compile(r"[*_`\[\]<$\\~@]|://|www\.")  # addresses become links by themselves
_DEEP = re.compile(r"^[ \t]*(?:(?:[>*+-][ \t]+){50,}|(?:>[ \t]*){50,})", re.MULTILINE)


def is_heavy(text: str) -> bool:
    """Whether drawing `text` as Markdown could hold the page for longer than a person would wait."""
    if len(text) <= MOST_MARKS_IN_BLOCK:
        return False
    if len(text) > LONGEST or _count(_MARKED_LINE, text) > MOST_LINES_WITH_MARKS or _DEEP.search(text):
        return True
    text = _CODE.sub("", text)
    blocks = _BLOCK.split(text)
    if _count(_MARK, text) > MOST_MARKS:
        return True
    return len(blocks) > MOST_BLOCKS or any(_count(_MARK, block) > MOST_MARKS_IN_BLOCK for block in blocks)


def _count(pattern: re.Pattern[str], text: str) -> int:
    return sum(1 for _ in pattern.finditer(text))
