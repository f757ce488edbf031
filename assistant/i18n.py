"""Every word of the interface, by key, from `assets/locales/*.json`; numbers and dates as each language has them."""

from __future__ import annotations

import json
import locale
import os
import plistlib
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from assistant.paths import asset

if TYPE_CHECKING:
    from babel import Locale

LANGUAGES: Mapping[str, str] = {
    "en": "English",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
    "pt": "Português",
    "it": "Italiano",
    "pl": "Polski",
    "tr": "Türkçe",
    "ru": "Русский",
    "uk": "Українська",
    "ar": "العربية",
    "hi": "हिन्दी",
    "ja": "日本語",
    "ko": "한국어",
    "zh-Hans": "简体中文",
    "zh-Hant": "繁體中文",
}
"""Each language's code, as its file is called, and its own name."""
RIGHT_TO_LEFT = ("ar",)
_TRADITIONAL = ("hant", "tw", "hk", "mo")


@dataclass(frozen=True)
class Translator:
    """Looks words up in one language: `t("chat.send")`, `t("chat.tokens", count=12)`.

    Placeholders are those of `str.format`. A whole number `count` chooses among the forms of a plural (`KEY.one`,
    `KEY.few` ... as CLDR names them; `KEY` itself is "other"), and is written as the language writes numbers. A key
    that is not in the language's file raises KeyError: a test walks the source for keys, so a person never meets it.
    """

    language: str

    def __call__(self, key: str, **values: object) -> str:
        count = values.get("count")
        if isinstance(count, int):
            values["count"] = self.number(count)
            return self._texts.get(f"{key}.{self._locale.plural_form(count)}", self._texts[key]).format(**values)
        return self._texts[key].format(**values)

    def optional(self, key: str, **values: object) -> str:
        """The text under `key`, or an empty one where the language has none."""
        return self(key, **values) if key in self._texts else ""

    @property
    def direction(self) -> Literal["ltr", "rtl"]:
        """In which direction the language is written."""
        return "rtl" if self.language in RIGHT_TO_LEFT else "ltr"

    def number(self, number: float) -> str:
        """A number with the language's marks for thousands and decimals, and Western digits, as model names have."""
        from babel.numbers import format_decimal  # late: a start needs no number

        return format_decimal(number, locale=self._locale, numbering_system="latn")

    def day(self, day: date) -> str:
        """A date; of an aware datetime, the date here."""
        from babel.dates import format_date  # late: as above

        return format_date(day.astimezone() if isinstance(day, datetime) else day, "medium", locale=self._locale)

    def moment(self, moment: datetime) -> str:
        """Date and time of day, here, of an aware datetime."""
        from babel.dates import format_time  # late: as above

        return f"{self.day(moment)}, {format_time(moment.astimezone(), 'short', locale=self._locale)}"

    @cached_property
    def _locale(self) -> Locale:
        from babel import Locale  # late: as above

        return Locale.parse(self.language, sep="-")

    @cached_property
    def _texts(self) -> dict[str, str]:
        return json.loads(asset("locales", f"{self.language}.json").read_text(encoding="utf-8"))


ENGLISH = Translator("en")


def system_language() -> str:
    """The first language of this system that Hearth speaks; else English."""
    return next((code for name in _system_languages() if (code := known_language(name))), "en")


def known_language(name: str) -> str | None:
    """Hearth's code for a language as systems name it: `de_AT.UTF-8`, `zh-TW`, `pt_BR@euro`; None where it has none."""
    parts = name.partition(".")[0].partition("@")[0].replace("_", "-").lower().split("-")
    code = parts[0]
    if code == "zh":
        code = "zh-Hant" if any(part in _TRADITIONAL for part in parts) else "zh-Hans"
    return code if code in LANGUAGES else None


def _system_languages() -> list[str]:
    if sys.platform == "win32":
        import ctypes  # late: Windows alone has what is asked for

        return [locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "")]
    named = [os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG")]
    first = next((name for name in named if name), "")
    if sys.platform == "darwin" and not first:  # programs of the Finder get no LANG
        with suppress(OSError, ValueError, plistlib.InvalidFileException):
            preferences = Path.home() / "Library" / "Preferences" / ".GlobalPreferences.plist"
            return [str(name) for name in plistlib.loads(preferences.read_bytes()).get("AppleLanguages", [])]
    if first.partition(".")[0] in ("", "C", "POSIX"):  # then LANGUAGE counts for nothing, as gettext has it
        return []
    return [*os.environ.get("LANGUAGE", "").split(":"), first]
