"""Tool calls that a model writes into its answer, in the forms that are common. Pure.

`Listener` takes an answer word by word and gives the words that may be shown at once; it holds back what may be the
beginning of a call, and only as long as it may be one. A call counts only where tools were offered, with the name of
one of them, and as the whole or the end of the answer. That it is found here runs nothing: it goes the way of all
calls.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from assistant.engines.mending import meant
from assistant.messages import ToolOffer

# Marks that mean a call wherever they stand, but for code.
_MARKS = (
    "<tool_call>",
    "<tool_calls>",
    "<function=",
    "<|python_tag|>",
    "<|tool_call|>",
    "<|tool_calls_section_begin|>",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁call▁begin｜>",
    "[TOOL_CALLS]",
    "<function_calls>",
    "<minimax:tool_call>",
    "<invoke name=",
    "<|channel|>commentary to=",
    "<|start|>assistant<|channel|>commentary to=",
    "<|start|>assistant to=",
)
_FENCES = ("```json", "```tool_call", "```tool_code", "```")
_NAME_KEYS = ("name", "tool", "function", "tool_name", "function_name")
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "input", "tool_input", "kwargs")
_HEAD = 400  # characters by which it is plain whether a tool is named
_MOST_CALLS = 32
_LONGEST_LOOKED_AT = 20_000
_WISHES_TEXT = re.compile(r"\b(?:json|example|schema|snippet|syntax|format|code|tool_call)\b", re.IGNORECASE)

Written = tuple[str, str]  # a tool's name, and its arguments as they are written


@dataclass
class Listener:
    """See the module. `question` is what the answer is to: one that asks for JSON or code gets it as words."""

    offers: tuple[ToolOffer, ...]
    question: str = ""
    _held: str = ""
    _said: str = field(default="\n", repr=False)  # the last characters that were let go
    _fences: int = 0
    _is_certain: bool = False  # what is held begins like a call of an offered tool

    def take(self, text: str) -> str:
        """The words that are none of a call."""
        self._held += text
        if self._is_certain:
            if not _has_gone_on(self._held):
                return ""
            self._is_certain = False
            return self._let_go(len(self._held))
        released: list[str] = []
        while self._held:
            start = self._start()
            if start is None:
                released.append(self._let_go(len(self._held)))
                break
            released.append(self._let_go(start))
            verdict = self._verdict(self._held)
            if verdict == "never":
                released.append(self._let_go(1))
                continue
            self._is_certain = verdict == "certain"
            break
        return "".join(released)

    def finish(self) -> tuple[str, tuple[Written, ...]]:
        """The words that were held back for nothing, or else the calls that they are."""
        calls = calls_in(self._held, self.offers) if self._held else ()
        if calls:
            self._held = ""
            return "", calls
        return self._let_go(len(self._held)), ()

    def _let_go(self, count: int) -> str:
        text, self._held = self._held[:count], self._held[count:]
        if text:
            whole = self._said[-2:] + text
            self._fences += whole.count("```") - self._said[-2:].count("```")
            self._said = (self._said + text)[-2:] if len(text) < 2 else text[-2:]
        return text

    def _start(self) -> int | None:
        """Where in the held text a call may begin; None where nowhere."""
        places = [place for mark in _MARKS if (place := self._place_of(mark)) is not None]
        if not _WISHES_TEXT.search(self.question):
            places += [match.start(1) for match in _LINE_START.finditer(self._held) if self._is_line_start(match)][:1]
        return min(places, default=None)

    def _place_of(self, mark: str) -> int | None:
        """Where a mark stands, or at the very end begins; not inside of code, nor where the question spoke of it."""
        if mark in self.question or self._fences % 2:
            return None
        place = self._held.find(mark)
        if place < 0:
            place = next(
                (
                    len(self._held) - length
                    for length in range(min(len(mark) - 1, len(self._held)), 0, -1)
                    if self._held.endswith(mark[:length])
                ),
                -1,
            )
        if place < 0 or (place and self._held[place - 1] == "`") or (not place and self._said[-1] == "`"):
            return None
        return None if self._held[:place].count("```") % 2 else place

    def _is_line_start(self, match: re.Match[str]) -> bool:
        before = self._held[: match.start(1)]
        is_in_code = (self._fences + before.count("```")) % 2
        return not is_in_code and ("\n" in before[-1:] or (not before.strip(" ") and self._said[-1] == "\n"))

    def _verdict(self, text: str) -> str:
        """Whether a text that begins like a call is "certain" to name an offered tool, "never" does, or "maybe"."""
        mark = next((mark for mark in _MARKS if text.startswith(mark)), None)
        if mark is None and any(mark.startswith(text) for mark in _MARKS):
            return "maybe"
        names = [offer.name for offer in self.offers]
        if mark is not None:
            return "certain" if any(name in text for name in names) else "maybe" if len(text) < _HEAD else "never"
        return _verdict_of_bare(text, names)


def _has_gone_on(text: str) -> bool:
    """Whether an object is followed by words: then it is no call, and need not be held until the end."""
    if not text.startswith("{") or len(text) > _LONGEST_LOOKED_AT:
        return False
    try:
        _, end = json.JSONDecoder(strict=False).raw_decode(text)
    except (ValueError, RecursionError):
        return False
    rest = text[end:].lstrip()
    return bool(rest) and rest[0] not in "{;,<}]"


_LINE_START = re.compile(r"(?:^|\n)[ \t]*([{\[]|`(?=`|$))")


def _verdict_of_bare(text: str, names: list[str]) -> str:
    """The same for JSON or a list of Python calls, in a fence or without one."""
    heads = tuple(f"[{name}(" for name in names)
    if text.startswith("`"):
        fence = next((fence for fence in _FENCES if text.startswith(fence + "\n")), None)
        if fence is None:
            return "maybe" if any(f"{fence}\n".startswith(text) for fence in _FENCES) else "never"
        text = text[len(fence) + 1 :]
        if fence == "```tool_code":  # Gemma's
            puts = ("", "print(", "default_api.", "print(default_api.")
            heads += tuple(f"{put}{name}(" for name in names for put in puts)
    text = text.lstrip()
    if not text:
        return "maybe"
    if text.startswith(heads):
        return "certain"
    if any(head.startswith(text) for head in heads):
        return "maybe"
    if text[0] not in "{[":
        return "never"
    return _verdict_of_object(re.sub(r"^\[?\s*", "", text), names)


def _verdict_of_object(text: str, names: list[str]) -> str:
    """The same for the beginning of an object: a call of a tool begins with its name, or with its arguments."""
    keys = (*_NAME_KEYS, "type", "id")
    squeezed = re.sub(r"\s+", "", text[:_HEAD])
    if not squeezed or any(f'{{"{key}":"'.startswith(squeezed) for key in keys):
        return "maybe"
    if re.match(r'\{"(?:type|id)":"', squeezed):  # {"type": "function", "name": ...}
        rest = re.match(r'\{"(?:type|id)":"[\w-]*"?,?(.*)$', squeezed)
        return "never" if rest is None else "maybe" if not rest[1] else _verdict_of_object("{" + rest[1], names)
    if nested := re.match(r'\{"function":(\{.*)$', squeezed):
        return _verdict_of_object(nested[1], names)
    if '{"function":{'.startswith(squeezed):
        return "maybe"
    for key in _NAME_KEYS:
        if named := re.match(rf'\{{"{key}":"([^"]*)("?)', squeezed):
            if named[2]:
                return "certain" if named[1] in names else "never"
            return "maybe" if any(name.startswith(named[1]) for name in names) else "never"
    openings = [f'{{"{key}":{{' for key in _ARGUMENT_KEYS]
    if any(opening.startswith(squeezed) for opening in openings):
        return "maybe"
    if any(squeezed.startswith(opening) for opening in openings):
        is_named = any(f'"{name}"' in text for name in names)
        return "certain" if is_named else "maybe" if len(text) < _HEAD else "never"
    return "never"


def calls_in(text: str, offers: tuple[ToolOffer, ...]) -> tuple[Written, ...]:
    """The calls that a text is, from its first character to its last; none where anything else stands in it."""
    text = re.sub(r"(?:<\|(?:eom_id|eot_id|im_end)\|>|</s>)\s*$", "", text.strip()).strip()
    for read in (_tagged, _functions, _invoked, _channelled, _mistral, _deepseek, _fenced, _bare):
        calls = read(text, offers)
        if calls and len(calls) <= _MOST_CALLS and all(meant(name, offers) for name, _ in calls):
            return tuple(calls)
    return ()


def _tagged(text: str, offers: tuple[ToolOffer, ...]) -> list[Written]:
    """Hermes, Qwen: <tool_call>{...}</tool_call>, several in a row; the last tag may be missing."""
    text = re.sub(r"^<tool_calls>|</tool_calls>$", "", text).strip()
    if not text.startswith(("<tool_call>", "<|tool_call|>")):
        return []
    pieces = [re.sub(r"</tool_call>|<\|/tool_call\|>", "", piece) for piece in re.split(r"<\|?tool_call\|?>", text)[1:]]
    found = [(_functions(piece.strip()) or _keyed(piece) or _bare(piece.strip(), offers)) for piece in pieces]
    return [call for calls in found for call in calls] if all(found) else []


def _keyed(text: str) -> list[Written]:
    """GLM: the name, then <arg_key>key</arg_key><arg_value>value</arg_value>."""
    pair = r"<arg_key>\s*([\w.-]+)\s*</arg_key>\s*<arg_value>\n?(.*?)\n?</arg_value>"
    whole = re.fullmatch(rf"\s*([\w.-]+)\s*((?:{pair}\s*)+)", text, re.DOTALL)
    return [(whole[1], json.dumps(dict(re.findall(pair, whole[2], re.DOTALL)), ensure_ascii=False))] if whole else []


def _invoked(text: str, _: object) -> list[Written]:
    """MiniMax and others: <invoke name="name"><parameter name="key">value</parameter></invoke>, in tags of its own."""
    text = re.sub(r"^<(?:function_calls|minimax:tool_call)>|</(?:function_calls|minimax:tool_call)>$", "", text).strip()
    if re.fullmatch(r'(?:\s*<invoke name="[\w.-]+">.*?</invoke>)+', text, re.DOTALL) is None:
        return []
    calls: list[Written] = []
    for name, body in re.findall(r'<invoke name="([\w.-]+)">(.*?)</invoke>', text, re.DOTALL):
        values = re.findall(r'<parameter name="([\w.-]+)"[^>]*>\n?(.*?)\n?</parameter>', body, re.DOTALL)
        calls.append((name, json.dumps(dict(values), ensure_ascii=False)))
    return calls


def _channelled(text: str, _: object) -> list[Written]:
    """gpt-oss: on a channel for tools, to whom it goes and then the arguments."""
    called = re.fullmatch(
        r"(?:<\|start\|>assistant)?\s*(?:<\|channel\|>commentary)?\s*to=(?:functions\.)?([\w.-]+)\s*"
        r"(?:<\|channel\|>commentary)?\s*(?:<\|constrain\|>)?\s*(?:json)?\s*<\|message\|>(.*?)(?:<\|call\|>)?",
        text,
        re.DOTALL,
    )
    return [(called[1], called[2].strip() or "{}")] if called else []


def _functions(text: str, _: object = None) -> list[Written]:
    """Llama 3.1, functionary: <function=name>{...}</function>; Qwen3-Coder: <parameter=key>value</parameter> within."""
    whole = re.fullmatch(r"(?:\s*<function=[\w.-]+>.*?(?:</function>|$))+\s*", text, re.DOTALL)
    if whole is None:
        return []
    calls: list[Written] = []
    for name, body in re.findall(r"<function=([\w.-]+)>(.*?)(?:</function>|$)", text, re.DOTALL):
        values = re.findall(r"<parameter=([\w.-]+)>\n?(.*?)\n?</parameter>", body, re.DOTALL)
        calls.append((name, json.dumps(dict(values), ensure_ascii=False) if values else body.strip() or "{}"))
    return calls


def _mistral(text: str, offers: tuple[ToolOffer, ...]) -> list[Written]:
    """[TOOL_CALLS] [{...}], and the newer [TOOL_CALLS]name[ARGS]{...}."""
    if not text.startswith("[TOOL_CALLS]"):
        return []
    newer = re.findall(
        r"\[TOOL_CALLS\]\s*([\w.-]+)\s*(?:\[ARGS\])?\s*(\{.*?\})\s*(?=\[TOOL_CALLS\]|$)", text, re.DOTALL
    )
    return newer or _bare(text.removeprefix("[TOOL_CALLS]").strip(), offers)


def _deepseek(text: str, _: object) -> list[Written]:
    """Between marks of its own: "function", a name, and the arguments in a fence or bare; Kimi's is alike."""
    if not text.startswith(("<｜tool▁call", "<|tool_calls_section_begin|>")):
        return []
    older = re.findall(
        r"<｜tool▁call▁begin｜>(?:function)?<｜tool▁sep｜>([\w.-]+)\s*```(?:json)?\s*(.*?)\s*```", text, re.DOTALL
    )
    newer = re.findall(r"<｜tool▁call▁begin｜>([\w.-]+)<｜tool▁sep｜>(.*?)<｜tool▁call▁end｜>", text, re.DOTALL)
    kimi = re.findall(
        r"<\|tool_call_begin\|>(?:functions\.)?([\w-]+)(?::\d+)?\s*<\|tool_call_argument_begin\|>\s*(.*?)\s*<\|tool_call_end\|>",
        text,
        re.DOTALL,
    )
    return older or newer or kimi


def _fenced(text: str, offers: tuple[ToolOffer, ...]) -> list[Written]:
    fence = re.fullmatch(r"```(?:json|tool_call|tool_code)?\s*\n(.*?)\n?```", text, re.DOTALL)
    return _bare(fence[1].strip(), offers) if fence else []


def _bare(text: str, offers: tuple[ToolOffer, ...]) -> list[Written]:
    """Llama: {"name": ..., "parameters": ...}, alone or in a list, or several with a semicolon between; or calls as
    Python writes them."""
    text = text.removeprefix("<|python_tag|>").strip()
    return list(_objects(text)) or _pythonic(text, offers)


def _objects(text: str) -> Iterator[Written]:
    pieces: list[Any] = []
    decoder, place = json.JSONDecoder(strict=False), 0
    text = _braced(text)
    while place < len(text):
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            return
        pieces += cast("list[Any]", value) if isinstance(value, list) else [value]
        place += len(text[place:]) - len(text[place:].lstrip(" \n\t;,"))
    calls = [_call_of(piece) for piece in pieces]
    if all(calls):
        yield from (call for call in calls if call)


def _braced(text: str) -> str:
    """With the one brace that small models forget at the end of a call."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        for more in ("}", "]", "}]"):
            try:
                json.loads(text + more)
            except (ValueError, RecursionError):
                continue
            return text + more
    return text


def _call_of(value: Any) -> Written | None:
    if not isinstance(value, dict):
        return None
    fields = cast("dict[str, Any]", value)
    if isinstance(fields.get("function"), dict):
        fields = cast("dict[str, Any]", fields["function"])
    name = next((fields[key] for key in _NAME_KEYS if isinstance(fields.get(key), str)), None)
    given = next((fields[key] for key in _ARGUMENT_KEYS if key in fields), None)
    if name is None or fields.keys() - {*_NAME_KEYS, *_ARGUMENT_KEYS, "type", "id"}:
        return None
    if given is None:
        return (name, "{}") if len(fields) == 1 else None
    return name, given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)


def _pythonic(text: str, offers: tuple[ToolOffer, ...]) -> list[Written]:
    """[get_weather(city="x"), now()], as Llama 3.2 and 4 write it; Gemma's print(...) around it."""
    if printed := re.fullmatch(r"print\((.*)\)", text, re.DOTALL):
        text = printed[1]
    if len(text) > 100_000:
        return []
    try:
        node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    calls = [_python_call(each, offers) for each in (node.elts if isinstance(node, ast.List) else [node])]
    return [call for call in calls if call] if all(calls) else []


def _python_call(node: ast.expr, offers: tuple[ToolOffer, ...]) -> Written | None:
    if not isinstance(node, ast.Call):
        return None
    name = ast.unparse(node.func)
    offer = meant(name, offers)
    if offer is None:
        return None
    parameters = list(cast("dict[str, Any]", offer.parameters.get("properties") or {}))
    if len(node.args) > len(parameters) or any(keyword.arg is None for keyword in node.keywords):
        return None
    try:
        values = dict(zip(parameters, map(ast.literal_eval, node.args), strict=False))
        values |= {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
        return name, json.dumps(values, ensure_ascii=False)
    except (ValueError, TypeError, SyntaxError):
        return None
