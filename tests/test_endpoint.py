"""The engine behind an address, against a real server on loopback that plays every fault of family E."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing

import psutil
import pytest

from assistant.engines import AnswerFinished, EngineEvent, GenerationOptions
from assistant.engines.access import Access
from assistant.engines.endpoint import EndpointEngine
from assistant.engines.limits import Limits
from assistant.errors import (
    Busy,
    ContextFull,
    EngineError,
    Interrupted,
    ModelMissing,
    NotCompatible,
    Unreachable,
    WrongKey,
)
from assistant.events import ReasoningDelta, TextDelta, UsageReported
from assistant.messages import Message, Reasoning, Text, ToolCall, ToolResult, user
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import (
    Answer,
    CompressionBomb,
    ContextOverflow,
    Cut,
    Endless,
    GiantLine,
    Payloads,
    Silence,
    SlowBytes,
    Status,
    Step,
    WholeAnswer,
    bad_json,
    bad_utf8,
    error_event,
    html,
    missing_index,
    oddities,
    redirect,
    unknown_events,
)

CANARY = "sk-CANARY-0123456789abcdef"
QUICK = Limits(connect_seconds=2, first_byte_seconds=2, stall_seconds=0.6, list_seconds=2)


async def collect(
    engine: EndpointEngine, messages: Sequence[Message] = (user("Hi"),), options: GenerationOptions | None = None
) -> tuple[list[EngineEvent], EngineError | None]:
    """Everything that came, and the error it ended with."""
    events: list[EngineEvent] = []
    try:
        async with aclosing(engine.stream(messages, options or GenerationOptions())) as stream:
            async for event in stream:
                events.append(event)  # noqa: PERF401  # what came before an error counts
    except EngineError as error:
        return events, error
    finally:
        await engine.aclose()
    return events, None


def ask(url: str, *, key: str | None = None, model: str = "fake", limits: Limits = QUICK, **more: object):
    return asyncio.run(collect(EndpointEngine(url, model=model, access=Access(key), limits=limits), **more))  # type: ignore[arg-type]


def played(*steps: Step, **more: object):
    """The text, the events and the error after `steps`."""
    with fake_endpoint(*steps) as endpoint:
        events, error = ask(endpoint.url, **more)  # type: ignore[arg-type]
    return text_of(events), events, error


def text_of(events: list[EngineEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_an_answer_arrives_word_by_word_with_usage_and_reason():
    text, events, error = played(Answer(["Hel", "lo"], reasoning=["Hm"], usage=(7, 2)))
    assert (text, error) == ("Hello", None)
    assert events[0] == ReasoningDelta("Hm")
    usage, finished = events[-2:]
    assert isinstance(usage, UsageReported) and (usage.prompt_tokens, usage.completion_tokens) == (7, 2)
    assert finished == AnswerFinished("stop")


def test_the_engine_s_own_rate_is_reported():
    _, events, _ = played(Answer(timings={"predicted_per_second": 123.0}))
    assert [event.tokens_per_second for event in events if isinstance(event, UsageReported)] == [123.0]


def test_the_rate_is_measured_where_the_engine_gives_none():
    _, events, _ = played(Answer(["a "] * 10, rate_per_second=50, usage=(3, 10)))
    [usage] = [event for event in events if isinstance(event, UsageReported)]
    assert usage.tokens_per_second is not None and 20 < usage.tokens_per_second < 80


def test_words_are_not_held_back():
    async def first_word(url: str) -> float:
        engine, began = EndpointEngine(url, model="fake"), time.monotonic()
        await engine.start()
        async with aclosing(engine.stream([user("Hi")], GenerationOptions())) as stream:
            began = time.monotonic()
            async for _ in stream:
                return time.monotonic() - began
        return 99

    with fake_endpoint(Answer(["a"] * 50, rate_per_second=10)) as endpoint:
        assert asyncio.run(first_word(endpoint.url)) < 1


def test_a_server_that_does_not_stream_answers_too():
    text, events, error = played(WholeAnswer("All at once."))
    assert (text, error, events[-1]) == ("All at once.", None, AnswerFinished("stop"))


def test_tool_calls_without_index_arrive_whole():
    _, events, error = played(missing_index())
    finished = events[-1]
    assert error is None and isinstance(finished, AnswerFinished)
    assert finished.reason == "tool_calls"
    assert [(call.name, call.arguments) for call in finished.tool_calls] == [("clock", '{"zone": "UTC"}')]


def test_options_and_history_are_sent_without_reasoning_and_unresolved_calls():
    history = [
        user("One"),
        Message("assistant", (Reasoning("secret thought"), Text("Ok"), ToolCall("1", "clock", "{}"))),
        Message("tool", (ToolResult("1", "noon"),)),
        Message("assistant", (ToolCall("2", "files", "{}"),)),
        user("Two \ud800 \0"),
    ]
    with fake_endpoint(Answer()) as endpoint:
        ask(endpoint.url, messages=history, options=GenerationOptions(temperature=0.5, max_tokens=9))
    body = endpoint.chats[0].body
    assert (body["temperature"], body["max_tokens"], body["stream"]) == (0.5, 9, True)
    assert body["stream_options"] == {"include_usage": True}
    call = {"id": "1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    assert body["messages"] == [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Ok", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "noon"},
        {"role": "user", "content": "Two ? "},
    ]


def test_without_a_model_the_first_that_can_chat_is_asked_for():
    with fake_endpoint(Answer(), models=["nomic-embed-text", "llama3"]) as endpoint:
        ask(endpoint.url, model="")
    assert endpoint.chats[0].body["model"] == "llama3"


def test_a_server_without_models_says_so():
    with fake_endpoint(models=[]) as endpoint:
        assert isinstance(ask(endpoint.url, model="")[1], ModelMissing)


def test_a_server_that_refuses_stream_options_is_asked_again_without():
    refusal = Status(400, {"error": {"message": "Unrecognized request argument supplied: stream_options"}})
    with fake_endpoint(refusal, Answer()) as endpoint:
        events, error = ask(endpoint.url)
    assert error is None and text_of(events) == "Hello, world!"
    assert "stream_options" not in endpoint.chats[1].body


def test_a_model_that_wants_the_new_name_of_max_tokens_gets_it():
    refusal = Status(400, {"error": {"message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'."}})
    with fake_endpoint(refusal, Answer()) as endpoint:
        ask(endpoint.url, options=GenerationOptions(max_tokens=5))
    assert endpoint.chats[1].body["max_completion_tokens"] == 5


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5020 tokens (20 in the messages, "
        "5000 in the completion). Please reduce the length of the messages or completion.",
        "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context length is 4096 "
        "tokens and your request has 20 input tokens (5000 > 4096 - 20).",
        "max_tokens=5000 cannot be greater than max_model_len=max_total_tokens=4096. Please request fewer output "
        "tokens. (parameter=max_tokens, value=5000)",
        "You passed 20 input tokens and requested 5000 output tokens. However, the model's context length is only 4096 "
        "tokens, resulting in a maximum input length of 0 tokens.",
        "max_tokens is too large: 5000. This model supports at most 4096 completion tokens.",
        "input length and `max_tokens` exceed context limit: 20 + 5000 > 4096, decrease input length or `max_tokens`",
    ],
)
def test_where_only_the_longest_answer_is_too_long_the_question_is_asked_without_it(words: str):
    with fake_endpoint(Status(400, {"error": {"message": words}}), Answer()) as endpoint:
        events, error = ask(endpoint.url, options=GenerationOptions(max_tokens=5000))
    assert error is None and text_of(events) == "Hello, world!"
    assert "max_tokens" not in endpoint.chats[1].body


# What is in the way of the first byte


def test_nothing_at_the_address_is_unreachable():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = ask(f"http://127.0.0.1:{port}/v1")[1]
    assert isinstance(error, Unreachable) and error.key == "engine-refused-connection"


def test_an_unknown_host_is_unreachable():
    error = ask("http://no-such-host.invalid/v1")[1]
    assert isinstance(error, Unreachable) and error.key == "engine-unknown-host"


@pytest.mark.parametrize(
    "url", ["http://", "http://127.0.0.1:99999/v1", "nonsense", "http://a b/v1", "http://\udcff/v1"]
)
def test_an_address_that_is_none_is_unreachable(url: str):
    assert isinstance(ask(url)[1], Unreachable)


def test_https_to_a_plain_server_is_told():
    with fake_endpoint() as endpoint:
        error = ask(endpoint.url.replace("http:", "https:"))[1]
    assert isinstance(error, Unreachable) and error.key == "engine-not-tls"


def test_what_is_no_http_server_is_not_compatible():
    code = "import socket, time; c=socket.create_server(('127.0.0.1',0)); print(c.getsockname()[1],flush=True)\n"
    code += "p,_=c.accept(); p.send(b'+OK POP3 ready\\r\\n\\r\\n'); time.sleep(1)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        error = ask(f"http://127.0.0.1:{int(other.stdout.readline())}/v1")[1]
    assert isinstance(error, NotCompatible) and error.key == "engine-not-http"


@pytest.mark.parametrize(
    "step", [html(), Status(204), Status(200, b"hello", {"Content-Type": "text/plain"}), Status(200, b"{}"), html(404)]
)
def test_what_does_not_speak_the_protocol_is_not_compatible(step: Step):
    assert isinstance(played(step)[2], NotCompatible)


@pytest.mark.parametrize(
    ("step", "kind", "key"),
    [
        (Status(401), WrongKey, "engine-key-wanted"),
        (Status(403), WrongKey, "engine-key-wanted"),
        (Status(404), NotCompatible, "engine-no-chat-here"),
        (Status(404, {"error": {"message": 'model "x" not found, try pulling it first'}}), ModelMissing, None),
        (Status(404, {"object": "error", "message": "The model `x` does not exist."}), ModelMissing, None),
        (Status(404, {"error": "model 'llama3.2' not found"}), ModelMissing, "engine-model-unknown"),
        (Status(404, {"error": {"message": 'model "qwen2.5:7b" not found, try pulling it'}}), ModelMissing, None),
        (Status(404, {"object": "error", "message": "The model `Qwen/Qwen2.5` does not exist."}), ModelMissing, None),
        (Status(400, {"error": {"message": "qwen2.5 is not a valid model ID"}}), ModelMissing, "engine-model-unknown"),
        (Status(400, {"error": {"message": "API key not valid. Please pass a valid one."}}), WrongKey, None),
        (Status(400, {"error": {"message": "No connected db.", "type": "no_db_connection"}}), WrongKey, None),
        (Status(200, {"error": "Unexpected endpoint or method. (POST /chat/completions)"}), NotCompatible,
         "engine-no-chat-here"),
        (error_event("the GPU fell off"), Interrupted, "engine-server-fault-in-stream"),
        (Status(400, {"error": {"code": "model_not_found", "message": "no"}}), ModelMissing, None),
        (Status(500, {"error": {"message": "model needs more system memory"}}), ModelMissing, "engine-memory"),
        (Status(400, {"error": {"message": "bad"}}), NotCompatible, "engine-refused"),
        (Status(500), Interrupted, "engine-server-fault"),
        (Status(502, b"<html>bad gateway"), Interrupted, "engine-server-fault"),
        (Status(400, b"Client sent an HTTP request to an HTTPS server."), Unreachable, "engine-needs-tls"),
        (Status(429, {"error": {"code": "insufficient_quota"}}), Busy, "engine-quota"),
        (Status(429, headers={"Retry-After": "120"}), Busy, "engine-busy-for"),
        (error_event("loading failed", code=500), Interrupted, "engine-server-fault"),
    ],
)  # fmt: skip
def test_each_refusal_has_its_error(step: Step, kind: type[EngineError], key: str | None):
    error = played(step)[2]
    assert isinstance(error, kind)
    assert key is None or error.key == key
    assert error.message and error.hint


OVERFLOWS = [
    ContextOverflow(),
    ContextOverflow(as_event=True),
    Status(400, {"error": {"message": "This model's maximum context length is 8192 tokens. However, your messages "
                           "resulted in 9031 tokens.", "code": "context_length_exceeded"}}),
]  # fmt: skip


@pytest.mark.parametrize("step", OVERFLOWS)
def test_context_overflow_is_told_with_its_numbers(step: Step):
    error = played(step)[2]
    assert isinstance(error, ContextFull)
    assert error.values == {"tokens": 9031, "limit": 8192}


@pytest.mark.parametrize(
    "words",
    [
        "The number of tokens to keep is greater than the context length",
        "Trying to keep the first 9031 tokens when context the overflows. However, the model is loaded with context "
        "length of only 4096 tokens, which is not enough.",
        "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens",
        "The prompt (total length 9031) is longer than the maximum model length of 8192.",
        "the request exceeds the available context size. try increasing the context size or enable context shift",
        "the request exceeds the available context size, try increasing it",
        "Input is too large to process. Either enable context shift or increase the context length.",
        "Input tokens exceed the configured limit of 272000 tokens.",
        "litellm.ContextWindowExceededError: litellm.BadRequestError: ContextWindowExceededError: OpenAIException",
        "Input validation error: `inputs` must have less than 1000 tokens. Given: 1020",
        "Prompt exceeds max context length",
        "Input is too long for requested model.",
        "Reached context length of 4096 tokens with model (arch: llama) that does not currently support mid-generation "
        "context overflow. Try reloading with a larger context length or shortening the prompt/chat.",
    ],
)
def test_context_overflow_in_other_words_is_told_too(words: str):
    assert isinstance(played(Status(400, {"error": {"message": words}}))[2], ContextFull)


COUNTED_OVERFLOWS = [
    (400, {"error": {"code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": 14429, "n_ctx": 8192,
                     "message": "the request exceeds the available context size, try increasing it"}}, (14429, 8192)),
    (500, {"error": {"code": 500, "type": "exceed_context_size_error", "n_prompt_tokens": 1407, "n_ctx": 256,
                     "message": "the request exceeds the available context size. try increasing the context size"}},
     (1407, 256)),
    (400, {"error": {"message": "litellm.ContextWindowExceededError: litellm.BadRequestError: "
                     "ContextWindowExceededError: OpenAIException - This model's maximum context length is 13500 "
                     "tokens. However, you requested 14032 tokens (9936 in the messages, 4096 in the completion). "
                     "Please reduce the length of the messages or completion."}}, (14032, 13500)),
    (400, {"object": "error", "message": "This model's maximum context length is 16384 tokens. However, your request "
           "has 19427 input tokens. Please reduce the length of the input messages. "
           "(parameter=input_tokens, value=19427)", "code": 400}, (19427, 16384)),
    (400, {"error": {"message": "This endpoint's maximum context length is 32768 tokens. However, you requested about "
                     "42832 tokens (42832 of text input).", "code": 400}}, (42832, 32768)),
    (400, {"error": {"message": "Requested tokens (2285) exceed context window of 2048"}}, (2285, 2048)),
    (400, {"type": "error", "error": {"type": "invalid_request_error",
                                      "message": "prompt is too long: 208310 tokens > 200000 maximum"}},
     (208310, 200000)),
    (400, {"error": {"message": "input length and `max_tokens` exceed context limit: 174167 + 64000 > 200000, decrease "
                     "input length or `max_tokens` and try again"}}, (238167, 200000)),
    (422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 1512. Given: 1000 `inputs` "
           "tokens and 1024 `max_new_tokens`", "error_type": "validation"}, (2024, 1512)),
    (400, {"error": {"message": "The input token count (2845475) exceeds the maximum number of tokens allowed "
                     "(1048576)."}}, (2845475, 1048576)),
    (400, {"error": {"message": "Trying to keep the first 9031 tokens when context the overflows. However, the model "
                     "is loaded with context length of only 4096 tokens, which is not enough."}}, (9031, 4096)),
    (400, {"object": "error", "code": 400, "message": "The decoder prompt (length 21535) is longer than the maximum "
           "model length of 16384."}, (21535, 16384)),
    (400, {"error": {"message": "You passed 9031 input tokens and requested 0 output tokens. However, the model's "
                     "context length is only 8192 tokens, resulting in a maximum input length of 8192 tokens. Please "
                     "reduce the length of the input prompt. (parameter=input_tokens, value=9031)"}}, (9031, 8192)),
    (400, {"error": "Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)"}, (15028, 7424)),
    (400, {"object": "error", "message": "Prompt contains 40000 tokens and 0 draft tokens, too large for model with "
           "32768 maximum context length"}, (40000, 32768)),
    (400, {"object": "error", "message": "The input (5000 tokens) is longer than the model's context length (4096 "
           "tokens)."}, (5000, 4096)),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "numbers"), COUNTED_OVERFLOWS)
def test_the_numbers_of_an_overflow_are_read_in_each_server_s_words(
    status: int, body: object, numbers: tuple[int, int]
):
    error = played(Status(status, body))[2]
    assert isinstance(error, ContextFull)
    assert error.values == {"tokens": numbers[0], "limit": numbers[1]}


def test_a_chat_too_large_for_a_limit_by_the_minute_is_told_at_once_and_teaches_no_context():
    words = "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 90000."
    with fake_endpoint(Status(429, {"error": {"message": words, "code": "rate_limit_exceeded"}})) as endpoint:
        error = ask(endpoint.url)[1]
    assert isinstance(error, ContextFull) and not error.values


@pytest.mark.parametrize("reason", ["null", "None", ""])
def test_a_finish_reason_that_says_nothing_is_none(reason: str):
    cut = Payloads([json.dumps({"choices": [{"delta": {}, "finish_reason": reason}]}).encode()], finish_reason=None)
    text, _, error = played(cut)
    assert text == "Hello again"
    assert error is not None and error.key == "engine-ended-early"


def test_an_object_over_several_lines_of_data_is_read():
    spread = b'data: {"choices": [\ndata:  {"delta": {"content": ", you"}}\ndata: ]}\n\n'
    assert played(Payloads([spread], is_framed=False))[::2] == ("Hello, you again", None)


def test_a_byte_order_mark_costs_no_word():
    mark = b"\xef\xbb\xbfdata: " + json.dumps({"choices": [{"delta": {"content": "First"}}]}).encode() + b"\n\n"
    assert played(Payloads([mark], before=(), is_framed=False))[::2] == ("First again", None)


@pytest.mark.parametrize("count", [2**63, 10**400, -1, 1.5, "7", True])
def test_a_number_of_tokens_that_is_none_is_left_out(count: object):
    counted = Payloads([json.dumps({"usage": {"prompt_tokens": 3, "completion_tokens": count}}).encode()])
    _, events, error = played(counted)
    assert error is None
    [usage] = [event for event in events if isinstance(event, UsageReported)]
    assert usage.completion_tokens is None


def test_the_first_model_is_chosen_anew_when_the_server_has_another_one():
    gone = Status(404, {"error": {"message": "model 'fake' not found"}})
    with fake_endpoint(Answer(), gone, Answer()) as endpoint:

        async def ask_twice() -> list[EngineError | None]:
            engine = EndpointEngine(endpoint.url, limits=QUICK)
            return [(await collect(engine))[1] for _ in range(2)]

        assert asyncio.run(ask_twice()) == [None, None]


def test_a_model_that_the_person_chose_is_not_changed():
    error = played(Status(404, {"error": {"message": "model 'fake' not found"}}))[2]
    assert error is not None and error.key == "engine-model-unknown"


def test_a_list_of_models_that_trickles_is_given_up():
    with fake_endpoint(list_step=SlowBytes(seconds_per_byte=0.2)) as endpoint:
        began = time.monotonic()
        error = ask(endpoint.url, model="")[1]
    assert error is not None and error.key == "engine-silent-list"
    assert time.monotonic() - began < 8


def test_a_model_that_cannot_be_stored_or_shown_is_not_offered():
    with fake_endpoint(models=["\ud800bad", "good", "line\nbreak", ""]) as endpoint:

        async def listed() -> list[str]:
            engine = EndpointEngine(endpoint.url)
            try:
                return await engine.models()
            finally:
                await engine.aclose()

        assert asyncio.run(listed()) == ["good"]


def test_busy_is_retried_as_the_server_asks():
    busy = Status(429, headers={"Retry-After": "0.3"})
    with fake_endpoint(busy, Status(503), Answer()) as endpoint:
        events, error = ask(endpoint.url)
    assert error is None and text_of(events) == "Hello, world!"
    first, second, third = (request.at for request in endpoint.chats)
    assert 0.3 <= second - first < 1.5
    assert 0.5 <= third - second < 3


def test_busy_for_ever_is_given_up():
    text, _, error = played(Status(503), Status(503), Status(503))
    assert (text, type(error)) == ("", Busy)


def test_waiting_for_a_retry_can_be_cancelled():
    async def cancelled(url: str) -> float:
        task = asyncio.create_task(collect(EndpointEngine(url, model="fake")))
        await asyncio.sleep(1.5)
        began = time.monotonic()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return time.monotonic() - began

    with fake_endpoint(Status(429, headers={"Retry-After": "9"})) as endpoint:
        assert asyncio.run(cancelled(endpoint.url)) < 0.5


# In the middle of an answer


@pytest.mark.parametrize(
    "step",
    [
        Cut(["Hello"]),
        Payloads([], after=(), finish_reason=None),
        Answer(["Hello"], finish_reason=None),
        error_event(),
        Payloads([b'{"object": "error", "message": "boom", "code": 500}'], after=(), finish_reason=None),
        Payloads([], after=(), finish_reason="error"),
        Silence(["Hello"]),
        SlowBytes(0.1),
        GiantLine(3),
    ],
)
def test_what_breaks_in_mid_answer_keeps_the_text(step: Step):
    text, _, error = played(step)
    assert text == "Hello"
    assert isinstance(error, Interrupted)


EMPTY = Payloads([], before=(), after=(), finish_reason=None)


def test_a_stream_with_nothing_in_it_is_asked_for_in_one_piece_and_tells_its_reason():
    told = (
        "This model's maximum context length is 1024 tokens. However, you requested 1531 tokens (1531 in the messages)."
    )
    with fake_endpoint(EMPTY, Status(400, {"error": {"message": told, "code": "context_length_exceeded"}})) as endpoint:
        _, error = ask(endpoint.url)
    assert isinstance(error, ContextFull) and "1531 tokens, and 1024 fit" in str(error)
    assert [request.body["stream"] for request in endpoint.chats] == [True, False]


def test_an_answer_that_comes_in_one_piece_only_is_an_answer():
    text, events, error = played(EMPTY, WholeAnswer("Hello, whole."))
    assert (text, error, events[-1]) == ("Hello, whole.", None, AnswerFinished("stop"))


def test_nothing_in_a_stream_and_nothing_in_one_piece_is_an_answer_that_broke_off():
    text, _, error = played(EMPTY, EMPTY)
    assert text == "" and error is not None and error.key == "engine-ended-early"


@pytest.mark.parametrize("step", [oddities(), unknown_events()])
def test_what_is_no_part_of_an_answer_is_passed_over(step: Step):
    text, events, error = played(step)
    assert (text, error, events[-1]) == ("Hello again", None, AnswerFinished("stop"))


def test_bad_utf8_is_shown_as_replacement_characters():
    text, _, error = played(bad_utf8())
    assert (text, error) == ("Hello \ufffd\ufffd again", None)


def test_bad_json_costs_only_itself_and_is_said():
    text, _, error = played(bad_json())
    assert text == "Hello again"
    assert isinstance(error, Interrupted) and error.key == "engine-garbled"


def test_silence_before_the_headers_ends_in_a_sentence():
    _, _, error = played(Silence())
    assert isinstance(error, Interrupted) and error.key == "engine-silent"


def test_a_stall_is_called_a_stall():
    began = time.monotonic()
    error = played(Silence(["Hello"]))[2]
    assert error is not None and error.key == "engine-stalled"
    assert time.monotonic() - began < 4


def test_a_finished_answer_does_not_wait_for_a_connection_that_stays_open():
    class Lingering:
        async def play(self, peer):  # type: ignore[no-untyped-def]
            await peer.begin_stream()
            await peer.event(b'{"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}')
            await asyncio.sleep(3600)

    text, events, error = played(Lingering(), limits=Limits(stall_seconds=60))
    assert (text, error, events[-1]) == ("Hi", None, AnswerFinished("stop"))


@pytest.mark.parametrize("before", [0, 2])
def test_closing_the_stream_ends_the_request_at_the_server(before: int):
    async def stopped(url: str) -> None:
        engine = EndpointEngine(url, model="fake")
        stream = engine.stream([user("Hi")], GenerationOptions())
        for _ in range(before):
            await anext(stream)
        if not before:
            waiting = asyncio.create_task(anext(stream))  # type: ignore[arg-type]
            await asyncio.sleep(1)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await stream.aclose()
        assert await asyncio.to_thread(endpoint.wait_for_disconnect, 1)
        await engine.aclose()

    with fake_endpoint(Silence(["a", "b"] if before else [])) as endpoint:
        asyncio.run(stopped(endpoint.url))


def test_an_endless_answer_is_ended_and_not_kept_in_memory():
    async def endless(url: str) -> tuple[int, EngineError | None]:
        engine, length = EndpointEngine(url, model="fake", limits=Limits(answer_characters=200_000)), 0
        try:
            async for event in engine.stream([user("Hi")], GenerationOptions()):
                length += len(event.text) if isinstance(event, TextDelta) else 0
        except EngineError as error:
            return length, error
        return length, None

    with fake_endpoint(Endless()) as endpoint:
        length, error = asyncio.run(endless(endpoint.url))
    assert isinstance(error, Interrupted) and error.key == "engine-too-long"
    assert 100_000 < length <= 200_000


def test_an_answer_of_too_many_bytes_is_ended_even_without_a_word():
    padding = b": " + b"x" * 4000 + b"\n\n"
    error = played(Payloads([padding] * 30, is_framed=False), limits=Limits(answer_bytes=50_000))[2]
    assert error is not None and error.key == "engine-too-large"


def test_a_giant_line_is_not_buffered():
    before = psutil.Process().memory_info().rss
    error = played(GiantLine(64))[2]
    assert error is not None and error.key == "engine-line-too-long"
    assert psutil.Process().memory_info().rss - before < 40 * 1024**2


@pytest.mark.parametrize("code", [200, 400])
def test_a_compression_bomb_is_not_opened(code: int):
    before = psutil.Process().memory_info().rss
    error = played(CompressionBomb(256, code))[2]
    assert isinstance(error, NotCompatible) and error.key == "engine-compressed"
    assert psutil.Process().memory_info().rss - before < 40 * 1024**2


# Keys and other people's servers


def test_a_redirect_is_told_and_not_followed():
    with fake_endpoint() as elsewhere, fake_endpoint(redirect(f"{elsewhere.url}/chat/completions")) as endpoint:
        error = ask(endpoint.url, key=CANARY)[1]
        assert isinstance(error, NotCompatible) and elsewhere.url in error.message
        assert elsewhere.requests == []


def test_a_redirect_that_echoes_the_key_is_told_without_it():
    with fake_endpoint(redirect(f"http://evil.invalid/{CANARY}")) as endpoint:
        error = ask(endpoint.url, key=CANARY)[1]
    assert error is not None and CANARY not in error.message + repr(error.values)


def test_a_refused_key_is_in_no_word_of_the_error(caplog: pytest.LogCaptureFixture):
    caplog.set_level(0)
    with fake_endpoint(key="sk-right") as endpoint:
        error = ask(endpoint.url, key=CANARY)[1]
    assert isinstance(error, WrongKey) and error.key == "engine-key-refused"
    assert error.__suppress_context__
    assert CANARY not in error.message + error.hint + repr(error.values) + caplog.text


def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, CANARY)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X-Secret: {CANARY}\nAuthorization: Bearer {CANARY}")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with fake_endpoint(Answer(), Answer(), key=None) as endpoint:
        assert ask(endpoint.url)[1] is None
        assert ask(endpoint.url, key="sk-mine")[1] is None
    without, with_key = endpoint.chats
    assert "authorization" not in without.headers
    assert with_key.headers["authorization"] == "Bearer sk-mine"
    assert CANARY not in repr(endpoint.requests)
    assert not [name for name in without.headers if name.startswith(("x-stainless", "openai"))]


def test_a_foreign_address_goes_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with fake_endpoint() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        ask("http://llm.invalid/v1")
    assert [request.path for request in proxy.requests] == ["http://llm.invalid/v1/chat/completions"]


@pytest.mark.parametrize("key", ["sk\nX-Evil: 1", "schlüssel", "a b"])
def test_a_key_that_cannot_be_sent_is_refused(key: str):
    with fake_endpoint() as endpoint:
        assert isinstance(ask(endpoint.url, key=key)[1], WrongKey)
    assert endpoint.requests == []


def test_the_engine_works_from_one_event_loop_after_another():
    with fake_endpoint(Answer(), Answer()) as endpoint:
        engine = EndpointEngine(endpoint.url, model="fake")
        assert [asyncio.run(collect(engine))[1] for _ in range(2)] == [None, None]


def test_importing_the_engine_does_not_import_the_client():
    code = "import sys, assistant.engines.endpoint, assistant.engines.probe, assistant.doctor\n"
    code += "print([name for name in ('openai', 'httpx2', 'gradio', 'pydantic') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"
