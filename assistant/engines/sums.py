"""The sums that a question holds, in figures and signs. Pure."""

from __future__ import annotations

import re

_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_SIGNS: tuple[tuple[str, str], ...] = (
    (r"\bmultiplied by\b|\btimes\b|[×·]|(?<=\d) ?x ?(?=\d)", " * "),
    (r"\bdivided by\b|\bover\b|÷", " / "),
    (r"\bto the power of\b|\^", " ** "),
    (r"\bsquared\b", " ** 2 "),
    (r"\bcubed\b", " ** 3 "),
    (r"\bplus\b", " + "),
    (r"\bminus\b|[−–]", " - "),
    (rf"({_NUMBER}) ?(?:%|percent|per cent) of (?={_NUMBER})", r" \1 / 100 * "),
)
_ORDERS: tuple[tuple[str, str], ...] = (
    (rf"\b(?:add|sum of|add up) ({_NUMBER}) (?:and|to|with) ({_NUMBER})", r"\1 + \2"),
    (rf"\b(?:subtract|take|take away|deduct) ({_NUMBER})(?: away)? from ({_NUMBER})", r"\2 - \1"),
    (rf"\bdifference (?:between|of) ({_NUMBER}) and ({_NUMBER})", r"\1 - \2"),
    (rf"\b(?:multiply|product of) ({_NUMBER}) (?:by|and|with) ({_NUMBER})", r"\1 * \2"),
    (rf"\b(?:divide|quotient of) ({_NUMBER}) (?:by|and) ({_NUMBER})", r"\1 / \2"),
    (rf"\bhalf of ({_NUMBER})", r"\1 / 2"),
    (rf"\b(?:twice|double(?: of)?) ({_NUMBER})", r"2 * \1"),
    (rf"\bsquare root of ({_NUMBER})", r"\1 ** 0.5"),
)
_SUM = re.compile(
    rf"(?<![\w.])[(\-\s]*{_NUMBER}(?:[)\s]*(?:\*\*|[-+*/%])[(\-\s]*{_NUMBER})+(?:\s*\))*(?![\w])", re.IGNORECASE
)
_NO_SUM = re.compile(r"^\d+[-/]\d+(?:[-/]\d+)*$")  # years, dates, scores and telephone numbers look like this
_ASKED_FOR = re.compile(
    r"^\W*(?:(?:what|is|s|how|much|calculate|compute|please|the|result|of|equals?)\W+)*$", re.IGNORECASE
)


def sums_in(question: str) -> list[str]:
    """Each sum, such as `17 * 23` of "What is 17 times 23?". `3-2` may be a score as well: it counts where the question
    is nothing else."""
    found = [
        _tidy(re.sub(pattern, put, match.group(), flags=re.IGNORECASE))
        for pattern, put in _ORDERS
        for match in re.finditer(pattern, question, re.IGNORECASE)
    ]
    text = question
    for pattern, sign in _SIGNS:
        text = re.sub(pattern, sign, text, flags=re.IGNORECASE)
    said = [match.group().strip() for match in _SUM.finditer(text)]
    is_all = bool(_ASKED_FOR.match(_SUM.sub(" ", text) + " "))
    found += [_tidy(one) for one in said if one.count("(") == one.count(")") and (is_all or not _NO_SUM.match(one))]
    return list(dict.fromkeys(found))


def _tidy(text: str) -> str:
    return " ".join(re.sub(r"(?<=\d),(?=\d{3})", "", text).split())
