"""A tool's parameters as fields of a form, and what was typed into them as arguments.

Made from the JSON schema, so that a function of the person's own, a built-in tool and one of a server look alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import gradio as gr

from assistant.errors import ToolError
from assistant.i18n import Translator

Schema = Mapping[str, Any]
Kind = Literal[
    "text", "long", "integer", "number", "yes-no", "choice", "choices", "lines", "date", "time", "image", "json"
]
_LONG = ("text", "content", "body", "code", "html", "markdown", "prompt")  # names of what has several lines
_FORMATS: dict[str, Kind] = {"date": "date", "date-time": "time", "image": "image"}
_PLAIN: dict[str, Kind] = {"integer": "integer", "number": "number", "boolean": "yes-no", "string": "text"}


@dataclass(frozen=True)
class Field:
    """One parameter. `choices` are values of JSON; `item` is the kind of each line of a list."""

    name: str
    kind: Kind
    is_needed: bool
    about: str = ""
    default: Any = None
    choices: tuple[Any, ...] = ()
    item: str = "string"

    def component(self, t: Translator) -> Any:
        """The field as Gradio has it, filled with its default."""
        common: dict[str, Any] = {"label": self.name, "info": self._info(t) or None, "interactive": True}
        match self.kind:
            case "integer" | "number" if self.is_needed or self.default is not None:
                return gr.Number(self.default, precision=0 if self.kind == "integer" else None, **common)
            case "integer" | "number":  # Gradio's own has a nought in it, and cannot say that there is no number
                return gr.Textbox(max_lines=1, **common)
            case "yes-no":
                return gr.Checkbox(bool(self.default), **common)
            case "choice":
                chosen = _label(self.default) if self.default is not None else None
                names = [_label(choice) for choice in self.choices]
                return (gr.Radio if len(names) <= 5 else gr.Dropdown)(names, value=chosen, **common)
            case "choices":
                names = [_label(choice) for choice in self.choices]
                return gr.CheckboxGroup(names, value=[_label(each) for each in self.default or ()], **common)
            case "date" | "time":
                return gr.DateTime(self.default, include_time=self.kind == "time", type="string", **common)
            case "image":
                common.pop("info")
                return gr.Image(type="filepath", sources=["upload", "clipboard"], height=220, **common)
            case _:
                lines = {"text": 1, "long": 3}.get(self.kind, 3)
                return gr.Textbox(self._typed(), lines=lines, max_lines=1 if lines == 1 else 12, **common)

    def value(self, given: Any) -> Any:
        """What was typed as a value of JSON; None where the field was left empty. Raises ToolError."""
        if given is None or given in ("", []):
            return None
        match self.kind:
            case "integer" | "number":
                number = _number(given, self) if isinstance(given, str) else given
                return int(number) if float(number).is_integer() else number
            case "choice":
                return next((each for each in self.choices if _label(each) == given), given)
            case "choices":
                return [each for each in self.choices if _label(each) in given]
            case "lines":
                return [_item(line.strip(), self) for line in str(given).splitlines() if line.strip()]
            case "json":
                try:
                    return json.loads(str(given))
                except (ValueError, RecursionError) as error:
                    raise ToolError("tool-arguments", why=f"{self.name}: not JSON: {error}") from None
            case _:
                return given

    @property
    def when_empty(self) -> Any:
        """What an empty field says, where it says something: an empty text or list."""
        return {"text": "", "long": "", "lines": [], "choices": []}.get(self.kind)

    def _typed(self) -> str:
        if self.default is None:
            return ""
        if self.kind == "lines":
            return "\n".join(map(_label, self.default))
        return json.dumps(self.default, ensure_ascii=False) if self.kind == "json" else str(self.default)

    def _info(self, t: Translator) -> str:
        hints = {
            "lines": t("tools.field.lines"),
            "json": t("tools.field.json"),
            "date": t("tools.field.date"),
            "time": t("tools.field.time"),
        }
        said = [self.about, hints.get(self.kind, ""), "" if self.is_needed else t("tools.field.optional")]
        return " · ".join(each for each in said if each)


def fields(parameters: Schema) -> list[Field]:
    """The fields of a tool's parameters, in their order."""
    needed = set(parameters.get("required", ()))
    properties = cast("Mapping[str, Schema]", parameters.get("properties", {}))
    return [_field(name, schema, parameters, is_needed=name in needed) for name, schema in properties.items()]


def arguments(of: Sequence[Field], given: Sequence[Any]) -> str:
    """The form as the JSON text of a call, which `Tool.check` takes. What was left empty is left out, but for a text
    that has to be there. Raises ToolError."""
    found: dict[str, Any] = {}
    for field, typed in zip(of, given, strict=True):
        value = field.value(typed)
        if value is None and (field.is_needed or field.default):
            value = field.when_empty
        if value is not None:
            found[field.name] = value
    return json.dumps(found)


def _field(name: str, schema: Schema, whole: Schema, *, is_needed: bool) -> Field:
    known = _resolved(schema, whole)
    about = str(schema.get("description") or known.get("description") or "").strip()
    about = " ".join([about, *_bounds(known)]).strip()
    default = schema.get("default", known.get("default"))
    if choices := known.get("enum") or (["const" in known and known["const"]] if "const" in known else None):
        return Field(name, "choice", is_needed, about, default, tuple(choices))
    if known.get("type") == "array":
        item = _resolved(cast("Schema", known.get("items") or {}), whole)
        if item.get("enum"):
            return Field(name, "choices", is_needed, about, default, tuple(item["enum"]))
        if item.get("type") in ("string", "integer", "number"):
            return Field(name, "lines", is_needed, about, default, item=str(item["type"]))
        return Field(name, "json", is_needed, about, default)
    kind = _PLAIN.get(str(known.get("type")), "json")
    if kind == "text":
        kind = _FORMATS.get(str(known.get("format")), "long" if name in _LONG else "text")
    if kind == "yes-no" and not is_needed and default is None:  # neither is an answer too
        return Field(name, "choice", is_needed, about, choices=(True, False))
    return Field(name, kind, is_needed, about, default)


def _resolved(schema: Schema, whole: Schema) -> Schema:
    """The schema that a reference leads to, and the one beside null of a union."""
    for _ in range(8):
        if isinstance(reference := schema.get("$ref"), str) and reference.startswith("#/$defs/"):
            schema = cast("Schema", whole.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {}))
        elif len(single := schema.get("allOf", ())) == 1:
            schema = single[0]
        elif kinds := schema.get("anyOf") or schema.get("oneOf"):
            others = [each for each in kinds if each.get("type") != "null"]
            if len(others) != 1:
                return {}
            schema = others[0]
        else:
            break
    return schema


def _bounds(schema: Schema) -> list[str]:
    least, most = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    most = schema.get("exclusiveMaximum") if most is None else most
    if least is not None and most is not None:
        return [f"({least} – {most})"]
    if least is not None:
        return [f"(≥ {least})"]
    return [f"(≤ {most})"] if most is not None else []


def _label(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _item(line: str, field: Field) -> Any:
    if field.item == "string":
        return line
    return _number(line, field)


def _number(words: str, field: Field) -> Any:
    try:
        number = json.loads(words)
    except (ValueError, RecursionError):
        number = None
    if not isinstance(number, int | float):
        raise ToolError("tool-arguments", why=f"{field.name}: {words} is no number")
    return number
