"""A Hearth that runs and is attacked: how to reach it by every way there is, and how to see that it took no harm."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import psutil

from assistant.database import Database
from assistant.messages import Message, Text, user
from assistant.paths import Profile
from assistant.records import new_message
from assistant.store import Store
from tests.conftest import Served, eventually, hearth_command
from tests.fake_endpoint import FakeEndpoint
from tests.fake_steps import Answer as Words

CANARY = "sk-CANARY-7f3a9c51e2b84d60"
FORM = {"Content-Type": "multipart/form-data; boundary=edge"}
JSON = {"Content-Type": "application/json"}
JOIN, RUN, UPLOAD = "/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/upload"
FILE = "/gradio_api/file="
CHATS = ("first", "second", "third")


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass
class Besieged:
    """A running Hearth, its door, and what must be the same after every attack."""

    served: Served
    endpoint: FakeEndpoint
    cookie: str = ""
    chats: list[Any] = field(default_factory=list[Any])

    def __post_init__(self) -> None:
        self.port = urlsplit(self.served.address).port or 0
        self.host = f"127.0.0.1:{self.port}"
        self.origin = f"http://{self.host}"
        self.process = psutil.Process(self.served.process.pid)
        self.private = Path(self.process.cwd()).parent
        self.uploads = self.private / "uploads"
        self.chats = self.rows()
        self.cookie = self.enter(self.served.address)

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        cookie: bool = True,
        timeout_seconds: float = 20,
    ) -> Answer:
        """One request over a connection of its own. No answer may hold the key."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_seconds)
        all_headers = ({"Cookie": self.cookie} if cookie else {}) | (headers or {})
        with closing(connection):
            connection.request(method, path, body=body, headers=all_headers)
            answer = connection.getresponse()
            whole = Answer(answer.status, answer.headers, b"" if _streams(answer) else answer.read())
        assert CANARY.encode() not in whole.body + str(whole.headers).encode()
        return whole

    def ask_raw(self, head: str, body: bytes = b"", *, timeout_seconds: float = 15) -> bytes:
        """Everything that comes back for these very bytes, in which `{host}` and `{cookie}` are filled in."""
        with self.plug(timeout_seconds=timeout_seconds) as plug:
            with suppress(ConnectionError):
                plug.sendall(self.filled(head) + body)
            answer = b""
            with suppress(ConnectionError):
                while more := plug.recv(65536):
                    answer += more
        assert CANARY.encode() not in answer
        return answer

    def filled(self, head: str) -> bytes:
        return head.replace("{host}", self.host).replace("{cookie}", self.cookie).encode("latin-1")

    def plug(self, *, timeout_seconds: float = 15) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_seconds)

    def enter(self, address: str) -> str:
        """The cookie for a one-time address."""
        parts = urlsplit(address)
        opened = self.ask(f"{parts.path}?{parts.query}", cookie=False)
        assert opened.status == 303
        return opened.headers["Set-Cookie"].partition(";")[0]

    def seconds_to_answer(self) -> float:
        """How long the window waits for its page."""
        began = time.monotonic()
        assert self.ask("/").status == 200
        return time.monotonic() - began

    def memory_megabytes(self) -> float:
        return self.process.memory_info().rss / 1_000_000

    # The page, as its script speaks

    @cached_property
    def config(self) -> dict[str, Any]:
        page = self.ask("/").body.decode()
        return json.JSONDecoder().raw_decode(page, page.index("window.gradio_config = ") + 23)[0]

    def function(self, elem_id: str, event: str) -> int:
        """The number of the handler of an element's event."""
        component = next(c["id"] for c in self.config["components"] if c["props"].get("elem_id") == elem_id)
        return next(d["id"] for d in self.config["dependencies"] if [component, event] in d["targets"])

    def join_body(self, function: int, data: object, session: str) -> bytes:
        fields = {"data": data, "fn_index": function, "session_hash": session, "event_data": None, "trigger_id": None}
        return json.dumps(fields).encode()

    def join(self, function: int, data: object, session: str) -> Answer:
        return self.ask(JOIN, method="POST", headers=JSON, body=self.join_body(function, data, session))

    def result(self, elem_id: str, event: str, data: object, session: str) -> dict[str, Any]:
        """What the handler of an element's event gave back in the end."""
        assert self.join(self.function(elem_id, event), data, session).status == 200
        with self.events(session) as events:
            return next(it["output"] for it in events if it.get("msg") == "process_completed")

    @contextmanager
    def question(self, text: str, session: str) -> Iterator[Iterator[dict[str, Any]]]:
        """A question sent from a page of its own; gives the events that come back to it, until leaving closes it."""
        assert self.join(self.function("chat-send", "click"), [None, text], session).status == 200
        with self.events(session) as events:
            yield events

    def events(self, session: str) -> AbstractContextManager[Iterator[dict[str, Any]]]:
        """What Gradio sends back to a page, until leaving closes it."""
        return self._stream(f"/gradio_api/queue/data?{urlencode({'session_hash': session})}")

    def feed(self) -> AbstractContextManager[Iterator[Any]]:
        """What the feed tells a page that shows the chat which was changed last, until leaving closes it."""
        assert eventually(lambda: bool(self.last_chat()))
        return self._stream(f"/feed/{self.last_chat()}/-")

    def last_chat(self) -> str:
        """The id of the chat that was changed last; empty where there is none."""
        with closing(sqlite3.connect(f"file:{self.served.data_dir / 'hearth.db'}?mode=ro", uri=True)) as db:
            found = db.execute("SELECT id FROM conversations ORDER BY updated_at DESC LIMIT 1").fetchone()
        return found[0] if found else ""

    @contextmanager
    def _stream(self, target: str) -> Iterator[Iterator[Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with closing(connection):
            connection.request("GET", target, headers={"Cookie": self.cookie})
            answer = connection.getresponse()
            lines = iter(answer.readline, b"")
            yield (json.loads(line[6:]) for line in lines if line.startswith(b"data: "))
            if answer.fp is not None and (plug := connection.sock):
                with suppress(OSError):
                    plug.shutdown(socket.SHUT_RDWR)
            answer.close()

    # The state behind it

    def rows(self) -> list[Any]:
        """The messages of the three chats as they were first."""
        with closing(sqlite3.connect(f"file:{self.served.data_dir / 'hearth.db'}?mode=ro", uri=True)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            known = [row[0] for row in self.chats] or [row[0] for row in db.execute("SELECT id FROM messages")]
            marks = ",".join("?" * len(known))
            return db.execute(
                f"SELECT id, conversation_id, parent_id, role, parts, status FROM messages WHERE id IN ({marks})", known
            ).fetchall()

    def files_left(self) -> list[str]:
        """Everything in the private folder, temporary files and uploads alike, but its own furniture."""
        own = {"lock", "control", "work", "tmp", "uploads"}
        return sorted(str(p.relative_to(self.private)) for p in self.private.rglob("*") if p.name not in own)

    def assert_unharmed(self) -> None:
        """It answers its window, the three chats are intact, and the key is in no log."""
        assert self.served.process.poll() is None, "it died"
        assert self.ask("/").status == 200
        assert self.rows() == self.chats
        for log in (self.served.data_dir / "logs").iterdir():
            assert CANARY not in log.read_text(encoding="utf-8", errors="replace"), log


def _streams(answer: http.client.HTTPResponse) -> bool:
    return (answer.getheader("Content-Type") or "").startswith("text/event-stream")


def furnish(data_dir: Path) -> None:
    """Three chats, as an earlier Hearth left them."""
    profile = Profile(data_dir)
    profile.create()
    store = Store(Database(profile.database))
    for name in CHATS:
        question = new_message(None, user(f"{name} question"))
        said = new_message(question.id, Message("assistant", (Text(f"{name} answer"),)), status="complete")
        store.save_messages(store.add_conversation().id, question, said)
    store.close()


@contextmanager
def besieged(data_dir: Path, words: Words, **environment: str) -> Iterator[Besieged]:
    """A Hearth of its own with three chats, a stored key, and an endpoint that answers everything with `words`."""
    furnish(data_dir)
    endpoint = FakeEndpoint(None, key=CANARY, free=words)
    command = hearth_command("serve", "--data-dir", str(data_dir), "--endpoint", endpoint.url, "--model", "fake")
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"HEARTH_API_KEY": CANARY} | environment,
    )
    try:
        assert process.stdout is not None
        yield Besieged(Served(data_dir, process, process.stdout.readline().strip()), endpoint)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
        process.kill()
        assert process.stdout is not None
        process.stdout.close()
        endpoint.close()


def part(name: str, content: bytes, *, field: str = "files", kind: str = "text/plain") -> bytes:
    """One file of a form whose boundary is `edge`."""
    head = (
        f'--edge\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\nContent-Type: {kind}\r\n\r\n'
    )
    return head.encode("utf-8", "surrogateescape") + content + b"\r\n"


END = b"--edge--\r\n"
