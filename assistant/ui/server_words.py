"""What is said of an MCP server on its page: pure functions from values to HTML.

All of it may have been chosen by others (a name, a command that was pasted, what a server says of its tools): it is
shown as words on one line, with a mark for each character that nobody would see.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Literal

from assistant.errors import HearthError
from assistant.i18n import Translator
from assistant.redaction import conceal
from assistant.servers import Change, View
from assistant.ui.links import as_html
from assistant.visible import visible

Mood = Literal["good", "bad", "plain"]
SHOWN_DESCRIPTION = 600


def line(view: View, t: Translator) -> str:
    """A server in the list."""
    return t("servers.line", name=visible(view.launch.name), state=t(f"servers.state.{standing(view)}"))


def standing(view: View) -> str:
    """How it stands, as the last part of its words' key."""
    if not view.is_allowed:
        return "ask"
    if view.change is not None:
        return "changed"
    return "ready" if view.state == "stopped" else view.state


def about(view: View, t: Translator) -> str:
    """Everything about one server: what would be started, how it stands, its tools."""
    said: list[str] = []
    if not view.is_allowed:
        said.append(sentences([t("servers.ask-address" if view.launch.url else "servers.ask")], "plain"))
    if conceal(view.launch.shown) != view.launch.shown:
        said.append(sentences([t("servers.key-in-command")], "bad"))
    if isinstance(view.fault, HearthError):
        said.append(failed(view.fault, t))
    said.append(_command(view, t))
    if view.change is not None:
        said.append(_changes(view.change, t))
    said += [sentences([t("servers.doing", what=each)], "plain") for each in view.doing]
    return "".join((*said, _tools(view, t)))


def _command(view: View, t: Translator) -> str:
    launch = view.launch
    facts = [t("servers.given", names=", ".join(launch.secrets))] if launch.secrets else []
    if launch.folder:
        facts.append(f"{t('servers.folder')}: {launch.folder}")
    if view.server:
        facts.append(t("servers.what", server=view.server, seconds=launch.timeout_seconds))
    listed = "".join(f"<p>{shown(fact)}</p>" for fact in facts)
    return f'<pre class="hearth-command" tabindex="0"><code>{exact(launch.shown)}</code></pre>{listed}'


def _changes(change: Change, t: Translator) -> str:
    said = [t("servers.changed")]
    if change.added:
        said.append(t("servers.changed.added", names=", ".join(change.added)))
    if change.changed:
        said.append(t("servers.changed.changed", names=", ".join(change.changed)))
    if change.removed:
        said.append(t("servers.changed.removed", names=", ".join(change.removed)))
    return sentences(said, "bad")


def _tools(view: View, t: Translator) -> str:
    if not view.tools:
        return f"<p>{as_html(t('servers.tools.none'))}</p>"
    rows = "".join(
        f"<li><code>{shown(name)}</code> {shown(tool.description[:SHOWN_DESCRIPTION])}"
        f"{'…' if len(tool.description) > SHOWN_DESCRIPTION else ''}</li>"
        for name, tool in view.tools.items()
    )
    head = f"<summary>{as_html(t('servers.tools', count=len(view.tools)))}</summary>"
    return f'<details class="hearth-server-tools"{" open" if view.change else ""}>{head}<ul>{rows}</ul></details>'


def log(words: str, t: Translator) -> str:
    """A server's log."""
    return text(words or t("servers.log.empty"))


def text(words: str) -> str:
    """Words of a server as they are, line by line."""
    lines = "\n".join(as_html(visible(each)) for each in words.splitlines())
    return f'<pre tabindex="0">{lines}</pre>'


def exact(words: str) -> str:
    """A command with every character of it: no two spaces become one, and what is not seen has a mark."""
    return escape(visible(words)).replace("$", "&#36;").replace("  ", " &#32;")


def shown(words: str) -> str:
    """Words as HTML on one line, with marks for what is not seen."""
    return as_html(visible(" ".join(words.split("\n"))))


def failed(error: HearthError, t: Translator) -> str:
    return sentences([error.message_in(t), error.hint_in(t)], "bad")


def sentences(said: Sequence[str], mood: Mood) -> str:
    """Sentences in a box that a screen reader reads out."""
    listed = "".join(f"<p>{shown(each)}</p>" for each in said if each)
    return f'<div class="hearth-result hearth-{mood}" role="status">{listed}</div>'
