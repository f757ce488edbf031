"""What a page is told of a chat: all of it once, and then only what is new."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from assistant.answer import Answer
from assistant.events import ReasoningDelta, TextDelta
from assistant.i18n import ENGLISH as T
from assistant.messages import Message, Text, user
from assistant.pick import Pick
from assistant.records import StoredMessage
from assistant.running import Column
from assistant.ui.transcript import SCREENFUL, Transcript, View


def chat(turns: int) -> tuple[StoredMessage, ...]:
    said: list[StoredMessage] = []
    for number in range(turns):
        said.append(StoredMessage(f"q{number}", None, user(f"Question {number}?"), "complete"))
        said.append(StoredMessage(f"a{number}", None, Message("assistant", (Text("Yes."),)), "complete"))
    return tuple(said)


def view(settled: tuple[StoredMessage, ...], live: Answer | None = None) -> View:
    return View(settled, NOBODY, live)


NOBODY: dict[str, tuple[str, ...]] = {}
SAID = Answer().after(TextDelta("One "))


def test_a_page_is_given_the_end_of_a_long_chat_and_more_when_it_asks() -> None:
    transcript, settled = Transcript(T), chat(40)
    frame = transcript.frame(view(settled))
    assert (len(frame["order"]), frame["order"][-1], frame["more"]) == (SCREENFUL, "a39", True)
    transcript.widen()
    wider = transcript.frame(view(settled))
    assert len(wider["order"]) == 2 * SCREENFUL  # from here on it holds what comes
    assert [card["key"] for card in wider["cards"]] == wider["order"][:SCREENFUL]  # what it has is not sent again


def test_a_page_that_goes_to_a_message_is_given_all_from_there_on() -> None:
    frame = Transcript(T, down_to="a3").frame(view(chat(40)))
    assert "a3" in frame["order"] and len(frame["order"]) < 80


def test_nothing_new_is_an_empty_frame() -> None:
    transcript, settled = Transcript(T), chat(1)
    transcript.frame(view(settled, SAID))
    assert transcript.frame(view(settled, SAID)) == {}


def test_only_new_words_of_a_running_answer_are_sent() -> None:
    transcript, settled = Transcript(T), chat(1)
    assert transcript.frame(view(settled, SAID))["live"]["begins"]
    more = transcript.frame(view(settled, SAID.after(TextDelta("two"))))
    assert more == {"live": {"begins": False, "sections": [[0, "markdown", "", False, "two"]]}}


def test_the_end_of_an_answer_brings_its_card_alone() -> None:
    transcript, settled = Transcript(T), chat(20)
    transcript.frame(view(settled, SAID))
    ended = (*settled, StoredMessage("new", None, Message("assistant", (Text("One two"),)), "complete"))
    frame = transcript.frame(view(ended))
    assert frame["live"] is None
    assert [card["key"] for card in frame["cards"]] == ["a19"]  # one bubble with what came before it


def test_an_answer_that_begins_while_nobody_looked_is_no_continuation_of_the_last_one() -> None:
    transcript = Transcript(T)
    transcript.frame(view(chat(1), SAID))
    frame = transcript.frame(view(chat(2), SAID.after(TextDelta("two"))))
    assert frame["live"] == {"begins": True, "sections": [[0, "markdown", "", False, "One two"]]}


def test_a_card_is_sent_again_when_its_versions_change() -> None:
    transcript, settled = Transcript(T), chat(1)
    transcript.frame(View(settled, {}, None))
    frame = transcript.frame(View(settled, {"a0": ("a0", "other")}, None))
    assert [card["key"] for card in frame["cards"]] == ["a0"]
    assert "1 / 2" in frame["cards"][0]["foot"]


def test_an_answer_that_grows_heavy_begins_anew_as_plain_text() -> None:
    transcript, settled = Transcript(T), chat(1)
    answer = Answer().after(TextDelta("* a b\n" * 200))
    transcript.frame(view(settled, answer))
    frame = transcript.frame(view(settled, answer.after(TextDelta("*" * 50_000))))
    assert frame["live"]["begins"]
    assert frame["live"]["sections"][0][1] == "plain"


@given(st.lists(st.tuples(st.booleans(), st.text(max_size=30)), max_size=30), st.integers(1, 5))
def test_what_the_page_puts_together_is_what_was_said(said: list[tuple[bool, str]], every: int) -> None:
    transcript, answer = Transcript(T), Answer()
    page: list[str] = []
    for number, (is_thought, words) in enumerate(said):
        answer = answer.after(ReasoningDelta(words) if is_thought else TextDelta(words))
        if number % every and number != len(said) - 1:
            continue
        live = json.loads(json.dumps(transcript.frame(view((), answer)))).get("live")
        if live and live["begins"]:
            page = []
        for index, _kind, _title, _is_open, added in live["sections"] if live else ():
            page[index : index + 1] = [(page[index] if index < len(page) else "") + added]
    spoken = "".join(message.text for message in answer.messages)
    thought = "".join(message.reasoning for message in answer.messages)
    assert "".join(page) in (thought + spoken, T("chat.waiting") if not spoken and not thought else thought + spoken)


def column(text: str, row: StoredMessage, *, is_over: bool = False, goes_on: bool = False) -> Column:
    return Column(Pick("", row.model or ""), Answer().after(TextDelta(text)), (row,), is_over, goes_on)


def test_two_answers_side_by_side_are_told_apart_and_each_by_what_is_new() -> None:
    transcript, settled = Transcript(T), chat(1)[:1]
    left, right = (StoredMessage(name, "q0", Message("assistant", ()), "streaming", name) for name in ("l", "r"))
    both = (column("One ", left), column("Uno ", right))
    begun = transcript.frame(View(settled, NOBODY, both[0].answer, columns=both))["live"]["columns"]
    assert [(part["who"], part["begins"], part["sections"][0][-1]) for part in begun] == [
        ("l", True, "One "),
        ("r", True, "Uno "),
    ]
    more = (both[0], column("Uno due", right))
    told = transcript.frame(View(settled, NOBODY, more[0].answer, columns=more))
    assert told == {"live": {"columns": [{}, {"begins": False, "sections": [[0, "markdown", "", False, "due"]]}]}}
    left = replace(left, message=Message("assistant", (Text("One "),)), status="stopped")
    ended = (column("One ", left, is_over=True), more[1])
    told = transcript.frame(View(settled, NOBODY, ended[0].answer, columns=ended))["live"]["columns"]
    assert told[0]["sections"] == [] and "foot" in told[0] and told[1] == {}


def test_two_answers_that_rest_stand_in_one_place_until_the_chat_goes_on() -> None:
    transcript = Transcript(T)
    left, right = (StoredMessage(n, "q0", Message("assistant", (Text(n),)), "complete", n) for n in ("l", "r"))
    resting = (column("l", left, is_over=True, goes_on=True), column("r", right, is_over=True))
    settled = (*chat(1)[:1], left)
    frame = transcript.frame(View(settled, {"l": ("l", "r")}, None, columns=resting))
    assert frame["order"] == ["q0", "l", "r"]
    assert [(card["who"], "#hearth/show" in card["foot"]) for card in frame["cards"][1:]] == [("l", True), ("r", True)]
    chosen = transcript.frame(View(settled, {"l": ("l", "r")}, None))
    assert chosen["order"] == ["q0", "l"]
    assert [(card["key"], card["who"]) for card in chosen["cards"]] == [("l", "")]
