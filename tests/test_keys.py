"""Keys: bound to an origin, kept where the person said, and gone when removed."""

import os
import stat
from pathlib import Path

import pytest

from assistant.errors import SettingsError
from assistant.keyrings import SystemKeyring
from assistant.keys import Keys

ENDPOINT = "https://api.example.com/v1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def kept(path: Path) -> Keys:
    """The keys of a profile on a system without a keyring; tests/faults/test_keys.py has real ones."""
    return Keys(path, SystemKeyring())


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path_factory.getbasetemp()}/nobody")


def test_a_key_of_this_session_never_reaches_the_disk(path: Path) -> None:
    keys = kept(path)
    keys.put(ENDPOINT, "sk-1", place="session")
    assert keys.get(ENDPOINT) == "sk-1"
    assert list(path.parent.iterdir()) == []
    assert kept(path).get(ENDPOINT) is None


def test_a_remembered_key_is_there_at_the_next_start_and_private(path: Path) -> None:
    kept(path).put(ENDPOINT, "sk-1", place="file")
    assert kept(path).get(ENDPOINT) == "sk-1"
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
    keys = kept(path)
    keys.put(ENDPOINT, "sk-1", place="file")
    assert keys.get(other) is None


def test_spellings_of_one_origin_share_the_key(path: Path) -> None:
    keys = kept(path)
    keys.put(ENDPOINT, "sk-1", place="session")
    assert keys.get("https://API.example.com:443/other/v1") == "sk-1"


def test_a_key_for_the_session_takes_the_remembered_one_s_place(path: Path) -> None:
    keys = kept(path)
    keys.put(ENDPOINT, "sk-old", place="file")
    keys.put(ENDPOINT, "sk-new", place="session")
    assert keys.get(ENDPOINT) == "sk-new"
    assert not path.exists()


def test_a_removed_key_is_gone_from_memory_and_disk(path: Path) -> None:
    keys = kept(path)
    keys.put(ENDPOINT, "sk-1", place="file")
    keys.put("http://127.0.0.1:1/v1", "sk-2", place="file")
    keys.remove(ENDPOINT)
    assert (keys.get(ENDPOINT), keys.get("http://127.0.0.1:1/v1")) == (None, "sk-2")
    assert "sk-1" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("key", ["", "  ", "a\nb", "a\r\nX-Evil: 1", 'a"b', "schlüssel", "a b", "x" * 10_000, "a\0b"])
def test_what_cannot_be_a_key_is_refused_and_the_old_one_stays(path: Path, key: str) -> None:
    keys = kept(path)
    keys.put(ENDPOINT, "sk-1", place="file")
    for place in ("file", "session"):
        with pytest.raises(SettingsError):
            keys.put(ENDPOINT, key, place=place)
    assert kept(path).get(ENDPOINT) == "sk-1"


def test_a_key_file_that_others_could_read_is_made_private(path: Path) -> None:
    kept(path).put(ENDPOINT, "sk-1", place="file")
    path.chmod(0o644)
    assert kept(path).get(ENDPOINT) == "sk-1"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_in_the_key_file_s_place_is_not_followed(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.json"
    target.write_text('{"https://api.example.com:443": "sk-planted"}', encoding="utf-8")
    path.symlink_to(target)
    keys = kept(path)
    assert keys.get(ENDPOINT) is None
    keys.put(ENDPOINT, "sk-1", place="file")
    assert "sk-1" not in target.read_text(encoding="utf-8")
    assert not path.is_symlink()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_a_damaged_key_file_holds_no_keys(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(handle, content)
    os.close(handle)
    assert kept(path).get(ENDPOINT) is None


def test_a_pipe_in_the_key_file_s_place_holds_nobody_up(path: Path) -> None:
    os.mkfifo(path)
    assert kept(path).get(ENDPOINT) is None
    kept(path).put(ENDPOINT, "sk-1", place="file")
    assert kept(path).get(ENDPOINT) == "sk-1"
    assert stat.S_ISREG(path.lstat().st_mode)


def test_a_folder_in_the_key_file_s_place_is_told(path: Path) -> None:
    path.mkdir()
    assert kept(path).get(ENDPOINT) is None
    with pytest.raises(SettingsError):
        kept(path).put(ENDPOINT, "sk-1", place="file")


def test_without_a_keyring_the_key_is_held_for_the_session_and_that_is_told(path: Path) -> None:
    keys = kept(path)
    assert keys.keyring() is None
    assert keys.put(ENDPOINT, "sk-1", place="keyring") == "session"
    assert (keys.get(ENDPOINT), keys.place(ENDPOINT)) == ("sk-1", "session")
    assert not path.exists()
