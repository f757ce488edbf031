"""The page Built-in engine of the Settings tab: how the model runs here, what it takes of the memory, and its log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import gradio as gr
from pydantic import ValidationError

from assistant.configuration import Configuration
from assistant.errors import HearthError, SettingsError
from assistant.i18n import Translator
from assistant.settings import EngineSetup
from assistant.ui.links import as_html
from assistant.ui.wiring import Changes, wire
from assistant.visible import visible

FIELDS = tuple(EngineSetup.model_fields)
Mood = Literal["good", "bad", "plain"]


@dataclass(frozen=True)
class Estimate:
    """What a model takes with a setup: its name, the context in tokens, and bytes of memory, needed and to be had."""

    name: str
    context_tokens: int
    need_bytes: int
    most_bytes: int


@dataclass(frozen=True)
class EngineDesk:
    """What the page may ask for. `estimate` and `run` raise HearthError; `run` loads the model with a setup and keeps
    it, or leaves everything as it was. `log` gives the last lines that the engine wrote."""

    estimate: Callable[[EngineSetup], Estimate]
    run: Callable[[EngineSetup], Awaitable[None]]
    log: Callable[[], str]


class EnginePage:
    """Lays the page out in the Blocks that is open. A bad field is told in a sentence, and nothing typed is lost."""

    def __init__(self, configuration: Configuration, desk: EngineDesk, t: Translator) -> None:
        self._configuration, self._desk, self._t = configuration, desk, t
        with gr.Column(elem_id="engine-page", elem_classes="settings-page"):
            gr.Markdown(f"## {t('engine-page.title')}\n\n{t('engine-page.about')}", container=False)
            self._estimate = gr.Markdown(elem_id="engine-estimate", container=False)
            self._inputs = {name: self._field(name) for name in FIELDS}
            self._run = gr.Button(t("engine-page.run"), elem_id="engine-run", variant="primary", scale=0)
            self._result = gr.Markdown(elem_id="engine-result", container=False)
            with gr.Accordion(t("engine-page.log"), open=False, elem_id="engine-log"):
                self._refresh = gr.Button(t("network.refresh"), elem_id="engine-log-refresh", size="sm", scale=0)
                self._log = gr.Markdown(elem_id="engine-log-text", container=False)

    def wire(self, tab: gr.Tab) -> None:
        """Ties the handlers to the page. `tab` is the page itself: the form is filled when it is opened."""
        form = list(self._inputs.values())
        wire([tab.select], self._show, outputs=[*form, self._estimate, self._log])
        left = [self._inputs[name].blur for name in ("context_tokens", "projector")]
        wire([self._inputs["cache_type"].input, *left], self._look, inputs=form, outputs=[self._estimate])
        wire([self._run.click], self._load, inputs=form, outputs=[self._result, self._estimate, self._log])
        wire([self._refresh.click], lambda: {self._log: self._log_words()}, outputs=[self._log])

    def _field(self, name: str) -> Any:
        t = self._t
        common: dict[str, Any] = {
            "label": t(f"engine-page.{name}"),
            "info": t(f"engine-page.{name}.help"),
            "elem_id": f"engine-{name.replace('_', '-')}",
        }
        kind = EngineSetup.model_fields[name].annotation
        if choices := get_args(kind):
            if int in choices:
                return gr.Number(
                    precision=0,
                    placeholder=t("engine-page.never" if name == "idle_minutes" else "engine-page.by-itself"),
                    **common,
                )
            return gr.Radio(choices=[(t(f"engine-page.{name}.{choice}"), choice) for choice in choices], **common)
        lines = 4 if name == "chat_template" else 1
        return gr.Textbox(lines=lines, max_lines=12 if lines > 1 else 1, **common)

    def _show(self) -> Changes:
        setup = self._configuration.settings.engine
        values = {self._inputs[name]: value for name, value in setup.model_dump().items()}
        return values | {self._estimate: self._words(setup), self._log: self._log_words()}

    def _look(self, *values: Any) -> Changes:
        try:
            return {self._estimate: self._words(_setup(values))}
        except HearthError as error:
            return {self._estimate: self._failed(error)}

    async def _load(self, *values: Any) -> Any:
        try:
            setup = _setup(values)
            yield {self._result: _said(self._t("engine-page.loading"), "plain")}
            await self._desk.run(setup)
        except HearthError as error:
            yield {self._result: self._failed(error), self._log: self._log_words()}
            return
        said = _said(self._t("engine-page.runs"), "good")
        yield {self._result: said, self._estimate: self._words(setup), self._log: self._log_words()}

    def _words(self, setup: EngineSetup) -> str:
        try:
            found = self._desk.estimate(setup)
        except HearthError as error:
            return self._failed(error)
        numbers = {"need": f"{found.need_bytes / 1e9:.1f}", "have": f"{found.most_bytes / 1e9:.1f}"}
        said = self._t("engine-page.estimate", name=found.name, context=f"{found.context_tokens:,}", **numbers)
        return _said(said, "plain" if found.need_bytes <= found.most_bytes else "bad")

    def _failed(self, error: HearthError) -> str:
        return _said(f"{error.message_in(self._t)} {error.hint_in(self._t)}", "bad")

    def _log_words(self) -> str:
        lines = self._desk.log() or self._t("engine-page.log.empty")
        shown = "\n".join(as_html(visible(line)) for line in lines.splitlines())
        return f'<pre tabindex="0">{shown}</pre>'


def _setup(values: tuple[Any, ...]) -> EngineSetup:
    """The form as a setup. Raises SettingsError, naming the first field at fault."""
    given = {name: value for name, value in zip(FIELDS, values, strict=True) if value is not None}
    try:
        return EngineSetup.model_validate(given)
    except ValidationError as error:
        raise SettingsError(f"engine.{error.errors()[0]['loc'][0]}") from error


def _said(sentence: str, mood: Mood) -> str:
    return f'<div class="hearth-result hearth-{mood}"><p>{as_html(sentence)}</p></div>'
