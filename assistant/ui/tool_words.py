"""Tool calls as what the page shows of them: pure functions from values to JSON, which tools.js draws as text.

Nothing in here becomes HTML, and what nobody would see in a text (bidi marks, zero width, tags) stands there as a code.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from typing import Any, Literal, assert_never, cast

from assistant.approvals import Question
from assistant.calls import is_denial
from assistant.i18n import Translator
from assistant.messages import ToolCall, ToolResult
from assistant.tools.tool import Address, Choice, Code, Diff, Origin, Preview, Tool
from assistant.visible import visible, visible_lines

State = Literal["asks", "waits", "running", "done", "failed", "denied", "idle"]
"""Of a call: the person is asked about it, it is not decided about yet, its tool is at work, it has a result, that is
an error, it was not allowed, or its answer ended before it ran."""

MOST_COMPARED_LINES = 4_000  # of a file: a comparison takes a time that grows with their square
Line = tuple[str, str]


def state_of(result: ToolResult | None, otherwise: State) -> State:
    """The state of a call with this result, or without one."""
    if result is None:
        return otherwise
    if is_denial(result):
        return "denied"
    return "failed" if result.is_error else "done"


def tool_section(call: ToolCall, result: ToolResult | None, state: State, t: Translator) -> str:
    """What transcript.js hands to tools.js, as JSON."""
    title = t(f"tool.state.{state}", name=visible(call.name))
    shown = {
        "id": call.id,
        "state": state,
        "title": title,
        "arguments": arguments_of(call),
        "result": visible_lines(result.text) if result else "",
        "words": {"arguments": t("tool.arguments"), "result": t("tool.result"), "none": t("tool.no-arguments")},
    }
    return json.dumps(shown)


def arguments_of(call: ToolCall) -> list[list[str]]:
    """Every argument with its whole text; what is no object, as one without a name."""
    try:
        given: object = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        return [["", visible_lines(call.arguments)]]
    return [[visible(name), _value(value)] for name, value in cast("dict[str, object]", given).items()]


def question_words(asked: Question, t: Translator) -> dict[str, Any]:
    """A card: what is asked, and the words on its buttons."""
    problem = f"{asked.problem.message_in(t)} {asked.problem.hint_in(t)}".strip() if asked.problem else ""
    decided = ""
    if asked.decided is not None:
        decided = t("tool.card.allowed") if asked.decided.is_allowed else t("tool.card.denied")
    return {
        "mark": asked.mark,
        "title": _title(asked, t),
        "origin": origin_words(asked.tool.origin, t) if asked.tool else "",
        "about": _about(asked.tool) if asked.tool and not isinstance(asked.preview, Choice) else "",
        "risk": _risk(asked.tool, t) if asked.tool else "",
        "problem": problem,
        "arguments": arguments_of(asked.call),
        "written": visible_lines(asked.call.written),
        "preview": preview_words(asked.preview, t) if asked.preview else None,
        "decided": decided,
        "mayAllow": asked.tool is not None and asked.problem is None,
        "mayAllowInChat": asked.is_for_chat and asked.problem is None,
        "words": {
            "once": t("tool.card.once"),
            "chat": t("tool.card.chat"),
            "deny": t("tool.card.deny"),
            "word": t("tool.card.word"),
            "note": t("tool.card.note"),
            "arguments": t("tool.arguments"),
            "none": t("tool.no-arguments"),
            "written": t("tool.card.written"),
            "changed": t("tool.card.changed"),
            "failed": t("tool.card.failed"),
        },
    }


def _title(asked: Question, t: Translator) -> str:
    if isinstance(asked.preview, Choice):
        return t("tool.choice.title")
    return t("tool.card.title", name=visible(asked.call.name))


def _about(tool: Tool) -> str:
    return visible(" ".join(tool.description.strip().split("\n\n")[0].split()))


def origin_words(origin: Origin, t: Translator) -> str:
    """Where a tool comes from, for people."""
    match origin.kind:
        case "built-in":
            return t("tool.origin.built-in")
        case "own":
            return t("tool.origin.own", name=visible(origin.name))
        case "server":
            return t("tool.origin.server", name=visible(origin.name))
        case _:
            assert_never(origin.kind)


def preview_words(preview: Preview, t: Translator) -> dict[str, Any]:
    """What a call will do."""
    match preview:
        case Code(language, text):
            return {"kind": "code", "language": language, "text": visible_lines(text)}
        case Address(url):
            return {"kind": "address", "text": visible(url)}
        case Choice(question, options):
            return {
                "kind": "choice",
                "text": visible_lines(question),
                "options": [[option, visible(option)] for option in options],
                "send": t("tool.choice.send"),
                "own": t("tool.choice.own"),
                "skip": t("tool.choice.skip"),
            }
        case Diff(path, before, after):
            lines = compared(before or "", after or "")
            key = "new" if before is None else "gone" if after is None else "changed"
            counts = {sign: sum(line[0] == sign for line in lines) for sign in "+-"}
            title = t(f"tool.diff.{key}", path=visible(path), added=counts["+"], removed=counts["-"])
            shown = [[sign, visible_lines(text)] for sign, text in lines]
            return {"kind": "diff", "title": title, "lines": shown, "more": t("tool.diff.more", count="{count}")}
        case _:
            assert_never(preview)


def compared(before: str, after: str) -> list[Line]:
    """Every line of both texts, each with a sign: it stays (a space), goes (-) or comes (+). A last line without an end
    is told apart from one with."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    if len(old) + len(new) > MOST_COMPARED_LINES:
        return _ends_alike(old, new)
    lines: list[Line] = []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            lines += [(" ", _shown(line)) for line in old[a:b]]
        else:
            lines += [("-", _shown(line)) for line in old[a:b]] + [("+", _shown(line)) for line in new[c:d]]
    return lines


def _ends_alike(old: Sequence[str], new: Sequence[str]) -> list[Line]:
    """The same for long texts, at a glance: what is alike at both ends stays, and all between goes and comes."""
    head = next((place for place, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    most = min(len(old), len(new)) - head
    tail = next((n for n in range(most) if old[len(old) - 1 - n] != new[len(new) - 1 - n]), most)
    stays, ends = [(" ", _shown(line)) for line in old[:head]], [(" ", _shown(line)) for line in old[len(old) - tail :]]
    goes = [("-", _shown(line)) for line in old[head : len(old) - tail]]
    comes = [("+", _shown(line)) for line in new[head : len(new) - tail]]
    return [*stays, *goes, *comes, *ends]


def _shown(line: str) -> str:
    """A line without its end."""
    return line.removesuffix("\n") if line.endswith("\n") else line


def _value(value: object) -> str:
    return visible_lines(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2))


def _risk(tool: Tool, t: Translator) -> str:
    return t(f"tool.risk.{tool.risk}")
