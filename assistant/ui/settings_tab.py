"""The Settings tab: a form made from the fields of `Settings`, and the endpoint's key, which only ever goes in."""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from html import escape
from typing import Any, Literal, Union, get_args, get_origin

import gradio as gr
from pydantic.fields import FieldInfo

from assistant.configuration import Configuration, Target
from assistant.errors import HearthError
from assistant.i18n import Translator
from assistant.settings import Settings
from assistant.ui.chat import engine_words
from assistant.ui.theme import theme_mark

KEY, REMEMBER = "api_key", "remember_key"
FIELDS = tuple(name for name in Settings.model_fields if name != "version")

Form = dict[str, Any]


@dataclass(frozen=True)
class TargetCheck:
    """What the tab may ask about an endpoint: `test` gives sentences for a person, `models` the ids it offers.
    Neither raises; an endpoint that does not answer has no models."""

    test: Callable[[Target], Awaitable[list[str]]]
    models: Callable[[Target], Awaitable[list[str]]]


def build_settings(
    tab: gr.Tab,
    configuration: Configuration,
    t: Translator,
    *,
    check: TargetCheck,
    theme_mark_component: gr.Markdown,
    engine_line: gr.Markdown,
) -> None:
    """Lays the tab out and wires it. A bad field is told in a sentence, and nothing of the form is lost."""
    with gr.Column(elem_id="settings-form"):
        gr.Markdown(f"## {t('settings.engine')}\n\n{t('settings.engine.about')}", container=False)
        inputs: dict[str, gr.components.FormComponent] = {"endpoint": _field("endpoint", t)}
        inputs[KEY] = gr.Textbox(
            label=t("settings.api_key"), info=t("settings.api_key.help"), elem_id="settings-api-key", type="password"
        )
        with gr.Row(elem_id="settings-key-row"):
            inputs[REMEMBER] = gr.Checkbox(label=t("settings.remember_key"), elem_id="settings-remember-key")
            key_line = gr.Markdown(elem_id="settings-key-line", container=False)
            remove_key = gr.Button(t("settings.remove_key"), elem_id="settings-remove-key", size="sm", scale=0)
        inputs["model"] = _field("model", t)
        gr.Markdown(f"## {t('settings.answers')}", container=False)
        inputs |= {name: _field(name, t) for name in FIELDS if name not in ("endpoint", "model", "theme")}
        gr.Markdown(f"## {t('settings.look')}", container=False)
        inputs["theme"] = _field("theme", t)
        with gr.Row(elem_id="settings-actions"):
            save = gr.Button(t("settings.save"), elem_id="settings-save", variant="primary", scale=0)
            test = gr.Button(t("settings.test"), elem_id="settings-test", variant="secondary", scale=0)
        result = gr.Markdown(elem_id="settings-result", container=False)

    def fill() -> dict[Any, Any]:
        values = configuration.settings.model_dump()
        return {inputs[name]: values[name] for name in FIELDS} | key_state()

    def key_state() -> dict[Any, Any]:
        endpoint = configuration.settings.endpoint
        kept = configuration.has_key(endpoint)
        where = "disk" if configuration.key_is_remembered(endpoint) else "session"
        return {
            inputs[KEY]: "",
            inputs[REMEMBER]: configuration.key_is_remembered(endpoint),
            key_line: t(f"settings.key.{where}") if kept else t("settings.key.none"),
            remove_key: gr.update(visible=kept),
        }

    def store(*values: Any) -> dict[Any, Any]:
        form = _form(inputs, values)
        try:
            configuration.save(
                {name: form[name] for name in FIELDS}, api_key=form[KEY], remember_key=bool(form[REMEMBER])
            )
        except HearthError as error:
            return {result: _sentences([error.message_in(t), error.hint_in(t)], "bad")}
        said = t("settings.saved.run-only") if configuration.this_run.endpoint else t("settings.saved")
        return fill() | {
            result: _sentences([said], "good"),
            theme_mark_component: theme_mark(configuration.settings.theme),
            engine_line: engine_words(configuration, t),
        }

    async def try_out(*values: Any) -> dict[Any, Any]:
        form = _form(inputs, values)
        try:
            target = configuration.resolve(form["endpoint"], form["model"], form[KEY])
        except HearthError as error:
            return {result: _sentences([error.message_in(t), error.hint_in(t)], "bad")}
        return {result: _sentences(await check.test(target), "plain"), **await offer_models(*values)}

    async def offer_models(*values: Any) -> dict[Any, Any]:
        form = _form(inputs, values)
        try:
            target = configuration.resolve(form["endpoint"], form["model"], form[KEY])
        except HearthError:
            return {inputs["model"]: gr.skip()}  # half an address is no fault while it is being typed
        return {inputs["model"]: gr.update(choices=await check.models(target))}

    def forget_key(*values: Any) -> dict[Any, Any]:
        try:
            configuration.remove_key(_form(inputs, values)["endpoint"])
        except HearthError as error:
            return {result: _sentences([error.message_in(t), error.hint_in(t)], "bad")}
        return key_state() | {result: _sentences([t("settings.key.removed")], "good")}

    form, quiet = list(inputs.values()), {"show_progress": "hidden", "api_visibility": "private"}
    everything = [*form, key_line, remove_key, result, theme_mark_component, engine_line]
    gr.on([tab.select], fill, None, [*form, key_line, remove_key], **quiet)
    gr.on([tab.select, inputs["endpoint"].blur, inputs[KEY].blur], offer_models, form, [inputs["model"]], **quiet)
    save.click(store, form, everything, **quiet)
    test.click(lambda: _sentences([t("settings.testing")], "plain"), None, result, **quiet).then(
        try_out, form, [result, inputs["model"]], **quiet
    )
    remove_key.click(forget_key, form, [*form, key_line, remove_key, result], **quiet)


def _field(name: str, t: Translator) -> gr.components.FormComponent:
    """The input for one field of `Settings`, by its type."""
    field = Settings.model_fields[name]
    common: dict[str, Any] = {
        "label": t(f"settings.{name}"),
        "info": t(f"settings.{name}.help"),
        "elem_id": f"settings-{name.replace('_', '-')}",
    }
    kinds = _kinds(field)
    if any(get_origin(kind) is Literal for kind in kinds):
        choices = [(t(f"settings.{name}.{choice}"), choice) for kind in kinds for choice in get_args(kind)]
        return gr.Radio(choices=choices, **common)
    if int in kinds or float in kinds:
        return gr.Number(precision=0 if int in kinds else None, placeholder=t("settings.engines-own"), **common)
    if name == "model":
        return gr.Dropdown(choices=[], allow_custom_value=True, **common)
    lines = 4 if name == "system_prompt" else 1
    return gr.Textbox(lines=lines, max_lines=12 if lines > 1 else 1, placeholder=t(f"settings.{name}.example"), **common)


def _kinds(field: FieldInfo) -> tuple[Any, ...]:
    """The types a field may have: those of a union, else its own."""
    annotation: Any = field.annotation
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _form(inputs: dict[str, gr.components.FormComponent], values: tuple[Any, ...]) -> Form:
    """The form by field name; an emptied text is "" and not None."""
    form = dict(zip(inputs, values, strict=True))
    return form | {name: form[name] or "" for name in ("endpoint", "model", "system_prompt", KEY)}


def _sentences(sentences: list[str], mood: Literal["good", "bad", "plain"]) -> str:
    shown = " ".join(f"<p>{escape(sentence)}</p>" for sentence in sentences if sentence)
    return f'<div class="hearth-result hearth-{mood}">{shown}</div>'
