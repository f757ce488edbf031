"""What a person's function gave back, as JSON that a page can show: a list of text, Markdown, tables, pictures, JSON.

Loaded in the child only. Needs nothing of Hearth; pandas, Pillow and matplotlib are used where the function did.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, cast, get_args, get_origin

MOST_ROWS = 500
MOST_PICTURE_BYTES = 8_000_000
MOST_CHARACTERS = 1_000_000
_MARKDOWN = re.compile(r"^(#{1,6} \S|```|\|[ :|-]+\|\s*$)", re.MULTILINE)  # what nobody writes in plain text
_PICTURES = {f".{name}": f"image/{name}" for name in ("png", "jpeg", "gif", "webp")} | {".jpg": "image/jpeg"}

Shown = dict[str, Any]


def shown(value: Any, function: Callable[..., Any]) -> list[Shown]:
    """The value; nothing for None. Annotated[str, "markdown"] as the function's return makes Markdown of a text."""
    if value is None:
        return []
    if isinstance(value, str):
        kind = "markdown" if _says_markdown(function) or _MARKDOWN.search(value) else "text"
        return [{"kind": kind, "text": value[:MOST_CHARACTERS]}]
    return [_picture(value) or _table(value) or _json(value)]


def _says_markdown(function: Callable[..., Any]) -> bool:
    hint = getattr(function, "__annotations__", {}).get("return")
    if isinstance(hint, str):
        return "markdown" in hint.lower()
    return get_origin(hint) is Annotated and "markdown" in get_args(hint)[1:]


def _picture(value: Any) -> Shown | None:
    if isinstance(value, Path):
        if value.suffix.lower() in _PICTURES and value.is_file() and value.stat().st_size <= MOST_PICTURE_BYTES:
            return _encoded(value.read_bytes(), _PICTURES[value.suffix.lower()])
        return {"kind": "text", "text": str(value)}
    if hasattr(value, "_repr_markdown_") and (words := value._repr_markdown_()):
        return {"kind": "markdown", "text": str(words)[:MOST_CHARACTERS]}
    saved = io.BytesIO()
    if hasattr(value, "savefig"):  # of matplotlib
        value.savefig(saved, format="png")
    elif hasattr(value, "save") and hasattr(value, "mode") and hasattr(value, "getbands"):  # of Pillow
        picture = value if value.mode in ("1", "L", "LA", "P", "RGB", "RGBA") else value.convert("RGB")
        picture.save(saved, format="png")
    else:
        return None
    return _encoded(saved.getvalue(), "image/png")


def _encoded(content: bytes, mime: str) -> Shown:
    if len(content) > MOST_PICTURE_BYTES:
        return {"kind": "text", "text": f"[a picture of {len(content):,} bytes: too large to show]"}
    return {"kind": "image", "mime": mime, "data": base64.b64encode(content).decode("ascii")}


def _table(value: Any) -> Shown | None:
    if type(value).__module__.startswith("pandas") and hasattr(value, "to_dict"):
        frame = value.to_frame() if hasattr(value, "to_frame") and not hasattr(value, "columns") else value
        plain = type(frame.index).__name__ == "RangeIndex"
        frame = frame if plain else frame.reset_index()
        rows = json.loads(frame.head(MOST_ROWS).to_json(orient="values", date_format="iso"))
        return {"kind": "table", "columns": [str(each) for each in frame.columns], "rows": rows, "count": len(frame)}
    if not isinstance(value, list) or not value:
        return None
    rows = [_as_mapping(each) for each in cast("list[Any]", value)]
    if not all(rows):
        return None
    columns = list(dict.fromkeys(str(name) for row in rows for name in row or {}))
    cells = [[_plain((row or {}).get(name)) for name in columns] for row in rows[:MOST_ROWS]]
    return {"kind": "table", "columns": columns, "rows": cells, "count": len(rows)}


def _as_mapping(value: Any) -> Mapping[str, Any] | None:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if callable(dump := getattr(value, "model_dump", None)):  # of pydantic
        return cast("Mapping[str, Any]", dump())
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else None


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _json(value: Any) -> Shown:
    if isinstance(value, bool | int | float):
        return {"kind": "text", "text": str(value)}
    known = _as_mapping(value)
    if known is None and not isinstance(value, list | tuple | set | frozenset):
        return {"kind": "text", "text": str(_other(value))[:MOST_CHARACTERS]}
    value = value if known is None else known
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, default=_other)
    except TypeError:  # a key that JSON has no word for
        text = json.dumps(_with_plain_keys(value), indent=2, ensure_ascii=False, default=_other)
    return {"kind": "json", "text": text[:MOST_CHARACTERS]}


def _with_plain_keys(value: Any) -> Any:
    known = _as_mapping(value)
    if known is not None:
        return {_key(name): _with_plain_keys(each) for name, each in known.items()}
    if isinstance(value, list | tuple):
        return [_with_plain_keys(each) for each in cast("list[Any]", value)]
    return value


def _key(name: Any) -> Any:
    return name if name is None or isinstance(name, str | int | float | bool) else str(_other(name))


def _other(value: Any) -> Any:
    """What JSON has no word for."""
    if isinstance(value, set | frozenset):
        return sorted(cast("set[Any]", value), key=str)
    if isinstance(value, Enum):
        return value.value
    known = _as_mapping(value)
    return str(value) if known is None else known
