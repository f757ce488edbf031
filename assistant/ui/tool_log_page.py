"""The Log page of the Tools tab: every call that ran, what it was asked, what it gave, and who allowed it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gradio as gr

from assistant.errors import HearthError
from assistant.i18n import Translator
from assistant.tool_log import LoggedRun
from assistant.ui import tool_result
from assistant.ui.links import as_html
from assistant.ui.wiring import Changes, wire
from assistant.visible import visible

LONGEST_SHOWN = 2_000  # of arguments and of a result


class ToolLogPage:
    """Lays the page out in the Blocks that is open. `runs` gives the last ones, the newest first; it may raise
    HearthError."""

    def __init__(self, runs: Callable[[], Sequence[LoggedRun]], t: Translator) -> None:
        self._runs, self._t = runs, t
        with gr.Column(elem_id="tool-log-page", elem_classes="settings-page"):
            gr.Markdown(f"## {t('tool-log.title')}\n\n{t('tool-log.about')}", container=False)
            self._refresh = gr.Button(t("network.refresh"), elem_id="tool-log-refresh", size="sm", scale=0)
            self._list = gr.Markdown(elem_id="tool-log-list", container=False)

    def wire(self, *tabs: gr.Tab) -> None:
        """Ties the handlers to the page. `tabs` are those that lead here: the log is read when one is opened."""
        wire([*(tab.select for tab in tabs), self._refresh.click], self._show, outputs=[self._list])

    def _show(self) -> Changes:
        try:
            return {self._list: log_list(self._runs(), self._t)}
        except HearthError as error:
            return {self._list: tool_result.said(error.message_in(self._t), "bad")}


def log_list(runs: Sequence[LoggedRun], t: Translator) -> str:
    """The runs as HTML; one sentence where there are none."""
    if not runs:
        return f"<p>{as_html(t('tool-log.none'))}</p>"
    return f'<ul class="hearth-models hearth-tools hearth-log">{"".join(_row(run, t) for run in runs)}</ul>'


def _row(run: LoggedRun, t: Translator) -> str:
    place = run.origin.name or t("app.name")
    facts = t(
        "tool-log.line",
        when=f"{run.began_at.astimezone():%Y-%m-%d %H:%M:%S}",
        place=place,
        chat=run.title or t("tool-log.untitled"),
        allowed=t(f"tool-log.allowed.{run.allowed_by}"),
    )
    mark = f'<span class="hearth-mark hearth-mark-{run.outcome}">{as_html(t(f"tool-log.outcome.{run.outcome}"))}</span>'
    given = "".join(
        f"<p>{as_html(t(key))}</p>{tool_result.plain(visible_text(text))}"
        for key, text in (("tool.arguments", run.arguments), ("tool.result", run.result))
        if text
    )
    return (
        f'<li class="hearth-model"><div class="hearth-model-words"><p class="hearth-model-name"><strong>'
        f'{_text(run.tool)}</strong> {mark}</p><p class="hearth-model-line">{_text(facts)}</p>'
        f"<details><summary>{as_html(t('tool-log.more'))}</summary>{given}</details></div></li>"
    )


def visible_text(text: str) -> str:
    """Lines as they are, and what nobody would see in them as its code."""
    shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
    return "\n".join(visible(line) for line in shown.split("\n"))


def _text(words: str) -> str:
    return as_html(visible(words))
