"""Own functions on the Tools tab: each file's source to look at and allow, and a form for each function."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from assistant.errors import HearthError, ToolError
from assistant.i18n import Translator
from assistant.tools.own.functions import Outcome, OwnFile, OwnFunctions
from assistant.tools.own.new_file import write_example
from assistant.ui import tool_form, tool_result
from assistant.ui.links import as_html, link
from assistant.ui.tool_run import Running, failed, run_by_hand
from assistant.ui.wiring import Changes, chain, wire
from assistant.visible import visible

MOST_OPEN = 12  # files whose forms are drawn at once: each field is a component
EMPTY = Outcome()


class OwnPage:
    """Lays the functions out in the Blocks that is open. They are drawn when the tab is looked at, and again when a
    file is another than it was; `open_folder` is None where there is no desktop."""

    def __init__(self, own: OwnFunctions, open_folder: Callable[[Path], None] | None, t: Translator) -> None:
        self._own, self._open_folder, self._t = own, open_folder, t
        gr.Markdown(f"## {t('tools.own')}\n\n{t('tools.own.about')}", container=False)
        with gr.Row(elem_id="tool-new-row"):
            self._new = gr.Button(t("tools.new"), elem_id="tool-new", size="sm", scale=0)
            self._folder = gr.Button(
                t("tools.folder"), elem_id="tool-folder", size="sm", scale=0, visible=open_folder is not None
            )
        self._said = gr.Markdown(elem_id="tools-own-said", container=False)
        self._view = unseen("tools-own-view")  # a State's change is not told in an answer beside the queue
        with gr.Column(elem_id="tools-own"):
            gr.render(inputs=[self._view], triggers=[self._view.change], show_progress="hidden")(self._draw)

    @property
    def view(self) -> gr.Textbox:
        """What is drawn: changes when something is to be drawn anew."""
        return self._view

    def wire(self) -> list[Any]:
        """Ties the handlers to the page. Gives the events after which there may be another file."""
        outputs = [self._said, self._view]
        wire([self._folder.click], self._show_folder, outputs=outputs)
        return [wire([self._new.click], self._make, outputs=outputs)]

    def look(self) -> Changes:
        """The files as they are now. Reads the disk."""
        return {self._view: _view(self._own.files())}

    def _make(self) -> Changes:
        try:
            path = write_example(self._own.folder)
        except ToolError as error:
            return {self._said: tool_result.said(f"{error.message_in(self._t)} {error.hint_in(self._t)}", "bad")}
        if self._open_folder is not None:
            self._open_folder(self._own.folder)
        said = self._t("tools.new.made", name=path.name, path=str(path))
        return {self._said: tool_result.said(said, "good")} | self.look()

    def _show_folder(self) -> Changes:
        if self._open_folder is not None:
            self._open_folder(self._own.folder)
        return {self._said: tool_result.said(str(self._own.folder), "plain")}

    def _draw(self, _: str) -> None:
        files = self._own.files()
        if not files:
            gr.Markdown(self._t("tools.own.none", folder=str(self._own.folder)), container=False)
        for file in files[:MOST_OPEN]:
            self._draw_file(file)
        if len(files) > MOST_OPEN:
            gr.Markdown(self._t("tools.own.more", count=len(files) - MOST_OPEN), container=False)

    def _draw_file(self, file: OwnFile) -> None:
        t = self._t
        with gr.Column(elem_classes="hearth-own", elem_id=f"tool-file-{file.name}"):
            gr.Markdown(self._head(file), container=False)
            if file.source.fault is not None:
                fault = file.source.fault
                gr.Markdown(tool_result.said(f"{fault.message_in(t)} {fault.hint_in(t)}", "bad"), container=False)
            elif not file.is_allowed:
                self._draw_question(file)
            else:
                for number, (function, _) in enumerate(file.tools.items()):
                    self._draw_form(file, function, file.name if not number else f"{file.name}-{function}")
                gr.Markdown(self._foot(file), container=False)

    def _draw_question(self, file: OwnFile) -> None:
        """The source, what allowing it means, and the button."""
        t = self._t
        gr.Markdown(tool_result.source(file.source.text), elem_classes="hearth-own-source", container=False)
        gr.Markdown(self._warning(file), container=False)
        allow = gr.Button(t("tools.allow"), elem_id=f"tool-allow-{file.name}", variant="primary", scale=0)
        said = gr.Markdown(container=False)
        allowed = wire(
            [allow.click],
            partial(self._allow, file.name, file.source.digest, said),
            outputs=[said],
        )
        chain(allowed, self.look, outputs=[self._view])

    async def _allow(self, name: str, digest: str, said: gr.Markdown) -> AsyncGenerator[Changes]:
        yield {said: tool_result.said(self._t("tools.allowing"), "plain")}
        try:
            await self._own.allow(name, digest)
        except HearthError as error:
            code = str(error.values.get("code", ""))
            words = error.message_in(self._t) if code else f"{error.message_in(self._t)} {error.hint_in(self._t)}"
            yield {said: tool_result.said(words, "bad", code=code)}
        else:
            yield {said: ""}

    def _draw_form(self, file: OwnFile, function: str, place: str) -> None:
        tool = file.tools[function]
        call = partial(self._own.call, file.source.path.name, function, file.source.digest)
        draw_form(tool, call, place, self._t, title=function)

    def _head(self, file: OwnFile) -> str:
        t = self._t
        state = "allowed" if file.is_allowed else "changed" if file.was_allowed else "new"
        if file.source.fault is not None:
            state = "unusable"
        mark = f'<span class="hearth-mark hearth-mark-{state}">{as_html(t(f"tools.state.{state}"))}</span>'
        return f'<p class="hearth-own-name"><strong>{_text(file.source.path.name)}</strong> {mark}</p>'

    def _warning(self, file: OwnFile) -> str:
        t, found = self._t, file.outline
        lines = [t("tools.changed")] if file.was_allowed else []
        if found.functions:
            lines.append(t("tools.brings", names=", ".join(found.functions)))
        if found.missing:
            lines.append(t("tools.missing", names=", ".join(found.missing)))
        if found.bad_line:
            lines.append(t("tools.bad-line", line=found.bad_line))
        lines.append(t("tools.allow.about"))
        return "".join(f"<p>{_text(line)}</p>" for line in lines)

    def _foot(self, file: OwnFile) -> str:
        """What of a file is not there, and its source."""
        t = self._t
        left_out = [t("tools.left-out", name=each.name, why=each.why) for each in file.left_out]
        lines = "".join(f'<p class="hearth-small">{_text(line)}</p>' for line in left_out)
        forbid = link("tool-forbid", file.name, t("tools.forbid"), title=file.source.path.name)
        seen = (
            f"<details><summary>{as_html(t('tools.source'))}</summary>{tool_result.source(file.source.text)}</details>"
        )
        return f'{lines}{seen}<p class="hearth-small">{forbid}</p>'


def draw_form(tool: Any, call: Any, place: str, t: Translator, *, title: str) -> None:
    """A form for one tool, in the Blocks or the render that is open. `call` is told the arguments (see `tool_run`)."""
    of = tool_form.fields(tool.parameters)
    with gr.Column(elem_id=f"tool-form-{place}", elem_classes="hearth-tool-form"):
        gr.Markdown(f"<h3>{_text(title)}</h3>{tool_result.plain(tool.description)}", container=False)
        inputs = [field.component(t) for field in of]
        with gr.Row(elem_classes="hearth-tool-actions"):
            run = gr.Button(t("tools.run"), variant="primary", elem_classes="hearth-tool-run", scale=0)
            stop = gr.Button(t("chat.stop"), elem_classes="hearth-tool-stop", scale=0, visible=False)
        output = gr.Markdown(elem_classes="hearth-tool-output", container=False)

        running = Running(t)  # of this page: a render's parts belong to one

        async def go(*given: Any) -> AsyncGenerator[Changes]:
            try:
                text = tool_form.arguments(of, given)
            except ToolError as error:
                yield {output: failed(error, EMPTY, t)}
                return
            async for words in running.follow(run_by_hand(tool, text, call, t)):
                yield {output: words, stop: gr.update(visible=True)}
            yield {stop: gr.update(visible=False)}

        wire([run.click], go, inputs=inputs, outputs=[output, stop])
        wire([stop.click], running.stop)


def unseen(name: str) -> gr.Textbox:
    """A field that nobody sees: what is drawn follows it."""
    return gr.Textbox(
        elem_id=name, elem_classes="hearth-unseen", show_label=False, label=name, container=False, max_lines=1
    )


def _view(files: list[OwnFile]) -> str:
    """What is drawn of the files, to be compared."""
    drawn = [(f.name, f.source.digest, f.is_allowed, str(f.source.fault or ""), list(f.tools)) for f in files]
    return hashlib.sha256(repr(drawn).encode()).hexdigest()


def _text(words: str) -> str:
    return as_html(visible(words))
