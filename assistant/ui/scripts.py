"""The page's scripts: our own stand in its head, those of others are fetched by them from routes of ours.

Gradio's own hooks for scripts need eval, which the Content-Security-Policy refuses.
"""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr
from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse

from assistant.i18n import Translator
from assistant.paths import asset
from assistant.pictures import MOST_BYTES

OURS = (
    *(
        "app.js",
        "context.js",
        "pictures.js",
        "commands.js",
        "markup.js",
        "tools.js",
        "transcript.js",
        "composer.js",
        "paste.js",
        "print.js",
    ),
    "models.js",
    "tooltab.js",
)
OTHERS = ("markdown-it.min.js", "highlight.min.js")  # see assets/vendor/LICENSES.md
# Gradio 6.31 drops @page from a style sheet, and confines what it says for print to its own container.
PAPER = "<style>@page { margin: 18mm 16mm; } @media print { #hearth-down { display: none !important; } }</style>"
OF_GRADIO = {"maths": "auto-render-*.js", "mathsStyle": "katex-*.css", "diagrams": "mermaid.core-*.js"}


def head(t: Translator) -> str:
    """What goes into the page's head."""
    words = {"copy": t("message.copy"), "copied": t("message.copied"), "unasked": t("chat.unasked")}
    words |= {"contextFailed": t("context.failed"), "close": t("banner.close")}
    words["tooLong"] = t("chat.too-long", given="{given}", most="{most}")  # filled in by paste.js
    models = {
        "sending": t("models.sending", name="{name}"),
        "sent": t("models.sent"),
        "unsent": t("models.unsent"),
    }
    pictures = {
        "attach": t("picture.attach"),
        "remove": t("picture.remove", name="{name}"),
        "open": t("picture.open", name="{name}"),
        "coming": t("picture.coming", name="{name}"),
        "failed": t("picture.failed", name="{name}"),
        "large": t("error.picture.large", name="{name}", most=MOST_BYTES // 1_000_000),
        "pasted": t("picture.pasted"),
    }
    by_place: dict[str, object] = {"models": models, "pictures": pictures}
    given = {"words": words | by_place, "gradio": of_gradio(), "language": t.language, "direction": t.direction}
    ours = "".join(f"<script>{asset(name).read_text(encoding='utf-8')}</script>" for name in OURS)
    return f"{PAPER}<script>window.hearth = {json.dumps(given)};</script>{ours}"


def add_to(app: FastAPI) -> None:
    """Adds the route for the scripts of others."""

    def script(name: str) -> FileResponse:
        if name not in OTHERS:
            raise HTTPException(404)
        return FileResponse(asset("vendor", name), media_type="text/javascript")

    app.add_api_route("/scripts/{name}", script, methods=["GET"])


def of_gradio() -> dict[str, str]:
    """What draws maths (KaTeX) and diagrams (Mermaid), by its address on the page: Gradio brings both, in files whose
    names hold a hash. What is not found is left out; maths and diagrams are then shown as they were written."""
    folder = Path(gr.__file__).parent / "templates" / "frontend" / "assets"
    found = {name: sorted(folder.glob(pattern)) for name, pattern in OF_GRADIO.items()}
    return {name: f"/assets/{paths[0].name}" for name, paths in found.items() if paths}
