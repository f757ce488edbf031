"""The accumulator: whatever a server sends, words are words and tool calls are whole."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from assistant.engines.deltas import Deltas
from assistant.events import ReasoningDelta, TextDelta


def delta(fields: object, reason: str | None = None) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": reason}]}


def call(index: int | None = None, *, name: str = "", arguments: object = "", call_id: str = "") -> dict[str, object]:
    fields: dict[str, object] = {"function": {"name": name, "arguments": arguments}}
    fields |= {} if index is None else {"index": index}
    return delta({"tool_calls": [fields | ({"id": call_id} if call_id else {})]})


def taken(*chunks: object) -> Deltas:
    deltas = Deltas()
    for chunk in chunks:
        deltas.take(chunk)
    return deltas


def test_text_and_both_spellings_of_reasoning_become_words():
    deltas = Deltas()
    assert deltas.take(delta({"content": "Hi"})) == [TextDelta("Hi")]
    assert deltas.take(delta({"reasoning_content": "Hm"})) == [ReasoningDelta("Hm")]
    assert deltas.take(delta({"reasoning": "Hm"})) == [ReasoningDelta("Hm")]


def test_a_refusal_is_shown_as_the_answer():
    assert Deltas().take(delta({"content": None, "refusal": "I cannot."})) == [TextDelta("I cannot.")]


def test_an_emoji_cut_in_two_is_mended():
    deltas = Deltas()
    halves = "\U0001f600".encode("utf-16-be")
    high, low = (chr(int.from_bytes(half, "big")) for half in (halves[:2], halves[2:]))
    assert deltas.take(delta({"content": "a" + high})) == [TextDelta("a")]
    assert deltas.take(delta({"content": low + "b"})) == [TextDelta("\U0001f600b")]


def test_a_lone_surrogate_becomes_a_replacement_character():
    [word] = Deltas().take(delta({"content": "a\udc00b"}))
    assert word.text == "a\ufffdb"


def test_arguments_in_pieces_are_joined_by_index():
    deltas = taken(
        call(0, name="clock", call_id="a"),
        call(1, name="files", call_id="b"),
        call(0, arguments='{"zone":'),
        call(1, arguments="{}"),
        call(0, arguments='"UTC"}'),
    )
    assert [(c.id, c.name, c.arguments) for c in deltas.tool_calls] == [
        ("a", "clock", '{"zone":"UTC"}'),
        ("b", "files", "{}"),
    ]


def test_calls_without_index_are_separate_calls():
    deltas = taken(call(name="clock", arguments="{}"), call(name="clock", arguments="{}"))
    assert [c.name for c in deltas.tool_calls] == ["clock", "clock"]


def test_pieces_without_index_and_name_belong_to_the_last_call():
    [made] = taken(call(name="clock", arguments='{"a"'), call(arguments=": 1}")).tool_calls
    assert made.arguments == '{"a": 1}'


def test_calls_that_all_say_index_zero_are_told_apart_by_id():
    deltas = taken(call(0, name="a", call_id="1", arguments="{}"), call(0, name="b", call_id="2", arguments="{}"))
    assert [c.name for c in deltas.tool_calls] == ["a", "b"]


def test_a_call_sent_twice_counts_once():
    again = call(0, name="clock", call_id="1", arguments='{"a": 1}')
    [made] = taken(again, again).tool_calls
    assert made.arguments == '{"a": 1}'


def test_missing_ids_are_made_up_and_stay_the_same():
    deltas = taken(call(0, name="a"), call(1, name="b"))
    first, second = deltas.tool_calls
    assert first.id and second.id and first.id != second.id
    assert deltas.tool_calls == (first, second)


def test_arguments_as_an_object_become_their_json_text():
    [made] = taken(call(0, name="clock", arguments={"zone": "UTC"})).tool_calls
    assert json.loads(made.arguments) == {"zone": "UTC"}


def test_a_call_without_arguments_gets_an_empty_object():
    [made] = taken(call(0, name="clock")).tool_calls
    assert made.arguments == "{}"


def test_stop_after_tool_calls_means_tool_calls():
    assert taken(call(0, name="clock"), delta({}, "stop")).reason == "tool_calls"


def test_tool_calls_without_any_call_means_stop():
    assert taken(delta({}, "tool_calls")).reason == "stop"


def test_an_empty_reason_is_none():
    assert taken(delta({}, "")).reason is None


def test_usage_and_llama_cpp_timings_are_read():
    deltas = taken(
        {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 6}, "timings": {"predicted_per_second": 9.5}}
    )
    assert (deltas.prompt_tokens, deltas.completion_tokens, deltas.tokens_per_second) == (5, 6, 9.5)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["choices", "delta", "message", "content", "tool_calls", "function", "name", "arguments",
                         "index", "id", "finish_reason", "usage", "timings", "prompt_tokens", "reasoning", "text"]),
        inner,
        max_size=6,
    ),
    max_leaves=30,
)  # fmt: skip


@given(st.lists(json_values, max_size=8))
def test_no_json_makes_it_raise_or_write_what_cannot_be_saved(chunks: list[object]):
    deltas = Deltas()
    for chunk in chunks:
        for word in deltas.take(chunk):
            word.text.encode("utf-8")
    assert all(made.name and made.id for made in deltas.tool_calls)
