"""What tools may reach, on the Tools tab: the folder of the file tools, the web, and what was noted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from assistant.configuration import Configuration
from assistant.errors import HearthError
from assistant.i18n import Translator
from assistant.tools.notes import Notes
from assistant.tools.workspace import checked_workspace
from assistant.ui.links import as_html
from assistant.ui.wiring import Changes, wire

MOST_NOTES_CHARACTERS = 1_000_000


@dataclass(frozen=True)
class Reach:
    """`workspace` is the folder in force, `data_dir` what it may not be."""

    notes: Notes
    workspace: Callable[[], Path]
    data_dir: Path


class ReachPage:
    """Lays the page out in the Blocks that is open."""

    def __init__(self, reach: Reach, configuration: Configuration, t: Translator) -> None:
        self._reach, self._configuration, self._t = reach, configuration, t
        with gr.Column(elem_id="reach-page", elem_classes="settings-page"):
            gr.Markdown(t("reach.about"), container=False)
            self._said = gr.Markdown(elem_id="reach-said", container=False)
            self._folder = gr.Textbox(
                label=t("settings.workspace"), info=t("settings.workspace.help"), elem_id="reach-workspace", max_lines=1
            )
            self._use = gr.Button(t("reach.use"), elem_id="reach-use", size="sm", scale=0)
            self._web = gr.Checkbox(
                label=t("settings.web_tools"), info=t("settings.web_tools.help"), elem_id="reach-web"
            )
            self._notes = gr.Textbox(
                label=t("reach.notes"),
                info=t("reach.notes.help", path=reach.notes.path),
                elem_id="reach-notes",
                lines=4,
                max_lines=16,
                max_length=MOST_NOTES_CHARACTERS,
            )
            self._seen = gr.State("")  # the notes as they were shown
            self._save = gr.Button(t("reach.notes.save"), elem_id="reach-notes-save", size="sm", scale=0)

    def wire(self, tab: gr.Tab) -> None:
        """Ties the handlers to the page. What is noted meanwhile is there when the tab is opened again."""
        notes = [self._notes, self._seen]
        outputs = [self._said, self._folder, self._web, *notes]
        wire([tab.select], self._show, outputs=outputs)
        wire(
            [self._use.click, self._folder.submit],
            self._use_folder,
            inputs=[self._folder],
            outputs=[self._said, self._folder],
        )
        wire([self._web.input], self._switch_web, inputs=[self._web], outputs=outputs)
        wire([self._save.click], self._save_notes, inputs=notes, outputs=[self._said, *notes])

    def _show(self) -> Changes:
        shown: Changes = {
            self._said: "",
            self._folder: str(self._reach.workspace()),
            self._web: self._configuration.settings.web_tools,
        }
        try:
            return shown | self._noted()
        except HearthError as error:
            return shown | self._told(error)

    def _noted(self) -> Changes:
        text = self._reach.notes.text()
        return {self._notes: text, self._seen: text}

    def _use_folder(self, folder: str) -> Changes:
        try:
            checked = checked_workspace(folder, self._reach.data_dir)
            self._configuration.set_reach(workspace=checked)
        except HearthError as error:
            return self._told(error)
        return {self._folder: str(self._reach.workspace()), self._said: _good(self._t("reach.used"))}

    def _switch_web(self, is_on: bool) -> Changes:  # noqa: FBT001  # Gradio's call
        try:
            self._configuration.set_reach(web_tools=is_on)
        except HearthError as error:
            return self._told(error) | {self._web: self._configuration.settings.web_tools}
        return {self._said: ""}

    def _save_notes(self, text: str, seen: str) -> Changes:
        try:
            self._reach.notes.replace_all(text, seen=seen)
            return {self._said: _good(self._t("reach.notes.saved"))} | self._noted()
        except HearthError as error:
            return self._told(error)

    def _told(self, error: HearthError) -> Changes:
        words = as_html(f"{error.message_in(self._t)} {error.hint_in(self._t)}")
        return {self._said: f'<div class="hearth-result hearth-bad"><p>{words}</p></div>'}


def _good(words: str) -> str:
    return f'<div class="hearth-result hearth-good"><p>{as_html(words)}</p></div>'
