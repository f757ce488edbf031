"""Which tool the words of a question suggest, for a model too small to choose. Pure.

SmolLM2-135M picks the right one of nine tools no better than chance, however it is asked, and each asking makes an
ordinary question wait half a second. Words cost nothing: a question that suggests no tool is asked as if there were
none. What the tool is then called with, the model writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from assistant.engines.sums import sums_in
from assistant.messages import ToolOffer

ENOUGH = 2.0  # a word of the tool's own name, or two of its description
_MOST_WORDS = 40  # of a longer question, its beginning and its end: the rest is what it is about
_NAME, _TOLD, _CHOICE, _PARAMETER = 3.0, 1.0, 1.0, 0.75

FILE = re.compile(r"(?<![\w/.@:])(?:[\w.-]+/)*[\w-]+\.(?!\d)[A-Za-z]\w{0,4}\b(?!/)|(?<!\S)(?:[\w.-]+/)+[\w.-]+")
URL = re.compile(r"\bhttps?://[^\s<>\"']+|\bwww\.[^\s<>\"']+", re.IGNORECASE)
NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*")
_TO_BE_SAID = re.compile(
    r"^\W*(?:(?:i|we|you|he|she|it|they)\b|forget (?:it|about it)\b|never mind\b)|"
    r"^\W*(?:please\s+|can you\s+|could you\s+)*(?:explain|describe|summari[sz]e|why|write|invent|list|"
    r"tell me (?:a|about)|what (?:is|are) the (?:difference|meaning|best way)|what does\b.*\bmean|"
    r"how (?:do|does|did|can|should|would)\b|"
    r"should\b|do you\b|give me (?:\w+ )?(?:ideas|tips|advice)|imagine|teach)",
    re.IGNORECASE,
)

# How the wish for a tool of a common kind is put: what the tool says of itself, and what a question says.
_WISHES: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = tuple(
    (re.compile(tool, re.IGNORECASE), re.compile(question, re.IGNORECASE))
    for tool, question in (
        (
            r"\b(?:time of day|current time|clock|date and time)\b",
            r"\bwhat(?:['’]s| is)? the (?:time|date|hour|day)(?: now| today| please)*\W*$|"
            r"\b(?:what|which) (?:day|date|month|year)\b.*\b(?:today|is it)\b|"
            r"\btime is it\b|\btoday['’]s date\b|\bcurrent (?:time|date)\b|\bweekday\b.*\btoday\b",
        ),
        (
            r"\b(?:weather|forecast)\b",
            r"\b(?:is|will) it (?:be )?(?:rain|snow|sunny|cold|hot|warm|windy|cloudy)\w* (?:in|at)\b|"
            r"\btemperature in [A-Z]|\bhow (?:cold|hot|warm) is it in\b|\bforecast\b",
        ),
        (
            r"\b(?:web|internet|online)\b.*\bsearch|\bsearch\w*\b.*\b(?:web|internet|online)\b",
            r"\b(?:search|look\w*|find|browse)\b.*\b(?:web|internet|online)\b|^\W*(?:please )?google\b|\blatest news\b|"
            r"\b(?:web|internet) search\b",
        ),
        (r"\b(?:timer|alarm|countdown)\b", r"\b(?:ring|wake|remind|alert) me (?:in|after)\b|\btimer\b|\balarm\b"),
        (r"\bread\w*\b.*\bfile", r"\b(?:open|read|show|contents?|says?)\b.*[\w-]\.[a-z]|\bin (?:the )?file\b"),
        (r"\btranslat", r"\bhow (?:do|would|can) (?:you|i|we) say\b|\btranslat"),
        (
            r"\b(?:recall|remembered)\b",
            r"\byou (?:remember|know) (?:about|of) me\b|\bin (?:my|your) notes\b|\bi told you\b",
        ),
        (
            r"\b(?:remember|keeps? a note|notes?\b.*\buser)\b",
            r"^\W*(?:please )?(?:remember (?:that|this|my)|don['’]t forget|"
            r"keep a note|make a note|note (?:that|for|to)|save a note)\b",
        ),
    )
)
_ANY_VERB = ("get", "set", "do", "make", "show", "my", "the", "to", "from", "is")
_EMPTY = frozenset(
    re.findall(
        r"\w+:?",
        """
        a an and are as at be by can could do does for from get give has have how i in into is it its let make me more
        my of on one or our please set so some tell that the their them then there these they this to use used uses
        user using was we what when where which who will with without would you your such other another after before
        about whether if than text name value result results given first all any not no now today
        """,
    )
)


def suggested(question: str, offers: Sequence[ToolOffer]) -> ToolOffer | None:
    """The tool that a question's words suggest the most; None where they suggest none clearly enough."""
    words = _words(_looked_at(question))
    scores = [(_score(question, words, offer), place) for place, offer in enumerate(offers)]
    best, place = max(scores, default=(0.0, 0), key=lambda score: (score[0], -score[1]))
    enough = ENOUGH * (2 if _TO_BE_SAID.match(question) else 1)
    return offers[place] if best >= enough else None


def is_for_sums(offer: ToolOffer) -> bool:
    """Whether a tool computes what it is given as an expression."""
    told = f"{offer.name} {offer.description}".lower()
    return bool(re.search(r"calculat|arithmetic|mathematic", told)) and any(map(is_expression, properties(offer)))


def is_expression(name: str) -> bool:
    return name.lower() in ("expression", "formula", "calculation", "equation", "sum", "term")


def properties(offer: ToolOffer) -> Mapping[str, Mapping[str, Any]]:
    """The parameters with their schemas."""
    found = offer.parameters.get("properties")
    return cast("Mapping[str, Mapping[str, Any]]", found) if isinstance(found, dict) else {}


def required(offer: ToolOffer) -> Sequence[str]:
    found = offer.parameters.get("required")
    return cast("Sequence[str]", found) if isinstance(found, list) else ()


def _score(question: str, words: Sequence[str], offer: ToolOffer) -> float:
    if not _could_be_filled(question, offer):
        return 0.0
    weights = _vocabulary(offer)
    score = sum(weights.get(word, 0.0) for word in dict.fromkeys(words))
    if is_for_sums(offer) and sums_in(question):
        score += 2 * ENOUGH
    told = f"{offer.name.replace('_', ' ')} {offer.description}"
    score += sum(2 * ENOUGH for tool, wish in _WISHES if tool.search(told) and wish.search(question))
    takes = " ".join(properties(offer)).lower()
    if FILE.search(question) and re.search(r"path|file", takes) and score:
        score += ENOUGH
    if URL.search(question) and "url" in takes:
        score += ENOUGH
    return score


def _could_be_filled(question: str, offer: ToolOffer) -> bool:
    """Whether the question holds what the tool cannot do without: as many numbers as it needs, a sum, an address."""
    needs = [(name, properties(offer).get(name, {})) for name in required(offer)]
    numbers = sum(schema.get("type") in ("integer", "number") for _, schema in needs)
    if numbers > len(NUMBER.findall(question)):
        return False
    if any(name in ("url", "address") for name, _ in needs) and not URL.search(question):
        return False
    if any(name in ("path", "file", "filename") for name, _ in needs) and not FILE.search(question):
        return False
    return not (any(is_expression(name) for name, _ in needs) and is_for_sums(offer) and not sums_in(question))


def _vocabulary(offer: ToolOffer) -> Mapping[str, float]:
    """What each word says for a tool."""
    weights: dict[str, float] = {}
    parts = re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-.]", " ", offer.name).lower().split()
    name = [_stem(word) for word in parts if word not in _ANY_VERB] if len(parts) > 1 else _words(offer.name)
    told = _words(re.split(r"(?<=[.!?])\s", offer.description.strip(), maxsplit=1)[0])
    parameters = _words(" ".join(properties(offer)).replace("_", " "))
    choices = _words(" ".join(str(one) for schema in properties(offer).values() for one in schema.get("enum", ())))
    kinds = ((_PARAMETER, parameters), (_CHOICE, choices), (_TOLD, told), (_NAME / max(1, len(name)), name))
    for weight, words in kinds:
        weights |= {word: max(weight, weights.get(word, 0.0)) for word in words}
    return weights


def _looked_at(question: str) -> str:
    words = question.split()
    if len(words) <= _MOST_WORDS:
        return question
    return " ".join([*words[: _MOST_WORDS // 2], *words[-_MOST_WORDS // 2 :]])


def _words(text: str) -> list[str]:
    """Words without their endings; those that say nothing are left out."""
    found = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)?", text.lower())
    return [_stem(word) for word in found if word not in _EMPTY]


def _stem(word: str) -> str:
    word = re.sub(r"['’]s$", "", word)
    for ending in (
        "ations",
        "ation",
        "ating",
        "ates",
        "ate",
        "ings",
        "ing",
        "ies",
        "ers",
        "er",
        "ed",
        "es",
        "s",
        "e",
        "y",
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
