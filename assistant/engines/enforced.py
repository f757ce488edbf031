"""Tool calls by a grammar: a model that knows no tools is asked for a JSON object that its engine enforces. Pure.

Two small questions in place of one: first which tool, or none, then the arguments by that tool's own schema. A schema
of all tools at once is refused by some servers, and an answer in words inside of JSON is a poor one that cannot be
streamed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from assistant.messages import ToolOffer

NO_TOOL = "none"
CHOICE_TOKENS = 150  # a model that thinks first has to come to its point
ARGUMENTS_TOKENS = 2000
CHOICE = (
    "(Before you answer: is one of your tools needed for that now? Reply with the JSON object "
    '{"tool": NAME}; NAME is "none" where you can answer in words.)'
)


def as_json(schema: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The field of a request that holds the answer to a schema."""
    return {"type": "json_schema", "json_schema": {"name": name, "schema": dict(schema)}}


def choice_schema(offers: Sequence[ToolOffer]) -> dict[str, Any]:
    names = [NO_TOOL, *(offer.name for offer in offers)]
    return {
        "type": "object",
        "properties": {"tool": {"type": "string", "enum": names}},
        "required": ["tool"],
        "additionalProperties": False,
    }


def chosen(text: str, offers: Sequence[ToolOffer]) -> ToolOffer | None:
    """The tool that an answer names; None for none. Raises ValueError for an answer that the schema does not allow."""
    value = json.loads(text)
    name = cast("dict[str, Any]", value).get("tool") if isinstance(value, dict) else None
    if name == NO_TOOL:
        return None
    found = next((offer for offer in offers if offer.name == name), None)
    if found is None:
        raise ValueError("no such tool")
    return found


def arguments_request(offer: ToolOffer) -> str:
    """What is said to a model that has chosen a tool."""
    return f"(Reply with the arguments of {offer.name} for that, as a JSON object.)"


def is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def tools_as_text(offers: Sequence[ToolOffer], *, is_written: bool) -> str:
    """What stands before a chat for a model that is told of tools in words. It is the same in each request, so that an
    engine reads it once."""
    listed = "\n".join(
        json.dumps(
            {"name": offer.name, "description": offer.description, "parameters": offer.parameters}, ensure_ascii=False
        )
        for offer in offers
    )
    told = f"You have these tools:\n{listed}\n\n"
    if not is_written:
        return f"{told}You are asked for each call when it is time. Otherwise answer in words."
    return (
        f"{told}To use one, end your reply with\n"
        '<tool_call>{"name": NAME, "arguments": {...}}</tool_call>\n'
        "and nothing after it; you are then given its result. Where no tool is needed, answer in words."
    )
