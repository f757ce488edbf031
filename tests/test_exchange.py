"""Chats in and out: nothing is lost on the way, nothing comes twice, and what is hostile stays outside."""

from __future__ import annotations

import json
import os
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.attachments import Attachments
from assistant.catalogue import Catalogue
from assistant.database import Database
from assistant.errors import StoreError
from assistant.events import UsageReported
from assistant.exchange import archive
from assistant.exchange.exporter import Exporter
from assistant.exchange.importer import Importer, ImportReport
from assistant.i18n import ENGLISH
from assistant.messages import Attachment, Message, Reasoning, Text, ToolCall, ToolResult, user
from assistant.pick import Wish
from assistant.records import Failure, StoredConversation, StoredMessage, new_id, new_message
from assistant.store import Store
from tests.exports import PICTURE, chatgpt_chat, chatgpt_zip, claude_chat, node, open_webui_chat, said, words
from tests.test_pictures import picture


class Profile:
    """A store with its attachments, and the two ways."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "attachments").mkdir(parents=True)
        self.files = Attachments(folder / "attachments")
        self.store = Store(Database(folder / "hearth.db"), self.files)
        self.catalogue = Catalogue(self.store.database, self.files)

    def bring_in(self, *paths: Path) -> ImportReport:
        return Importer(self.store, self.files).bring_in(paths)

    def export(self, name: str) -> Path:
        path = self.folder.parent / name
        kinds: dict[str, Any] = {".json": "json", ".html": "html", ".zip": "md", ".md": "md"}
        Exporter(self.store, self.files, ENGLISH).write_all(path, kinds[path.suffix])
        return path

    def chats(self) -> list[StoredConversation]:
        found = (self.store.conversation(chat) for chat in self.catalogue.all_ids())
        return [chat for chat in found if chat is not None]

    def everything(self) -> list[tuple[StoredConversation, list[StoredMessage]]]:
        return [(chat, self.store.tree(chat.id)) for chat in self.chats()]


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Profile]:
    profile = Profile(tmp_path / "profile")
    yield profile
    profile.store.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Profile]:
    other = Profile(tmp_path / "other")
    yield other
    other.store.close()


def as_file(path: Path, data: object) -> Path:
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


def drawn(profile: Profile, chat: StoredConversation) -> dict[str, tuple[str | None, str, str]]:
    """The tree by the names that its messages have at home: parent, role, and what is said."""
    tree = profile.store.tree(chat.id)
    names = {item.id: item.origin for item in tree}
    return {
        str(item.origin): (names.get(item.parent_id or ""), item.message.role, _told(item.message)) for item in tree
    }


def _told(message: Message) -> str:
    told: list[str] = []
    for part in message.parts:
        match part:
            case Text(text) | Reasoning(text):
                told.append(text)
            case ToolCall(_, name, arguments):
                told.append(f"{name}({arguments})")
            case ToolResult(_, text, _):
                told.append(f"-> {text}")
            case Attachment(name, media_type, _):
                told.append(f"[{name} {media_type}]")
    return " | ".join(told)


def test_a_chatgpt_export_comes_in_with_its_whole_tree(profile: Profile, tmp_path: Path) -> None:
    report = profile.bring_in(chatgpt_zip(tmp_path / "export.zip"))
    assert (report.added, report.skipped) == (1, ())
    (chat,) = profile.chats()
    assert drawn(profile, chat) == {
        "instructions": (None, "system", "I like herons."),
        "q1": ("instructions", "user", "[file_0001-heron.png image/png] | What is this?"),
        "a1": ("q1", "assistant", "A heron."),
        "q2": ("a1", "user", "Thanks! 🪶"),
        "a2": ("q1", "assistant", "python(```python\nprint(1 + 1)\n```)"),
        "thoughts": ("a2", "assistant", "Adding\n\n1 and 1"),
        "tool": ("thoughts", "tool", "-> 2"),
        "code": ("tool", "assistant", "It is:\n```python\n2\n```"),
        "odd": (
            "code",
            "assistant",
            '```json\n{\n "content_type": "from_the_future",\n "secret": [\n  "kept",\n  1\n ]\n}\n```',
        ),
    }
    branch = profile.store.branch(chat.leaf_id)
    assert [item.origin for item in branch] == ["instructions", "q1", "a2", "thoughts", "tool", "code", "odd"]
    assert (chat.title, chat.is_pinned, chat.is_archived) == ("A heron, twice", True, False)
    assert chat.created_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert {item.model for item in profile.store.tree(chat.id)} == {None, "gpt-4o", "o3"}
    picture = branch[1].message.parts[0]
    assert isinstance(picture, Attachment)
    assert profile.files.read(picture) == PICTURE


def test_chatgpt_chats_in_several_files_or_without_a_zip_come_in(profile: Profile, tmp_path: Path) -> None:
    second = chatgpt_chat() | {"conversation_id": "conv-2", "id": "conv-2"}
    with zipfile.ZipFile(tmp_path / "split.zip", "w") as file:
        file.writestr("conversations-000.json", json.dumps([chatgpt_chat()]))
        file.writestr("conversations-001.json", json.dumps([second]))
    assert profile.bring_in(tmp_path / "split.zip").added == 2
    third = chatgpt_chat() | {"conversation_id": "conv-3", "id": "conv-3"}
    assert profile.bring_in(as_file(tmp_path / "conversations.json", [third])).added == 1
    picture = profile.store.branch(profile.chats()[-1].leaf_id)[1].message.parts[0]
    assert picture == Text("[file_0001]")  # the file did not come along, and that is said


def test_a_claude_export_comes_in_with_branches_thoughts_and_tools(profile: Profile, tmp_path: Path) -> None:
    assert profile.bring_in(as_file(tmp_path / "conversations.json", [claude_chat()])).added == 1
    (chat,) = profile.chats()
    assert drawn(profile, chat) == {
        "m-1": (None, "user", "Longest river? | \n\n[map.txt]\nNile, Amazon"),
        "m-2": ("m-1", "assistant", 'Let me look. | search({"q": "rivers"})'),
        "m-2#1": ("m-2", "tool", "-> Nile"),
        "m-2#2": ("m-2#1", "assistant", "The Nile."),
        "m-3": ("m-1", "assistant", "The Amazon."),
    }
    assert chat.title == "Rivers"


def test_an_open_webui_export_comes_in_with_its_branches(profile: Profile, tmp_path: Path) -> None:
    assert profile.bring_in(as_file(tmp_path / "chats.json", [open_webui_chat()])).added == 1
    (chat,) = profile.chats()
    assert drawn(profile, chat) == {
        "1": (None, "user", "Hi"),
        "2": ("1", "assistant", "Hello."),
        "3": ("1", "assistant", "Good day."),
    }
    assert [item.origin for item in profile.store.branch(chat.leaf_id)] == ["1", "3"]
    assert chat.is_archived


@pytest.mark.parametrize("make", [chatgpt_chat, claude_chat, open_webui_chat])
def test_importing_twice_adds_nothing_twice(profile: Profile, tmp_path: Path, make: Callable[[], Any]) -> None:
    path = as_file(tmp_path / "conversations.json", [make()])
    profile.bring_in(path)
    before = profile.everything()
    again = profile.bring_in(path)
    assert (again.added, again.grown, again.known) == (0, 0, 1)
    assert profile.everything() == before


def test_a_later_export_adds_only_what_is_new(profile: Profile, tmp_path: Path) -> None:
    profile.bring_in(chatgpt_zip(tmp_path / "export.zip"))
    later = chatgpt_chat()
    later["mapping"]["q2"]["children"].append("a3")
    later["mapping"]["a3"] = node("a3", "q2", [], said("assistant", words("You are welcome.")))
    report = profile.bring_in(chatgpt_zip(tmp_path / "later.zip", later))
    assert (report.added, report.grown) == (0, 1)
    (chat,) = profile.chats()
    assert drawn(profile, chat)["a3"] == ("q2", "assistant", "You are welcome.")
    assert len(profile.store.tree(chat.id)) == 10


def test_our_export_is_lossless_and_comes_in_once(profile: Profile, other: Profile, tmp_path: Path) -> None:
    profile.bring_in(chatgpt_zip(tmp_path / "export.zip"), as_file(tmp_path / "c.json", [claude_chat()]))
    path = profile.export("all.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert other.bring_in(path).added == 2
    assert other.everything() == profile.everything()
    assert [item.created_at for _, tree in other.everything() for item in tree] == [
        item.created_at for _, tree in profile.everything() for item in tree
    ]
    picture = other.store.branch(other.chats()[0].leaf_id)[1].message.parts[0]
    assert isinstance(picture, Attachment)
    assert other.files.read(picture) == PICTURE
    assert other.bring_in(path).known == 2
    assert profile.bring_in(path).known == 2


def test_what_the_model_is_sent_of_a_chat_goes_out_and_in_with_it(profile: Profile, other: Profile) -> None:
    chat = profile.store.add_conversation()
    question = StoredMessage(new_id(), None, Message("user", (Text("Red?"),)), "complete", mark="pinned")
    answer = StoredMessage(new_id(), question.id, Message("assistant", (Text("Yes."),)), "complete", stand_in="It is.")
    profile.store.save_messages(chat.id, question, answer)
    path = profile.export("all.json")
    other.bring_in(path)
    assert [(item.mark, item.stand_in) for item in other.store.tree(chat.id)] == [("pinned", None), (None, "It is.")]
    text = path.read_text(encoding="utf-8").replace('"pinned"', '"painted"').replace('"It is."', "7")
    other.store.erase_messages(chat.id, question.id)
    other.bring_in(as_file(path.with_name("odd.json"), text))
    assert [(item.mark, item.stand_in) for item in other.store.tree(chat.id)] == [(None, None), (None, None)]


def test_what_says_something_else_here_is_kept_in_both_versions(profile: Profile, other: Profile) -> None:
    chat = profile.store.add_conversation()
    question = StoredMessage(new_id(), None, Message("user", (Text("Red?"),)), "complete")
    profile.store.save_messages(chat.id, question)
    path = profile.export("all.json")
    other.bring_in(path)
    text = path.read_text(encoding="utf-8").replace("Red?", "Blue?")
    changed = as_file(path.with_name("changed.json"), text)
    assert other.bring_in(changed).grown == 1
    assert other.bring_in(changed).known == 1
    assert sorted(item.message.text for item in other.store.tree(chat.id)) == ["Blue?", "Red?"]


PARTS = st.one_of(
    st.builds(Text, st.text()),
    st.builds(Reasoning, st.text()),
    st.builds(ToolCall, st.text(), st.text(), st.text()),
    st.builds(ToolResult, st.text(), st.text(), st.booleans()),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(parts=st.lists(PARTS, max_size=4), title=st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_whatever_was_said_survives_the_way_out_and_in(
    tmp_path_factory: pytest.TempPathFactory, parts: list[Any], title: str
) -> None:
    folder = tmp_path_factory.mktemp("trip")
    here, there = Profile(folder / "here"), Profile(folder / "there")
    item = StoredMessage(
        *(new_id(), None, Message("assistant", tuple(parts)), "failed", "m"),
        usage=UsageReported(1, None, 2.5),
        failure=Failure("engine-silent", {"url": "x"}),
    )
    chat = StoredConversation(new_id(), title, item.id, "person", "Work", "unsent", is_pinned=True)
    here.store.add_tree(chat, [item])
    assert there.bring_in(here.export("all.json")).added == 1
    assert there.everything() == here.everything()
    here.store.close()
    there.store.close()


def test_markdown_comes_back_as_the_chat_it_was(profile: Profile, other: Profile, tmp_path: Path) -> None:
    profile.bring_in(as_file(tmp_path / "chats.json", [open_webui_chat()]))
    path = profile.export("all.zip")
    with zipfile.ZipFile(path) as file:
        assert file.namelist() == ["Greetings.md"]
        assert "## You\n\nHi\n" in file.read("Greetings.md").decode()
    assert other.bring_in(path).added == 1
    (chat,) = other.chats()
    assert [(i.message.role, i.message.text) for i in other.store.branch(chat.leaf_id)] == [
        ("user", "Hi"),
        ("assistant", "Good day."),
    ]
    assert other.bring_in(path).known == 1


def test_a_folder_of_markdown_comes_in(profile: Profile, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    as_file(folder / "one.md", "# Birds\n\nHerons wade.")
    as_file(folder / "deep" / "two.md", "just words")
    as_file(folder / "empty.md", " \n")
    report = profile.bring_in(folder)
    assert report.added == 2
    assert [(item.name, item.key) for item in report.skipped] == [("empty.md", "empty")]
    assert sorted(chat.title for chat in profile.chats()) == ["Birds", "two"]


def test_the_page_runs_nothing_and_loads_nothing(profile: Profile, tmp_path: Path) -> None:
    bad = open_webui_chat()
    bad["title"] = "<script>alert(1)</script>"
    bad["chat"]["history"]["messages"]["3"]["content"] = (
        "**bold** <script>alert(2)</script> ![x](https://sink.example/x.png)\n\n[y](javascript:alert(3))"
    )
    profile.bring_in(as_file(tmp_path / "chats.json", [bad]))
    page = profile.export("all.html").read_text(encoding="utf-8")
    assert "<strong>bold</strong>" in page
    assert "<script" not in page
    assert "<img" not in page
    assert 'href="javascript' not in page
    assert "default-src 'none'" in page


def zip_of(path: Path, *entries: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries:
            file.writestr(name, content)
    return path


GOOD = json.dumps([open_webui_chat()]).encode()


@pytest.mark.parametrize(
    "name", ["../conversations.json", "/etc/conversations.json", "a/../../conversations.json", "C:\\conversations.json"]
)
def test_an_entry_whose_name_leads_out_is_refused_and_the_others_come_in(
    profile: Profile, tmp_path: Path, name: str
) -> None:
    report = profile.bring_in(zip_of(tmp_path / "bad.zip", (name, GOOD), ("conversations.json", GOOD)))
    assert report.added == 1
    assert [item.key for item in report.skipped] == ["hostile"]


def test_a_bomb_is_not_unpacked(profile: Profile, tmp_path: Path) -> None:
    report = profile.bring_in(zip_of(tmp_path / "bomb.zip", ("conversations.json", b" " * 50_000_000)))
    assert [item.key for item in report.skipped] == ["too-large"]


def test_many_small_bombs_are_one(profile: Profile, tmp_path: Path) -> None:
    entries = [(f"conversations-{number:03}.json", b"[" + b"1," * 2_400_000 + b"1]") for number in range(250)]
    report = profile.bring_in(zip_of(tmp_path / "bombs.zip", *entries))
    assert [item.key for item in report.skipped] == ["too-large"]


def test_json_that_would_fill_the_memory_is_not_read(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST_VALUES", 1000)
    report = profile.bring_in(as_file(tmp_path / "conversations.json", [{}] * 1000))
    assert [item.key for item in report.skipped] == ["too-large"]


@pytest.mark.skipif(os.name != "posix", reason="needs named pipes")
def test_a_pipe_is_not_waited_for(profile: Profile, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "conversations.json")
    assert [item.key for item in profile.bring_in(tmp_path / "conversations.json").skipped] == ["unreadable"]


def test_pictures_of_questions_and_drafts_go_out_and_come_in_and_are_on_the_page(
    profile: Profile, other: Profile, tmp_path: Path
) -> None:
    chat = profile.store.add_conversation()
    content = picture("PNG")
    asked, drafted = (profile.files.put(chat.id, f"{name}.png", "image/png", content) for name in ("asked", "drafted"))
    profile.store.save_messages(chat.id, new_message(None, user("What is it?", [asked])))
    profile.catalogue.save_draft_files(chat.id, [drafted])
    assert other.bring_in(profile.export("out.json")).added == 1
    (come,) = other.chats()
    (question,) = other.store.branch(come.leaf_id)
    assert (question.message.pictures, come.draft_files) == ((asked,), (drafted,))
    assert [other.files.read(file) for file in (asked, drafted)] == [content, content]
    page = profile.export("out.html").read_text(encoding="utf-8")
    assert '<img src="data:image/png;base64,' in page
    assert "img-src data:;" in page
    other.catalogue.delete(come.id)
    other.catalogue.erase_deleted()
    assert [path for path in (other.folder / "attachments").rglob("*") if path.is_file()] == []


def test_a_picture_that_is_shown_often_is_stored_once(profile: Profile, tmp_path: Path) -> None:
    chat = chatgpt_chat()
    shown: dict[str, Any] = {"content_type": "image_asset_pointer", "asset_pointer": "sediment://file_0001"}
    content: dict[str, Any] = {"content_type": "multimodal_text", "parts": [shown] * 50}
    chat["mapping"] = {"a": node("a", None, [], said("user", content))}
    assert profile.bring_in(chatgpt_zip(tmp_path / "export.zip", chat)).added == 1
    (message,) = profile.store.tree(profile.chats()[0].id)
    assert len(message.message.parts) == 50
    assert len([path for path in (profile.folder / "attachments").rglob("*") if path.is_file()]) == 1


def test_an_archive_that_lies_about_a_size_is_refused(profile: Profile, tmp_path: Path) -> None:
    path = zip_of(tmp_path / "liar.zip", ("conversations.json", b" " * 8_000_000))
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<I", 10)
    path.write_bytes(content)
    assert [item.key for item in profile.bring_in(path).skipped] == ["broken-archive"] or [
        item.key for item in profile.bring_in(path).skipped
    ] == ["not-json"]
    assert profile.chats() == []


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (b"PK\x03\x04 cut off", "not-json"),
        (b"", "not-json"),
        (b"[" * 100_000, "not-json"),
        (b"\xff\xfe\x00", "not-json"),
        (b"null", "no-chats"),
        (b"[]", "no-chats"),
        (b'[{"mapping": {}}]', "no-messages"),
        (b'[{"mapping": {"a": 1}, "id": "x"}]', "empty"),
        (b'[{"mapping": [1, 2], "id": 7}]', "no-messages"),
        (b'{"format": "hearth-export", "version": 99, "chats": []}', "newer-export"),
        (b'{"format": "hearth-export", "version": 1, "chats": [{"id": "../x"}]}', "damaged-chat"),
        (b'[{"chat_messages": [1, null, "x"], "uuid": "c"}]', "empty"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_reason(
    profile: Profile, tmp_path: Path, content: bytes, key: str
) -> None:
    path = tmp_path / "conversations.json"
    path.write_bytes(content)
    report = profile.bring_in(path)
    assert [item.key for item in report.skipped] == [key]
    assert report.skipped[0].reason(ENGLISH)
    assert profile.chats() == []


def test_a_ring_and_an_orphan_in_a_tree_lose_nothing(profile: Profile, tmp_path: Path) -> None:
    chat = chatgpt_chat()
    chat["mapping"] = {
        "a": node("a", "b", ["b"], said("user", words("A"))),
        "b": node("b", "a", ["a"], said("assistant", words("B"))),
        "c": node("c", "nobody", [], said("user", words("C"), create_time=float("inf"))),
        "d": node("d", "c", [], said("user", words("D \ud800"), create_time="soon")),
    }
    chat["current_node"] = "d"
    assert profile.bring_in(as_file(tmp_path / "conversations.json", [chat, 7, {"id": 1}])).added == 1
    tree = drawn(profile, profile.chats()[0])
    assert {name: told for name, (_, _, told) in tree.items()} == {"a": "A", "b": "B", "c": "C", "d": "D \ud800"}


@pytest.mark.parametrize("stored_as", ["../../hearth.db", "/etc/passwd", "a/b", "x" * 32 + "/" + "0" * 32])
def test_an_attachment_with_a_name_of_its_own_is_neither_read_nor_written(profile: Profile, stored_as: str) -> None:
    assert profile.files.read(Attachment("x", "y", stored_as)) is None
    with pytest.raises(StoreError):
        profile.files.put_as(stored_as, b"planted")


def test_names_with_half_a_character_and_none_at_all_come_in_once(profile: Profile, tmp_path: Path) -> None:
    chat = open_webui_chat()
    chat["title"] = "Cut \ud83d"
    said_there = chat["chat"]["history"]["messages"]
    said_there["\ud800"] = {"role": "user", "content": "Odd", "parentId": None, "model": "\udfff"}
    said_there[""] = {"role": "assistant", "content": "Odder", "parentId": "\ud800", "model": "m\ud800"}
    path = as_file(tmp_path / "chats.json", [chat])
    assert profile.bring_in(path).added == 1
    assert profile.chats()[0].title == "Cut ?"
    assert {item.message.text for item in profile.store.tree(profile.chats()[0].id)} >= {"Odd", "Odder"}
    assert profile.bring_in(path) == ImportReport(known=1)


def test_a_message_of_no_kind_keeps_its_words(profile: Profile, tmp_path: Path) -> None:
    chat = chatgpt_chat()
    chat["mapping"] = {"a": node("a", None, [], said("user", {"parts": ["Of no kind"]}))}
    profile.bring_in(as_file(tmp_path / "conversations.json", [chat]))
    assert profile.store.tree(profile.chats()[0].id)[0].message.text == "Of no kind"


def test_a_deep_open_webui_chat_comes_in_whole(profile: Profile, tmp_path: Path) -> None:
    chat = open_webui_chat()
    chat["chat"]["history"] = {
        "messages": {
            f"m{i}": {"role": "user", "content": f"{i}", "parentId": f"m{i - 1}" if i else None}
            for i in reversed(range(3000))
        },
        "currentId": "m2999",
    }
    assert profile.bring_in(as_file(tmp_path / "chats.json", [chat])).added == 1
    (stored,) = profile.chats()
    assert [item.message.text for item in profile.store.branch(stored.leaf_id)] == [f"{i}" for i in range(3000)]


def test_a_claude_chat_whose_last_answer_used_a_tool_is_shown_to_its_end(profile: Profile, tmp_path: Path) -> None:
    chat = claude_chat()
    last = max(chat["chat_messages"], key=lambda item: len(item["content"]))
    chat["chat_messages"] = chat["chat_messages"][: chat["chat_messages"].index(last) + 1]
    chat["current_leaf_message_uuid"] = last["uuid"]
    profile.bring_in(as_file(tmp_path / "conversations.json", [chat]))
    (stored,) = profile.chats()
    branch = profile.store.branch(stored.leaf_id)
    assert (
        branch[-1].origin == f"{last['uuid']}#{len([i for i in branch if str(i.origin).startswith(last['uuid'])]) - 1}"
    )
    assert len(branch) > len(chat["chat_messages"])


def hearth_export(profile: Profile, change: Callable[[dict[str, Any]], object]) -> Path:
    """What this profile exports, changed by somebody."""
    told = json.loads(profile.export("theirs.json").read_text(encoding="utf-8"))
    change(told["chats"][0])
    return as_file(profile.folder.parent / "changed.json", told)


def _in_a_ring(chat: dict[str, Any]) -> None:
    chat["messages"][0]["parent_id"] = chat["messages"][-1]["id"]


@pytest.mark.parametrize(
    "change",
    [
        lambda chat: chat["messages"].append(chat["messages"][0]),
        lambda chat: chat["messages"].pop(0),
        _in_a_ring,
    ],
    ids=["an id that is there twice", "a parent that is missing", "a ring"],
)
def test_an_export_of_ours_whose_tree_is_none_is_refused(
    profile: Profile, other: Profile, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    profile.bring_in(as_file(tmp_path / "conversations.json", [claude_chat()]))
    assert [item.key for item in other.bring_in(hearth_export(profile, change)).skipped] == ["damaged-chat"]
    assert other.chats() == []


def test_a_chat_that_claims_the_messages_of_another_changes_nothing(profile: Profile, tmp_path: Path) -> None:
    profile.bring_in(as_file(tmp_path / "chats.json", [open_webui_chat()]))
    before = profile.everything()

    def claim(chat: dict[str, Any]) -> None:
        chat["id"], chat["origin"] = new_id(), None
        for item in chat["messages"]:
            item["parts"] = [{"type": "text", "text": "Planted"}]

    assert [item.key for item in profile.bring_in(hearth_export(profile, claim)).skipped] == ["damaged-chat"]
    assert profile.everything() == before


def test_a_chat_that_is_brought_back_after_it_was_erased_is_in_the_next_snapshots(
    profile: Profile, tmp_path: Path
) -> None:
    profile.bring_in(as_file(tmp_path / "chats.json", [open_webui_chat()]))
    path = profile.export("mine.json")
    before = profile.everything()
    profile.catalogue.delete(before[0][0].id)
    profile.catalogue.erase_deleted()
    assert profile.bring_in(path).added == 1
    assert profile.everything() == before
    with profile.store.database.reading() as db:
        assert db.execute("SELECT count(*) FROM erased").fetchone()[0] == 0, "or a rotation would take it out of them"


def test_one_damaged_chat_keeps_no_other_out(profile: Profile, tmp_path: Path) -> None:
    bad = chatgpt_chat() | {"mapping": {"x": {"message": {"content": {"content_type": "text"}}}}, "title": "Broken"}
    report = profile.bring_in(as_file(tmp_path / "conversations.json", [bad, claude_chat(), chatgpt_chat()]))
    assert report.added == 2
    assert [item.name for item in report.skipped] == ["Broken"]


def test_a_file_goes_with_the_last_message_that_has_it(profile: Profile, tmp_path: Path) -> None:
    profile.bring_in(chatgpt_zip(tmp_path / "export.zip"))
    (chat,) = profile.chats()
    question = profile.store.branch(chat.leaf_id)[1]
    picture = question.message.parts[0]
    assert isinstance(picture, Attachment)
    copy = profile.store.copy_branch(question.id, title="A copy", wish=Wish())

    profile.store.erase_messages(chat.id, question.id)
    assert profile.files.read(picture) == PICTURE, "the copy has it"

    profile.catalogue.delete(copy.id)
    profile.catalogue.erase_deleted()
    assert profile.files.read(picture) is None
    assert not list((profile.folder / "attachments").iterdir())


def test_files_of_a_chat_that_cannot_come_in_are_not_left_behind(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("store.full", path=tmp_path, reason="full")

    monkeypatch.setattr(profile.store, "add_tree", full)
    with pytest.raises(StoreError):
        profile.bring_in(chatgpt_zip(tmp_path / "export.zip"))
    assert not list((profile.folder / "attachments").iterdir())
