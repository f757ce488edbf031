"""A picture comes in as a file and is kept as pixels, or refused with a sentence; a model is sent it, or told of it."""

from __future__ import annotations

import asyncio
import base64
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from assistant.context import PICTURE_TOKENS, filling
from assistant.conversations import Conversations
from assistant.engines import GenerationOptions
from assistant.engines.endpoint import EndpointEngine
from assistant.engines.prompt import to_request_messages
from assistant.errors import PictureError
from assistant.messages import Attachment, Message, Text, user
from assistant.pictures import LONGEST_SIDE, MOST_BYTES, cleaned, data_url
from assistant.records import new_message
from assistant.store import Store
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer, Status
from tests.test_conversation import at_rest, play

PLACE = b"SECRET-PLACE"
FILE = Attachment("a.png", "image/png", f"{'0' * 32}/{'1' * 32}.png")


def picture(kind: str, size: tuple[int, int] = (40, 30), mode: str = "RGB", **more: Any) -> bytes:
    file = BytesIO()
    Image.new(mode, size).save(file, kind, **more)
    return file.getvalue()


def opened(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content))


@pytest.mark.parametrize(
    ("kind", "mode", "becomes"),
    [
        ("PNG", "RGB", "PNG"),
        ("PNG", "RGBA", "PNG"),
        ("PNG", "LA", "PNG"),
        ("PNG", "P", "PNG"),
        ("PNG", "1", "PNG"),
        ("PNG", "I;16", "PNG"),
        ("JPEG", "L", "JPEG"),
        ("JPEG", "CMYK", "JPEG"),
        ("WEBP", "RGBA", "JPEG"),
        ("GIF", "P", "PNG"),
    ],
)
def test_every_kind_becomes_one_that_every_engine_reads(kind: str, mode: str, becomes: str) -> None:
    kept = cleaned("a", picture(kind, mode=mode))
    image = opened(kept.content)

    assert (image.format, image.mode, image.size) == (becomes, "RGB", (40, 30))
    assert kept.media_type == f"image/{becomes.lower()}"
    assert data_url(kept.content) == f"data:{kept.media_type};base64,{base64.b64encode(kept.content).decode()}"


def with_secrets(kind: str) -> bytes:
    """A picture with everything that may tell more than it shows."""
    exif = Image.Exif()
    exif[0x010E] = PLACE.decode()
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 29.6)
    more: dict[str, Any] = {"exif": exif}
    if kind == "PNG":
        notes = PngImagePlugin.PngInfo()
        notes.add_text("Comment", PLACE.decode(), zip=False)
        more["pnginfo"] = notes
    elif kind == "JPEG":
        more |= {"comment": PLACE, "xmp": b"<x>" + PLACE + b"</x>"}
    return picture(kind, **more) + PLACE


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_nothing_but_pixels_is_kept_and_nothing_else_is_sent(kind: str) -> None:
    content = with_secrets(kind)
    assert PLACE in content
    kept = cleaned("a", content).content
    assert PLACE not in kept
    assert not opened(kept).getexif()
    # One that came with a chat from elsewhere was never cleaned: it is, when it is sent.
    sent = base64.b64decode((data_url(content) or "").partition(",")[2])
    assert sent == kept


def test_a_picture_stands_upright_and_shows_what_the_person_sees() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a camera that was held upright
    assert opened(cleaned("a", picture("JPEG", (40, 30), exif=exif)).content).size == (30, 40)
    clear = BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(clear, "PNG")
    assert opened(cleaned("a", clear.getvalue()).content).getpixel((1, 1)) == (255, 255, 255)


def test_a_large_picture_is_scaled_down_and_a_small_one_is_not() -> None:
    assert opened(cleaned("a", picture("JPEG", (6000, 4000))).content).size == (LONGEST_SIDE, 1045)
    assert opened(cleaned("a", picture("PNG", (20, 3000))).content).size == (10, LONGEST_SIDE)
    assert opened(cleaned("a", picture("PNG", (1, 1))).content).size == (1, 1)


def bomb() -> bytes:
    """A few bytes that say they are 30,000 by 30,000 pixels."""
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")
    chunks = (struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "picture.kind"),
        (b"<!doctype html><script>1</script>", "picture.kind"),
        (b"\x89PNG\r\n\x1a\n<html>", "picture.damaged"),
        (b"", "picture.kind"),
        (b"%PDF-1.7", "picture.kind"),
        (picture("BMP"), "picture.kind"),
        (picture("TIFF"), "picture.kind"),
        (picture("JPEG", (400, 300))[:400], "picture.damaged"),
        (bomb(), "picture.pixels"),
        (picture("PNG", (9000, 8000), "1"), "picture.pixels"),
        (picture("PNG") + bytes(MOST_BYTES), "picture.large"),
    ],
)
def test_what_is_no_picture_or_too_much_of_one_is_refused_with_a_sentence(content: bytes, key: str) -> None:
    with pytest.raises(PictureError) as told:
        cleaned("holiday.png", content)

    assert told.value.key == key
    assert "holiday.png" in told.value.message
    assert data_url(content) is None


def test_a_question_carries_its_pictures_ahead_of_its_words() -> None:
    asked = to_request_messages(
        [user("One"), user("Two", [FILE]), Message("assistant", (Text("Ok"), FILE)), user("Three")],
        lambda file: f"data:{file.name}",
    )

    assert asked == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "One"},
                {"type": "image_url", "image_url": {"url": "data:a.png"}},
                {"type": "text", "text": "Two"},
            ],
        },
        {"role": "assistant", "content": "Ok"},
        {"role": "user", "content": "Three"},
    ]


def test_a_picture_that_cannot_be_seen_or_had_is_told_in_words() -> None:
    words = [{"role": "user", "content": "(Here was a picture that you cannot see: a.png)\n\nTwo"}]

    assert to_request_messages([user("Two", [FILE])]) == words
    assert to_request_messages([user("Two", [FILE])], lambda _: None) == words


REFUSALS = [
    (
        500,
        "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
    ),  # llama.cpp
    (400, "At most 0 image(s) may be provided in one prompt."),  # vLLM
    (400, "fake is not a multimodal model"),
    (400, "Invalid content type. image_url is only supported by certain models."),  # OpenAI
    (404, "No endpoints found that support image input"),  # OpenRouter
    (400, "Model does not support images. Please use a model that does."),  # LM Studio
    (422, "messages[0]: unknown variant `image_url`, expected `text`"),  # DeepSeek
    (400, "'messages.0.content' : value must be a string"),  # Groq
    (500, "this model is missing data required for image input"),  # Ollama
]


@pytest.mark.parametrize(("status", "words"), REFUSALS)
def test_a_refusal_of_pictures_is_told_as_such_and_learnt(status: int, words: str, tmp_path: Path) -> None:
    with fake_endpoint(Status(status, {"error": {"message": words}}), Answer(("Later.",))) as server:

        async def scene(conversations: Conversations, _: Store) -> None:
            chat = await conversations.new()
            await chat.enclosed.add("a.png", cleaned("a.png", picture("PNG")))
            assert chat.blindness is None
            await chat.send("What is it?", chat.enclosed.files)
            await at_rest(chat)
            failure = chat.settled[-1].failure
            assert failure is not None and failure.key == "engine-pictures-refused"
            assert chat.blindness is not None and chat.blindness.key == "engine-no-pictures"
            await chat.send("Then without.")  # the chat is no dead end: the picture is told in words
            await at_rest(chat)
            assert chat.settled[-1].message.text == "Later."

        play(scene, server, tmp_path)
        assert "image_url" in str(server.chats[0].body)
        assert "image_url" not in str(server.chats[1].body)


def test_a_picture_of_an_earlier_question_is_no_reason_to_fail(tmp_path: Path) -> None:
    refusal = Status(400, {"error": {"message": "Model does not support images."}})
    with fake_endpoint(Answer(("Seen.",)), refusal, Answer(("In words.",))) as server:

        async def scene(conversations: Conversations, _: Store) -> None:
            chat = await conversations.new()
            await chat.enclosed.add("a.png", cleaned("a.png", picture("PNG")))
            await chat.send("What is it?", chat.enclosed.files)
            await at_rest(chat)
            await chat.send("And now?")
            await at_rest(chat)
            assert chat.settled[-1].message.text == "In words."

        play(scene, server, tmp_path)


def test_a_refusal_of_something_else_is_not_taken_for_blindness(tmp_path: Path) -> None:
    with fake_endpoint(Status(400, {"error": {"message": "failed to decode image"}})) as server:

        async def scene(conversations: Conversations, _: Store) -> None:
            chat = await conversations.new()
            await chat.enclosed.add("a.png", cleaned("a.png", picture("PNG")))
            await chat.send("What is it?", chat.enclosed.files)
            await at_rest(chat)
            assert chat.settled[-1].failure is not None
            assert chat.blindness is None

        play(scene, server, tmp_path)


def test_a_model_that_was_tested_and_sees_nothing_is_not_asked() -> None:
    async def run() -> None:
        with fake_endpoint() as server:
            engine = EndpointEngine(server.url, model="fake", sees_pictures=False)
            with pytest.raises(Exception, match="does not see pictures"):
                await anext(engine.stream([user("See?", [FILE])], options()))
            await engine.aclose()

    asyncio.run(run())


def options() -> GenerationOptions:
    return GenerationOptions()


def test_the_context_counts_pictures_and_those_of_a_blind_model_not() -> None:
    branch = [new_message(None, user("Two", [FILE, FILE]))]
    bare = filling([new_message(None, user("Two"))], "", model="m", size=8000)
    seen = filling(branch, "", model="m", size=8000)

    assert seen.tokens == bare.tokens + 2 * PICTURE_TOKENS
    assert seen.picture_tokens == 2 * PICTURE_TOKENS
    assert filling(branch, "", model="m", size=8000, sees_pictures=False).tokens == bare.tokens


def test_pictures_of_a_private_chat_are_never_on_disk(tmp_path: Path) -> None:
    with fake_endpoint(Answer(("Seen.",))) as server:

        async def scene(conversations: Conversations, _: Store) -> None:
            chat = await conversations.new_private()
            added = await chat.enclosed.add("a.png", cleaned("a.png", picture("PNG")))
            await chat.send("What is it?", chat.enclosed.files)
            await at_rest(chat)
            assert conversations.attached(added.stored_as) is not None
            await conversations.delete(chat.id)
            await conversations.erase_deleted()
            assert conversations.attached(added.stored_as) is None

        play(scene, server, tmp_path)
    assert {path.name.partition(".")[0] for path in tmp_path.rglob("*") if path.is_file()} == {"hearth"}
