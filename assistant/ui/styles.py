"""Which of Gradio's style sheets a page will ask for, read from the scripts that would ask for them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path

# How Vite, which Gradio's page is built with, notes what each lazily loaded part depends on: a list of files, and for
# each component the places of its own in that list.
_FILES = re.compile(r"m\.f=(\[[^\]]*\])")
_COMPONENT = re.compile(r"[{,](\w+):\{\w+:\(\)=>")
_PLACES = re.compile(r"__vite__mapDeps\(\[([\d,]+)\]\)")
_END_OF_COMPONENT = "import.meta.url)}"


def style_names(kinds: Collection[str], folder: Path) -> list[str]:
    """The names, in `folder`, of the styles of Gradio itself and of these kinds of components, in the order in which it
    notes them. Empty where a new Gradio is built in another way: the page then fetches each when it needs it."""
    found: dict[str, None] = {}
    for script in (*folder.glob("index-*.js"), *folder.glob("core-*.js")):
        code = script.read_text(encoding="utf-8")
        noted = _FILES.search(code)
        files: list[str] = json.loads(noted.group(1)) if noted else []
        if script.name.startswith("index-"):
            found |= dict.fromkeys(files)
            continue
        for part in code.split(_END_OF_COMPONENT):
            named = _COMPONENT.search(part)
            if named and named.group(1) in kinds:
                places = [int(place) for places in _PLACES.findall(part) for place in places.split(",")]
                found |= dict.fromkeys(files[place] for place in places if place < len(files))
    names = [name.removeprefix("./") for name in found]
    return [name for name in names if name.endswith(".css") and (folder / name).is_file()]
