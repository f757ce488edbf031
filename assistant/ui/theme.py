"""How the page looks: the Gradio theme that stands below `assets/app.css`."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from assistant.paths import asset
from assistant.settings import ThemeChoice

SYSTEM_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Ubuntu", "Cantarell", "sans-serif")
MONOSPACE_FONTS = ("ui-monospace", "SF Mono", "Cascadia Code", "DejaVu Sans Mono", "monospace")


def theme() -> gr.themes.Base:
    """Gradio's plainest theme with the system's fonts: a font from the network would say that Hearth runs here."""
    return gr.themes.Base(font=SYSTEM_FONTS, font_mono=MONOSPACE_FONTS)


def stylesheet() -> Path:
    """Colours, type and spacing of everything."""
    return asset("app.css")


def mark(choice: ThemeChoice, language: str) -> str:
    """An invisible mark from which app.js learns the chosen theme, and which language is served by now."""
    return f'<span class="hearth-theme-{choice} hearth-language-{language}"></span>'
