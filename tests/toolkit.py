"""Tools for tests, and a chat that has them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from assistant.approvals import Offering, Toolkit
from assistant.conversation import Conversation, EngineChoice
from assistant.conversations import Conversations
from assistant.database import Database
from assistant.egress import Egress
from assistant.engines.endpoint import EndpointEngine
from assistant.messages import ToolResult
from assistant.settings import Settings
from assistant.store import Store
from assistant.tool_rules import ToolRules
from assistant.tools.hands import Hands
from assistant.tools.tool import Tool
from assistant.tools.toolbox import Toolbox
from tests.fake_endpoint import FakeEndpoint
from tests.fake_steps import Answer

Scene = Callable[[Conversations, Store], Awaitable[None]]


def call(name: str, arguments: dict[str, Any] | str, call_id: str = "c1", index: int = 0) -> dict[str, Any]:
    """A tool call as an endpoint sends it; text as arguments goes as it is."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


def calls(*asked: dict[str, Any], words: Sequence[str] = ()) -> Answer:
    """An answer that ends in tool calls."""
    numbered = [one | {"index": number} for number, one in enumerate(asked)]
    return Answer(words, tool_calls=numbered, finish_reason="tool_calls")


def play(
    scene: Scene,
    server: FakeEndpoint,
    folder: Path,
    *tools: Tool,
    offering: Offering = "all",
    rules: str = "tools.json",
) -> None:
    """Chats with these tools on a store in `folder`, which the next scene finds again."""

    async def run() -> None:
        engine = EndpointEngine(server.url, model="fake")
        store = Store(Database(folder / "hearth.db"))
        toolkit = Toolkit(
            Toolbox(lambda: tools),
            ToolRules(folder / rules),
            fits=lambda _: offering,
            hands=lambda _database, chat, _answer, said: Hands(chat, said, Egress()),
        )
        choice = EngineChoice(engine, Settings())
        opened = Conversations(store, private=Store(Database(None)), choose=lambda _pick: choice, toolkit=toolkit)
        try:
            await scene(opened, store)
        finally:
            await opened.aclose()
            await engine.aclose()
            store.close()

    asyncio.run(run())


async def at_rest(chat: Conversation) -> None:
    """Once no answer runs."""
    async with asyncio.timeout(20):
        while True:
            news = chat.news
            if not chat.is_running:
                return
            await news.wait()


async def asked(chat: Conversation, question: str) -> None:
    """Asks and waits for the answer, or for the card."""
    await chat.send(question)
    await at_rest(chat)


async def decide(chat: Conversation, verdict: Any, call_id: str = "c1", *, word: str = "") -> bool:
    """Presses a button of a card, as the page does."""
    question = await chat.approvals.question(chat.settled, call_id)
    taken = await chat.decide(call_id, verdict, mark=question.mark if question else "", word=word)
    await at_rest(chat)
    return taken


def results(chat: Conversation) -> list[ToolResult]:
    """The results in the chat, in order."""
    return [part for item in chat.settled for part in item.message.parts if isinstance(part, ToolResult)]
