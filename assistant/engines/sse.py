"""Server-sent events from raw bytes, as far as chat completions use them. Pure, and no line may be endless.

Our own instead of the openai client's: its decoder takes lines of any length and dies of a broken UTF-8 byte.
"""

from __future__ import annotations

LONGEST_LINE_BYTES = 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class EventData:
    """Feeds on chunks of bytes and gives the payload of each `data:` line; comments and other fields are passed over.

    Every server sends one JSON object per line, so that a payload need not wait for the blank line behind it.
    `is_overlong` once a line was longer than the longest: nothing comes after that.
    """

    def __init__(self, *, longest_line_bytes: int = LONGEST_LINE_BYTES) -> None:
        self._longest = longest_line_bytes
        self._rest = bytearray()
        self._is_first = True
        self.is_overlong = False

    def feed(self, chunk: bytes) -> list[str]:
        """The payloads that `chunk` completes."""
        self._rest += chunk
        if self._is_first and len(self._rest) >= len(_BOM):
            self._is_first = False
            del self._rest[: len(_BOM) if self._rest.startswith(_BOM) else 0]
        if not any(end in chunk for end in (b"\n", b"\r")):
            return self._payloads([])
        *lines, rest = bytes(self._rest).replace(b"\r", b"\n").split(b"\n")
        self._rest = bytearray(rest)
        return self._payloads(lines)

    def finish(self) -> list[str]:
        """The payload of a last line that no line end follows."""
        return self.feed(b"\n")

    def _payloads(self, lines: list[bytes]) -> list[str]:
        payloads: list[str] = []
        for line in [] if self.is_overlong else lines:
            if len(line) > self._longest:
                self.is_overlong = True
                break
            if payload := _payload(line):
                payloads.append(payload)
        self.is_overlong = self.is_overlong or len(self._rest) > self._longest
        if self.is_overlong:
            self._rest.clear()
        return payloads


def _payload(line: bytes) -> str:
    field, _, value = line.partition(b":")
    # llama.cpp has sent faults as a field "error:" of its own.
    return value.decode("utf-8", "replace").strip() if field in (b"data", b"error") else ""
