"""The words that this process says itself: on the terminal, the start page and the window."""

from __future__ import annotations

import json

from assistant.i18n import LANGUAGES, Translator, system_language
from assistant.paths import Profile


class Words(Translator):
    """Says everything in the system's language, until `follow` has found the one that was chosen."""

    def __init__(self) -> None:
        self._become(system_language())

    def follow(self, profile: Profile) -> None:
        """Speaks the language of the settings from now on. Where they cannot be read, somebody else says so."""
        try:
            chosen: object = json.loads(profile.settings_file.read_text(encoding="utf-8"))["language"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return
        if isinstance(chosen, str) and chosen in LANGUAGES:
            self._become(chosen)

    def _become(self, language: str) -> None:
        self.__dict__.clear()  # what was looked up in another language, too
        self.__dict__["language"] = language


t = Words()
