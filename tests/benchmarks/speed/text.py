"""What the scripted model says: real Markdown with code, lists, tables and maths, in tokens as a model cuts them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from tests.benchmarks.profiles import Words

FIRST, LAST = "Firstwordofall", "Lastwordofall"  # as words that nothing else on a page contains
TOKEN = re.compile(r" ?[A-Za-z]{1,7}|\d{1,3}|\n+| +|[^\sA-Za-z0-9]")


def tokens(count: int, *, first: str = FIRST, last: str = LAST) -> list[str]:
    """So many tokens of Markdown: the first one is the word `first`, the last one a paragraph that is `last`."""
    words = Words(seed=6)
    said = [first, " "]
    for section in _sections(words):
        cut = TOKEN.findall(section)
        if len(said) + len(cut) > count - 2:
            break
        said += cut
    while len(said) < count - 2:  # plain words, so that what comes last is not part of a table or a block of code
        said += TOKEN.findall(words.say(4, 12) + " ")[: count - 2 - len(said)]
    return [*said, "\n\n", last]


def history(messages: int) -> list[str]:
    """The texts of a chat that has so many messages, questions and answers in turns."""
    words = Words(seed=7)
    sections = _sections(words)
    return [next(sections) if number % 2 else words.say(4, 30) for number in range(messages)]


def _sections(words: Words) -> Iterator[str]:
    for number in itertools.count(1):
        yield f"{words.say(20, 60)} It is **{words.say(1, 3)}** and `{words.say(1, 1)}`.\n\n"
        yield f"## {words.say(2, 5)}\n\n{words.say(15, 40)} See [{words.say(1, 2)}](https://example.org/{number}).\n\n"
        yield "".join(f"- **{words.say(1, 2)}** {words.say(4, 12)}\n  - {words.say(3, 8)}\n" for _ in range(4)) + "\n"
        yield _code(words, number)
        yield "".join(f"{place}. {words.say(5, 15)}\n" for place in range(1, 6)) + "\n"
        yield _table(words)
        yield f"{words.say(10, 20)} Then \\(x_{number} = \\sqrt{{y^2 + {number}}}\\) holds, and with it\n\n"
        yield f"$$\n\\sum_{{k=1}}^{{{number}}} \\frac{{k^2}}{{a_k}} \\le \\int_0^1 f(x)\\,dx\n$$\n\n"
        yield f"{words.say(20, 50)}\n\n"


def _code(words: Words, number: int) -> str:
    names = [words.say(1, 1).rstrip(".").lower() for _ in range(6)]
    lines = [f"    {name} = [{number} * it for it in {name}s if it > {number}]  # {words.say(2, 6)}" for name in names]
    head = f"def {names[0]}_{number}({names[1]}: int) -> str:"
    return "\n".join(["```python", head, *lines, "    return ''", "```\n\n"])


def _table(words: Words) -> str:
    rows = [f"| {words.say(1, 2)} | {words.say(1, 3)} | {number * 37} |" for number in range(6)]
    return "\n".join(["| What | How | Much |", "|---|---|---:|", *rows]) + "\n\n"
