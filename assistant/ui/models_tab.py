"""The Models tab: what is in use, what lies on this machine, what is worth having, and what is on its way.

The lists are text with links that are commands (see `links`), which commands.js puts into two fields that nobody sees:
one for what takes long, to load a model, and one for everything else. While a download runs, a timer asks how it
stands, in a request of its own each time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import gradio as gr

from assistant.configuration import Configuration
from assistant.errors import HearthError, LibraryError
from assistant.i18n import Translator
from assistant.library.downloads import Downloads
from assistant.library.recommended import recommended
from assistant.library.shelf import Library, Model
from assistant.library.source import sources
from assistant.ui import model_list
from assistant.ui.links import as_html, parse
from assistant.ui.wiring import Changes, chain, wire
from assistant.visible import visible

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
DROP = """
<label id="model-drop" class="hearth-drop" tabindex="-1">
  <input id="model-files" type="file" accept=".gguf" multiple><span>{words}</span>
</label>
<div id="model-sent" role="status"></div>
"""  # models.js sends what is dropped or chosen


@dataclass(frozen=True)
class Models:
    """What the tab works with. `use` loads a model and makes answers come from it; it raises HearthError."""

    library: Library
    downloads: Downloads
    use: Callable[[Model], Awaitable[None]]


class ModelsTab:
    """Lays the tab out in the Blocks that is open."""

    def __init__(self, models: Models, configuration: Configuration, t: Translator) -> None:
        self._models, self._configuration, self._t = models, configuration, t
        self._done = gr.State(())  # the downloads that were done when the lists were drawn
        self._timer = gr.Timer(LOOK_SECONDS, active=False)
        with gr.Column(elem_id="models-page", elem_classes="settings-page"):
            self._said = gr.Markdown(elem_id="models-said", container=False)
            gr.Markdown(f"## {t('models.in-use')}", container=False)
            self._in_use = gr.Markdown(elem_id="models-in-use", container=False)
            self._downloads = gr.Markdown(elem_id="models-downloads", container=False)
            gr.Markdown(f"## {t('models.here')}", container=False)
            self._here = gr.Markdown(elem_id="models-here", container=False)
            self._lay_out_adding()
            gr.Markdown(f"## {t('models.elsewhere')}\n\n{t('models.elsewhere.about')}", container=False)
            self._elsewhere = gr.Markdown(elem_id="models-elsewhere", container=False)
            self._lay_out_getting()
            self._command = _unseen("model-command")
            self._using = _unseen("model-use")
            self._look = gr.Button("look", elem_id="models-look")  # pressed by models.js when a file has come
        lists = [self._in_use, self._downloads, self._here, self._elsewhere, self._recommended]
        self._outputs: list[Any] = [self._said, *lists, self._done, self._timer]

    def _lay_out_adding(self) -> None:
        t = self._t
        with gr.Accordion(t("models.add"), open=False, elem_id="models-add"):
            words = as_html(t("models.drop"))
            gr.Markdown(DROP.format(words=words), elem_id="model-drop-place", container=False, sanitize_html=False)
            with gr.Row(elem_classes="hearth-models-row"):
                self._path = gr.Textbox(
                    label=t("models.path"),
                    info=t("models.path.help"),
                    elem_id="model-path",
                    placeholder=t("models.path.example"),
                    max_lines=1,
                )
                self._add = gr.Button(t("models.add-now"), elem_id="model-add", scale=0)
            choices = [(t("models.how.link"), "link"), (t("models.how.copy"), "copy")]
            self._how = gr.Radio(choices, value="link", label=t("models.how"), elem_id="model-how")

    def _lay_out_getting(self) -> None:
        t = self._t
        offered = recommended()
        about = t("models.recommended.about", date=t.day(offered.checked))
        gr.Markdown(f"## {t('models.recommended')}\n\n{about}", container=False)
        self._recommended = gr.Markdown(elem_id="models-recommended", container=False)
        with gr.Row(elem_classes="hearth-models-row"):
            self._address = gr.Textbox(
                label=t("models.address"),
                info=t("models.address.help"),
                elem_id="model-address",
                placeholder=t("models.address.example"),
                max_lines=1,
            )
            self._get = gr.Button(t("models.download"), elem_id="model-get", scale=0)

    def wire(self, tab: gr.Tab) -> list[Any]:
        """Ties the handlers to the page. Gives the events after which answers may come from elsewhere."""
        wire([tab.select, self._look.click], self._show, outputs=self._outputs, mode="always_last")
        wire([self._timer.tick], self._tick, inputs=[self._done], outputs=self._outputs)
        wire([self._command.submit], self._run, inputs=[self._command], outputs=self._outputs, mode="multiple")
        wire(
            [self._get.click, self._address.submit],
            self._download,
            inputs=[self._address],
            outputs=[*self._outputs, self._address],
        )
        wire(
            [self._add.click, self._path.submit],
            self._bring_in,
            inputs=[self._path, self._how],
            outputs=[*self._outputs, self._path],
        )
        return [wire([self._using.submit], self._use, inputs=[self._using], outputs=self._outputs)]

    def follow(self, *events: Any) -> None:
        """After each of these, answers come from elsewhere: the tab says so."""
        for event in events:
            chain(event, self._show, outputs=self._outputs)

    async def _show(self) -> Changes:
        return await self._whole() | {self._said: ""}

    async def _whole(self) -> Changes:
        return await asyncio.to_thread(self._lists)

    def _lists(self) -> Changes:
        """Everything as it is now. Reads the disk."""
        t, library = self._t, self._models.library
        used, endpoint = self._configuration.built_in, self._configuration.target.endpoint
        local = library.here()
        views = self._models.downloads.views()
        taken = {model.path.name for model in local} | {view.name for view in views}
        drawn = model_list.recommendations(recommended().models, library, t, taken=taken)
        current = library.model(used.ref, used.name)
        return {
            self._in_use: model_list.in_use(current, library, t, endpoint=endpoint),
            self._here: model_list.here(local, library, t, used=used.ref),
            self._elsewhere: model_list.elsewhere(library.elsewhere(), library, t, used=used.ref),
            self._recommended: drawn,
        } | self._progress()

    def _progress(self) -> Changes:
        """The downloads as they stand; the timer runs while one does."""
        views = self._models.downloads.views()
        return {
            self._downloads: model_list.downloads(views, self._t),
            self._done: tuple(view.name for view in views if view.state == "done"),
            self._timer: gr.update(active=self._models.downloads.is_busy),
        }

    async def _tick(self, done: tuple[str, ...]) -> Changes:
        progress = self._progress()
        return progress if tuple(progress[self._done]) == tuple(done) else await self._whole()

    async def _run(self, command: str) -> Changes:
        verb, what = parse(command)
        downloads, said = self._models.downloads, ""
        try:
            match verb:
                case "model-get":
                    await downloads.start(sources(what))
                case "model-pause":
                    await downloads.pause(what)
                case "model-resume":
                    await downloads.resume(what)
                case "model-cancel":
                    await downloads.cancel(what)
                case "model-delete":
                    said = await self._delete(what)
                case _:
                    return {}
        except HearthError as error:
            return await self._whole() | {self._said: self._fault(error)}
        return await self._whole() | {self._said: said}

    async def _delete(self, ref: str) -> str:
        if ref == self._configuration.built_in.ref:
            raise LibraryError("library-in-use", name=ref)
        await asyncio.to_thread(self._models.library.delete, ref)
        return self._result(self._t("models.deleted", name=ref), "good")

    async def _download(self, address: str) -> Changes:
        try:
            await self._models.downloads.start(sources(address or ""))
        except HearthError as error:
            return {self._said: self._fault(error)}
        return await self._whole() | {self._said: "", self._address: ""}

    async def _use(self, command: str) -> AsyncGenerator[Changes]:
        _, ref = parse(command)
        model = await asyncio.to_thread(self._offered, ref)
        if model is None:
            yield await self._whole() | {self._said: self._fault(LibraryError("library-gone", name=ref))}
            return
        yield {self._said: self._result(self._t("models.loading", name=model.name), "plain")}
        before = self._configuration.target.endpoint
        try:
            await self._models.use(model)
        except HearthError as error:
            yield await self._whole() | {self._said: self._fault(error)}
            return
        said = [self._t("models.now-used", name=model.name)]
        if now := self._configuration.target.endpoint:
            said = [self._t("models.now-saved", name=model.name, endpoint=now)]
        elif before:
            said.append(self._t("models.instead-of", endpoint=before))
        yield await self._whole() | {self._said: self._result(" ".join(said), "good")}

    def _offered(self, ref: str) -> Model | None:
        """The model that a link names, if it is one that the lists show."""
        library = self._models.library
        shown = [*library.here(), *library.elsewhere()]
        return next((model for model in shown if model.ref == ref and model.can_chat), None)

    async def _bring_in(self, path: str, how: Literal["link", "copy"]) -> AsyncGenerator[Changes]:
        library = self._models.library
        try:
            place = _place(path or "")
            yield {self._said: self._result(self._t("models.adding"), "plain")}
            model = await asyncio.to_thread(library.copy if how == "copy" else library.link, place)
        except HearthError as error:
            yield {self._said: self._fault(error)}
        else:
            said = self._result(self._t("models.added", name=model.name), "good")
            yield await self._whole() | {self._said: said, self._path: ""}

    def _fault(self, error: HearthError) -> str:
        return self._result(f"{error.message_in(self._t)} {error.hint_in(self._t)}", "bad")

    def _result(self, words: str, mood: Literal["good", "bad", "plain"]) -> str:
        return f'<div class="hearth-result hearth-{mood}" role="status"><p>{as_html(visible(words))}</p></div>'


def _place(typed: str) -> Path:
    """The file that a person typed, or pasted as a file manager copies it. Raises LibraryError."""
    words = unquote(typed.strip().removeprefix("file://")) if typed.strip().startswith("file://") else typed
    try:
        place = Path(words.strip().strip('"')).expanduser()
    except RuntimeError:  # the home of somebody whom nobody knows
        raise LibraryError("library-path") from None
    if not place.is_absolute() or "\x00" in words:
        raise LibraryError("library-path")
    return place


def _unseen(name: str) -> gr.Textbox:
    return gr.Textbox(elem_id=name, show_label=False, label=name, container=False, max_lines=1)
