"""The Settings tab: a form made from the fields of `Settings`, and the endpoint's key, which only ever goes in."""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, Literal, Union, get_args, get_origin

import gradio as gr

from assistant.configuration import Configuration, Target
from assistant.engines.abilities import ABILITIES, Abilities
from assistant.engines.neighbours import Neighbourhood
from assistant.engines.probe import Findings
from assistant.errors import HearthError
from assistant.i18n import LANGUAGES, Translator
from assistant.keyrings import KeyringName
from assistant.settings import Settings
from assistant.ui import theme
from assistant.ui.chat import engine_words
from assistant.ui.check import TargetCheck
from assistant.ui.connections import CHOSEN, Connections
from assistant.ui.links import as_html
from assistant.ui.offers import Search
from assistant.ui.wiring import Changes, chain, wire
from assistant.visible import visible

KEY, PLACE = "api_key", "key_place"
# What is not set here.
ELSEWHERE = (
    *("version", "offline", "declined", "connections", "builtin_model", "builtin_name", "engine"),
    *("servers", "workspace", "web_tools"),
)
FIELDS = tuple(name for name in Settings.model_fields if name not in ELSEWHERE)

Field = gr.Textbox | gr.Dropdown | gr.Radio | gr.Number | gr.Checkbox


class SettingsTab:
    """Lays the tab out in the Blocks that is open. A bad field is told in a sentence, and nothing of the form is lost.

    `mark` and `engine_line` are parts of the page that follow the settings, and so does its language, by `speak`.
    """

    def __init__(
        self,
        configuration: Configuration,
        check: TargetCheck,
        neighbourhood: Neighbourhood,
        t: Translator,
        *,
        speak: Callable[[], Awaitable[str]],
        mark: gr.Markdown,
        engine_line: gr.Markdown,
    ) -> None:
        self._configuration, self._check, self._t = configuration, check, t
        self._neighbourhood = neighbourhood
        self._mark, self._engine_line, self._speak = mark, engine_line, speak
        # Seen once it is filled: what a quick hand types must not be overwritten by values that come later.
        with gr.Column(elem_id="settings-form", elem_classes="settings-page", visible=False) as self._column:
            self._inputs = self._lay_out_engine()
            gr.Markdown(f"## {t('settings.answers')}", container=False)
            for name in ("system_prompt", "temperature", "max_tokens", "when_full"):
                self._inputs[name] = make_field(name, t)
            gr.Markdown(f"## {t('settings.look')}", container=False)
            for name in ("theme", "language"):
                self._inputs[name] = make_field(name, t)
            with gr.Row(elem_id="settings-actions"):
                self._save = gr.Button(t("settings.save"), elem_id="settings-save", variant="primary", scale=0)
                self._test = gr.Button(t("settings.test"), elem_id="settings-test", scale=0)
            self._result = gr.Markdown(elem_id="settings-result", container=False)
            self._abilities = gr.Markdown(elem_id="settings-abilities", container=False)
        self._is_filled = gr.State(value=False)

    def _lay_out_engine(self) -> dict[str, Field]:
        t = self._t
        gr.Markdown(f"## {t('settings.engine')}\n\n{t('settings.engine.about')}", container=False)
        self.search = Search(self._configuration, self._neighbourhood, t)
        self.connections = Connections(self._configuration, t)
        inputs: dict[str, Field] = {"endpoint": make_field("endpoint", t)}
        inputs[KEY] = gr.Textbox(
            label=t("settings.api_key"), info=t("settings.api_key.help"), elem_id="settings-api-key", type="password"
        )
        with gr.Row(elem_id="settings-key-row"):
            self._key_line = gr.Markdown(elem_id="settings-key-line", container=False)
            self._remove = gr.Button(t("settings.remove_key"), elem_id="settings-remove-key", size="sm", scale=0)
        with gr.Row(elem_id="settings-share-row", visible=False) as self._share_row:
            self._share_line = gr.Markdown(elem_id="settings-share-line", container=False)
            self._share = gr.Button(elem_id="settings-share-key", size="sm", scale=0)
        inputs[PLACE] = gr.Radio(
            label=t("settings.key_place"), info=t("settings.key_place.help"), elem_id="settings-key-place"
        )
        return inputs | {"model": make_field("model", t)} | self.connections.fields()

    def wire(self, blocks: gr.Blocks, *tabs: gr.Tab) -> list[Any]:
        """Ties the handlers to the page. `tabs` are those that lead here: the form is filled when one is opened first,
        which may wait for the system's keyring, and the models are asked for each time. Gives the events after which
        there are other servers."""
        form = self._asked_for()
        sharing = [self._share_row, self._share_line, self._share]
        results = [self._result, self._abilities]
        saved = self.connections
        listed = [saved.row, saved.list, saved.remove]
        about = [self._key_line, self._remove, *sharing, *listed]
        whole = [*self._inputs.values(), *about, *results, self._mark, self._engine_line]
        model = self._inputs["model"]
        blurs = [field.blur for name in ("endpoint", KEY) if isinstance(field := self._inputs[name], gr.Textbox)]
        wire([blocks.load], self._followers, outputs=[self._mark, self._engine_line])
        opened = wire(
            [tab.select for tab in tabs],
            self._show,
            inputs=[self._is_filled],
            outputs=[self._is_filled, self._column, *whole],
        )
        chain(opened, self._offer_models, inputs=form, outputs=[model])
        wire(blurs, self._offer_models, inputs=form, outputs=[model])
        chosen = wire([saved.list.input], self._choose, inputs=[saved.list], outputs=whole)
        chain(chosen, self._offer_models, inputs=form, outputs=[model])
        forgotten = wire([saved.remove.click], self._forget, inputs=[saved.list], outputs=whole)
        stored = wire([self._save.click], self._store, inputs=form, outputs=whole)
        wire([self._test.click], self._try_out, inputs=form, outputs=whole)
        wire(blurs, self._offer_to_share, inputs=form, outputs=sharing)
        wire([self._share.click], self._share_key, inputs=form, outputs=whole)
        wire([self._remove.click], self._forget_key, inputs=form, outputs=whole)
        return [stored, forgotten]

    def follow(self, *events: Any) -> None:
        """After each of these, answers come from another address: the form shows it. What else was typed stays."""
        form, model, fields = self._asked_for(), self._inputs["model"], list(self._inputs.values())
        about = [self._key_line, self._remove, self._share_row, self._mark, self._engine_line]
        about += [self.connections.row, self.connections.list, self.connections.remove]
        for event in events:
            followed = chain(event, self._show_target, inputs=[self._is_filled], outputs=[*fields, *about])
            chain(followed, self._offer_models, inputs=form, outputs=[model])

    async def _show_target(self, is_filled: bool) -> Changes:  # noqa: FBT001  # Gradio's call
        if not is_filled:
            return await self._followers()
        settings = self._configuration.settings
        return self._of(settings.endpoint, settings.model) | await self._followers()

    def _show(self, is_filled: bool) -> Changes:  # noqa: FBT001  # Gradio's call
        if is_filled:
            # Chosen elsewhere too, where one looks at what fills the context.
            return {self._is_filled: True, self._inputs["when_full"]: self._configuration.settings.when_full}
        return self._fill() | {
            self._is_filled: True,
            self._column: gr.update(visible=True),
            self._abilities: self._found_before(),
        }

    def _found_before(self) -> str:
        """What an earlier test of the saved address and model has found; empty where there was none."""
        settings = self._configuration.settings
        tested = self._check.tested(settings.endpoint, settings.model)
        if tested is None:
            return ""
        said = self._t("settings.tested", day=self._t.day(tested.at))
        return _sentences([said], "plain", more=abilities_list(tested.abilities, self._t))

    def _fill(self) -> Changes:
        values = self._configuration.settings.model_dump()
        general = {self._inputs[name]: values[name] for name in FIELDS}
        return general | self._of(values["endpoint"], values["model"])

    def _of(self, endpoint: str, model: str) -> Changes:
        """The part of the form that is about a server, as it was saved."""
        fields = {"endpoint": endpoint, "model": model} | self.connections.values(endpoint)
        shown = {self._inputs[name]: value for name, value in fields.items()}
        return shown | self.connections.shown(endpoint) | self._key_state(endpoint)

    def _choose(self, endpoint: str) -> Changes:
        """Another of the saved servers, to be used with Save, or to be looked at."""
        found = self._configuration.connection(endpoint)
        return self._of(endpoint, found.model if found else "") | {self._result: "", self._abilities: ""}

    async def _forget(self, endpoint: str) -> Changes:
        try:
            self._configuration.forget(endpoint)
        except HearthError as error:
            return self._failed(error)
        said = _sentences([self._t("connections.removed")], "good")
        return self._fill() | await self._followers() | {self._result: said}

    def _key_state(self, endpoint: str) -> Changes:
        """What is said about an address's key, and where one can be kept. May wait for the system's keyring."""
        place, keyring = self._configuration.key_place(endpoint), self._configuration.keyring()
        offered = [(self._place_words(name, keyring), name) for name in ("keyring", "file", "session")]
        return {
            self._inputs[KEY]: "",
            self._inputs[PLACE]: gr.update(
                choices=[choice for choice in offered if keyring or choice[1] != "keyring"],
                value=place or ("keyring" if keyring else "session"),
            ),
            self._key_line: self._t(f"settings.key.{place or 'none'}"),
            self._remove: gr.update(visible=place is not None),
            self._share_row: gr.update(visible=False),
        }

    def _place_words(self, place: str, keyring: KeyringName | None) -> str:
        named = self._t(f"settings.keyring.{keyring}") if keyring else ""
        return self._t(f"settings.key_place.{place}", keyring=named)

    async def _store(self, *values: Any) -> Changes:
        form = self._form(values)
        changes = {name: form[name] for name in FIELDS}
        wanted = form[PLACE] or "session"
        sharing = self._offer_to_share(*values)
        try:
            own = self.connections.typed(form)
            place = self._configuration.save(changes, api_key=form[KEY], key_place=wanted, own=own)
        except HearthError as error:
            return self._failed(error)
        said = ["settings.saved.run-only" if self._configuration.this_run.endpoint else "settings.saved"]
        if place is not None and place != wanted:
            said.append("settings.key.not-in-keyring")
        shown = _sentences([self._t(key) for key in said], "bad" if len(said) > 1 else "good")
        return self._fill() | sharing | await self._followers() | {self._result: shown}

    def _offer_to_share(self, *values: Any) -> Changes:
        """Says that a key stays with its address when the form names another, and offers to use it there too."""
        form = self._form(values)
        lonely = None if form[KEY].strip() else self._configuration.lonely_key(form["endpoint"])
        if lonely is None:
            return {self._share_row: gr.update(visible=False)}
        old, new = lonely
        return {
            self._share_row: gr.update(visible=True),
            self._share_line: self._t("settings.key.stays", old=f"`{old}`"),
            self._share: gr.update(value=self._t("settings.key.share", new=new)),
        }

    def _share_key(self, *values: Any) -> Changes:
        form = self._form(values)
        try:
            self._configuration.share_key(form["endpoint"])
        except HearthError as error:
            return self._failed(error)
        said = self._t("settings.key.shared")
        return {self._share_row: gr.update(visible=False), self._result: _sentences([said], "good")}

    async def _followers(self) -> Changes:
        """The parts of the page that follow the settings. In another language the page loads itself anew."""
        language = await self._speak()
        return {
            self._mark: theme.mark(self._configuration.settings.theme, language),
            self._engine_line: engine_words(self._configuration, self._t),
        }

    async def _try_out(self, *values: Any) -> Any:
        yield {self._result: _sentences([self._t("settings.testing")], "plain"), self._abilities: ""}
        try:
            target = self._target(values)
        except HearthError as error:
            yield self._failed(error)
            return
        async with aclosing(self._check.test(target)) as findings:
            async for found in findings:
                offered = {self._inputs["model"]: gr.update(choices=list(found.models))} if found.models else {}
                yield self._found(found) | offered

    def _found(self, found: Findings) -> Changes:
        """What a test shows. Its second part comes later, and what was said meanwhile of saving stays."""
        if found.abilities is not None:
            return {self._abilities: _sentences([], "plain", more=abilities_list(found.abilities, self._t))}
        trying = _sentences([self._t("settings.trying")], "plain") if found.ok else ""
        shown = _sentences(found.sentences(self._t), "good" if found.ok else "bad")
        return {self._result: shown, self._abilities: trying}

    async def _offer_models(self, *values: Any) -> Changes:
        try:
            target = self._target(values)
        except HearthError:
            return {self._inputs["model"]: gr.skip()}  # half an address is no fault while it is being typed
        return {self._inputs["model"]: gr.update(choices=await self._check.models(target))}

    def _forget_key(self, *values: Any) -> Changes:
        try:
            endpoint = self._form(values)["endpoint"]
            self._configuration.remove_key(endpoint)
        except HearthError as error:
            return self._failed(error)
        return self._key_state(endpoint) | {self._result: _sentences([self._t("settings.key.removed")], "good")}

    def _target(self, values: tuple[Any, ...]) -> Target:
        form = self._form(values)
        typed = self._configuration.drawn_up(form["endpoint"], form["model"], self.connections.typed(form))
        return self._configuration.resolve(form["endpoint"], form["model"], form[KEY], typed)

    def _asked_for(self) -> list[Any]:
        """What `_form` takes."""
        return [*self._inputs.values(), self.connections.list]

    def _form(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """The form by field name; an emptied text is "" and not None."""
        form = dict(zip((*self._inputs, CHOSEN), values, strict=True))
        return form | {name: form[name] or "" for name in ("endpoint", "model", "system_prompt", KEY)}

    def _failed(self, error: HearthError) -> Changes:
        return {self._result: _sentences([error.message_in(self._t), error.hint_in(self._t)], "bad")}


def make_field(name: str, t: Translator) -> Field:
    """The input for one field of `Settings`, by its type."""
    common: dict[str, Any] = {
        "label": t(f"settings.{name}"),
        "info": t(f"settings.{name}.help"),
        "elem_id": f"settings-{name.replace('_', '-')}",
    }
    kinds = _kinds(Settings.model_fields[name].annotation)
    choices = [choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    if name == "language":
        named = [(t("settings.language.system"), "system"), *((own, code) for code, own in LANGUAGES.items())]
        return gr.Dropdown(choices=named, **common)
    if choices:
        return gr.Radio(choices=[(t(f"settings.{name}.{choice}"), choice) for choice in choices], **common)
    if int in kinds or float in kinds:
        return gr.Number(precision=0 if int in kinds else None, placeholder=t("settings.engines-own"), **common)
    if name == "model":
        return gr.Dropdown(choices=[], allow_custom_value=True, **common)
    lines = 4 if name == "system_prompt" else 1
    example = t(f"settings.{name}.example")
    return gr.Textbox(lines=lines, max_lines=12 if lines > 1 else 1, placeholder=example, **common)


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The types a field may have: those of a union, else its own."""
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def abilities_list(abilities: Abilities, t: Translator) -> str:
    """What a model can do and what not, with what that means, as a list in HTML."""
    tokens = abilities.context_tokens
    said: list[tuple[str, str]] = [
        ("fact", t("ability.server", server=abilities.server) if abilities.server else t("ability.server.unknown")),
        ("fact", t("ability.context", count=tokens) if tokens else t("ability.context.unknown")),
    ]
    for name in ABILITIES:
        answer = {True: "yes", False: "no", None: "unknown"}[getattr(abilities, name)]
        said.append((answer, t(f"ability.{name}.{answer}")))
    rows = (f'<li class="hearth-{mark}">{as_html(visible(words))}</li>' for mark, words in said)
    return f'<ul class="hearth-abilities">{"".join(rows)}</ul>'


def _sentences(sentences: list[str], mood: Literal["good", "bad", "plain"], *, more: str = "") -> str:
    shown = " ".join(f"<p>{as_html(sentence)}</p>" for sentence in sentences if sentence)
    return f'<div class="hearth-result hearth-{mood}">{shown}{more}</div>'
