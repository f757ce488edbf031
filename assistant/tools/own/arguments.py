"""Arguments of a call against the schema of a tool's parameters, as far as that is certain in this process.

What is left (formats, bounds, choices) the child's own types find, before the function runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from assistant.errors import ToolError
from assistant.tools.tool import Arguments

LONGEST_CHARACTERS = 5_000_000
_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int, float, str),  # "12" and 12.0 are what weak models write, and certain
    "number": (int, float, str),
    "boolean": (bool, str),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def checked(parameters: Mapping[str, Any], text: str) -> Arguments:
    """The arguments of a call. Raises ToolError with a sentence that names each at fault."""
    if len(text) > LONGEST_CHARACTERS:
        raise ToolError("tool-arguments", why="they are too long")
    try:
        given: Any = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise ToolError("tool-arguments", why=f"not JSON: {error}") from None
    if not isinstance(given, dict):
        raise ToolError("tool-arguments", why="not an object")
    arguments = cast("dict[str, Any]", given)
    if faults := _faults(parameters, arguments):
        raise ToolError("tool-arguments", why="; ".join(faults[:5]))
    return arguments


def _faults(parameters: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[str]:
    properties: Mapping[str, Any] = parameters.get("properties", {})
    found = [f"{name}: it is missing" for name in parameters.get("required", ()) if name not in arguments]
    for name, value in arguments.items():
        if name not in properties:
            if parameters.get("additionalProperties") is False:
                found.append(f"{name}: there is no such argument")
        elif not _fits(properties[name], value):
            found.append(f"{name}: it should be of type {properties[name]['type']}")
    return found


def _fits(schema: Mapping[str, Any], value: Any) -> bool:
    kind = schema.get("type")
    return not isinstance(kind, str) or isinstance(value, _KINDS.get(kind, (object,)))
