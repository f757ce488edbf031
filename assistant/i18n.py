"""Every word of the interface, by key, from `assets/locales/*.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

from assistant.paths import asset


@dataclass(frozen=True)
class Translator:
    """Looks words up in one language: `t("chat.send")`, `t("chat.tokens", count=12)`.

    Placeholders are those of `str.format`. A key that is not in the language's file raises KeyError: a test walks the
    source for keys, so a person never meets it.
    """

    language: str

    def __call__(self, key: str, **values: object) -> str:
        return self._texts[key].format(**values)

    def optional(self, key: str, **values: object) -> str:
        """The text under `key`, or an empty one where the language has none."""
        return self(key, **values) if key in self._texts else ""

    @cached_property
    def _texts(self) -> dict[str, str]:
        return json.loads(asset("locales", f"{self.language}.json").read_text(encoding="utf-8"))


ENGLISH = Translator("en")
