"""Messages as what gr.Chatbot shows: pure functions from values to dictionaries."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from assistant.answer import Answer
from assistant.events import UsageReported
from assistant.i18n import Translator
from assistant.messages import Message
from assistant.records import Failure, StoredMessage
from assistant.ui.weight import is_heavy

ChatbotMessage = dict[str, Any]


def render_messages(messages: Sequence[StoredMessage], t: Translator) -> list[ChatbotMessage]:
    """Finished messages, each answer with its closing line: model and speed, or why it ended early."""
    shown: list[ChatbotMessage] = []
    for item in messages:
        if item.message.role == "user":
            shown.append({"role": "user", "content": plain(item.message.text)})
        elif item.message.role == "assistant":
            shown += _assistant(item.message, closing_line(item, t), t, thinking=False)
    return shown


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
    parts = [escape(item.model)] if item.model else []
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
        {"role": "assistant", "content": "", "metadata": {"title": t("chat.tool", name=call.name), "status": "done"}}
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
    hint = t.optional(f"error.{failure.key}.hint", **failure.values)
    message = t(f"error.{failure.key}", **failure.values)
    return f'<div class="hearth-failure"><strong>{escape(message)}</strong> {escape(hint)}</div>'
