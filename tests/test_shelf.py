"""Gradio's scripts and styles: handed out as they lie on the disk, and nothing else; the styles as one sheet."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import gradio as gr
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.ui.shelf import Shelf
from assistant.ui.styles import style_names

ASSETS = Path(gr.__file__).parent / "templates" / "frontend" / "assets"


async def gradio_s_own(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})


def ask(path: str, method: str = "GET", *, app: ASGIApp = gradio_s_own) -> list[Message]:
    said: list[Message] = []

    async def send(message: Message) -> None:
        said.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    asyncio.run(Shelf(app, {"textbox"})({"type": "http", "path": path, "method": method}, receive, send))
    return said


@pytest.mark.parametrize(("pattern", "kind"), [("index-*.js", b"text/javascript"), ("index-*.css", b"text/css")])
def test_a_script_and_a_style_are_handed_out_whole(pattern: str, kind: bytes) -> None:
    file = next(ASSETS.glob(pattern))
    head, body = ask(f"/assets/{file.name}")
    assert head["status"] == 200
    assert dict(head["headers"])[b"content-type"].startswith(kind)
    assert body["body"] == file.read_bytes()


@pytest.mark.parametrize("path", ["/assets/", "/assets/../index.html", "/assets/..%2findex.html", "/assets/no.js"])
def test_what_is_not_on_it_is_left_to_gradio(path: str) -> None:
    assert ask(path)[0]["status"] == 299


def page(*pieces: bytes) -> ASGIApp:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        length = str(sum(map(len, pieces))).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        for number, piece in enumerate(pieces, 1):
            await send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces)})

    return app


def test_a_page_names_one_sheet_of_styles_which_holds_them_all() -> None:
    names = style_names({"textbox"}, ASSETS)
    assert any("textbox" in (ASSETS / name).read_text(encoding="utf-8") for name in names)
    head, body = ask("/", app=page(b"<html><head></head><body></body></html>"))
    html: bytes = body["body"]
    assert dict(head["headers"])[b"content-length"] == str(len(html)).encode()
    [sheet] = re.findall(rb'<link rel="stylesheet" crossorigin href="([^"]+)">', html)
    said = ask(sheet.decode())[1]["body"]
    for name in names:
        assert f'disabled href="/assets/{name}"'.encode() in html
        assert (ASSETS / name).read_bytes() in said


def test_a_page_in_pieces_stays_as_it_is() -> None:
    head, *bodies = ask("/", app=page(b"<head></head>", b"<body></body>"))
    assert dict(head["headers"])[b"content-length"] == b"26"
    assert b"".join(body["body"] for body in bodies) == b"<head></head><body></body>"


def test_a_gradio_that_is_built_in_another_way_is_served_as_ever(tmp_path: Path) -> None:
    (tmp_path / "index-1.js").write_text("console.log(1)", encoding="utf-8")
    (tmp_path / "core-1.js").write_text("export {}", encoding="utf-8")
    assert style_names({"textbox"}, tmp_path) == []


def test_it_only_hands_out() -> None:
    assert ask(f"/assets/{next(ASSETS.glob('index-*.js')).name}", "POST")[0]["status"] == 299
