"""Tools, whichever way a model takes them: a call is a call, and words are words, at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assistant.engines import AnswerFinished, EngineEvent, GenerationOptions
from assistant.engines.abilities import Abilities
from assistant.engines.embedded import EmbeddedEngine
from assistant.engines.endpoint import EndpointEngine
from assistant.engines.prompt import result_as_answer
from assistant.events import TextDelta
from assistant.messages import Message, Text, ToolCall, ToolOffer, ToolResult, user
from assistant.paths import starter_model
from assistant.tools.builtin import BUILTIN_TOOLS
from tests.benchmarks.tool_tasks import ORDINARY, SUMS
from tests.fake_endpoint import FakeEndpoint, fake_endpoint
from tests.fake_steps import Answer, Status

WEATHER = ToolOffer(
    "get_weather",
    "The weather in a city.",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
)
CLOCK = ToolOffer("clock", "The time.", {"type": "object", "properties": {}})
OFFERED = GenerationOptions(tools=(WEATHER, CLOCK))
QUESTION = [user("How is the weather in Oslo?")]
OSLO = '{"city": "Oslo"}'


def streamed(
    endpoint: FakeEndpoint,
    messages: Sequence[Message] = QUESTION,
    options: GenerationOptions = OFFERED,
    *,
    times: int = 1,
    **known: bool,
) -> list[EngineEvent]:
    """The events of the last of so many answers, at an engine to which a test has told what is `known`."""

    async def run() -> list[EngineEvent]:
        engine = EndpointEngine(endpoint.url, model="fake")
        engine.told(Abilities(**known))
        events: list[EngineEvent] = []
        try:
            for _ in range(times):
                async with aclosing(engine.stream(messages, options)) as stream:
                    events = [event async for event in stream]
        finally:
            await engine.aclose()
        return events

    return asyncio.run(run())


def words(events: Sequence[EngineEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, TextDelta)]


def calls(events: Sequence[EngineEvent]) -> list[tuple[str, Any]]:
    [finished] = [event for event in events if isinstance(event, AnswerFinished)]
    assert (finished.reason == "tool_calls") == bool(finished.tool_calls)
    return [(call.name, json.loads(call.arguments)) for call in finished.tool_calls]


def said(text: str, size: int = 3) -> Answer:
    """An answer in pieces of so many characters."""
    return Answer([text[place : place + size] for place in range(0, len(text), size)])


def native(arguments: str, name: str = "get_weather") -> Answer:
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return Answer((), tool_calls=[call], finish_reason="tool_calls")


def bodies(endpoint: FakeEndpoint) -> list[Any]:
    return [request.body for request in endpoint.chats]


def test_tools_go_along_in_the_request_and_native_calls_come_back():
    with fake_endpoint(native(OSLO)) as endpoint:
        assert calls(streamed(endpoint)) == [("get_weather", {"city": "Oslo"})]
    [function] = [tool["function"] for tool in bodies(endpoint)[0]["tools"] if tool["function"]["name"] == "clock"]
    assert function == {"name": "clock", "description": "The time.", "parameters": CLOCK.parameters}


def test_without_tools_a_request_is_what_it_was():
    said_before = [
        Message("system", (Text("Be brief."),)),
        user("Time?"),
        Message("assistant", (ToolCall("1", "clock", '{"zone":"UTC"}'),)),
        Message("tool", (ToolResult("1", "noon"),)),
    ]
    with fake_endpoint(Answer()) as endpoint:
        streamed(endpoint, said_before, GenerationOptions(temperature=0.5, max_tokens=9))
    call = {"id": "1", "type": "function", "function": {"name": "clock", "arguments": '{"zone":"UTC"}'}}
    assert bodies(endpoint) == [
        {
            "model": "fake",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Time?"},
                {"role": "assistant", "content": "", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "1", "content": "noon"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0.5,
            "max_tokens": 9,
        }
    ]


@pytest.mark.parametrize(
    "refusal",
    [
        Status(500, {"error": {"code": 500, "message": "tools param requires --jinja flag"}}),
        Status(400, {"error": {"message": "registry.ollama.ai/library/gemma:2b does not support tools"}}),
        Status(
            400,
            {
                "object": "error",
                "message": '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
            },
        ),
        Status(404, {"error": {"message": "No endpoints found that support tool use."}}),
        Status(
            400,
            {"error": {"message": "litellm.UnsupportedParamsError: fake does not support parameters: ['tools']"}},
        ),
        Status(
            422,
            {
                "detail": [
                    {"type": "extra_forbidden", "loc": ["body", "tools"], "msg": "Extra inputs are not permitted"}
                ]
            },
        ),
    ],
)
def test_a_server_that_refuses_tools_is_asked_another_way_from_then_on(refusal: Status):
    chosen, arguments = Answer(['{"tool": "get_weather"}']), Answer([OSLO])
    with fake_endpoint(refusal, chosen, arguments, chosen, arguments) as endpoint:
        assert calls(streamed(endpoint, times=2)) == [("get_weather", {"city": "Oslo"})]
    first, *others = bodies(endpoint)
    assert "tools" in first
    assert not any("tools" in body for body in others)


def test_where_no_tool_is_chosen_the_answer_comes_in_words():
    with fake_endpoint(Answer(['{"tool": "none"}']), Answer(["Cold", ", I guess."])) as endpoint:
        events = streamed(endpoint, calls_tools=False, keeps_to_json=True)
    assert words(events) == ["Cold", ", I guess."]
    assert calls(events) == []


def test_the_choice_and_the_answer_begin_alike_so_that_the_engine_reads_them_once():
    with fake_endpoint(Answer(['{"tool": "none"}']), Answer()) as endpoint:
        streamed(endpoint, calls_tools=False, keeps_to_json=True)
    choice, answer = bodies(endpoint)
    assert choice["messages"][0]["content"].startswith(answer["messages"][0]["content"])
    names = choice["response_format"]["json_schema"]["schema"]["properties"]["tool"]["enum"]
    assert names == ["none", "get_weather", "clock"]


def test_a_tool_without_parameters_needs_no_second_question():
    with fake_endpoint(Answer(['{"tool": "clock"}'])) as endpoint:
        assert calls(streamed(endpoint, calls_tools=False, keeps_to_json=True)) == [("clock", {})]


@pytest.mark.parametrize("step", [Status(400, {"error": {"message": "response_format?"}}), Answer(["I do not know."])])
def test_a_server_without_schemas_is_told_of_the_tools_in_words(step: Status | Answer):
    written = said('<tool_call>{"name": "get_weather", "arguments": {"city": "Oslo"}}</tool_call>')
    with fake_endpoint(step, written, written) as endpoint:
        assert calls(streamed(endpoint, times=2, calls_tools=False)) == [("get_weather", {"city": "Oslo"})]
    assert "<tool_call>" in bodies(endpoint)[-1]["messages"][0]["content"]


def test_the_chat_of_a_model_that_knows_no_tools_keeps_its_turns():
    chat = [
        *QUESTION,
        Message("assistant", (Text("Let me see."), ToolCall("1", "get_weather", OSLO), ToolCall("2", "clock", "{}"))),
        Message("tool", (ToolResult("1", "rain"),)),
        Message("tool", (ToolResult("2", "no clock", is_error=True),)),
    ]
    with fake_endpoint(Answer()) as endpoint:
        streamed(endpoint, chat, calls_tools=False, keeps_to_json=False)
    [body] = bodies(endpoint)
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    _, asked, told = (message["content"] for message in body["messages"])
    assert asked.startswith("Let me see.")
    assert OSLO in asked
    assert "rain" in told
    assert "no clock" in told


@pytest.mark.parametrize(
    "text",
    [
        f'<tool_call>\n{{"name": "get_weather", "arguments": {OSLO}}}\n</tool_call>',
        f'<tool_call>{{"name": "get_weather", "arguments": {OSLO}}}',
        f'I look it up.\n\n<tool_call>{{"name": "get_weather", "arguments": {OSLO}}}</tool_call>',
        f'<|python_tag|>{{"name": "get_weather", "parameters": {OSLO}}}<|eom_id|>',
        f'{{"name": "get_weather", "parameters": {OSLO}}}',
        f'{{"type": "function", "name": "get_weather", "parameters": {OSLO}}}',
        f'{{"type": "function", "function": {{"name": "get_weather", "arguments": {OSLO}}}}}',
        f'{{"tool": "get_weather", "args": {OSLO}}}',
        f'{{"name": "get_weather", "arguments": {OSLO}',
        f'[TOOL_CALLS] [{{"name": "get_weather", "arguments": {OSLO}}}]',
        f"[TOOL_CALLS]get_weather[ARGS]{OSLO}",
        f"<function=get_weather>{OSLO}</function>",
        "<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>",
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n"
        f"{OSLO}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{OSLO}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        f'```json\n{{"name": "get_weather", "arguments": {OSLO}}}\n```',
        f'Sure:\n```json\n{{"name": "get_weather", "arguments": {OSLO}}}\n```',
        '[get_weather(city="Oslo")]',
        '[get_weather("Oslo")]',
        '```tool_code\nprint(default_api.get_weather(city="Oslo"))\n```',
        f'<tool_call>{{"name": "functions.get_weather", "arguments": {OSLO}}}</tool_call>',
        "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n</tool_call>",
        '<minimax:tool_call>\n<invoke name="get_weather">\n<parameter name="city">Oslo</parameter>\n</invoke>\n'
        "</minimax:tool_call>",
        'I look it up.\n<function_calls><invoke name="get_weather"><parameter name="city">Oslo</parameter></invoke>'
        "</function_calls>",
        f"<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{OSLO}<|call|>",
        f"<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{OSLO}",
        f"<|start|>assistant to=functions.get_weather<|channel|>commentary json<|message|>{OSLO}<|call|>",
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_call_that_comes_as_text_is_a_call(text: str, size: int):
    with fake_endpoint(said(text, size)) as endpoint:
        events = streamed(endpoint)
    assert calls(events) == [("get_weather", {"city": "Oslo"})]
    assert "".join(words(events)).strip() in ("", "I look it up.", "Sure:")


def test_several_written_calls_are_several_calls():
    text = f'<tool_call>{{"name": "get_weather", "arguments": {OSLO}}}</tool_call>'
    text += '\n<tool_call>{"name": "clock"}</tool_call>'
    with fake_endpoint(said(text)) as endpoint:
        assert calls(streamed(endpoint)) == [("get_weather", {"city": "Oslo"}), ("clock", {})]


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "delete_everything", "arguments": {}}',
        '{"name": "Oslo", "population": 709037}',
        '{"name": "get_weather", "colour": "red"}',
        f'A call looks like this:\n```json\n{{"name": "get_weather", "arguments": {OSLO}}}\n```\nthen it runs.',
        f'Models write `<tool_call>{{"name": "get_weather", "arguments": {OSLO}}}</tool_call>`.',
        f'```xml\n<tool_call>{{"name": "get_weather", "arguments": {OSLO}}}</tool_call>\n```',
        "[1, 2, 3]",
        "[get_weather] is a tool.",
        "{x | x > 0} is a set.",
        "get_weather(city='Oslo') is a call.",
        "a < b and <b>bold</b>, [link](x), `code`\n```python\nprint({'a': [1]})\n```\n",
        "<tool_call>never mind</tool_call>",
        '<invoke name="rm_rf"><parameter name="city">Oslo</parameter></invoke>',
        f"<|channel|>commentary to=functions.rm_rf <|message|>{OSLO}<|call|>",
        '<invoke name="get_weather"><parameter name="city">Oslo</parameter></invoke> is how one writes it.',
        "",
    ],
)
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_what_is_no_call_stays_words_to_the_last_character(text: str, size: int):
    with fake_endpoint(said(text, size)) as endpoint:
        events = streamed(endpoint)
    assert "".join(words(events)) == text
    assert calls(events) == []


def test_a_call_that_was_asked_for_as_an_example_stays_words():
    text = f'{{"name": "get_weather", "arguments": {OSLO}}}'
    with fake_endpoint(said(text)) as endpoint:
        events = streamed(endpoint, [user("Show me an example of a tool call as JSON.")])
    assert "".join(words(events)) == text
    assert calls(events) == []


def test_without_tools_nothing_that_looks_like_a_call_is_one():
    text = f'<tool_call>{{"name": "get_weather", "arguments": {OSLO}}}</tool_call>'
    with fake_endpoint(said(text)) as endpoint:
        events = streamed(endpoint, options=GenerationOptions())
    assert "".join(words(events)) == text
    assert calls(events) == []


def test_plain_words_are_not_held_back():
    tokens = ["The ", "weather ", "is [fine", "], 1 < 2", " and {so}", "\nOn ", "*and* ", "`on`", "."]
    with fake_endpoint(Answer(tokens)) as endpoint:
        assert words(streamed(endpoint)) == tokens


def test_a_call_that_words_follow_is_shown_as_they_come():
    tokens = [f'{{"name": "get_weather", "arguments": {OSLO}}}', " would", " ask", " for", " the weather."]
    with fake_endpoint(Answer(tokens)) as endpoint:
        events = streamed(endpoint)
    assert words(events) == ["".join(tokens[:2]), *tokens[2:]]
    assert calls(events) == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('{"city": "Oslo",}', {"city": "Oslo"}),
        ("{'city': 'Oslo'}", {"city": "Oslo"}),
        ('{"city": "Oslo", "days": "3"}', {"city": "Oslo", "days": 3}),
        (f"```json\n{OSLO}\n```", {"city": "Oslo"}),
        ('{"city": "Oslo"', {"city": "Oslo"}),
        (f'{{"arguments": {OSLO}}}', {"city": "Oslo"}),
        (f'{{"name": "get_weather", "parameters": {OSLO}}}', {"city": "Oslo"}),
        (json.dumps(OSLO), {"city": "Oslo"}),
        ('{"city": 5}', {"city": "5"}),
    ],
)
def test_arguments_are_mended_where_that_is_certain_and_both_forms_are_kept(written: str, meant: dict[str, Any]):
    with fake_endpoint(native(written)) as endpoint:
        finished = streamed(endpoint)[-1]
    assert isinstance(finished, AnswerFinished)
    [call] = finished.tool_calls
    assert (json.loads(call.arguments), call.written) == (meant, written)
    message = Message("assistant", (call,))
    assert Message.from_json(json.loads(json.dumps(message.to_json()))) == message


@pytest.mark.parametrize(
    "written",
    [
        OSLO,
        '{"city": "Os',
        '{"city":',
        "Oslo",
        '{"city": "Oslo", "days": "three"}',
        '["Oslo"]',
        '{"city": "a,}"}',
        "nan",
    ],
)
def test_what_is_valid_or_not_certain_stays_as_it_was_written(written: str):
    with fake_endpoint(native(written)) as endpoint:
        finished = streamed(endpoint)[-1]
    assert isinstance(finished, AnswerFinished)
    [call] = finished.tool_calls
    assert (call.arguments, call.written) == (written, "")


def test_a_call_saved_before_there_was_mending_is_read():
    old = {"role": "assistant", "parts": [{"type": "tool_call", "id": "1", "name": "clock", "arguments": "{}"}]}
    assert Message.from_json(old).tool_calls == (ToolCall("1", "clock", "{}"),)


def test_a_call_that_is_no_json_is_sent_back_inside_of_an_object():
    chat = [
        *QUESTION,
        Message("assistant", (ToolCall("1", "clock", "{zone"),)),
        Message("tool", (ToolResult("1", "?"),)),
    ]
    with fake_endpoint(Answer()) as endpoint:
        streamed(endpoint, chat)
    [call] = bodies(endpoint)[0]["messages"][1]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"invalid": "{zone"}


def test_the_starter_model_calls_calculate_for_plain_sums_and_for_nothing_else(tmp_path: Path):
    """With every tool that Hearth brings along offered."""
    offers = tuple(tool.offer for tool in BUILTIN_TOOLS)
    options = GenerationOptions(temperature=0, max_tokens=4, tools=offers)
    plain = GenerationOptions(temperature=0, max_tokens=4)

    async def run() -> None:
        engine = EmbeddedEngine(starter_model(), log_file=tmp_path / "engine.log")

        async def answer(said: str | list[Message], options: GenerationOptions) -> list[EngineEvent]:
            messages = [user(said)] if isinstance(said, str) else said
            async with aclosing(engine.stream(messages, options)) as stream:
                return [event async for event in stream]

        try:
            for task in SUMS:
                [(name, arguments)] = calls(await answer(task.question, options))
                assert name == "calculate"
                assert task.fits is not None
                assert task.fits(arguments), (task.question, arguments)
            told = [
                user(SUMS[0].question),
                Message("assistant", (ToolCall("1", "calculate", '{"expression": "17 * 23"}'),)),
                Message("tool", (ToolResult("1", "391"),)),
            ]
            answered = await answer(told, replace(options, max_tokens=40))
            assert "".join(words(answered)) == "17 * 23 = 391", "a model this small garbles what it says again"
            assert calls(answered) == []
            for question in ORDINARY:
                events = await answer(question, options)
                assert calls(events) == []
                assert words(events) == words(await answer(question, plain)), "as good as without tools"
        finally:
            await engine.aclose()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("arguments", "result", "answer"),
    [
        ('{"expression": "1234 * 5678"}', "7006652", "1234 * 5678 = 7006652"),
        ("{}", "Thursday, 2026-11-26 01:49:00 +0000", "Thursday, 2026-11-26 01:49:00 +0000"),
        ('{"expression": "x", "more": 1}', "7", "7"),
        ("{zone", "7", "7"),
        ('{"path": "a.txt"}', "two\nlines", ""),
        ('{"path": "a.txt"}', "w" * 201, ""),
        ('{"path": "a.txt"}', " ", ""),
    ],
)
def test_a_short_result_can_stand_as_the_answer_of_a_model_that_would_garble_it(
    arguments: str, result: str, answer: str
) -> None:
    call = ToolCall("1", "tool", arguments)
    asked = [*QUESTION, Message("assistant", (call,))]
    assert result_as_answer([*asked, Message("tool", (ToolResult("1", result),))]) == answer
    assert result_as_answer([*asked, Message("tool", (ToolResult("1", result, is_error=True),))]) == ""
    assert result_as_answer([*asked, Message("tool", (ToolResult("2", result),))]) == ""
    assert result_as_answer(asked) == result_as_answer(QUESTION) == ""
