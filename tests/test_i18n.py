"""Words in the language of the person: which one it is, and how it counts and writes dates."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from assistant.configuration import Configuration, ThisRun
from assistant.i18n import LANGUAGES, Translator, known_language, system_language
from assistant.keyrings import SystemKeyring
from assistant.keys import Keys
from assistant.paths import Profile
from assistant.settings import SettingsFile
from launcher.words import Words


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("en_GB.UTF-8", "en"),
        ("ar", "ar"),
        ("ar_EG.UTF-8", "ar"),
        ("de_AT@euro", "de"),
        ("pt_BR.UTF-8", "pt"),
        ("zh_CN.UTF-8", "zh-Hans"),
        ("zh-Hans-SG", "zh-Hans"),
        ("zh_TW.UTF-8", "zh-Hant"),
        ("zh-Hant-HK", "zh-Hant"),
        ("xx_YY", None),
        ("C", None),
        ("", None),
    ],
)
def test_a_language_is_known_by_the_names_that_systems_give_it(name: str, code: str | None) -> None:
    assert known_language(name) == code


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"LANG": "ar_EG.UTF-8"}, "ar"),
        ({"LANG": "ar_EG.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "xx:ar:en"}, "ar"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "ar"}, "en"),
        ({"LANG": "xx_YY.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_the_systems_language_is_the_first_that_hearth_speaks(
    environment: dict[str, str], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LANG", "LC_ALL", "LC_MESSAGES", "LANGUAGE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert system_language() == code


def test_a_count_takes_the_form_of_its_language() -> None:
    english, arabic = Translator("en"), Translator("ar")
    assert [english("changes.count", count=count) for count in (1, 2)] == ["1 file changed", "2 files changed"]
    assert len({arabic("changes.count", count=count).replace(str(count), "") for count in (1, 2, 3, 11)}) == 4
    assert english("chat.tokens", count=12345) == "12,345 tokens"


@pytest.mark.parametrize("code", LANGUAGES)
def test_dates_and_numbers_can_be_written_in_every_language(code: str) -> None:
    t = Translator(code)
    moment = datetime(2026, 2, 3, 14, 5, tzinfo=UTC)
    assert "26" in t.day(date(2026, 2, 3)) or "٢٦" in t.day(date(2026, 2, 3))
    assert t.day(moment) in t.moment(moment) != t.day(moment)
    assert t.number(1234567).startswith("1")


def test_the_chosen_language_goes_before_the_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    profile = Profile(tmp_path)
    file = SettingsFile(profile.settings_file)
    settings = Configuration(file, Keys(tmp_path / "keys.json", SystemKeyring()), this_run=ThisRun())
    words = Words()
    assert (settings.language, words("cli.serve")) == ("en", Translator("en")("cli.serve"))
    file.save(language="ar")
    words.follow(profile)
    assert (settings.language, words("cli.serve")) == ("ar", Translator("ar")("cli.serve"))


@pytest.mark.parametrize("content", [b"", b"[]", b'{"language": 7}', b'{"language": "../en"}', b"\xff"])
def test_a_terminal_whose_settings_cannot_be_read_keeps_the_systems_language(tmp_path: Path, content: bytes) -> None:
    profile = Profile(tmp_path)
    profile.settings_file.write_bytes(content)
    words = Words()
    before = words("cli.serve")
    words.follow(profile)
    assert words("cli.serve") == before


def test_a_language_of_a_later_hearth_costs_no_other_setting(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"language": "tlh", "theme": "dark"}), encoding="utf-8")
    file = SettingsFile(path)
    assert (file.values.language, file.values.theme, file.notice) == ("system", "dark", None)
