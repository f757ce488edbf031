"""What is said: messages and their parts, as plain values that know no provider, no page and no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
PICTURE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif")


@dataclass(frozen=True)
class Text:
    """Words, as Markdown where an assistant wrote them."""

    text: str


@dataclass(frozen=True)
class Reasoning:
    """What a model thought aloud before it answered; shown folded, never sent back to the engine."""

    text: str


@dataclass(frozen=True)
class ToolCall:
    """A model's wish to have a tool run. `arguments` is the JSON text as the model wrote it, valid or not; where it was
    mended, `arguments` is the mended one, which counts, and `written` what the model wrote."""

    id: str
    name: str
    arguments: str
    written: str = ""


@dataclass(frozen=True)
class ToolResult:
    """What a tool gave back for the call with `call_id`; `is_error` when it could not do its work."""

    call_id: str
    text: str
    is_error: bool = False


@dataclass(frozen=True)
class ToolOffer:
    """What a model is told of a tool: its parameters are the JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Attachment:
    """A file that belongs to a message, by its name in the profile's `attachments` folder."""

    name: str
    media_type: str
    stored_as: str

    @property
    def is_picture(self) -> bool:
        """Whether a person can be shown it and a model may see it."""
        return self.media_type in PICTURE_TYPES


Part = Text | Reasoning | ToolCall | ToolResult | Attachment


@dataclass(frozen=True)
class Message:
    """One entry of a chat: who said it, and its parts in order."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The words of all `Text` parts, one after the other."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def reasoning(self) -> str:
        """The words of all `Reasoning` parts, one after the other."""
        return "".join(part.text for part in self.parts if isinstance(part, Reasoning))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools this message asks for, in order."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The files that belong to it, in order."""
        return tuple(part for part in self.parts if isinstance(part, Attachment))

    @property
    def pictures(self) -> tuple[Attachment, ...]:
        """Those of them that are pictures."""
        return tuple(part for part in self.attachments if part.is_picture)

    def to_json(self) -> dict[str, Any]:
        """This message as values that `json.dumps` takes; `from_json` gives an equal message back."""
        return {"role": self.role, "parts": parts_to_json(self.parts)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Message:
        """The message that `to_json` wrote. Raises KeyError or TypeError for anything else."""
        return Message(role=data["role"], parts=parts_from_json(data["parts"]))


def unanswered(messages: Sequence[Message]) -> tuple[ToolCall, ...]:
    """The calls since the last question that have no result, in order."""
    last = max((place for place, message in enumerate(messages) if message.role == "user"), default=-1)
    since = messages[last + 1 :]
    answered = {part.call_id for message in since for part in message.parts if isinstance(part, ToolResult)}
    return tuple(call for message in since for call in message.tool_calls if call.id not in answered)


def user(text: str, files: Sequence[Attachment] = ()) -> Message:
    """A message from the person at the keyboard, which may be of files alone."""
    return Message("user", (*((Text(text),) if text.strip() or not files else ()), *files))


_KINDS: Mapping[str, type[Part]] = {
    "text": Text,
    "reasoning": Reasoning,
    "tool_call": ToolCall,
    "tool_result": ToolResult,
    "attachment": Attachment,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def parts_to_json(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Parts as a list of objects, each with its kind under "type"."""
    return [{"type": _NAMES[type(part)], **asdict(part)} for part in parts]


def parts_from_json(data: Sequence[Mapping[str, Any]]) -> tuple[Part, ...]:
    """The parts that `parts_to_json` wrote. Raises KeyError or TypeError for anything else."""
    return tuple(_KINDS[item["type"]](**{k: v for k, v in item.items() if k != "type"}) for item in data)
