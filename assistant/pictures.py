"""Pictures that a person attaches: what comes in as a file is kept and sent as a plain picture, or not at all.

It is drawn anew from its pixels: no place, no camera, no comment and no second file comes along. It is scaled down to
what models read, and becomes PNG or JPEG, since not every engine knows more (llama.cpp reads no WebP).
"""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from assistant.errors import PictureError

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_BYTES = 20_000_000
MOST_PIXELS = 64_000_000
LONGEST_SIDE = 1568  # pixels; models of today scale down what is larger
_LARGEST_PNG_BYTES = 1_500_000  # a photograph in a format for drawings
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
_BEGINNINGS = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
_CHUNKS = frozenset({b"IHDR", b"IDAT", b"IEND"})
_SEGMENTS = frozenset({0xC0, 0xC2, 0xC4, 0xDA, 0xDB, 0xDD, 0xE0})  # what it takes to draw, and JFIF's head
# What a decoder may raise at bytes that somebody made up.
_DAMAGE = (OSError, SyntaxError, ValueError, ArithmeticError, LookupError, TypeError, RuntimeError, MemoryError)


@dataclass(frozen=True)
class Picture:
    """A picture as it is kept: PNG or JPEG, with nothing in it but pixels."""

    media_type: str
    suffix: str
    content: bytes


def cleaned(name: str, content: bytes) -> Picture:
    """The picture in a file, of at most LONGEST_SIDE; of a moving one, the first frame. What is transparent becomes
    white, so that a model sees what the person does. Takes up to a second, and memory for MOST_PIXELS. Raises
    PictureError, whatever the bytes are."""
    from PIL import Image  # late: 0.1 s that only a picture needs

    if len(content) > MOST_BYTES:
        raise PictureError("picture.large", name=name, most=MOST_BYTES // 1_000_000)
    try:
        image = Image.open(BytesIO(content), formats=_FORMATS)  # by what it is, whatever it is called
    except Image.DecompressionBombError:
        raise PictureError("picture.pixels", name=name, most=MOST_PIXELS // 1_000_000) from None
    except (*_DAMAGE, struct.error, zlib.error):
        raise PictureError("picture.damaged" if media_type_of(content) else "picture.kind", name=name) from None
    with image:
        if image.width * image.height > MOST_PIXELS:
            raise PictureError("picture.pixels", name=name, most=MOST_PIXELS // 1_000_000)
        try:
            return _written(_drawn(image), is_drawing=image.format in ("PNG", "GIF"))
        except (*_DAMAGE, struct.error, zlib.error):
            raise PictureError("picture.damaged", name=name) from None


def data_url(content: bytes) -> str | None:
    """A kept picture as the address that a request carries it in; None for what is no picture. One that came with a
    chat from elsewhere is made plain first."""
    try:
        kind = media_type_of(content) or ""
        picture = Picture(kind, "", content) if _is_plain(content) else cleaned("", content)
    except PictureError:
        return None
    return f"data:{picture.media_type};base64,{base64.b64encode(picture.content).decode()}"


def media_type_of(content: bytes) -> str | None:
    """The type of a picture by how its bytes begin; None for everything that is none of the four."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for beginning, kind in _BEGINNINGS.items() if content.startswith(beginning)), None)


def _drawn(image: Image) -> Image:
    """The pixels alone, upright, on white."""
    from PIL import Image as Images
    from PIL import ImageOps

    image.draft(None, (LONGEST_SIDE, LONGEST_SIDE))  # a large JPEG is read at a fraction of its size
    image.load()
    if image.mode.startswith("I;16"):  # Pillow would cut off what is brighter than 255
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    upright = ImageOps.exif_transpose(image)
    is_clear = "A" in upright.getbands() or "transparency" in upright.info
    shown = upright.convert("RGBA" if is_clear else "RGB")
    shown.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Images.Resampling.LANCZOS)
    ground = Images.new("RGB", shown.size, "white")
    ground.paste(shown, mask=shown.getchannel("A") if is_clear else None)
    return ground


def _written(image: Image, *, is_drawing: bool) -> Picture:
    if is_drawing:
        file = BytesIO()
        image.save(file, "PNG")
        if file.tell() <= _LARGEST_PNG_BYTES:
            return Picture("image/png", ".png", file.getvalue())
    file = BytesIO()
    image.save(file, "JPEG", quality=90)
    return Picture("image/jpeg", ".jpg", file.getvalue())


def _is_plain(content: bytes) -> bool:
    """Whether these bytes are a picture as `cleaned` writes it, by its parts alone."""
    try:
        return _is_plain_png(content) or _is_plain_jpeg(content)
    except struct.error:
        return False


def _is_plain_png(content: bytes) -> bool:
    at = 8
    if media_type_of(content) != "image/png" or max(struct.unpack_from(">II", content, 16)) > LONGEST_SIDE:
        return False
    while at < len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        at += 12 + length
        if name not in _CHUNKS:
            return False
    return at == len(content) and content[-8:-4] == b"IEND"


def _is_plain_jpeg(content: bytes) -> bool:
    at = 2
    if media_type_of(content) != "image/jpeg":
        return False
    while at < len(content):
        head, kind, length = struct.unpack_from(">BBH", content, at)
        if head != 0xFF or kind not in _SEGMENTS:
            return False
        if kind in (0xC0, 0xC2) and max(struct.unpack_from(">HH", content, at + 5)) > LONGEST_SIDE:
            return False
        if kind == 0xDA:  # the pixels: nothing follows their end
            return content.find(b"\xff\xd9", at) == len(content) - 2
        at += 2 + length
    return False
