"""The Network page of the Settings tab: what left Hearth, where to and why; and the switch that lets nothing leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gradio as gr

from assistant.configuration import Configuration
from assistant.egress import Visit
from assistant.errors import HearthError
from assistant.i18n import Translator
from assistant.ui.links import as_html
from assistant.ui.wiring import Changes, wire
from assistant.visible import visible

COLUMNS = ("time", "where", "why", "sent", "received")


class NetworkPage:
    """Lays the page out in the Blocks that is open. `visits` gives the connections, the newest first."""

    def __init__(self, configuration: Configuration, visits: Callable[[], list[Visit]], t: Translator) -> None:
        self._configuration, self._visits, self._t = configuration, visits, t
        with gr.Column(elem_id="network-page", elem_classes="settings-page"):
            self._offline = gr.Checkbox(
                label=t("settings.offline"), info=t("settings.offline.help"), elem_id="settings-offline"
            )
            self._fault = gr.Markdown(elem_id="network-fault", container=False)
            with gr.Row(elem_id="network-head"):
                gr.Markdown(f"## {t('network.title')}\n\n{t('network.about')}", container=False)
                self._refresh = gr.Button(t("network.refresh"), elem_id="network-refresh", size="sm", scale=0)
            self._list = gr.Markdown(elem_id="network-list", container=False)
            gr.Markdown(t("network.not-listed"), elem_id="network-not-listed", container=False)

    def wire(self, tab: gr.Tab) -> None:
        """Ties the handlers to the page. `tab` is the page itself: the list is read when it is opened."""
        wire([tab.select, self._refresh.click], self._show, outputs=[self._offline, self._list])
        # input, not change: only a person's own click counts, and not the value that _show puts in.
        wire(
            [self._offline.input],
            self._switch,
            inputs=[self._offline],
            outputs=[self._offline, self._list, self._fault],
        )

    def _show(self) -> Changes:
        return {
            self._offline: self._configuration.settings.offline,
            self._list: table(self._visits(), self._t),
        }

    def _switch(self, is_offline: bool) -> Changes:  # noqa: FBT001  # Gradio's call
        fault = ""
        try:
            self._configuration.set_offline(is_offline)
        except HearthError as error:
            fault = f'<div class="hearth-result hearth-bad"><p>{as_html(error.message_in(self._t))}</p></div>'
        return self._show() | {self._fault: fault}


def table(visits: Sequence[Visit], t: Translator) -> str:
    """The connections as a table in HTML; one sentence where there are none."""
    if not visits:
        return t("network.none")
    head = "".join(f'<th scope="col">{t(f"network.column.{name}")}</th>' for name in COLUMNS)
    rows = "".join(_row(visit, t) for visit in visits)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _row(visit: Visit, t: Translator) -> str:
    place = f"{visit.host}:{visit.port}" if visit.port else visit.host
    where = t("network.via", place=place, proxy=visit.via) if visit.via else place
    why = t(f"network.reason.{visit.reason}")
    if not visit.is_allowed:
        why = t("network.refused", reason=why)
    cells = (f"{visit.time.astimezone():%H:%M:%S}", where, why, _size(visit.sent_bytes), _size(visit.received_bytes))
    mark = "" if visit.is_allowed else ' class="hearth-refused"'
    return f"<tr{mark}>{''.join(f'<td>{as_html(visible(cell))}</td>' for cell in cells)}</tr>"


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
