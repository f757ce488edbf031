"""Links that are commands: `#hearth/VERB/WHAT`, which commands.js hands to `commands` when one is clicked.

They stand in the side bar and below messages as ordinary links, so that they work by mouse, by keyboard and for screen
readers. What an answer says cannot make one that does anything: WHAT is the random id of a chat or a message, which no
model is ever told.
"""

from __future__ import annotations

from html import escape
from urllib.parse import quote, unquote

PREFIX = "#hearth/"


def link(verb: str, what: str, words: str, *, title: str = "", classes: str = "") -> str:
    """A command as HTML. `words` is text, not HTML."""
    tip = f' title="{as_html(title)}"' if title else ""
    return (
        f'<a class="hearth-do hearth-do-{verb} {classes}" href="{PREFIX}{verb}/{quote(what, safe="")}"{tip}>'
        f"{as_html(words)}</a>"
    )


def parse(command: str) -> tuple[str, str]:
    """Verb and object of a command as commands.js sends it: `VERB/WHAT/NUMBER`, whose number tells two of a kind apart.
    Two empty texts for anything else."""
    parts = command.split("/")
    return (parts[0], unquote(parts[1])) if len(parts) == 3 else ("", "")


def as_html(text: str) -> str:
    """Text as HTML that no Markdown changes: on one line, and without dollar signs that would begin maths."""
    return escape(" ".join(text.split())).replace("$", "&#36;")
