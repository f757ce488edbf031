"""Keys out of what is kept: a text for the log, without the keys in it."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "[hidden]"

# What the keys of providers look like, and the words that stand before one. Better too much than one too few.
_SHAPES = re.compile(
    r"\bsk-[\w-]{8,}"  # OpenAI, Anthropic, OpenRouter, DeepSeek
    r"|\b(?:hf|gsk|ghp|gho|ghs|github_pat|r8|glpat|tgp|fw|xai|pplx|nvapi|csk|esecret)[_-][\w-]{16,}"
    r"|\bAIza[\w-]{20,}"  # Google
    r"|\bAKIA[A-Z0-9]{12,}"  # Amazon
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"  # a signed token
)
_NAMED = re.compile(
    r"(?i)(\b(?:bearer|basic)\s+|\b(?:x-)?(?:api[_-]?key|authorization|access[_-]?token|secret|password|code)"
    r"[\"']?\s*[:=]\s*[\"']?)(?!bearer\b|basic\b)([^\s\"',;}&]{6,})"
)


def conceal(text: str, keys: Iterable[str] = ()) -> str:
    """`text` with HIDDEN in place of `keys` and of whatever looks like one."""
    for key in sorted(keys, key=len, reverse=True):  # one may begin another
        if len(key) >= 4:  # a shorter one is no secret, and would stand in every second word
            text = text.replace(key, HIDDEN)
    return _NAMED.sub(rf"\1{HIDDEN}", _SHAPES.sub(HIDDEN, text))
