"""Messages as what the page shows: pure functions from values to cards, which transcript.js draws."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from assistant.answer import Answer
from assistant.events import ModelLoading, UsageReported
from assistant.i18n import Translator
from assistant.messages import Attachment, Message, ToolResult
from assistant.records import Failure, StoredMessage
from assistant.ui.actions import answer_actions, question_actions
from assistant.ui.changed_files import changed_files
from assistant.ui.links import as_html, link
from assistant.ui.tool_words import state_of, tool_section
from assistant.ui.weight import is_heavy
from assistant.undo import Step

SectionKind = Literal["markdown", "plain", "thought", "plain thought", "tool", "waiting"]
OVERFLOWS = (
    "engine-context-full",
    "engine-context-full-by",
    "engine-context-full-about",
    "engine-summary-failed",
    "answer-context-ended",
)
Bubble = tuple[StoredMessage, ...]
"""What stands in one bubble: a question, or an answer, which may be several messages with tool calls between them."""


@dataclass(frozen=True)
class Section:
    """A stretch of a bubble, as words and not as HTML: "markdown" and "plain" text, a folded "thought" in
    Markdown or plain, a "tool" that was asked for (JSON: see `tool_words`), or the sign that something will come.
    `title` stands on the fold."""

    kind: SectionKind
    text: str
    title: str = ""
    is_open: bool = False


@dataclass(frozen=True)
class Card:
    """A finished bubble, or a "note" between two. `key` is the id of its first message; `foot` is HTML of our own, with
    no word of a model in it that was not escaped; `copied` is what a copy of it holds; `pictures` are those that a
    person attached, or that came with a chat from elsewhere; `who` is the model's name where another's answer stands
    beside it."""

    key: str
    role: Literal["user", "assistant", "note"]
    sections: tuple[Section, ...]
    foot: str
    copied: str
    pictures: tuple[dict[str, str], ...] = ()
    who: str = ""


@dataclass(frozen=True)
class Beside:
    """What is said of one of two answers side by side: whose it is, and whether the chat goes on with it."""

    who: str
    goes_on: bool


def bubbles(messages: Iterable[StoredMessage]) -> list[Bubble]:
    """Finished messages as they are shown, bubble by bubble; what is no part of the conversation is left out."""
    shown: list[Bubble] = []
    for is_answer, run in groupby(messages, key=lambda item: item.message.role in ("assistant", "tool")):
        items = tuple(run)
        shown += [items] if is_answer else [(item,) for item in items if item.message.role == "user"]
    return shown


def render(
    said: Bubble,
    t: Translator,
    *,
    siblings: tuple[str, ...] = (),
    is_sent: bool = True,
    waiting: frozenset[str] = frozenset(),
    step: Step | None = None,
    beside: Beside | None = None,
) -> Card:
    """A bubble with what can be done with it and, below an answer, its closing line: model and speed, or why it ended
    early. `siblings` are the versions that stand in its place, where there is more than one; `is_sent` is whether the
    model gets to read it, `waiting` are the calls that the person is asked about, `step` is what it did to files;
    `beside` is given where two answers stand side by side."""
    first, last = said[0], said[-1]
    unsent = "" if is_sent else f'<div class="hearth-meta hearth-unsent">{t("context.unsent")}</div>'
    if first.message.role == "user":
        foot = _files(first.message) + unsent + question_actions(first, siblings, t)
        text = first.message.text
        words = (Section("plain", text),) if text else ()
        return Card(first.id, "user", words, foot, text, _pictures(said))
    sections, foot = render_ended(said, t, waiting=waiting)
    choice = _choice(last, beside, t) if beside and last.message.text else ""
    changes = changed_files(step, t) if step else ""
    foot = _files(last.message) + changes + unsent + foot + choice + answer_actions(said, siblings, t)
    copied = "\n\n".join(item.message.text for item in said if item.message.role == "assistant" and item.message.text)
    return Card(first.id, "assistant", sections, foot, copied, _pictures(said), beside.who if beside else "")


def render_ended(
    said: Sequence[StoredMessage], t: Translator, *, waiting: frozenset[str] = frozenset()
) -> tuple[tuple[Section, ...], str]:
    """An answer that has ended: its words and, as HTML, how it ended."""
    sections: list[Section] = []
    results = _results(item.message for item in said)
    for item in said:
        if item.message.role == "assistant":
            sections += _sections(item.message, t, is_thinking=False)
            for call in item.message.tool_calls:
                state = state_of(results.get(call.id), "asks" if call.id in waiting else "idle")
                sections.append(Section("tool", tool_section(call, results.get(call.id), state, t)))
    foot = closing_line(said[-1], t)
    if any(section.kind == "plain" for section in sections):
        foot = f'<div class="hearth-meta">{t("chat.plain")}</div>{foot}'
    return tuple(sections), foot


def render_stand_in(covered: Sequence[StoredMessage], t: Translator) -> Card:
    """The note below the last of the messages that something stands in for: the summary, folded, or that there is
    none."""
    last, count = covered[-1], len(bubbles(covered))
    back = link("send-all", last.id, t("context.send-all"), title=t("context.send-all.about"))
    actions = f'<div class="hearth-actions">{back}</div>'
    if not last.stand_in:
        foot = f'<div class="hearth-meta">{t("context.left-out.count", count=count)}</div>{actions}'
        return Card(f"below-{last.id}", "note", (), foot, "")
    kind: SectionKind = "plain thought" if is_heavy(last.stand_in) else "thought"
    summary = Section(kind, last.stand_in, t("context.summary", count=count))
    return Card(f"below-{last.id}", "note", (summary,), actions, last.stand_in)


def render_live(answer: Answer, t: Translator, *, is_heavy: Callable[[str], bool] = is_heavy) -> tuple[Section, ...]:
    """The running answer: what has come so far, or the sign that something will."""
    sections: list[Section] = []
    results = _results(answer.messages)
    for message in answer.messages:
        if message.role == "assistant":
            is_thinking = not message.text and message is answer.messages[-1] and not message.tool_calls
            sections += _sections(message, t, is_thinking=is_thinking, is_heavy=is_heavy)
            for call in message.tool_calls:
                state = state_of(results.get(call.id), "running" if call.id in answer.running else "waits")
                sections.append(Section("tool", tool_section(call, results.get(call.id), state, t)))
    words = t("chat.queued", count=answer.ahead) if answer.ahead else t("chat.waiting")
    words = t("chat.reading", share=round(100 * answer.read)) if 0 < answer.read < 1 else words
    words = loading_words(answer.loading, t) if answer.loading else words
    words = t("context.summarising") if answer.is_summarising else words
    return tuple(sections) or (Section("waiting", words),)


def _results(messages: Iterable[Message]) -> dict[str, ToolResult]:
    return {part.call_id: part for message in messages for part in message.parts if isinstance(part, ToolResult)}


def loading_words(loading: ModelLoading, t: Translator) -> str:
    """How far a model has come into the memory."""
    loaded, needed = (f"{count / 1e9:.1f}" for count in (loading.loaded_bytes, loading.needed_bytes))
    return t("chat.loading", loaded=loaded, needed=needed, seconds=round(loading.seconds))


def closing_line(item: StoredMessage, t: Translator) -> str:
    """The quiet line under an answer, as HTML."""
    parts = [as_html(item.model)] if item.model else []
    parts += _usage(item.usage, t) if item.usage else []
    if item.status in ("stopped", "interrupted", "cut"):
        parts.append(t(f"chat.status.{item.status}"))
    line = f'<div class="hearth-meta">{" · ".join(parts)}</div>' if parts else ""
    return _failure(item, item.failure, t) + line if item.failure else line


def _sections(
    message: Message, t: Translator, *, is_thinking: bool, is_heavy: Callable[[str], bool] = is_heavy
) -> list[Section]:
    shown: list[Section] = []
    if message.reasoning:
        title = t("chat.thinking") if is_thinking else t("chat.thought")
        kind: SectionKind = "plain thought" if is_heavy(message.reasoning) else "thought"
        shown.append(Section(kind, message.reasoning, title, is_open=is_thinking))
    if message.text:
        shown.append(Section("plain" if is_heavy(message.text) else "markdown", message.text))
    return shown


def _pictures(said: Bubble) -> tuple[dict[str, str], ...]:
    return tuple(shown(file) for item in said for file in item.message.pictures)


def shown(file: Attachment) -> dict[str, str]:
    """A picture as the page knows it."""
    return {"id": file.stored_as, "name": file.name}


def _choice(item: StoredMessage, beside: Beside, t: Translator) -> str:
    """The way on with one of two answers."""
    words = t("beside.goes-on") if beside.goes_on else ""
    button = link("show", item.id, t("beside.choose"), title=t("beside.choose.about"))
    return f'<div class="hearth-choice">{button}<span>{words}</span></div>'


def _files(message: Message) -> str:
    """The names of what belongs to a message and is no picture."""
    names = [file.name for file in message.attachments if not file.is_picture]
    return "".join(f'<div class="hearth-file">{as_html(name)}</div>' for name in names)


def _usage(usage: UsageReported, t: Translator) -> list[str]:
    shown: list[str] = []
    if usage.completion_tokens is not None:
        shown.append(t("chat.tokens", count=usage.completion_tokens))
    if usage.tokens_per_second is not None:
        shown.append(t("chat.speed", speed=f"{usage.tokens_per_second:.3g}"))
    return shown


def _failure(item: StoredMessage, failure: Failure, t: Translator) -> str:
    """Why there is no more of an answer, and the ways out of a context that is full. One from another Hearth's file may
    name a reason that this one does not know, or without what its sentence needs; such a chat is shown all the same."""
    try:
        hint = t.optional(f"error.{failure.key}.hint", **failure.values)
        message = t(f"error.{failure.key}", **failure.values)
    except (LookupError, TypeError, ValueError):
        message, hint = t("chat.status.interrupted"), ""
    ways = ""
    if failure.key in OVERFLOWS:
        ways = link("leave-oldest", item.id, t("context.leave-out-oldest.retry"))
        ways += link("summarise-oldest", item.id, t("context.summarise-oldest.retry"))
        ways = f'<div class="hearth-ways">{ways}</div>'
    return f'<div class="hearth-failure"><strong>{as_html(message)}</strong> {as_html(hint)}{ways}</div>'
