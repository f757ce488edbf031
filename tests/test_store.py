"""The store: what was saved is there again, whatever happens to the process or the file."""

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.database import Database
from assistant.errors import StoreError
from assistant.events import UsageReported
from assistant.messages import Message, Reasoning, Text, user
from assistant.migrations import STEPS
from assistant.records import Failure, StoredMessage, new_message
from assistant.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(Database(tmp_path / "hearth.db"))
    yield store
    store.close()


def answered(store: Store) -> tuple[str, StoredMessage, StoredMessage]:
    chat = store.add_conversation()
    question = new_message(None, user("Why?"))
    answer = new_message(question.id, Message("assistant", (Reasoning("hm"), Text("Because."))), model="m")
    store.save_messages(chat.id, question, answer)
    return chat.id, question, answer


def test_a_saved_chat_is_the_last_one_with_all_its_parts(store: Store) -> None:
    chat, question, answer = answered(store)
    last = store.last_conversation()
    assert last is not None
    assert (last.id, store.branch(last.leaf_id)) == (chat, [question, answer])


def test_saving_a_message_again_replaces_what_it_says(store: Store) -> None:
    chat, question, answer = answered(store)
    longer = StoredMessage(
        id=answer.id,
        parent_id=question.id,
        message=Message("assistant", (Text("Because of that."),)),
        status="failed",
        model="other",
        usage=UsageReported(7, 3, 12.5),
        failure=Failure("unreachable.refused", {"url": "http://127.0.0.1:9"}),
    )
    store.save_messages(chat, longer)
    assert store.branch(answer.id) == [question, longer]


def test_a_second_answer_is_a_sibling_and_the_first_stays(store: Store) -> None:
    chat, question, first = answered(store)
    second = new_message(question.id, Message("assistant", (Text("Other."),)))
    store.save_messages(chat, second)
    assert store.branch(first.id) == [question, first]
    assert store.branch(second.id) == [question, second]
    last = store.last_conversation()
    assert last is not None
    assert last.leaf_id == second.id


def test_an_answer_that_was_streaming_is_interrupted_at_the_next_start(tmp_path: Path) -> None:
    first = Store(Database(tmp_path / "hearth.db"))
    chat = first.add_conversation()
    question = new_message(None, user("Why?"))
    half = new_message(question.id, Message("assistant", (Text("Beca"),)), status="streaming")
    first.save_messages(chat.id, question, half)
    first.close()
    again = Store(Database(tmp_path / "hearth.db"))
    assert again.branch(half.id)[-1].status == "interrupted"
    assert again.branch(half.id)[-1].message.text == "Beca"
    again.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(st.characters()))
def test_any_text_can_be_stored(store: Store, text: str) -> None:
    chat = store.add_conversation()
    message = new_message(None, user(text))
    store.save_messages(chat.id, message)
    assert store.branch(message.id)[0].message.text == text


def test_half_of_a_write_is_never_seen(store: Store) -> None:
    chat = store.add_conversation()
    good = new_message(None, user("kept?"))
    orphan = new_message("no such parent", user("no"))
    with pytest.raises(StoreError):
        store.save_messages(chat.id, good, orphan)
    assert store.branch(good.id) == []


def test_the_file_is_readable_by_its_owner_only(store: Store, tmp_path: Path) -> None:
    answered(store)
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file.name


def test_a_newer_database_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "hearth.db"
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        Store(Database(path))
    assert caught.value.key == "store.newer"
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_database_is_told_and_not_touched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hearth.db"
    path.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        Store(Database(path))
    assert caught.value.key == "store.corrupt"
    assert path.read_bytes() == content


def test_words_that_were_saved_outlive_a_kill(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from assistant.messages import user
from assistant.database import Database
from assistant.records import new_message
from assistant.store import Store
store = Store(Database(Path(sys.argv[1])))
chat = store.add_conversation()
store.save_messages(chat.id, new_message(None, user("acknowledged")))
os.kill(os.getpid(), signal.SIGKILL)
"""
    path = tmp_path / "hearth.db"
    ended = subprocess.run([sys.executable, "-c", script, str(path)], check=False, timeout=30)
    assert ended.returncode == -9
    store = Store(Database(path))
    last = store.last_conversation()
    assert last is not None
    assert store.branch(last.leaf_id)[0].message.text == "acknowledged"
    store.close()
