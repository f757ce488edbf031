"""Servers out of the JSON that their makers print for Claude Desktop, VS Code, Cursor and others. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from assistant.errors import SettingsError
from assistant.tools.mcp.launch import LONGEST_NAME, Launch, checked

LONGEST = 200_000
_LISTS = ("mcpServers", "servers", "context_servers", "mcp_servers")
_ADDRESSES = ("url", "serverUrl", "httpUrl", "endpoint")
# What the reader was to fill in: ${input:key}, <token>, YOUR_KEY.
_OPEN = re.compile(r"\$\{[^}]*\}|^<[^<>]+>$|<[^<>]*\byour\b[^<>]*>|\bYOUR_[A-Z_]+", re.IGNORECASE | re.MULTILINE)
_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])|\u00a0')  # and spaces as web pages have them
_FENCED = re.compile(r"```[\w+-]*[ \t]*\r?\n(.*?)```", re.DOTALL)
_MOST = 50


def servers_in(text: str) -> list[Launch]:
    """The servers that a pasted text names, checked. Raises SettingsError."""
    if len(text) > LONGEST:
        raise SettingsError("mcp-paste")
    found = _named(_json(text))
    if not found or len(found) > _MOST:
        raise SettingsError("mcp-paste")
    launches = [_launch(name, entry) for name, entry in found.items()]
    names = [launch.name.lower() for launch in launches]
    if twice := next((launch.name for launch in launches if names.count(launch.name.lower()) > 1), None):
        raise SettingsError("mcp-name-taken", name=twice)
    return launches


def _json(text: str) -> Any:
    """The text as JSON; comments, a comma too many, missing outer braces and words around a block are forgiven."""
    fenced = _FENCED.search(text)
    words = (fenced[1] if fenced else text).strip().lstrip("\ufeff").strip()
    bare = _COMMA.sub(_text_only, _COMMENT.sub(_text_only, words))
    for attempt in (words, bare, f"{{{bare.rstrip(', ')}}}"):
        try:
            return json.loads(attempt)
        except (ValueError, RecursionError):
            continue
    raise SettingsError("mcp-paste")


def _text_only(part: re.Match[str]) -> str:
    return part[1] or ""


def _named(data: Any) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        return {}
    given = cast("dict[str, Any]", data)
    for key in ("mcp", *_LISTS):
        inner = given.get(key)
        if isinstance(inner, list):  # of entries that say their names themselves
            inner = {str(each.get("name") or number): each for number, each in enumerate(_entries(inner), start=1)}
        if isinstance(inner, dict):
            return _named(inner) if key == "mcp" else cast("dict[str, Any]", inner)
    if _is_entry(given):
        return {_name_of(given): given}
    return {name: entry for name, entry in given.items() if isinstance(entry, dict)}


def _entries(given: list[Any]) -> list[dict[str, Any]]:
    return [cast("dict[str, Any]", each) for each in given if isinstance(each, dict)]


def _is_entry(given: Mapping[str, Any]) -> bool:
    return isinstance(given.get("command"), str | list) or any(isinstance(given.get(key), str) for key in _ADDRESSES)


def _name_of(given: Mapping[str, Any]) -> str:
    return str(given.get("name") or given.get("command") or "server").replace("\\", "/").rpartition("/")[2]


def _launch(name: str, entry: Any) -> Launch:
    if not isinstance(entry, dict) or not _is_entry(given := _flat(cast("dict[str, Any]", entry))):
        raise SettingsError("mcp-paste-entry", name=name[:100])
    url = next((given[key] for key in _ADDRESSES if isinstance(given.get(key), str)), "")
    kind = str(given.get("type") or given.get("transport") or "").lower()
    if url and kind == "sse":
        raise SettingsError("mcp-paste-sse", name=name[:100])
    command, *first = _words(given.get("command")) or [""]
    environment = given.get("env") or given.get("environment")
    secrets = _values(given.get("headers") or given.get("requestInit") if url else environment)
    launch = Launch(
        name=simple_name(name),
        command="" if url else command,
        arguments=() if url else (*first, *_words(given.get("args"))),
        folder="" if url else str(given.get("cwd") or ""),
        url=url,
        secrets=secrets,
    )
    left = _OPEN.search("\n".join((launch.command, *launch.arguments, launch.folder, url, *secrets.values())))
    if left:
        raise SettingsError("mcp-paste-open", name=launch.name, left=left[0][:100])
    return checked(launch)


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry whose command is an object with `path`, `args` and `env`, as the other entries are."""
    command = entry.get("command")
    if not isinstance(command, dict):
        return entry
    inner = cast("dict[str, Any]", command)
    return {**entry, **inner, "command": str(inner.get("path") or "")}


def simple_name(name: str) -> str:
    """A name that tools can begin with, as near to the given one as can be."""
    simple = re.sub(r"[^A-Za-z0-9-]+", "_", name).strip("_-")
    return re.sub(r"([_-])[_-]+", r"\1", simple)[:LONGEST_NAME].strip("_-") or "server"


def _words(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given]
    return [str(each) for each in cast("list[Any]", given)] if isinstance(given, list) else []


def _values(given: Any) -> dict[str, str]:
    if not isinstance(given, dict):
        return {}
    values = cast("dict[str, Any]", given)
    values = values["headers"] if isinstance(values.get("headers"), dict) else values
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
