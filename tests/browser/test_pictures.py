"""Pictures in a real browser: attached in three ways, seen before they are sent, kept, and taken to the model."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.test_chats import chat_row, choose
from tests.conftest import Served, eventually
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer, Status

pytestmark = pytest.mark.browser
Serve = Callable[..., Served]
TEXT = "#chat-input textarea"
STRIP = "#composer-pictures .composer-picture"


def photograph(name: str, colour: str = "red", size: tuple[int, int] = (400, 300)) -> dict[str, Any]:
    """A file as a person's camera makes it: with the place where it was taken."""
    image, file = Image.new("RGB", size, colour), BytesIO()
    place = image.getexif()
    place.get_ifd(0x8825)[2] = (48.0, 51.0, 29.6)
    place[0x010E] = "SECRET-PLACE"
    image.save(file, "JPEG", exif=place)
    return {"name": name, "mimeType": "image/jpeg", "buffer": file.getvalue()}


def open_hearth(page: Page, served: Served) -> None:
    page.goto(served.address)
    expect(page.locator("#attach")).to_be_visible()


def attach(page: Page, *files: dict[str, Any]) -> None:
    page.set_input_files("#attach-files", list(files))


def give(page: Page, event: str, file: dict[str, Any]) -> None:
    """Pastes or drops a file: the browser's own event, with the file in it."""
    page.evaluate(
        """([event, name, type, data]) => {
            const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
            const given = new DataTransfer();
            given.items.add(new File([bytes], name, { type }));
            const how = { bubbles: true, cancelable: true };
            const place = document.querySelector("#chat-input textarea");
            place.dispatchEvent(event === "paste"
                ? new ClipboardEvent(event, { ...how, clipboardData: given })
                : new DragEvent(event, { ...how, dataTransfer: given }));
        }""",
        [event, file["name"], file["mimeType"], base64.b64encode(file["buffer"]).decode()],
    )


def sent_pictures(body: dict[str, Any]) -> list[Image.Image]:
    parts = [part for said in body["messages"] if isinstance(said["content"], list) for part in said["content"]]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return [Image.open(BytesIO(base64.b64decode(url.partition(",")[2]))) for url in urls]


def stored(served: Served) -> list[Path]:
    return [path for path in (served.data_dir / "attachments").rglob("*") if path.is_file()]


def colours(pictures: list[Image.Image]) -> list[str]:
    names = {0: "red", 1: "green", 2: "blue"}
    return [names[max(range(3), key=picture.convert("RGB").getpixel((5, 5)).__getitem__)] for picture in pictures]


def test_pictures_are_attached_in_three_ways_seen_and_sent_without_their_place(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(("Three colours.",)), Answer(("Two.",))) as server:
        served = serve("--endpoint", server.url, "--model", "fake")
        open_hearth(page, served)
        attach(page, photograph("one.jpg", "red", (4000, 3000)), photograph("gone.jpg", "black"))
        expect(page.locator(STRIP)).to_have_count(2)
        give(page, "paste", photograph("two.jpg", "green"))
        give(page, "drop", photograph("three.jpg", "blue"))
        expect(page.locator(f"{STRIP} img")).to_have_count(4)
        page.get_by_role("button", name="Remove gone.jpg").click()
        expect(page.locator(f"{STRIP} img")).to_have_count(3)
        page.fill(TEXT, "Which colours?")
        page.press(TEXT, "Enter")
        expect(page.locator("#chat-settled")).to_contain_text("Three colours.")
        expect(page.locator(STRIP)).to_have_count(0)
        expect(page.locator("#chat-settled .user .hearth-picture img")).to_have_count(3)
        asked = server.chats[0].body
        pictures = sent_pictures(asked)
        assert colours(pictures) == ["red", "green", "blue"]
        assert max(pictures[0].size) == 1568
        assert not any(picture.getexif() or b"SECRET" in str(picture.info).encode() for picture in pictures)
        assert asked["messages"][-1]["content"][-1] == {"type": "text", "text": "Which colours?"}
        assert len(stored(served)) == 3
        assert not any(b"SECRET-PLACE" in path.read_bytes() for path in stored(served))
        page.locator("#chat-settled .user .hearth-picture").first.click()
        large = page.locator(".hearth-lightbox img")
        expect(large).to_be_visible()
        page.wait_for_function("document.querySelector('.hearth-lightbox img').naturalWidth === 1568")
        page.keyboard.press("Escape")
        expect(large).to_have_count(0)
        # An edited question has them again; one can be left out.
        page.locator("#chat-settled .user").hover()
        page.locator("#chat-settled .user").get_by_text("Edit", exact=True).click()
        expect(page.locator(f"{STRIP} img")).to_have_count(3)
        page.get_by_role("button", name="Remove two.jpg").click()
        page.fill(TEXT, "And these?")
        page.press(TEXT, "Enter")
        expect(page.locator("#chat-settled")).to_contain_text("Two.")
        assert colours(sent_pictures(server.chats[1].body)) == ["red", "blue"]
        expect(page.locator(STRIP)).to_have_count(0)
        assert len(stored(served)) == 3  # the first version has it still


def test_a_draft_keeps_its_pictures_and_a_deleted_chat_takes_them_along(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(("Seen.",))) as server:
        served = serve("--endpoint", server.url, "--model", "fake")
        open_hearth(page, served)
        attach(page, photograph("kept.jpg"))
        expect(page.locator(f"{STRIP} img")).to_have_count(1)
        assert served.stop() == 0
        again = serve("--endpoint", server.url, "--model", "fake")
        open_hearth(page, again)
        expect(page.locator(f"{STRIP} img")).to_have_count(1)
        page.click("#new-chat")
        expect(page.locator(STRIP)).to_have_count(0)
        chat_row(page, "New chat").locator("a").first.click()
        expect(page.locator(f"{STRIP} img")).to_have_count(1)
        page.press(TEXT, "Enter")  # a picture alone is a question
        expect(page.locator("#chat-settled")).to_contain_text("Seen.")
        assert colours(sent_pictures(server.chats[0].body)) == ["red"]
        expect(chat_row(page, "A title")).to_be_visible()
        choose(page, "A title", "delete")
        expect(page.locator("#chat-settled .user")).to_have_count(0)
        assert again.stop() == 0
        assert stored(again) == []


def test_what_is_no_picture_is_refused_with_a_sentence_and_nothing_is_kept(page: Page, serve: Serve) -> None:
    with fake_endpoint() as server:
        served = serve("--endpoint", server.url, "--model", "fake")
        open_hearth(page, served)
        page.fill(TEXT, "What I wrote")
        drawing = b'<svg xmlns="http://www.w3.org/2000/svg"><script>document.title = "run"</script></svg>'
        for name, content in (
            ("a.svg", drawing),
            ("lie.png", b"<html>page</html>"),
            ("cut.jpg", photograph("")["buffer"][:300]),
        ):
            attach(page, {"name": name, "mimeType": "image/png", "buffer": content})
            expect(page.locator("#composer-fault")).to_contain_text(name)
            expect(page.locator(STRIP)).to_have_count(0)
        expect(page.locator(TEXT)).to_have_value("What I wrote")
        assert stored(served) == []


def test_a_model_that_sees_nothing_says_so_before_and_after_and_nothing_is_lost(page: Page, serve: Serve) -> None:
    refusal = Status(
        400, {"error": {"message": "image input is not supported - hint: you may need to provide the mmproj"}}
    )
    with fake_endpoint(refusal, Answer(("In words.",))) as server:
        served = serve("--endpoint", server.url, "--model", "fake")
        open_hearth(page, served)
        attach(page, photograph("one.jpg"))
        expect(page.locator(f"{STRIP} img")).to_have_count(1)
        page.fill(TEXT, "What is it?")
        page.press(TEXT, "Enter")
        expect(page.locator(".hearth-failure")).to_contain_text("did not take the pictures")
        attach(page, photograph("two.jpg"))
        expect(page.locator(".composer-blind")).to_contain_text("does not see pictures")  # it was told once
        page.fill(TEXT, "And this?")
        page.press(TEXT, "Enter")
        expect(page.locator("#composer-fault")).to_contain_text("does not see pictures")
        expect(page.locator(TEXT)).to_have_value("And this?")
        page.get_by_role("button", name="Remove two.jpg").click()
        page.press(TEXT, "Enter")
        expect(page.locator("#chat-settled")).to_contain_text("In words.")
        sent = server.chats[-1].body["messages"]
        assert "Here was a picture that you cannot see: one.jpg" in json.dumps(sent)
        assert sent_pictures(server.chats[-1].body) == []
    assert eventually(lambda: len(stored(served)) == 1)
