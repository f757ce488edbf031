"""A server's tools as Hearth's own kind of value: names that shadow nothing, arguments checked, results in words."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from assistant.errors import ToolError
from assistant.tools.hands import Hands
from assistant.tools.tool import Arguments, Origin, Tool

LONGEST_TOOL_NAME = 64
LONGEST_DESCRIPTION = 8000
MOST_TOOLS = 300
LARGEST_SCHEMA = 100_000
_JOINT = "__"  # no tool of Hearth's own and no server's name has it, so a server cannot take the place of another


@dataclass(frozen=True)
class Offered:
    """A tool as its server describes it. `parameters` is the JSON text of a JSON schema."""

    name: str
    description: str
    parameters: str

    @property
    def fingerprint(self) -> str:
        """Another one where the server has changed what the model, or a person, is told of the tool."""
        words = json.dumps([self.name, self.description, self.parameters])
        return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()


def offered(name: str, description: str | None, schema: Mapping[str, Any]) -> Offered | None:
    """What a server says of a tool, as it is kept; None for one that nobody could call."""
    parameters = json.dumps(dict(schema) | {"type": "object"}, sort_keys=True)
    if not name or len(name) > 500 or len(parameters) > LARGEST_SCHEMA:
        return None
    return Offered(name, (description or "")[:LONGEST_DESCRIPTION], parameters)


def full_names(server: str, tools: Iterable[Offered]) -> dict[str, Offered]:
    """The tools by the names that the model calls them by: SERVER__TOOL, of at most 64 letters, no two alike."""
    named: dict[str, Offered] = {}
    for tool in tools:
        simple = re.sub(r"[^A-Za-z0-9_-]", "_", tool.name)
        name = f"{server}{_JOINT}{simple}"
        if simple != tool.name or len(name) > LONGEST_TOOL_NAME:
            mark = hashlib.sha256(tool.name.encode("utf-8", "surrogatepass")).hexdigest()[:6]
            name = f"{name[: LONGEST_TOOL_NAME - 7]}_{mark}"
        named.setdefault(name, tool)
    return named


def as_tool(
    name: str, of: Offered, *, server: str, timeout_seconds: float, call: Callable[[str, Arguments], Awaitable[str]]
) -> Tool:
    """The tool that calls the server's. `call` takes the server's own name of it."""
    schema = json.loads(of.parameters)

    def check(text: str) -> Arguments:
        return checked(text, schema)

    async def run(arguments: Arguments, _: Hands) -> str:
        return await call(of.name, arguments)

    return Tool(
        name=name,
        description=of.description or of.name,
        parameters=schema,
        check=check,
        run=run,
        origin=Origin("server", server),
        risk="server",
        timeout_seconds=timeout_seconds,
    )


def checked(text: str, schema: Mapping[str, Any]) -> Arguments:
    """The arguments that a model wrote as JSON, once they fit the schema. Raises ToolError, which says what does not.
    A schema that is none, or that leads elsewhere, holds for nothing: then the server judges. So it does with patterns,
    of which a server could write one that takes for ever."""
    try:
        arguments = json.loads(text or "{}")
        json.dumps(arguments, ensure_ascii=False).encode()  # half a character cannot be sent
    except (ValueError, RecursionError) as error:
        raise ToolError("tool-arguments", why=str(error)[:300]) from None
    if not isinstance(arguments, dict):
        raise ToolError("tool-arguments", why="arguments: they have to be an object")
    from jsonschema import SchemaError  # late: only who calls a server's tool needs it
    from jsonschema.validators import extend, validator_for
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    kind = extend(validator_for(schema), {"pattern": lambda *_: None})
    if "patternProperties" in json.dumps(schema):
        return arguments
    try:
        kind.check_schema(schema)
        found = sorted(kind(schema, registry=Registry()).iter_errors(arguments), key=lambda error: error.json_path)
    except (SchemaError, Unresolvable, RecursionError, re.error):
        return arguments
    if found:
        said = [
            f"{error.json_path.removeprefix('$').removeprefix('.') or 'arguments'}: {error.message[:300]}"
            for error in found
        ]
        raise ToolError("tool-arguments", why="; ".join(said[:5]))
    return arguments


def in_words(contents: Iterable[Any], structured: Any = None) -> str:
    """What a server gave, as text for the model: what is no text is named, so that nobody believes it was seen."""
    said = [_words(each) for each in contents]
    if not said and structured is not None:
        return json.dumps(structured, ensure_ascii=False)
    return "\n\n".join(part for part in said if part)


def _words(content: Any) -> str:
    resource = getattr(content, "resource", None)
    if resource is not None:
        return _words(resource)
    if isinstance(text := getattr(content, "text", None), str):
        return text
    media = getattr(content, "mime_type", None) or "unknown type"
    data = getattr(content, "data", None) or getattr(content, "blob", None)
    if isinstance(data, str):
        kind = getattr(content, "type", "file")
        return f"[The server sent {kind} data ({media}, {len(data) * 3 // 4:,} bytes). It cannot be shown here.]"
    if uri := getattr(content, "uri", None):
        return f"[The server points to a resource: {getattr(content, 'name', None) or uri} ({uri}, {media}).]"
    return "[The server sent something of a kind that is not known here.]"
