"""The floor: the openai client's words, streamed as they come into plain text on a plain page.

python -m tests.benchmarks.speed.floor ENDPOINT MESSAGES
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from html import escape
from typing import Any

import uvicorn
from openai import AsyncOpenAI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, StreamingResponse
from starlette.routing import Route

from tests.benchmarks.speed.text import history

PAGE = """<!doctype html><meta charset="utf-8"><title>The floor</title>
<style>
  body { margin: 0; height: 100vh; display: flex; flex-direction: column; font-family: sans-serif }
  main { flex: 1; overflow-y: auto }
  p { white-space: pre-wrap; max-width: 46em; margin: 1em auto; overflow-wrap: anywhere }
</style>
<main id="chat">%s</main><textarea id="input" autofocus></textarea>
<script>
  const chat = document.getElementById("chat"), input = document.getElementById("input");
  const down = () => { chat.scrollTop = chat.scrollHeight; };
  const say = (words) => {
    const paragraph = chat.appendChild(document.createElement("p"));
    paragraph.textContent = words;
    requestAnimationFrame(down);
    return paragraph;
  };
  input.addEventListener("keydown", async (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const question = input.value;
    input.value = "";
    say(question);
    const answer = say("");
    const response = await fetch("/ask", { method: "POST", body: question });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let piece; !(piece = await reader.read()).done; ) {
      answer.textContent += piece.value;
      requestAnimationFrame(down);
    }
  });
  down();
</script>
"""


class Floor:
    """One chat, in memory."""

    def __init__(self, endpoint: str, messages: int) -> None:
        self._client = AsyncOpenAI(base_url=endpoint, api_key="none")
        texts = history(messages)
        self._messages: list[Any] = [
            {"role": "assistant" if number % 2 else "user", "content": text} for number, text in enumerate(texts)
        ]

    async def page(self, request: Request) -> HTMLResponse:
        return HTMLResponse(PAGE % "".join(f"<p>{escape(message['content'])}</p>" for message in self._messages))

    async def ask(self, request: Request) -> StreamingResponse:
        self._messages.append({"role": "user", "content": (await request.body()).decode()})
        return StreamingResponse(self._words(), media_type="text/plain; charset=utf-8")

    async def _words(self) -> AsyncIterator[str]:
        said = ""
        async for chunk in await self._client.chat.completions.create(
            model="fake", messages=self._messages, stream=True
        ):
            for choice in chunk.choices:
                said += choice.delta.content or ""
                if words := choice.delta.content or getattr(choice.delta, "reasoning_content", None):
                    yield words
        self._messages.append({"role": "assistant", "content": said})


def main() -> None:
    floor = Floor(sys.argv[1], int(sys.argv[2]))
    app = Starlette(routes=[Route("/", floor.page), Route("/ask", floor.ask, methods=["POST"])])
    listening = socket.socket(proto=socket.IPPROTO_TCP)  # else asyncio leaves Nagle's algorithm on
    listening.bind(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}/", flush=True)
    asyncio.run(uvicorn.Server(uvicorn.Config(app, log_level="warning")).serve(sockets=[listening]))


if __name__ == "__main__":
    main()
