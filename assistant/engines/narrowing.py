"""A tool's parameters, narrowed to what one question holds, so that a grammar keeps a small model to it. Pure.

A model of 135M parameters copies badly: asked for the city of "What is the weather in Oslo?" it may write "City of the
City". Held to the question's own words and numbers, it has only to choose among them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from assistant.engines.suggestions import FILE, NUMBER, URL, is_expression, is_for_sums, properties
from assistant.engines.sums import sums_in
from assistant.messages import ToolOffer

_LONGEST_COPY_WORDS = 16
_MOST_WORDS = 20  # of a question whose pieces a grammar can list
_ADDRESS = re.compile(r"url|address|link", re.IGNORECASE)
_LONG_TEXT = re.compile(r"text|note|message|query|question|content|body|topic|subject|search", re.IGNORECASE)
_AIM, _START = re.compile(r"(?i)to|into|target|dest"), re.compile(r"(?i)from|source|origin")
_QUOTED = re.compile(r"[\"“]([^\"“”]+)[\"”]|(?<!\w)['‘]([^'‘’]+)['’](?!\w)")
_LEADS_ON = frozenset(
    re.findall(
        r"\w+:?",
        """
        a an the in on to of for at by with and or is are my your from into as that
        """,
    )
)
_BEFORE_A_TEXT = frozenset(["for", "that", "about", "of", "on", "up", "google", "remember", "ask", "say"])


def narrowed(offer: ToolOffer, question: str) -> dict[str, Any]:
    """The schema of the arguments, with each parameter that the question says something of held to that."""
    sums = is_for_sums(offer)
    needed = offer.parameters.get("required")
    fields = {
        name: _field(name, schema, question, is_sum=sums and is_expression(name))
        for name, schema in properties(offer).items()
        if not isinstance(needed, list) or name in needed or _speaks_of(question, schema)
    }
    return {
        **{name: value for name, value in offer.parameters.items() if name in ("$defs", "definitions")},
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def _field(name: str, schema: Mapping[str, Any], question: str, *, is_sum: bool) -> dict[str, Any]:
    if isinstance(choices := schema.get("enum"), list):
        lowered = question.lower()
        said = [one for one in choices if re.search(rf"\b{re.escape(str(one).lower())}\b", lowered)]
        return {"enum": _on_the_side_of(name, said, lowered) or choices}
    match schema.get("type"):
        case "integer" | "number" as kind:
            numbers = _numbers(question, is_whole=kind == "integer")
            return {"enum": numbers} if numbers else dict(schema)
        case "string" if is_sum:
            return {"enum": sums} if (sums := sums_in(question)) else dict(schema)
        case "string":
            return _copied(name, question) or dict(schema)
        case _:
            return dict(schema)


def _speaks_of(question: str, schema: Mapping[str, Any]) -> bool:
    """Whether a question says something of a parameter that could be left out."""
    lowered = question.lower()
    return any(str(choice).lower() in lowered for choice in schema.get("enum", ()))


def _numbers(question: str, *, is_whole: bool) -> list[int | float]:
    found: list[int | float] = []
    for text in NUMBER.findall(question):
        try:
            number = json.loads(text.replace(",", ""))
        except ValueError:
            continue
        if not is_whole or isinstance(number, int):
            found.append(number)
    return list(dict.fromkeys(found))


def _on_the_side_of(name: str, said: list[Any], question: str) -> list[Any]:
    """Of several choices that a question says, those that it says as the aim where the parameter is one, and the
    others where it is the start."""
    aims = [one for one in said if re.search(rf"\b(?:to|into|in|how many) {re.escape(str(one).lower())}\b", question)]
    if _AIM.match(name):
        return aims or said
    return [one for one in said if one not in aims] or said if _START.match(name) else said


def _copied(name: str, question: str) -> dict[str, Any] | None:
    """The pieces of a question that a text could be: an address, what stands in quotation marks, else any words, which
    for a text of some length are all those to the end."""
    if found := URL.findall(question) if _ADDRESS.search(name) else FILE.findall(question):
        return {"enum": list(dict.fromkeys(found))}
    if quoted := [inner for pair in _QUOTED.findall(question) for inner in pair if inner]:
        return {"enum": list(dict.fromkeys(quoted))}
    words = question.split()
    if not words or len(words) > _MOST_WORDS:
        return None
    is_long = bool(_LONG_TEXT.search(name))
    pieces = [
        piece
        for start in range(len(words))
        for end in range(start + 1, min(start + _LONGEST_COPY_WORDS, len(words)) + 1)
        if (piece := " ".join(words[start:end]).strip("\"'“”‘’.,:;!?()"))
        and words[end - 1].lower() not in _LEADS_ON
        and (not is_long or (end == len(words) and _may_begin_after(words, start)))
    ]
    return {"enum": list(dict.fromkeys(pieces))} if pieces else None


def _may_begin_after(words: list[str], start: int) -> bool:
    """Whether a text may begin here: after a colon, or a word such as "that"; the whole question may be one, too."""
    return not start or words[start - 1].endswith(":") or words[start - 1].lower() in _BEFORE_A_TEXT
