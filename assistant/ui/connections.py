"""In Settings: the servers that were saved, and what goes to one of them besides the question."""

from __future__ import annotations

from typing import Any

import gradio as gr

from assistant.configuration import Configuration
from assistant.engines.access import headers_as_text, headers_from
from assistant.engines.address import normalise_endpoint
from assistant.errors import SettingsError
from assistant.i18n import Translator
from assistant.settings import Connection
from assistant.ui.names import connection_name
from assistant.ui.wiring import Changes
from assistant.visible import visible

OWN = ("name", "headers", "proxy", "temperature", "max_tokens")
"""The fields of a connection besides its address, key and model; in the form, with `PREFIX` before them."""
PREFIX, CHOSEN = "own_", "chosen"
Field = gr.Textbox | gr.Number


class Connections:
    """Laid out in the Blocks that is open, in two places: the list, and the fields."""

    def __init__(self, configuration: Configuration, t: Translator) -> None:
        self._configuration, self._t = configuration, t
        with gr.Row(elem_id="settings-connections", visible=False) as self.row:
            self.list = gr.Dropdown(
                label=t("connections.label"),
                info=t("connections.help"),
                elem_id="settings-connection",
                filterable=False,
            )
            self.remove = gr.Button(t("connections.remove"), elem_id="settings-forget", size="sm", scale=0)

    def fields(self) -> dict[str, Field]:
        """Lays out the fields, by their names in the form."""
        t = self._t
        with gr.Accordion(t("connections.more"), open=False, elem_id="settings-more"):
            fields: dict[str, Field] = {name: _text(name, t, lines=2 if name == "headers" else 1) for name in OWN[:3]}
            fields |= {name: _number(name, t) for name in OWN[3:]}
        return {f"{PREFIX}{name}": field for name, field in fields.items()}

    def shown(self, endpoint: str) -> Changes:
        """The list, with the server at `endpoint` chosen."""
        saved = self._configuration.connections
        choices = [(self._t("picker.built-in"), ""), *((self._words(each), each.endpoint) for each in saved)]
        return {
            self.row: gr.update(visible=bool(saved)),
            self.list: gr.update(choices=choices, value=endpoint),
            self.remove: gr.update(visible=bool(endpoint)),
        }

    def values(self, endpoint: str) -> dict[str, Any]:
        """What the fields show for the server at `endpoint`."""
        found = self._configuration.connection(_address(endpoint))
        shown = {name: getattr(found, name) if found else None for name in OWN}
        shown |= {"headers": headers_as_text(found.headers if found else ())}
        return {f"{PREFIX}{name}": value if value is not None else _EMPTY[name] for name, value in shown.items()}

    def typed(self, form: dict[str, Any]) -> dict[str, Any]:
        """What was typed into the fields, for `Configuration.save`. Where another address stands in place of the chosen
        one, what is still as it was is the chosen one's and stays with it. Raises SettingsError for bad headers."""
        chosen = form[CHOSEN] or ""
        is_elsewhere, shown = _address(form["endpoint"]) != chosen, self.values(chosen)
        own = {name: form[f"{PREFIX}{name}"] or _EMPTY[name] for name in OWN}
        own = {name: value for name, value in own.items() if not (is_elsewhere and value == shown[f"{PREFIX}{name}"])}
        own |= {name: own[name].strip() for name in ("name", "proxy") if name in own}
        return own | ({"headers": headers_from(own["headers"])} if "headers" in own else {})

    def _words(self, connection: Connection) -> str:
        name, place = connection_name(connection), connection.endpoint
        return visible(name if name in place else f"{name} ({place})")


_EMPTY: dict[str, Any] = {"name": "", "headers": "", "proxy": "", "temperature": None, "max_tokens": None}


def _address(typed: str) -> str:
    """An address as it would be saved; empty where it cannot be one."""
    try:
        return normalise_endpoint(typed) if typed.strip() else ""
    except SettingsError:
        return ""


def _text(name: str, t: Translator, *, lines: int) -> gr.Textbox:
    example = t.optional(f"connections.{name}.example")
    return gr.Textbox(lines=lines, max_lines=6 if lines > 1 else 1, placeholder=example, **_named(name, t))


def _number(name: str, t: Translator) -> gr.Number:
    return gr.Number(
        precision=0 if name == "max_tokens" else None, placeholder=t("connections.as-general"), **_named(name, t)
    )


def _named(name: str, t: Translator) -> dict[str, Any]:
    return {
        "label": t(f"connections.{name}"),
        "info": t(f"connections.{name}.help"),
        "elem_id": f"settings-own-{name.replace('_', '-')}",
    }
