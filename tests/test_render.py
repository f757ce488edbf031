"""What the page is given of messages."""

from assistant.answer import Answer
from assistant.events import PromptRead, ReasoningDelta, TextDelta, UsageReported
from assistant.i18n import ENGLISH as T
from assistant.messages import Attachment, Message, Reasoning, Text, ToolCall, ToolResult, user
from assistant.records import Failure, StoredMessage
from assistant.ui.render import Card, bubbles, render, render_live


def stored(message: Message, **more: object) -> StoredMessage:
    return StoredMessage(**({"id": "1", "parent_id": None, "message": message, "status": "complete"} | more))


def shown(message: Message, **more: object) -> Card:
    return render((stored(message, **more),), T)


def test_a_question_is_shown_as_typed_and_never_as_markup() -> None:
    card = shown(user("<b>*x*</b>\n\n$1 & $2"))
    assert [(section.kind, section.text) for section in card.sections] == [("plain", "<b>*x*</b>\n\n$1 & $2")]
    assert card.copied == "<b>*x*</b>\n\n$1 & $2"


def test_an_answer_ends_in_its_model_tokens_and_speed() -> None:
    card = shown(Message("assistant", (Text("Yes."),)), model="m<1>", usage=UsageReported(5, 12, 34.567))
    assert card.sections[0].text == "Yes."
    assert "m&lt;1&gt; · 12 tokens · 34.6 tokens/s" in card.foot


def test_what_an_engine_did_not_count_is_not_shown() -> None:
    card = shown(Message("assistant", (Text("Yes."),)), model="m", usage=UsageReported(None, None, None))
    assert "tokens" not in card.foot


def test_a_failed_answer_says_why_and_keeps_its_text() -> None:
    failure = Failure("settings.unwritable", {"path": "<x>", "reason": "full"})
    card = shown(Message("assistant", (Text("Half"),)), status="failed", failure=failure)
    assert card.sections[0].text == "Half"
    assert "&lt;x&gt; could not be written: full." in card.foot


def test_an_answer_that_was_ended_says_so_even_without_a_word() -> None:
    for status in ("stopped", "interrupted", "cut"):
        card = shown(Message("assistant", ()), status=status)
        assert T(f"chat.status.{status}") in card.foot


def test_a_file_is_shown_by_its_name_as_text() -> None:
    picture, letter = Attachment("<i>.png", "image/png", "0"), Attachment("<b>.pdf", "application/pdf", "1")
    card = shown(Message("user", (Text("See"), picture, letter)))
    assert card.pictures == ({"id": "0", "name": "<i>.png"},)  # transcript.js puts it in as text
    assert "&lt;b&gt;.pdf" in card.foot


def test_reasoning_is_folded_beside_the_answer() -> None:
    thought, answer = shown(Message("assistant", (Reasoning("hm"), Text("Yes.")))).sections
    assert (thought.kind, thought.text, thought.is_open) == ("thought", "hm", False)
    assert answer.text == "Yes."


def test_reasoning_is_open_while_the_model_thinks_and_folds_at_the_first_word() -> None:
    thinking = Answer().after(ReasoningDelta("hm"))
    assert render_live(thinking, T)[0].is_open
    assert not render_live(thinking.after(TextDelta("Y")), T)[0].is_open


def test_an_answer_that_has_not_begun_shows_that_it_will() -> None:
    (section,) = render_live(Answer(), T)
    assert section.kind == "waiting"


def test_a_tool_call_is_shown_by_its_name() -> None:
    (section,) = shown(Message("assistant", (ToolCall("1", "now", "{}"),))).sections
    assert section.kind == "tool" and "now" in section.text


def test_an_answer_with_tool_calls_is_one_bubble_and_its_copy_is_what_was_said() -> None:
    said = (
        stored(user("What time is it?"), id="q"),
        stored(Message("assistant", (Text("I look."), ToolCall("1", "now", "{}"))), id="a"),
        stored(Message("tool", (ToolResult("1", "noon"),)), id="r"),
        stored(Message("assistant", (Text("Noon."),)), id="b"),
    )
    question, answer = bubbles(said)
    assert [item.id for item in answer] == ["a", "r", "b"]
    assert [item.id for item in question] == ["q"]
    assert render(answer, T).copied == "I look.\n\nNoon."


def test_what_is_too_heavy_for_a_page_is_plain_text_and_says_so() -> None:
    card = shown(Message("assistant", (Text("*" * 50_000),)))
    assert card.sections[0].kind == "plain"
    assert T("chat.plain") in card.foot


def test_how_far_a_long_prompt_is_read_stands_where_the_answer_will() -> None:
    read = Answer().after(PromptRead(0.456))
    assert [section.text for section in render_live(read, T)] == ["Reading: 46 %"]
    assert [section.text for section in render_live(read.after(PromptRead(1.0)), T)] == ["Thinking"]
