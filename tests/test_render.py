"""What the page shows of messages."""

from assistant.answer import Answer
from assistant.events import ReasoningDelta, TextDelta, UsageReported
from assistant.i18n import ENGLISH as T
from assistant.messages import Message, Reasoning, Text, ToolCall, user
from assistant.records import Failure, StoredMessage
from assistant.ui.render import render_live, render_messages


def stored(message: Message, **more: object) -> StoredMessage:
    return StoredMessage(**({"id": "1", "parent_id": None, "message": message, "status": "complete"} | more))


def test_a_question_is_shown_as_typed_and_never_as_markup() -> None:
    shown, _ = render_messages([stored(user("<b>*x*</b>\n\n$1 & $2"))], T, siblings={})
    assert "<b>" not in shown["content"]
    assert "&lt;b&gt;*x*&lt;/b&gt;&#10;&#10;&#36;1 &amp; &#36;2" in shown["content"]


def test_an_answer_ends_in_its_model_tokens_and_speed() -> None:
    item = stored(Message("assistant", (Text("Yes."),)), model="m<1>", usage=UsageReported(5, 12, 34.567))
    answer, closing = render_messages([item], T, siblings={})
    assert answer["content"] == "Yes."
    assert "m&lt;1&gt; · 12 tokens · 34.6 tokens/s" in closing["content"]


def test_what_an_engine_did_not_count_is_not_shown() -> None:
    item = stored(Message("assistant", (Text("Yes."),)), model="m", usage=UsageReported(None, None, None))
    _, closing = render_messages([item], T, siblings={})
    assert "tokens" not in closing["content"]


def test_a_failed_answer_says_why_and_keeps_its_text() -> None:
    failure = Failure("settings.unwritable", {"path": "<x>", "reason": "full"})
    item = stored(Message("assistant", (Text("Half"),)), status="failed", failure=failure)
    answer, closing = render_messages([item], T, siblings={})
    assert answer["content"] == "Half"
    assert "&lt;x&gt; could not be written: full." in closing["content"]


def test_an_answer_that_was_ended_says_so_even_without_a_word() -> None:
    for status in ("stopped", "interrupted", "cut"):
        (shown,) = render_messages([stored(Message("assistant", ()), status=status)], T, siblings={})
        assert T(f"chat.status.{status}") in shown["content"]


def test_reasoning_is_folded_beside_the_answer() -> None:
    thought, answer, _ = render_messages(
        [stored(Message("assistant", (Reasoning("hm"), Text("Yes."))))], T, siblings={}
    )
    assert (thought["content"], thought["metadata"]["status"]) == ("hm", "done")
    assert answer["content"].startswith("Yes.")


def test_reasoning_is_open_while_the_model_thinks_and_folds_at_the_first_word() -> None:
    thinking = Answer().after(ReasoningDelta("hm"))
    assert render_live(thinking, T)[0]["metadata"]["status"] == "pending"
    assert render_live(thinking.after(TextDelta("Y")), T)[0]["metadata"]["status"] == "done"


def test_nothing_runs_and_nothing_is_shown() -> None:
    assert render_live(None, T) == []


def test_an_answer_that_has_not_begun_shows_that_it_will() -> None:
    (shown,) = render_live(Answer(), T)
    assert "hearth-waiting" in shown["content"]


def test_a_tool_call_is_shown_by_its_name() -> None:
    shown = render_messages([stored(Message("assistant", (ToolCall("1", "now", "{}"),)))], T, siblings={})
    assert "now" in shown[0]["metadata"]["title"]
