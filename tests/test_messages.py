"""Messages keep everything through JSON, whatever a model or a person may say."""

import json

from hypothesis import given
from hypothesis import strategies as st

from assistant.messages import Attachment, Message, Reasoning, Text, ToolCall, ToolResult

words = st.text(st.characters())  # any code point, lone surrogates included
parts = st.one_of(
    st.builds(Text, words),
    st.builds(Reasoning, words),
    st.builds(ToolCall, words, words, words),
    st.builds(ToolResult, words, words, st.booleans()),
    st.builds(Attachment, words, words, words),
)
messages = st.builds(
    Message, st.sampled_from(["system", "user", "assistant", "tool"]), st.lists(parts, max_size=4).map(tuple)
)


@given(messages)
def test_a_message_comes_back_from_json_as_it_went_in(message: Message) -> None:
    assert Message.from_json(json.loads(json.dumps(message.to_json()))) == message


def test_the_text_of_a_message_leaves_reasoning_out() -> None:
    message = Message("assistant", (Reasoning("hm"), Text("one "), Text("two")))
    assert (message.text, message.reasoning) == ("one two", "hm")
