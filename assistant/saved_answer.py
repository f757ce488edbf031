"""What a running answer is saved as: its rows in the chat, their status, and why there is no more of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from assistant.answer import Answer
from assistant.events import FinishReason
from assistant.messages import Message
from assistant.records import Failure, MessageStatus, StoredMessage, new_message

_NOT_AN_END: dict[FinishReason, str] = {"content_filter": "answer-filtered", "tool_limit": "answer-tool-limit"}


def final_status(answer: Answer, *, ending: MessageStatus) -> MessageStatus:
    """The status of an answer that is over; `ending` is that of one that was ended from outside."""
    if answer.finished == "length":
        return "cut"
    if _failure(answer) is not None:
        return "failed"
    return ending if answer.finished is None and not answer.is_waiting else "complete"


def rows_of(
    answer: Answer, status: MessageStatus, had: Sequence[StoredMessage], *, model: str | None, limit: str | None
) -> tuple[StoredMessage, ...]:
    """One row for each message of the answer, those that `had` one keeping it; `status` is the last one's.
    `limit` is the key of what to tell of an answer that was cut, where there is more to tell than that."""
    messages = answer.messages or (Message("assistant", ()),)
    rows = list(had[: len(messages)])
    while len(rows) < len(messages):
        rows.append(new_message(rows[-1].id, Message("assistant", ())))
    ended = [replace(row, message=said, model=model) for row, said in zip(rows, messages, strict=True)]
    failure = _failure(answer)
    if answer.finished == "length" and limit:
        failure = Failure(limit, {})
    last = replace(ended[-1], status=status, usage=answer.usage, failure=failure)
    return (*(replace(row, status="complete") for row in ended[:-1]), last)


def _failure(answer: Answer) -> Failure | None:
    """Why an answer is not what it should have been: an error, or an end that the server or we put to it."""
    error = answer.error
    if error is not None:
        return Failure(error.key, {name: str(value) for name, value in error.values.items()})
    key = _NOT_AN_END.get(answer.finished) if answer.finished else None
    return Failure(key, {}) if key else None
