"""The text of a file, with what is needed to write it back as it was: its encoding and its line ends."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_KINDS = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive, or an office document"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"SQLite format 3", "a SQLite database"),
)


@dataclass(frozen=True)
class TextFile:
    """`text` has its line ends as they are in the file; `mark` is what stands before it."""

    text: str
    encoding: str = "utf-8"
    mark: bytes = b""

    @property
    def line_end(self) -> str:
        """The one that most lines have."""
        windows = self.text.count("\r\n")
        return "\r\n" if windows > self.text.count("\n") - windows else "\n"

    @property
    def lines(self) -> list[str]:
        """Without their ends."""
        return re.split(r"\r?\n", self.text)

    @property
    def plain(self) -> str:
        """The text as a person reads it: how its lines end stays in the file, and is no difference."""
        return "\n".join(self.lines)

    def saying(self, text: str) -> TextFile:
        """The same file with another text, whose line ends become the file's own. Where its encoding cannot say it, in
        UTF-8."""
        said = re.sub(r"\r?\n", self.line_end, text)
        try:
            said.encode(self.encoding)
        except UnicodeEncodeError:
            return TextFile(said)
        return TextFile(said, self.encoding, self.mark)

    def replaced(self, old: str, new: str, *, everywhere: bool) -> tuple[TextFile | None, int]:
        """The file with `new` for `old`, and how often `old` is in it; None where that is never, or more than once and
        not `everywhere`. Line ends are no difference; those of other lines stay."""
        pattern = re.compile(r"\r?\n".join(re.escape(line) for line in re.split(r"\r?\n", old)))
        count = sum(1 for _ in pattern.finditer(self.text))
        if not count or (count > 1 and not everywhere):
            return None, count
        put = re.sub(r"\r?\n", self.line_end, new)
        text = pattern.sub(lambda _: put, self.text)
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return TextFile(text), count
        return TextFile(text, self.encoding, self.mark), count

    def to_bytes(self) -> bytes:
        """What stands in the file."""
        return self.mark + self.text.encode(self.encoding)


def text_of(content: bytes) -> TextFile | None:
    """The text of a file; None for what is none. Without a mark it is UTF-8, else the encoding of Western Windows."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _decoded(content[len(mark) :], encoding, mark)
    if b"\0" in content:
        return None
    return _decoded(content, "utf-8") or _western(content)


def kind_of(content: bytes) -> str:
    """What a file that is no text seems to be."""
    return next((kind for start, kind in _KINDS if content.startswith(start)), "binary data")


def _western(content: bytes) -> TextFile | None:
    """Nearly all bytes are letters in it: what has more than a few control characters is no text."""
    controls = sum(1 for byte in content if byte < 32 and byte not in b"\t\n\r\f")
    return None if controls > len(content) // 100 else _decoded(content, "cp1252")


def _decoded(content: bytes, encoding: str, mark: bytes = b"") -> TextFile | None:
    try:
        return TextFile(content.decode(encoding), encoding, mark)
    except UnicodeDecodeError:
        return None
