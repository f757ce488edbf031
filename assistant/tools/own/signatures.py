"""A person's functions as JSON: what they are called with, in a schema, and back from JSON to what they take.

Loaded in the child only. Needs nothing of Hearth.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from types import ModuleType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, ValidationError, WithJsonSchema, create_model
from pydantic.functional_validators import BeforeValidator

Function = Callable[..., Any]
_DOCUMENTED = re.compile(r"^[ \t]*(?::param[ \t]+)?\*{0,2}(\w+)[ \t]*(?:\([^)\n]*\))?:[ \t]+(\S.*)$", re.MULTILINE)


class ArgumentsRefused(Exception):
    """What was given does not fit the function's types."""


def public_functions(module: ModuleType) -> dict[str, Function]:
    """The functions that the file itself defines and does not hide with an underscore, in its order."""
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }


def described(module: ModuleType) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Each function with its docstring and the schema of its arguments; and those that cannot be called, with why."""
    functions: list[dict[str, Any]] = []
    left_out: list[dict[str, str]] = []
    for name, function in public_functions(module).items():
        try:
            schema = _model_of(function).model_json_schema()
        except (TypeError, NameError, PydanticUserError) as error:
            left_out.append({"name": name, "why": str(error).partition(". ")[0].splitlines()[0]})
            continue
        schema.pop("title", None)
        functions.append({"name": name, "about": inspect.getdoc(function) or "", "parameters": schema})
    return functions, left_out


def given(function: Function, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as the function's types have them. Raises ArgumentsRefused."""
    model = _model_of(function)
    try:
        valid = model.model_validate(arguments)
    except ValidationError as error:
        found = [f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}" for one in error.errors()]
        raise ArgumentsRefused("; ".join(found[:5])) from None
    names = {field.alias or name: name for name, field in model.model_fields.items()}
    return {name: getattr(valid, mine) for name, mine in names.items() if mine in valid.model_fields_set}


def _model_of(function: Function) -> type[BaseModel]:
    """The arguments as a pydantic model, whose fields have names of their own: a parameter may be called `schema`."""
    hints = get_type_hints(function, include_extras=True)
    about = dict(_DOCUMENTED.findall(inspect.getdoc(function) or ""))
    fields: dict[str, Any] = {}
    for number, (name, parameter) in enumerate(inspect.signature(function).parameters.items()):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise TypeError(f"the parameter {parameter} cannot be filled in by name")
        if name not in hints:
            raise TypeError(f"the parameter {name!r} has no type")
        kind, words = _kind(hints[name])
        default = ... if parameter.default is parameter.empty else parameter.default
        named: Any = Field(alias=name, title=name)
        if words := words or about.get(name):
            named = Field(alias=name, title=name, description=words)
        fields[f"p{number}"] = (Annotated[kind, named], default)
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=False, validate_default=False)
    return create_model(function.__name__, __config__=config, **fields)


def _kind(hint: Any) -> tuple[Any, str | None]:
    """A parameter's type as pydantic takes it, and what a plain text in its Annotated says of it."""
    words = None
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        words = next((note for note in notes if isinstance(note, str)), None)
        kept = tuple(note for note in notes if not isinstance(note, str))
        inner = _kind(inner)[0]
        return (Annotated[(inner, *kept)] if kept else inner), words  # pyright: ignore
    if isinstance(hint, type) and hint.__module__.startswith("PIL.") and hint.__name__ == "Image":
        return Annotated[Any, BeforeValidator(_picture), WithJsonSchema({"type": "string", "format": "image"})], None
    if get_origin(hint) in (Union, UnionType):
        return Union[tuple(_kind(each)[0] for each in get_args(hint))], None  # noqa: UP007  # made at run time
    return hint, None


def _picture(path: Any) -> Any:
    """The picture in a file. Pydantic tells a ValueError as it tells what it finds itself."""
    from PIL import Image, UnidentifiedImageError  # late: few functions want one

    try:
        picture = Image.open(str(path))
        picture.load()
    except (OSError, UnidentifiedImageError) as error:
        raise ValueError(f"not a picture: {error}") from None
    return picture
