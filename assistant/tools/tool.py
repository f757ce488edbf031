"""A tool as a value, and how a typed function becomes one."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from assistant.errors import ToolError
from assistant.messages import ToolOffer
from assistant.tools.hands import Hands
from assistant.tools.thread import in_thread

Approval = Literal["never", "ask"]
Risk = Literal["none", "files", "code", "web", "server", "own"]
"""What a call can touch: nothing beyond the chat, files, a computation of the model's own, the internet, a server
that the person has set up, or a function that the person has written."""
OriginKind = Literal["built-in", "own", "server"]


@dataclass(frozen=True)
class Origin:
    """Where a tool comes from: `name` is the file of an own function, the server's name, or empty."""

    kind: OriginKind
    name: str = ""


@dataclass(frozen=True)
class Code:
    """What will be computed, in a language that highlight.js knows."""

    language: str
    text: str


@dataclass(frozen=True)
class Diff:
    """What will become of a file: its path as a person knows it, and its text before (None: there is none) and after
    (None: it goes away)."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Address:
    """Where a request will go, whole."""

    url: str


@dataclass(frozen=True)
class Choice:
    """What the person is asked, and the answers that they may choose from. What they say is `Hands.word`."""

    question: str
    options: tuple[str, ...]


Preview = Code | Diff | Address | Choice
Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Tool:
    """Something that a model may have done. `name` is 1 to 64 of `a-zA-Z0-9_-`; `parameters` is the JSON schema of an
    object.

    `check` makes valid arguments of the JSON text that a model wrote, or raises ToolError with a sentence that the
    model can mend it by. `run` takes those and gives what the model reads; it may raise ToolError for what a person can
    be told, and is cancelled after `timeout_seconds`. Of its result the model is given `output_characters`.
    `preview` says what a call will do, for the person who is asked; it may raise ToolError, and changes nothing.
    A tool with `asks_each_time` is never allowed for the rest of a chat.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    check: Callable[[str], Arguments]
    run: Callable[[Arguments, Hands], Awaitable[str]]
    origin: Origin = Origin("built-in")
    risk: Risk = "none"
    approval: Approval = "ask"
    asks_each_time: bool = False
    preview: Callable[[Arguments, Hands], Awaitable[Preview | None]] | None = None
    timeout_seconds: float = 30.0
    output_characters: int = 20_000

    @property
    def offer(self) -> ToolOffer:
        """What the model is told of it."""
        return ToolOffer(self.name, self.description, self.parameters)


def tool(
    function: Callable[..., Any],
    *,
    risk: Risk = "none",
    approval: Approval = "ask",
    origin: Origin | None = None,
    asks_each_time: bool = False,
    preview: Callable[..., Any] | None = None,
    timeout_seconds: float = 30.0,
    output_characters: int = 20_000,
) -> Tool:
    """A tool with the name, docstring and parameters of a typed function. Its first parameter may be `Hands`, which
    the model does not see; a plain function runs in a thread, whose result is no longer waited for after the time
    limit. `preview` takes the same arguments. Raises TypeError for a parameter without a type, ValueError where there
    is no docstring."""
    if not (description := inspect.getdoc(function)):
        raise ValueError(f"{function.__name__} has no docstring")
    model, wants_hands = _model_of(function)
    schema = model.model_json_schema()
    schema.pop("title", None)

    def check(text: str) -> Arguments:
        try:
            valid = model.model_validate_json(text or "{}")
        except ValidationError as error:
            raise ToolError("tool-arguments", why=_why(error)) from None
        return {name: getattr(valid, name) for name in model.model_fields}

    async def run(arguments: Arguments, hands: Hands) -> str:
        given = await _called(function, arguments, hands if wants_hands else None)
        if isinstance(given, bytes | bytearray | memoryview):
            raise ToolError("tool-binary", tool=function.__name__)
        return given if isinstance(given, str) else str(given)

    async def looked_at(arguments: Arguments, hands: Hands) -> Preview | None:
        assert preview is not None  # noqa: S101  # for the type checker: only then it is used
        return await _called(preview, arguments, hands if wants_hands else None)

    return Tool(
        name=function.__name__,
        description=description,
        parameters=schema,
        check=check,
        run=run,
        origin=origin or Origin("built-in"),
        risk=risk,
        approval=approval,
        asks_each_time=asks_each_time,
        preview=looked_at if preview else None,
        timeout_seconds=timeout_seconds,
        output_characters=output_characters,
    )


def _model_of(function: Callable[..., Any]) -> tuple[type[BaseModel], bool]:
    """The arguments as a pydantic model, and whether the function wants Hands before them."""
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    wants_hands = False
    for name, parameter in inspect.signature(function).parameters.items():
        if hints.get(name) is Hands:
            wants_hands = True
            continue
        if name not in hints:
            raise TypeError(f"{function.__name__}: the parameter {name!r} has no type")
        has_default = parameter.default is not inspect.Parameter.empty
        fields[name] = (hints[name], parameter.default if has_default else ...)
    return create_model(function.__name__, __config__=ConfigDict(extra="forbid"), **fields), wants_hands


async def _called(function: Callable[..., Any], arguments: Arguments, hands: Hands | None) -> Any:
    first = () if hands is None else (hands,)
    if inspect.iscoroutinefunction(function):
        return await function(*first, **arguments)
    return await in_thread(lambda: function(*first, **arguments), name=function.__name__)


def _why(error: ValidationError) -> str:
    """What is wrong with arguments, for the model that wrote them."""
    found = [f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}" for one in error.errors()]
    return "; ".join(found[:5])
