"""Gradio's scripts and styles: handed out as they lie on the disk, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import gradio as gr
import pytest
from starlette.types import Message, Receive, Scope, Send

from assistant.ui.shelf import Shelf

ASSETS = Path(gr.__file__).parent / "templates" / "frontend" / "assets"


async def gradio_s_own(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})


def ask(path: str, method: str = "GET") -> list[Message]:
    said: list[Message] = []

    async def send(message: Message) -> None:
        said.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    asyncio.run(Shelf(gradio_s_own)({"type": "http", "path": path, "method": method}, receive, send))
    return said


@pytest.mark.parametrize(("pattern", "kind"), [("index-*.js", b"text/javascript"), ("index-*.css", b"text/css")])
def test_a_script_and_a_style_are_handed_out_whole(pattern: str, kind: bytes) -> None:
    file = next(ASSETS.glob(pattern))
    head, body = ask(f"/assets/{file.name}")
    assert head["status"] == 200
    assert dict(head["headers"])[b"content-type"].startswith(kind)
    assert body["body"] == file.read_bytes()


@pytest.mark.parametrize("path", ["/assets/", "/assets/../index.html", "/assets/..%2findex.html", "/", "/assets/no.js"])
def test_what_is_not_on_it_is_left_to_gradio(path: str) -> None:
    assert ask(path)[0]["status"] == 299


def test_it_only_hands_out() -> None:
    assert ask(f"/assets/{next(ASSETS.glob('index-*.js')).name}", "POST")[0]["status"] == 299
