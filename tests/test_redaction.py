"""What is kept of a text with a key in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.keyrings import SystemKeyring
from assistant.keys import Keys
from assistant.redaction import HIDDEN, conceal
from launcher.journal import hide_keys, open_journal

CANARY = "sk-CANARY-0123456789abcdef"


@pytest.mark.parametrize(
    "secret",
    [
        CANARY,
        "sk-ant-api03-abc_DEF-123456",
        "sk-proj-abcdefgh12345678",
        "hf_abcdefghijklmnopqrst",
        "gsk_abcdefghijklmnopqrst",
        "AIzaSyA-abcdefghijklmnopqrstuvwxyz012",
        "AKIAIOSFODNN7EXAMPLE",
        "xai-abcdefghijklmnopqrst",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    ],
)
@pytest.mark.parametrize(
    "around", ["{}", 'Incorrect API key provided: "{}".', "Authorization: Bearer {}", "?key={}&a=b"]
)
def test_what_looks_like_a_key_is_hidden(secret: str, around: str) -> None:
    told = conceal(around.format(secret))

    assert secret not in told
    assert HIDDEN in told


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer plainword123",
        'api_key="plainword123"',
        "{'api-key': 'plainword123'}",
        '{"x-api-key": "plainword123"}',
        "password=plainword123",
        "http://127.0.0.1:1/open?code=plainword123",
    ],
)
def test_what_is_named_as_a_secret_is_hidden_whatever_it_looks_like(text: str) -> None:
    told = conceal(text)

    assert "plainword123" not in told
    assert told.startswith(text[:4])


def test_other_words_stay() -> None:
    text = (
        "The answer from http://127.0.0.1:8080/v1 broke off: status code: 503, task-list of sk-learn, model hf-small."
    )

    assert conceal(text) == text


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    path = tmp_path / "logs" / "hearth.log"
    open_journal(path, is_debug=False)
    yield path
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_the_log_holds_no_key_of_this_process_whatever_it_looks_like(journal: Path, tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.json", SystemKeyring())
    hide_keys(keys.seen)
    keys.put("http://127.0.0.1:1/v1", "an+odd/key=", place="file")
    keys.put("http://127.0.0.1:2/v1", "another~one", place="session")
    keys.remove("http://127.0.0.1:2/v1")
    try:
        raise ValueError("the server said: an+odd/key= is wrong")
    except ValueError:
        logging.getLogger("x").exception("with %s and %s", "another~one", {"key": CANARY})

    told = journal.read_text(encoding="utf-8")
    assert not [key for key in ("an+odd/key=", "another~one", CANARY) if key in told]
    assert "the server said: [hidden] is wrong" in told


@pytest.mark.parametrize("content", ["[" * 200_000, "\x00", '{"a":', "null", "[1]"])
def test_a_damaged_key_file_is_an_empty_one(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys.json").write_text(content, encoding="utf-8")

    assert Keys(tmp_path / "keys.json", SystemKeyring()).get("http://127.0.0.1:1/v1") is None


def test_a_folder_in_the_place_of_the_key_file_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "keys.json").mkdir()

    assert Keys(tmp_path / "keys.json", SystemKeyring()).get("http://127.0.0.1:1/v1") is None
