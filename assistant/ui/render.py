"""Messages as what gr.Chatbot shows: pure functions from values to dictionaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any

from assistant.answer import Answer
from assistant.events import UsageReported
from assistant.i18n import Translator
from assistant.messages import Attachment, Message
from assistant.records import Failure, StoredMessage
from assistant.ui.actions import answer_actions, question_actions
from assistant.ui.links import as_html
from assistant.ui.weight import is_heavy

ChatbotMessage = dict[str, Any]


def render_messages(
    messages: Sequence[StoredMessage], t: Translator, *, siblings: Mapping[str, tuple[str, ...]]
) -> list[ChatbotMessage]:
    """Finished messages, each with what can be done with it, each answer with its closing line: model and speed, or why
    it ended early. `siblings` are the versions of each message that has more than one."""
    shown: list[ChatbotMessage] = []
    for is_answer, run in groupby(messages, key=lambda item: item.message.role in ("assistant", "tool")):
        items = list(run)
        if is_answer:
            shown += _answer(items, siblings.get(items[0].id, ()), t)
            continue
        for item in items:
            if item.message.role == "user":
                actions = question_actions(item, siblings.get(item.id, ()), t)
                said = (plain(item.message.text), _files(item.message) + actions)
                shown += [{"role": "user", "content": content} for content in said]
    return shown


def _answer(said: Sequence[StoredMessage], siblings: tuple[str, ...], t: Translator) -> list[ChatbotMessage]:
    shown: list[ChatbotMessage] = []
    *earlier, last = said
    for item in earlier:
        if item.message.role == "assistant":
            shown += _assistant(item.message, closing_line(item, t), t, thinking=False)
    closing = _files(last.message) + closing_line(last, t) + answer_actions(said, siblings, t)
    if last.message.role == "assistant":
        return shown + _assistant(last.message, closing, t, thinking=False)
    return [*shown, {"role": "assistant", "content": closing}]


def _files(message: Message) -> str:
    """The names of what belongs to a message."""
    names = [part.name for part in message.parts if isinstance(part, Attachment)]
    return "".join(f'<div class="hearth-file">{as_html(name)}</div>' for name in names)


def render_live(answer: Answer | None, t: Translator) -> list[ChatbotMessage]:
    """The running answer: what has come so far, or the sign that something will."""
    if answer is None:
        return []
    said = [message for message in answer.messages if message.role == "assistant"]
    shown: list[ChatbotMessage] = []
    for message in said:
        shown += _assistant(message, "", t, thinking=not message.text)
    return shown or [{"role": "assistant", "content": f'<div class="hearth-waiting">{t("chat.waiting")}</div>'}]


def closing_line(item: StoredMessage, t: Translator) -> str:
    """The quiet line under an answer, as HTML."""
    parts = [as_html(item.model)] if item.model else []
    parts += _usage(item.usage, t) if item.usage else []
    if item.status in ("stopped", "interrupted", "cut"):
        parts.append(t(f"chat.status.{item.status}"))
    line = f'<div class="hearth-meta">{" · ".join(parts)}</div>' if parts else ""
    return _failure(item.failure, t) + line if item.failure else line


def _light(text: str) -> str:
    return plain(text) if is_heavy(text) else text


def plain(text: str) -> str:
    """A person's words as typed: no Markdown, no HTML. app.js takes the wrapping off again when they are copied."""
    return f'<div class="hearth-plain">{escape(text).replace(chr(10), "&#10;").replace("$", "&#36;")}</div>'


def _assistant(message: Message, closing: str, t: Translator, *, thinking: bool) -> list[ChatbotMessage]:
    shown: list[ChatbotMessage] = []
    if message.reasoning:
        title, status = (t("chat.thinking"), "pending") if thinking else (t("chat.thought"), "done")
        shown.append(
            {"role": "assistant", "content": _light(message.reasoning), "metadata": {"title": title, "status": status}}
        )
    shown += [
        {
            "role": "assistant",
            "content": "",
            "metadata": {"title": as_html(t("chat.tool", name=call.name)), "status": "done"},
        }
        for call in message.tool_calls
    ]
    text = message.text
    if is_heavy(text):
        text, closing = plain(text), f'<div class="hearth-meta">{t("chat.plain")}</div>{closing}'
    # Two messages in one bubble: in the answer's own text, a block of code that was cut off would swallow the line.
    return [*shown, *({"role": "assistant", "content": content} for content in (text, closing) if content)]


def _usage(usage: UsageReported, t: Translator) -> list[str]:
    shown: list[str] = []
    if usage.completion_tokens is not None:
        shown.append(t("chat.tokens", count=usage.completion_tokens))
    if usage.tokens_per_second is not None:
        shown.append(t("chat.speed", speed=f"{usage.tokens_per_second:.3g}"))
    return shown


def _failure(failure: Failure, t: Translator) -> str:
    """Why there is no more of an answer. One from another Hearth's file may name a reason that this one does not know,
    or without what its sentence needs; such a chat is shown all the same."""
    try:
        hint = t.optional(f"error.{failure.key}.hint", **failure.values)
        message = t(f"error.{failure.key}", **failure.values)
    except (LookupError, TypeError, ValueError):
        message, hint = t("chat.status.interrupted"), ""
    return f'<div class="hearth-failure"><strong>{as_html(message)}</strong> {as_html(hint)}</div>'
