"""Which tools a chat's model is told of, and what the log of them keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from assistant.conversation import Conversation
from assistant.conversations import Conversations
from assistant.engines import Engine, EngineIdentity
from assistant.store import Store
from assistant.tool_log import ToolLog
from assistant.tools.tool import Tool, tool
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer
from tests.toolkit import asked, call, calls, decide, play


def look(text: str) -> str:
    """Looks it up."""
    return f"secret {text}"


def add(one: int, other: int) -> int:
    """Adds two numbers."""
    return one + other


LOOK, ADD = tool(look), tool(add, approval="never")


class Known:
    """An engine as far as a toolkit looks at it."""

    identity = EngineIdentity("endpoint", "fake", "http://127.0.0.1:1/v1")


def offered(chat: Conversation) -> list[str]:
    return [offer.name for offer in chat.approvals.in_turn(cast("Engine", Known()), "a").offered]


def scene_with(look_at: Callable[[Conversations], Any], folder: Path, *tools: Tool, **more: Any) -> None:
    async def scene(opened: Conversations, _: Store) -> None:
        await look_at(opened)

    with fake_endpoint() as server:
        play(scene, server, folder, *tools, **more)


def test_a_model_is_told_of_tools_by_what_it_was_seen_to_do_until_the_person_says_otherwise(tmp_path: Path) -> None:
    async def unseen(opened: Conversations) -> None:
        chat = await opened.new()
        assert offered(chat) == []
        assert not chat.has_tools
        await chat.switch_tools(is_on=True)
        assert chat.has_tools
        assert offered(chat) == ["look", "add"]

    async def later(opened: Conversations) -> None:
        chat = await opened.new()
        assert chat.has_tools, "what was said holds for that model"
        await chat.switch_tools(is_on=False)
        assert chat.approvals.in_turn(cast("Engine", Known()), "a").tools == ()

    scene_with(unseen, tmp_path, LOOK, ADD, offering="none")
    scene_with(later, tmp_path, LOOK, ADD, offering="none")


def test_a_small_model_is_told_of_those_built_in_tools_alone_that_never_ask(tmp_path: Path) -> None:
    async def scene(opened: Conversations) -> None:
        assert offered(await opened.new()) == ["add"]

    scene_with(scene, tmp_path, LOOK, ADD, offering="few")


def test_what_a_tool_did_is_erased_with_its_message_and_with_its_chat(tmp_path: Path) -> None:
    async def scene(opened: Conversations, store: Store) -> None:
        log = ToolLog(store.database)
        chat = await opened.new()
        for question in ("One?", "Two?"):
            await asked(chat, question)
            assert await decide(chat, "once", chat.approvals.waiting(chat.settled)[0].id)
        assert [run.arguments for run in log.runs()] == ['{"text": "2"}', '{"text": "1"}']
        await chat.erase(next(item.id for item in chat.settled if item.message.text == "Two?"))
        assert [run.arguments for run in log.runs()] == ['{"text": "1"}']
        await opened.delete(chat.id)
        assert log.runs() == []
        await opened.erase_deleted()
        assert b"secret" not in (tmp_path / "hearth.db").read_bytes()

    steps = [calls(call("look", {"text": "1"}, "a")), Answer(("1",)), calls(call("look", {"text": "2"}, "b"))]
    with fake_endpoint(*steps, Answer(("2",))) as server:
        play(scene, server, tmp_path, LOOK)


def test_what_tools_did_in_a_private_chat_is_in_memory_and_nowhere_on_the_disk(tmp_path: Path) -> None:
    async def scene(opened: Conversations, store: Store) -> None:
        chat = await opened.new_private()
        await asked(chat, "One?")
        assert await decide(chat, "chat")
        assert [run.tool for run in await opened.tool_runs()] == ["look"]
        assert ToolLog(store.database).runs() == []

    with fake_endpoint(calls(call("look", {"text": "1"})), Answer(("1",))) as server:
        play(scene, server, tmp_path, LOOK)
    assert b"secret" not in b"".join(path.read_bytes() for path in tmp_path.glob("hearth.db*"))
