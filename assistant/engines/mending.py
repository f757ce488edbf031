"""Mends the arguments of a tool call where it is certain what a model meant. Pure.

What is certain: the form (a trailing comma, single quotes, a fence, a bracket that is missing at the end, arguments
wrapped in another object) and the type that the tool's schema wants (`"5"` for a number). Never a value. Whatever is
not certain stays as it is written; the tool's own check then tells the model.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from assistant.messages import ToolCall, ToolOffer

_WRAPPERS = ("arguments", "parameters", "args", "input", "kwargs")
_FENCE = re.compile(r"^```\w*\s*\n(.*?)\n?```$", re.DOTALL)
_LONGEST = 1_000_000
_DEEPEST = 20


def mended(call: ToolCall, offers: tuple[ToolOffer, ...]) -> ToolCall:
    """The call with the name of the tool that it certainly means, and arguments in the form that this one wants."""
    offer = meant(call.name, offers)
    if offer is None or len(call.arguments) > _LONGEST:
        return call
    call = replace(call, name=offer.name)
    found = _object_in(call.arguments)
    if found is None:
        return call
    arguments = _typed(_unwrapped(found, offer), offer.parameters, offer.parameters, 0)
    if arguments == _strict(call.arguments) and _same_types(arguments, _strict(call.arguments)):
        return call
    return replace(call, arguments=json.dumps(arguments, ensure_ascii=False), written=call.arguments)


def meant(name: str, offers: tuple[ToolOffer, ...]) -> ToolOffer | None:
    """The tool of this name; else the only one that it can mean: `functions.clock` and `Clock` are the clock."""
    plain = re.sub(r"^(?:functions|default_api|tools?)[.:]", "", name.strip())
    exact = [offer for offer in offers if offer.name == plain]
    found = exact or [offer for offer in offers if offer.name.lower() == plain.lower()]
    return found[0] if len(found) == 1 else None


def _strict(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _same_types(one: object, other: object) -> bool:
    """1, 1.0 and True are equal in Python, and not in JSON."""
    return json.dumps(one) == json.dumps(other)


def _object_in(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is, or is with faults that leave no doubt."""
    text = text.strip()
    if not text:
        return {}
    if fenced := _FENCE.match(text):
        text = fenced[1].strip()
    for attempt in (text, _without_trailing_commas(text), _closed(text)):
        value = _strict(attempt) if attempt is not None else None
        if isinstance(value, str):  # written twice over
            value = _strict(value)
        if isinstance(value, dict):
            return cast("dict[str, Any]", value)
    return _python_object(text)


def _python_object(text: str) -> dict[str, Any] | None:
    """An object as Python writes one: single quotes, True, None."""
    try:
        value = ast.literal_eval(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
    is_object = isinstance(value, dict) and all(isinstance(name, str) for name in cast("dict[object, object]", value))
    return cast("dict[str, Any]", value) if is_object else None


def _without_trailing_commas(text: str) -> str:
    """The text without commas before a closing bracket; those inside of strings stay."""
    pieces = re.split(r'("(?:[^"\\]|\\.)*")', text)
    return "".join(piece if place % 2 else re.sub(r",(\s*[}\]])", r"\1", piece) for place, piece in enumerate(pieces))


def _closed(text: str) -> str | None:
    """The text with the closing brackets that are missing at its end. Not where it ends inside of a string, or after
    a colon or a comma: then more than a bracket is missing."""
    opened: list[str] = []
    for piece in re.findall(r'"(?:[^"\\]|\\.)*"|"|[{}\[\]]', text):
        if piece == '"':
            return None
        if piece in "{[":
            opened.append("}" if piece == "{" else "]")
        elif piece in "}]" and (not opened or opened.pop() != piece):
            return None
    text = text.rstrip()
    if not opened or not re.search(r'["\d}\]el]$', text):
        return None
    return _without_trailing_commas(text + "".join(reversed(opened)))


def _unwrapped(found: dict[str, Any], offer: ToolOffer) -> dict[str, Any]:
    """What stands inside of `{"arguments": {...}}`, where the tool has no such parameter."""
    own = cast("Mapping[str, Any]", offer.parameters.get("properties") or {})
    for wrapper in _WRAPPERS:
        inner = found.get(wrapper)
        others = found.keys() - {wrapper, "name", "type", "id"}
        if wrapper in own or others or (inner is None) or (found.get("name", offer.name) != offer.name):
            continue
        if isinstance(inner, str):
            inner = _object_in(inner)
        if isinstance(inner, dict):
            return cast("dict[str, Any]", inner)
    return found


def _typed(value: Any, schema: Any, root: Mapping[str, Any], depth: int) -> Any:
    """A value in the type that its schema wants, where the value says the same in it."""
    schema = _resolved(schema, root)
    if depth > _DEEPEST or schema is None:
        return value
    if isinstance(value, dict) and isinstance(properties := schema.get("properties"), dict):
        fields = cast("dict[str, Any]", value)
        return {
            name: _typed(item, cast("dict[str, Any]", properties).get(name), root, depth + 1)
            for name, item in fields.items()
        }
    if isinstance(value, list) and schema.get("items"):
        return [_typed(item, schema["items"], root, depth + 1) for item in cast("list[Any]", value)]
    if isinstance(value, str):
        return _from_text(value, schema)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return json.dumps(value) if is_number and schema.get("type") == "string" and "enum" not in schema else value


def _from_text(text: str, schema: Mapping[str, Any]) -> Any:
    kinds: dict[object, tuple[type, ...]] = {
        "integer": (int,),
        "number": (int, float),
        "boolean": (bool,),
        "array": (list,),
        "object": (dict,),
    }
    if isinstance(choices := schema.get("enum"), list) and text not in choices:
        alike = [one for one in cast("list[Any]", choices) if str(one).lower() == text.strip().lower()]
        return alike[0] if len(alike) == 1 else text
    wanted = kinds.get(schema.get("type"))
    if wanted is None:
        return text
    value = _strict(text.strip().lower() if wanted == (bool,) else text.strip())
    return value if type(value) in wanted else text


def _resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema itself, behind a reference, or beside null; None where there are several, or none."""
    if not isinstance(schema, dict):
        return None
    found = cast("Mapping[str, Any]", schema)
    if isinstance(reference := found.get("$ref"), str):
        target: Any = root
        for step in reference.removeprefix("#/").split("/"):
            target = cast("Mapping[str, Any]", target).get(step) if isinstance(target, dict) else None
        return cast("Mapping[str, Any]", target) if isinstance(target, dict) else None
    for several in ("anyOf", "oneOf"):
        if isinstance(options := found.get(several), list):
            others = [one for one in cast("list[Any]", options) if one != {"type": "null"}]
            return _resolved(others[0], root) if len(others) == 1 else None
    return found
