"""What the person has said about tools once and for all: whether one asks, just runs, or is off."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from assistant.errors import SettingsError
from assistant.kept_file import KeptFile
from assistant.tools.tool import Tool

log = logging.getLogger(__name__)

Rule = Literal["ask", "allow", "off"]
RULES: tuple[Rule, ...] = ("ask", "allow", "off")
NEVER_FOR_ALL = ("code", "web")  # risks that are asked about in each chat at the least
_LARGEST_FILE_BYTES = 1_000_000


def fingerprint(tool: Tool) -> str:
    """What a tool is, as a hash: where it comes from, its name, what it says of itself and what it takes. A tool that
    has changed in any of these is another one, and nothing that was allowed to the first holds for it."""
    said = [tool.origin.kind, tool.origin.name, tool.name, tool.description, tool.parameters]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


class _Row(BaseModel):
    tool: str
    rule: Rule
    fingerprint: str


class _Kept(BaseModel):
    version: Literal[1] = 1
    rules: list[_Row] = []
    models: dict[str, bool] = {}


class ToolRules:
    """The rules, in a file of their own, which is read once. Of a file that cannot be understood every tool asks, which
    is the safe side; it is kept aside, and `notice` tells it."""

    def __init__(self, path: Path) -> None:
        self._file = KeptFile(path, most_bytes=_LARGEST_FILE_BYTES)
        kept = self._load()
        # by the tool's place: the rule, and of what fingerprint it was said
        self._rules: dict[str, tuple[Rule, str]] = {row.tool: (row.rule, row.fingerprint) for row in kept.rules}
        self._models = kept.models  # by the model's name and address: whether it is told of tools

    @property
    def notice(self) -> SettingsError | None:
        """What to tell about the file as it was found; None when it is in order."""
        return SettingsError("tool-rules.corrupt", kept=self._file.set_aside) if self._file.set_aside else None

    def of(self, tool: Tool) -> Rule:
        """The rule in force. A tool that has changed since it was allowed asks again; one that is off stays off."""
        rule, mark = self._rules.get(_place(tool), (_by_itself(tool), ""))
        if rule not in self.choices(tool) or (rule == "allow" and mark and mark != fingerprint(tool)):
            return "ask"
        return rule

    def choices(self, tool: Tool) -> tuple[Rule, ...]:
        """What can be said of a tool: one that asks each time, or runs code, or reads the web, never just runs."""
        return tuple(rule for rule in RULES if rule != "allow" or _may_just_run(tool))

    def set(self, tool: Tool, rule: Rule) -> None:
        """Keeps a rule. Raises SettingsError where the file cannot be written; then nothing has changed."""
        rules: dict[str, tuple[Rule, str]] = {**self._rules, _place(tool): (rule, fingerprint(tool))}
        self._write(rules, self._models)
        self._rules = rules

    def are_offered(self, model: str) -> bool | None:
        """Whether a model is told of tools, by what the person said last; None where they never did."""
        return self._models.get(model)

    def offer(self, model: str, *, is_on: bool) -> None:
        """Keeps whether a model is told of tools. Raises SettingsError."""
        models = self._models | {model: is_on}
        self._write(self._rules, models)
        self._models = models

    def _write(self, rules: Mapping[str, tuple[Rule, str]], models: Mapping[str, bool]) -> None:
        rows = [_Row(tool=place, rule=said, fingerprint=mark) for place, (said, mark) in rules.items()]
        self._file.write(_Kept(rules=rows, models=dict(models)).model_dump_json(indent=1))

    def _load(self) -> _Kept:
        try:
            return self._file.read(_Kept.model_validate_json) or _Kept()
        except OSError as error:
            log.warning("the rules of tools cannot be read: %s", error)
            return _Kept()


def _place(tool: Tool) -> str:
    return json.dumps([tool.origin.kind, tool.origin.name, tool.name])


def _by_itself(tool: Tool) -> Rule:
    return "allow" if tool.approval == "never" else "ask"


def _may_just_run(tool: Tool) -> bool:
    return tool.approval == "never" or not (tool.asks_each_time or tool.risk in NEVER_FOR_ALL)
