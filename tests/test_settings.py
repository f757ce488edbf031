"""Settings: checked before they are written, written whole, and a bad file costs nothing."""

import json
import stat
from pathlib import Path

import pytest

from assistant.errors import SettingsError
from assistant.settings import Settings, SettingsFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.json"


def test_saved_settings_are_there_at_the_next_start(path: Path) -> None:
    SettingsFile(path).save(theme="dark", temperature=0.3)
    again = SettingsFile(path).values
    assert (again.theme, again.temperature) == ("dark", 0.3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 2.5),
        ("temperature", float("nan")),
        ("max_tokens", 0),
        ("max_tokens", "many"),
        ("theme", "blue"),
        ("system_prompt", "x" * 100_001),
    ],
)
def test_a_bad_value_is_named_and_changes_nothing(path: Path, field: str, value: object) -> None:
    file = SettingsFile(path)
    file.save(theme="dark")
    before = path.read_bytes()
    with pytest.raises(SettingsError) as caught:
        file.save(**{field: value})
    assert caught.value.key == f"settings.{field}"
    assert (path.read_bytes(), file.values.theme) == (before, "dark")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe\x00",
        b'{"theme": 7}',
        b'{"version": 99}',
        b"[" * 100_000,
        json.dumps({"system_prompt": "x" * 2_000_000}).encode(),
    ],
)
def test_row_40_a_damaged_file_is_kept_aside_and_told(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    file = SettingsFile(path)
    assert file.values == Settings()
    assert file.notice is not None
    kept = list(path.parent.glob("settings.json.corrupt-*"))
    assert [item.read_bytes() for item in kept] == [content]


def test_an_unknown_field_of_a_later_version_is_no_damage(path: Path) -> None:
    path.write_text('{"theme": "dark", "sparkles": true}', encoding="utf-8")
    file = SettingsFile(path)
    assert (file.values.theme, file.notice) == ("dark", None)


def test_the_file_is_readable_by_its_owner_only(path: Path) -> None:
    SettingsFile(path).save(theme="light")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_failed_write_leaves_the_old_settings_and_no_litter(path: Path) -> None:
    file = SettingsFile(path)
    path.mkdir()  # a folder cannot be replaced by a file
    with pytest.raises(SettingsError) as caught:
        file.save(theme="dark")
    assert caught.value.key == "settings.unwritable"
    assert file.values.theme == "system"
    assert [item.name for item in path.parent.iterdir()] == ["settings.json"]
