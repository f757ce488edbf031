"""Chats and their branches as a person handles them by mouse; test_keyboard.py does the same without one."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from assistant.attachments import Attachments
from assistant.database import Database
from assistant.messages import user
from assistant.paths import Profile
from assistant.records import StoredConversation, new_id, new_message
from assistant.store import Store
from tests.conftest import Served, eventually, hearth
from tests.exports import chatgpt_chat, chatgpt_zip, node, said, words
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer, Silence

pytestmark = pytest.mark.browser
Serve = Callable[..., Served]


def open_hearth(page: Page, served: Served) -> None:
    page.goto(served.address)
    expect(page.locator("#chat-input textarea")).to_be_visible()
    page.wait_for_timeout(1500)  # what the page loads with is drawn


def ask(page: Page, question: str) -> None:
    page.fill("#chat-input textarea", question)
    page.press("#chat-input textarea", "Enter")


def settled(page: Page) -> Locator:
    return page.locator("#chat-settled")


def chat_row(page: Page, title: str) -> Locator:
    return page.locator("#chat-list .hearth-row", has_text=title)


def choose(page: Page, title: str, command: str) -> None:
    """A command of a chat's menu."""
    row = chat_row(page, title)
    row.hover()
    row.locator("summary").click()
    row.locator(f".hearth-do-{command}").click()


def act(page: Page, where: str, command: str) -> None:
    """What can be done with the message that says `where`."""
    row = settled(page).locator(".message-row", has_text=where).last
    row.hover()
    link = row.locator(f".hearth-do-{command}")
    if not link.is_visible():
        row.locator("summary").click()
    link.click()


def test_an_edited_question_and_a_retried_answer_stand_beside_the_first_ones(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(("First.",)), Answer(("Second.",)), Answer(("Third.",))) as server:
        open_hearth(page, serve("--endpoint", server.url))
        ask(page, "What is red?")
        expect(settled(page)).to_contain_text("First.")
        act(page, "First.", "retry")
        expect(settled(page)).to_contain_text("Second.")
        expect(settled(page).locator(".hearth-versions")).to_contain_text("2 / 2")

        act(page, "What is red?", "edit")
        expect(page.locator("#chat-input textarea")).to_have_value("What is red?")
        ask(page, "What is blue?")
        expect(settled(page)).to_contain_text("Third.")
        assert [message["content"] for message in server.chats[-1].body["messages"]][-1] == "What is blue?"

        settled(page).get_by_title("Earlier version").click()
        expect(settled(page)).to_contain_text("Second.")
        settled(page).get_by_title("Earlier version").last.click()
        expect(settled(page)).to_contain_text("First.")


def test_a_stopped_answer_is_gone_on_with_and_its_first_version_stays(page: Page, serve: Serve) -> None:
    with fake_endpoint(Silence(after=("Half a ",)), Answer(("loaf.",))) as server:
        open_hearth(page, serve("--endpoint", server.url))
        ask(page, "What is better than none?")
        expect(page.locator("#chat-live")).to_contain_text("Half a")
        page.click("#chat-stop")
        expect(settled(page)).to_contain_text("stopped")
        act(page, "Half a", "continue")
        expect(settled(page)).to_contain_text("Half a loaf.")
        expect(settled(page).locator(".hearth-versions")).to_contain_text("2 / 2")
        asked = [message["role"] for message in server.chats[-1].body["messages"]]
        assert asked[-3:] == ["user", "assistant", "user"]


def test_a_branch_begins_at_any_message_and_can_be_a_chat_of_its_own(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(("One.",)), Answer(("Two.",)), Answer(("Three.",)), title="Counting") as server:
        open_hearth(page, serve("--endpoint", server.url))
        for question, answer in (("First?", "One."), ("Second?", "Two.")):
            ask(page, question)
            expect(settled(page)).to_contain_text(answer)
        act(page, "One.", "branch")
        expect(settled(page)).not_to_contain_text("Second?")
        ask(page, "Third?")
        expect(settled(page)).to_contain_text("Three.")
        expect(settled(page).locator(".hearth-versions")).to_contain_text("2 / 2")
        expect(chat_row(page, "Counting")).to_have_count(1)

        act(page, "One.", "split")
        expect(chat_row(page, "Counting")).to_have_count(2)
        expect(settled(page)).to_contain_text("One.")
        expect(settled(page)).not_to_contain_text("Third?")


def test_a_message_is_deleted_with_what_follows_it_after_a_yes(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(("One.",)), Answer(("Two.",))) as server:
        open_hearth(page, serve("--endpoint", server.url))
        for question, answer in (("First?", "One."), ("Second?", "Two.")):
            ask(page, question)
            expect(settled(page)).to_contain_text(answer)
        act(page, "Second?", "erase")
        expect(page.locator("#composer-question")).to_contain_text("everything that follows")
        page.click("#composer-no")
        expect(settled(page)).to_contain_text("Two.")
        act(page, "Second?", "erase")
        page.click("#composer-yes")
        expect(settled(page)).not_to_contain_text("Second?")
        expect(settled(page)).to_contain_text("One.")


def test_the_engine_names_a_chat_and_the_first_words_do_until_then(page: Page, serve: Serve) -> None:
    with fake_endpoint(Silence(after=("Red",)), Answer(("Blue.",)), title='"The colour of the sky"\n') as server:
        open_hearth(page, serve("--endpoint", server.url))
        ask(page, "Which colour has the sky\nwhen it rains?")
        expect(page.locator("#sidebar").get_by_text("Which colour has the sky", exact=True)).to_be_visible()
        page.click("#chat-stop")
        expect(settled(page)).to_contain_text("stopped")
        act(page, "Red", "retry")
        expect(page.locator("#sidebar").get_by_text("The colour of the sky", exact=True)).to_be_visible()


def test_a_search_finds_words_in_all_messages_and_jumps_there(page: Page, serve: Serve) -> None:
    answers = [Answer(("Nothing here.",)) for _ in range(2)]
    with fake_endpoint(Answer(("A heron stands in the reeds.",)), *answers, title="By the water") as server:
        open_hearth(page, serve("--endpoint", server.url))
        ask(page, "Who fishes?")
        expect(settled(page)).to_contain_text("heron")
        for number in (1, 2):
            ask(page, f"More {number}?")
            expect(settled(page).locator(".bot-row")).to_have_count(number + 1)
        page.click("#new-chat")
        expect(settled(page)).not_to_contain_text("heron")
        page.locator("#search-chats input, #search-chats textarea").press_sequentially("stands her")
        hit = page.locator("#chat-list .hearth-hit")
        expect(hit).to_contain_text("A heron stands in the reeds.")
        expect(hit.locator("mark").first).to_have_text("heron")
        hit.locator("a").click()
        expect(settled(page).locator(".hearth-jumped")).to_contain_text("heron")
        page.fill("#search-chats input, #search-chats textarea", "no such word")
        expect(page.locator("#chat-list")).to_contain_text("Nothing found.")


def test_chats_are_renamed_pinned_moved_archived_and_deleted_with_undo(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(("One.",)), Answer(("Two.",)), title="") as server:
        # Without titles by the engine, whose requests are in no script here: the answers are the only ones.
        served = serve("--endpoint", server.url)
        open_hearth(page, served)
        server._title = "Second chat"  # pyright: ignore[reportPrivateUsage]
        ask(page, "Alpha")
        expect(chat_row(page, "Second chat")).to_be_visible()
        choose(page, "Second chat", "rename")
        page.fill("#chat-name input, #chat-name textarea", "My title")
        page.press("#chat-name input, #chat-name textarea", "Enter")
        expect(chat_row(page, "My title")).to_be_visible()
        page.click("#new-chat")
        ask(page, "Beta")
        expect(chat_row(page, "Second chat")).to_be_visible()

        choose(page, "My title", "pin")
        expect(page.locator("#chat-list h3").first).to_have_text("Pinned")
        choose(page, "My title", "unpin")
        expect(page.locator("#chat-list h3").first).to_have_text("Today")

        choose(page, "My title", "move")
        page.locator("#chat-folder input").fill("Work")
        page.locator("#chat-folder input").press("Enter")
        page.click("#chat-form-save")
        expect(page.locator("#chat-list .hearth-folder")).to_have_text(re.compile(r"Work \(1\)"))
        expect(page.locator("#chat-list .hearth-inside")).to_contain_text("My title")

        choose(page, "My title", "archive")
        expect(chat_row(page, "My title")).to_have_count(0)
        page.locator("#sidebar-foot").get_by_text("Archived (1)").click()
        choose(page, "My title", "unarchive")
        page.get_by_text("Back to all chats").click()
        expect(chat_row(page, "My title")).to_be_visible()

        choose(page, "Second chat", "delete")
        expect(chat_row(page, "Second chat")).to_have_count(0)
        page.locator("#chat-undo").get_by_text("Undo").click()
        expect(chat_row(page, "Second chat")).to_be_visible()
        expect(settled(page)).to_contain_text("Two.")


def test_a_private_chat_leaves_no_byte_on_disk(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(("The heron is secret.",)), title="Secret heron") as server:
        served = serve("--endpoint", server.url)
        open_hearth(page, served)
        page.locator("#sidebar-foot").get_by_text("Private chat").click()
        expect(page.locator("#engine-line")).to_contain_text("in memory only")
        ask(page, "Who is the cormorant?")
        expect(settled(page)).to_contain_text("The heron is secret.")
        expect(chat_row(page, "Secret heron")).to_be_visible()
        page.fill("#chat-input textarea", "An egret, unsent")
        page.wait_for_timeout(1000)
        for path in served.data_dir.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert not any(word in content for word in (b"heron", b"cormorant", b"egret")), path
        assert served.stop() == 0
        for path in served.data_dir.rglob("*"):
            assert path.is_dir() or b"heron" not in path.read_bytes(), path


def test_unsent_words_are_there_after_a_kill_in_each_chat(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(("One.",)), title="First chat") as server:
        served = serve("--endpoint", server.url)
        open_hearth(page, served)
        ask(page, "Alpha")
        expect(chat_row(page, "First chat")).to_be_visible()
        page.fill("#chat-input textarea", "to be said later")
        page.wait_for_timeout(500)
        page.click("#new-chat")
        expect(page.locator("#chat-input textarea")).to_have_value("")
        page.fill("#chat-input textarea", "a new thought")
        expect(page.locator("#sidebar")).not_to_contain_text("to be said later")
        page.wait_for_timeout(1000)
        served.process.kill()
        served.process.wait()

        open_hearth(page, serve("--endpoint", server.url))
        chat_row(page, "First chat").locator("a").first.click()
        expect(page.locator("#chat-input textarea")).to_have_value("to be said later")
        chat_row(page, "a new thought").locator("a").first.click()
        expect(page.locator("#chat-input textarea")).to_have_value("a new thought")


def test_a_link_in_an_answer_that_looks_like_a_command_does_nothing(page: Page, serve: Serve) -> None:
    bait = "[harmless](#hearth/delete/x) and [more](#hearth/private/new) <a href='#hearth/erase/1'>this</a>"
    with fake_endpoint(Answer((bait,)), title="Kept") as server:
        open_hearth(page, serve("--endpoint", server.url))
        ask(page, "Alpha")
        expect(settled(page)).to_contain_text("harmless")
        for words in ("harmless", "this", "more"):
            settled(page).get_by_text(words, exact=True).first.click()
            page.wait_for_timeout(300)
        expect(chat_row(page, "Kept")).to_be_visible()
        expect(settled(page)).to_contain_text("harmless")


def test_chats_are_brought_in_and_taken_out_on_the_page(page: Page, serve: Serve, tmp_path: Path) -> None:
    open_hearth(page, serve())
    page.click("#tab-settings-button")
    page.click("#page-chats-button")
    page.set_input_files("#import-files input[type=file]", str(chatgpt_zip(tmp_path / "export.zip")))
    expect(page.locator("#import-report")).to_contain_text("Chats added: 1.")
    with page.expect_download() as all_of_them:
        page.click("#export-all")
    told = json.loads(all_of_them.value.path().read_text(encoding="utf-8"))
    assert [chat["title"] for chat in told["chats"]] == ["A heron, twice"]

    choose(page, "A heron, twice", "export")
    with page.expect_download() as one:
        page.click("#chat-form-save")
    assert one.value.suggested_filename == "A heron, twice.md"
    assert "## You" in one.value.path().read_text(encoding="utf-8")
    chat_row(page, "A heron, twice").locator("a").first.click()
    expect(settled(page)).to_contain_text("It is:")
    expect(settled(page).locator(".hearth-versions")).to_contain_text("2 / 2")


def test_a_title_that_takes_its_time_keeps_no_question_waiting(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(("One.",)), Silence(), Answer(("Two.",)), Answer(("Numbers",)), title="") as server:
        open_hearth(page, serve("--endpoint", server.url))
        ask(page, "First?")
        expect(settled(page)).to_contain_text("One.")
        page.wait_for_timeout(300)
        ask(page, "Second?")
        expect(settled(page)).to_contain_text("Two.")
        assert server.wait_for_disconnect(5)
        expect(chat_row(page, "Numbers")).to_be_visible()


def long_chat(count: int) -> dict[str, Any]:
    """A ChatGPT chat of so many messages: a system's, then questions and answers by turns; the second one has code."""
    code = f"```text\n{'wide ' * 60}\n" + "\n".join(f"row {row}" for row in range(120)) + "\n```"
    texts = [("system", "Be brief."), *(("user", f"Question {i}?") for i in range(count - 1))]
    texts = [(role if i % 2 or i == 0 else "assistant", text) for i, (role, text) in enumerate(texts)]
    texts[2] = ("assistant", code)
    ids = ["root", *(f"m{i}" for i in range(count))]
    mapping = {"root": node("root", None, ids[1:2], None)} | {
        ids[i + 1]: node(ids[i + 1], ids[i], ids[i + 2 : i + 3], said(role, words(text)))
        for i, (role, text) in enumerate(texts)
    }
    return {"id": "long", "title": "On <b>paper</b>", "mapping": mapping, "current_node": ids[-1], "create_time": 1.7e9}


# Chromium's dialogue would wait for a person: what it would be given, and whether the page is as before afterwards.
PRINTS = """() => { window.prints = []; window.print = () => window.prints.push({
    title: document.title, rows: document.querySelectorAll("#chat-settled article").length }); }"""


@pytest.mark.parametrize("way", ["keyboard", "menu"])
def test_a_whole_chat_is_printed_without_what_is_around_it(page: Page, serve: Serve, tmp_path: Path, way: str) -> None:
    export = chatgpt_zip(tmp_path / "export.zip", long_chat(81))
    assert hearth("import", str(export), "--data-dir", str(tmp_path / "data")).returncode == 0
    page.emulate_media(color_scheme="dark")
    open_hearth(page, serve())
    page.evaluate(PRINTS)
    if way == "keyboard":
        chat_row(page, "On <b>paper</b>").locator("a").first.click()
        expect(settled(page)).to_contain_text("Question 79?")
        page.fill("#chat-input textarea", "unsent words")
        page.keyboard.press("Control+p")
    else:
        choose(page, "On <b>paper</b>", "print")
    expect(settled(page)).to_contain_text("Question 0?")
    assert eventually(lambda: page.evaluate("window.prints.length") == 1, within_seconds=20)
    assert page.evaluate("window.prints") == [{"title": "On <b>paper</b>", "rows": 80}]

    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for around in ("#sidebar", "#sidebar-toggle", "#composer", "#tabs > .tab-wrapper", "#hearth-down"):
        expect(page.locator(around).first).to_be_hidden()
    for button in (".hearth-actions", ".hearth-copy", ".hearth-copy-code"):
        expect(settled(page).locator(button).first).to_be_hidden()
    paper = page.evaluate(
        """() => {
            const of = (selector, pseudo) => getComputedStyle(document.querySelector(selector), pseudo);
            const pre = document.querySelector("#chat-settled pre");
            return { title: of("#chat-column", "::before").content, ground: of("body").backgroundColor,
                     isWider: pre.scrollWidth > pre.clientWidth }; }"""
    )
    assert paper == {"title": '"On <b>paper</b>"', "ground": "rgb(253, 252, 250)", "isWider": False}
    pages = len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))
    assert pages > 4, "what does not fit on one page goes on on the next"

    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(settled(page)).not_to_contain_text("Question 0?")
    expect(page).to_have_title("Hearth")
    expect(page.locator("#chat-input textarea")).to_have_value("unsent words" if way == "keyboard" else "")


def test_words_for_a_question_that_is_gone_are_given_back(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(("One.",)), Answer(("Two.",)), title="Kept") as server:
        open_hearth(page, serve("--endpoint", server.url))
        ask(page, "Alpha?")
        expect(settled(page)).to_contain_text("One.")
        act(page, "Alpha?", "edit")
        expect(page.locator("#composer-question")).to_be_visible()
        mark = "document.querySelector(\"#chat-target [class*='hearth-edits-']\")"
        page.evaluate(
            f"{mark}.className = {mark}.className.replace(/hearth-edits-\\w+/, 'hearth-edits-' + '0'.repeat(32))"
        )
        ask(page, "Precious words")
        expect(page.locator("#composer-fault")).to_contain_text("not shown any more")
        expect(page.locator("#chat-input textarea")).to_have_value("Precious words")
        page.click("#composer-no")
        ask(page, "Beta?")
        expect(settled(page)).to_contain_text("Two.")


def test_an_import_shows_how_far_it_is_and_what_was_skipped_and_why(page: Page, serve: Serve, tmp_path: Path) -> None:
    chats = [chatgpt_chat() | {"id": f"chat-{number}", "conversation_id": f"chat-{number}"} for number in range(600)]
    export = chatgpt_zip(
        tmp_path / "export.zip", *chats, {"mapping": {}, "title": "Nothing <b>in</b> it", "id": "none"}
    )
    with zipfile.ZipFile(export, "a") as file:
        file.writestr("../../conversations.json", "[]")
    open_hearth(page, serve())
    page.click("#tab-settings-button")
    page.click("#page-chats-button")
    page.evaluate(
        """() => {
            window.bars = [];
            new MutationObserver(() => {
                const bar = document.querySelector("#import-report progress");
                if (bar && bar.value > 0) window.bars.push([bar.value, bar.max]);
            }).observe(document.body, {subtree: true, childList: true, attributes: true});
        }"""
    )
    page.set_input_files("#import-files input[type=file]", str(export))
    report = page.locator("#import-report")
    expect(report).to_contain_text("Chats added: 600.", timeout=90_000)
    expect(report.locator("li")).to_have_count(2)
    expect(report).to_contain_text("Nothing <b>in</b> it: it holds no messages.")
    expect(report).to_contain_text("../../conversations.json: its name leads out of the archive")
    bars = page.evaluate("window.bars")
    assert bars, "the bar was never seen"
    assert all(of == 601 for _, of in bars)
    assert [done for done, _ in bars] == sorted(done for done, _ in bars)
    page.set_input_files("#import-files input[type=file]", str(export))
    expect(report).to_contain_text("Chats that were here already: 600.", timeout=90_000)


@pytest.mark.parametrize("kind", ["plain", "pinned", "archived", "folder"])
def test_the_side_bar_pages_whatever_it_lists(page: Page, serve: Serve, tmp_path: Path, kind: str) -> None:
    profile = Profile(tmp_path / "data")
    profile.attachments.mkdir(parents=True)
    store = Store(Database(profile.database), Attachments(profile.attachments))
    for number in range(70):
        message = new_message(None, user(f"Question {number}"))
        chat = StoredConversation(
            new_id(),
            f"Chat {number}",
            message.id,
            is_pinned=kind == "pinned",
            is_archived=kind == "archived",
            folder="Work" if kind == "folder" else "",
        )
        store.add_tree(chat, [message])
    store.close()
    open_hearth(page, serve())
    if kind == "archived":
        page.locator("#sidebar-foot").get_by_text("Archived (70)").click()
    if kind == "folder":
        page.locator("#chat-list .hearth-folder").click()
    rows = page.locator("#chat-list .hearth-row")
    expect(rows).to_have_count(60)
    page.locator("#chat-list .hearth-do-more").click()
    expect(rows).to_have_count(70)
    expect(page.locator("#chat-list .hearth-do-more")).to_have_count(0)
