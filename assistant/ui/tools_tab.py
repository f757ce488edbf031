"""The Tools tab: what a model can have done, what of it asks first, the person's own functions, and a form for each.

The list is text with links that are commands (see `links`), which commands.js puts into a field that nobody sees. Forms
are made when a tool is opened: the page begins without them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from assistant.errors import HearthError
from assistant.i18n import Translator
from assistant.tool_log import LoggedRun
from assistant.tool_rules import RULES, ToolRules
from assistant.tools.hands import Hands
from assistant.tools.own.functions import OwnFunctions
from assistant.tools.toolbox import Toolbox
from assistant.ui import tool_list, tool_result
from assistant.ui.links import parse
from assistant.ui.own_page import OwnPage, draw_form, unseen
from assistant.ui.tool_run import call_of
from assistant.ui.wiring import Changes, chain, wire


@dataclass(frozen=True)
class Tools:
    """What the tab works with. `hands` gives the surroundings of a call by hand; `runs` the last calls in chats, the
    newest first, and may raise HearthError; `open_folder` shows a folder on the desktop, where there is one."""

    toolbox: Toolbox
    rules: ToolRules
    own: OwnFunctions
    hands: Callable[[], Hands]
    runs: Callable[[], Sequence[LoggedRun]]
    open_folder: Callable[[Path], None] | None


class ToolsTab:
    """Lays the tab out in the Blocks that is open."""

    def __init__(self, tools: Tools, t: Translator) -> None:
        self._tools, self._t = tools, t
        with gr.Column(elem_id="tools-page", elem_classes="settings-page"):
            gr.Markdown(t("tools.about"), container=False)
            self._said = gr.Markdown(elem_id="tools-said", container=False)
            self._own = OwnPage(tools.own, tools.open_folder, t)
            gr.Markdown(f"## {t('tools.all')}\n\n{t('tools.all.about')}", container=False)
            self._list = gr.Markdown(elem_id="tools-list", container=False)
            self._tried = unseen("tool-tried-name")
            with gr.Column(elem_id="tool-tried"):
                gr.render(inputs=[self._tried], triggers=[self._tried.change], show_progress="hidden")(self._draw_tried)
            self._command = unseen("tool-command")
            self._look = gr.Button(
                "look", elem_id="tools-look", elem_classes="hearth-unseen"
            )  # pressed by tooltab.js while one looks at the tab
        self._outputs: list[Any] = [self._said, self._list, self._own.view, self._tried]

    def wire(self, *tabs: gr.Tab) -> None:
        """Ties the handlers to the page. By `tabs` it is opened."""
        wire([*(tab.select for tab in tabs), self._look.click], self._show, outputs=self._outputs)
        wire([self._command.submit], self._run, inputs=[self._command], outputs=self._outputs, mode="multiple")
        for event in self._own.wire():
            chain(event, self._show, outputs=self._outputs)

    def _show(self) -> Changes:
        return {self._list: self._drawn_list()} | self._own.look()

    def _drawn_list(self) -> str:
        rules = self._tools.rules
        return tool_list.tools(self._tools.toolbox.tools(), rules.of, rules.choices, self._t)

    def _run(self, command: str) -> Changes:
        verb, what = parse(command)
        try:
            match verb:
                case "tool-try":
                    return {self._tried: what, self._said: ""}
                case "tool-rule":
                    self._set_rule(what)
                case "tool-forbid":
                    self._tools.own.forbid(what)
                case _:
                    pass
        except HearthError as error:
            said = tool_result.said(f"{error.message_in(self._t)} {error.hint_in(self._t)}", "bad")
            return {self._said: said}
        return {self._said: ""} | self._show()

    def _set_rule(self, what: str) -> None:
        rule, _, name = what.partition(":")
        tool = next((each for each in self._tools.toolbox.tools() if each.name == name), None)
        if tool is not None and rule in RULES:
            self._tools.rules.set(tool, rule)

    def _draw_tried(self, name: str) -> None:
        """A form for the tool that one wants to try."""
        tool = next((each for each in self._tools.toolbox.tools() if each.name == name), None)
        if tool is not None:
            taken = {file.name for file in self._tools.own.files()}
            place = f"try-{name}" if name in taken else name
            draw_form(tool, call_of(tool, self._tools.hands), place, self._t, title=name)
