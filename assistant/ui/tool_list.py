"""The list of tools as HTML: what each does, what it may touch, and what was said of it. Pure. Descriptions come from
servers and files: all is escaped."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from assistant.i18n import Translator
from assistant.tool_rules import Rule
from assistant.tools.tool import Tool
from assistant.ui.links import as_html, link
from assistant.visible import visible

LONGEST_ABOUT = 300
_ORDER = ("own", "built-in", "server")
Choices = Callable[[Tool], Sequence[Rule]]
RuleOf = Callable[[Tool], Rule]


def tools(found: Sequence[Tool], rule_of: RuleOf, choices: Choices, t: Translator) -> str:
    """Every tool, those of one origin together."""
    groups: dict[str, list[str]] = {}
    for tool in sorted(found, key=lambda tool: _ORDER.index(tool.origin.kind)):
        name = tool.origin.name if tool.origin.kind == "server" else ""
        heading = t(f"tools.from.{tool.origin.kind}", name=name)
        groups.setdefault(heading, []).append(_row(tool, rule_of(tool), choices(tool), t))
    lists = [
        f'<h3>{_text(heading)}</h3><ul class="hearth-models hearth-tools">{"".join(rows)}</ul>'
        for heading, rows in groups.items()
    ]
    return "".join(lists)


def _row(tool: Tool, rule: Rule, choices: Sequence[Rule], t: Translator) -> str:
    about = _first_sentences(tool.description)
    where = f" · {_text(tool.origin.name)}" if tool.origin.kind == "own" else ""
    lines = [f'<p class="hearth-model-name"><strong>{_text(tool.name)}</strong>{where}</p>']
    lines.append(f'<p class="hearth-model-line">{_text(about)}</p>')
    lines.append(f'<p class="hearth-model-line hearth-risk">{_text(t(f"tools.risk.{tool.risk}"))}</p>')
    said = "".join(_choice(tool, each, t, is_chosen=each == rule) for each in choices)
    # A function of one's own has its form above.
    attempt = "" if tool.origin.kind == "own" else link("tool-try", tool.name, t("tools.try"), title=tool.name)
    label = _text(t("tools.rule", name=tool.name))
    words = "".join(lines)
    return (
        f'<li class="hearth-model"><div class="hearth-model-words">{words}</div>'
        f'<div class="hearth-model-do"><span class="hearth-rules" role="group" aria-label="{label}">{said}</span>'
        f"{attempt}</div></li>"
    )


def _choice(tool: Tool, rule: Rule, t: Translator, *, is_chosen: bool) -> str:
    words, tip = t(f"tools.rule.{rule}"), t(f"tools.rule.{rule}.help")
    if is_chosen:
        return f'<span class="hearth-chosen" aria-current="true" title="{_text(tip)}">{_text(words)}</span>'
    return link("tool-rule", f"{rule}:{tool.name}", words, title=tip)


def _first_sentences(about: str) -> str:
    """The first paragraph of a description, and not too much of it."""
    first = about.strip().split("\n\n")[0]
    return first if len(first) <= LONGEST_ABOUT else f"{first[: LONGEST_ABOUT - 1].rstrip()}…"


def _text(words: str) -> str:
    return as_html(visible(" ".join(words.split())))
