"""Where nothing that a model says may arrive, and chats in which it was said."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from assistant.database import Database
from assistant.messages import Message, Text
from assistant.paths import Profile
from assistant.records import new_message
from assistant.store import Store

SCREENFUL = 28  # messages, a few less than the page shows at once


class Sink:
    """A server that counts who comes."""

    def __init__(self) -> None:
        self.visitors: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def in_words(self, text: str) -> str:
        place = f"127.0.0.1:{self.port}"
        text = text.replace("{{", "{").replace("}}", "}")
        return text.replace("{sink}", f"http://{place}").replace("{place}", place).replace("{port}", str(self.port))

    def close(self) -> None:
        self._socket.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                visitor, _ = self._socket.accept()
                with visitor:
                    visitor.settimeout(2)
                    self.visitors.append(visitor.recv(2000).partition(b"\r\n")[0])
                    visitor.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def screenfuls(cases: Mapping[str, str]) -> list[list[str]]:
    """The texts of the cases in parts that a page shows at once."""
    texts = list(cases.values())
    return [texts[first : first + SCREENFUL] for first in range(0, len(texts), SCREENFUL)]


def store_answers(data_dir: Path, texts: Iterable[str]) -> None:
    """Makes a chat in which a model has said all this."""
    profile = Profile(data_dir)
    profile.create()
    store = Store(Database(profile.database))
    chat, parent = store.add_conversation(), None
    for text in texts:
        row = new_message(parent, Message("assistant", (Text(text),)))
        store.save_messages(chat.id, row)
        parent = row.id
    store.close()
