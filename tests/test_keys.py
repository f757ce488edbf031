"""Keys: bound to an origin, in memory unless the person ticked the box, and gone when removed."""

import os
import stat
from pathlib import Path

import pytest

from assistant.errors import SettingsError
from assistant.keys import Keys

ENDPOINT = "https://api.example.com/v1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_a_key_of_this_session_never_reaches_the_disk(path: Path) -> None:
    keys = Keys(path)
    keys.put(ENDPOINT, "sk-1", remember=False)
    assert keys.get(ENDPOINT) == "sk-1"
    assert list(path.parent.iterdir()) == []
    assert Keys(path).get(ENDPOINT) is None


def test_a_remembered_key_is_there_at_the_next_start_and_private(path: Path) -> None:
    Keys(path).put(ENDPOINT, "sk-1", remember=True)
    assert Keys(path).get(ENDPOINT) == "sk-1"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "other",
    [
        "http://api.example.com/v1",
        "https://api.example.com:8443/v1",
        "https://evil.example/v1",
        "https://example.com/v1",
    ],
)
def test_a_key_is_not_given_to_another_origin(path: Path, other: str) -> None:
    keys = Keys(path)
    keys.put(ENDPOINT, "sk-1", remember=True)
    assert keys.get(other) is None


def test_spellings_of_one_origin_share_the_key(path: Path) -> None:
    keys = Keys(path)
    keys.put(ENDPOINT, "sk-1", remember=False)
    assert keys.get("https://API.example.com:443/other/v1") == "sk-1"


def test_a_key_for_the_session_takes_the_remembered_one_s_place(path: Path) -> None:
    keys = Keys(path)
    keys.put(ENDPOINT, "sk-old", remember=True)
    keys.put(ENDPOINT, "sk-new", remember=False)
    assert keys.get(ENDPOINT) == "sk-new"
    assert not path.exists()


def test_a_removed_key_is_gone_from_memory_and_disk(path: Path) -> None:
    keys = Keys(path)
    keys.put(ENDPOINT, "sk-1", remember=True)
    keys.put("http://127.0.0.1:1/v1", "sk-2", remember=True)
    keys.remove(ENDPOINT)
    assert (keys.get(ENDPOINT), keys.get("http://127.0.0.1:1/v1")) == (None, "sk-2")
    assert "sk-1" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("key", ["", "  ", "a\nb", "a\r\nX-Evil: 1", 'a"b', "schlüssel", "a b", "x" * 10_000, "a\0b"])
def test_what_cannot_be_a_key_is_refused_and_the_old_one_stays(path: Path, key: str) -> None:
    keys = Keys(path)
    keys.put(ENDPOINT, "sk-1", remember=True)
    for remember in (True, False):
        with pytest.raises(SettingsError):
            keys.put(ENDPOINT, key, remember=remember)
    assert Keys(path).get(ENDPOINT) == "sk-1"


def test_a_key_file_that_others_could_read_is_made_private(path: Path) -> None:
    Keys(path).put(ENDPOINT, "sk-1", remember=True)
    path.chmod(0o644)
    assert Keys(path).get(ENDPOINT) == "sk-1"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_in_the_key_file_s_place_is_not_followed(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.json"
    target.write_text('{"https://api.example.com:443": "sk-planted"}', encoding="utf-8")
    path.symlink_to(target)
    keys = Keys(path)
    assert keys.get(ENDPOINT) is None
    keys.put(ENDPOINT, "sk-1", remember=True)
    assert "sk-1" not in target.read_text(encoding="utf-8")
    assert not path.is_symlink()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_a_damaged_key_file_holds_no_keys(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(handle, content)
    os.close(handle)
    assert Keys(path).get(ENDPOINT) is None
