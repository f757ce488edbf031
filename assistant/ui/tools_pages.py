"""The pages of the Tools tab, side by side: what there is, what it may reach, servers that bring more, what ran."""

from __future__ import annotations

import gradio as gr

from assistant.i18n import Translator
from assistant.ui.parts import Parts
from assistant.ui.reach_page import ReachPage
from assistant.ui.servers_page import ServersPage
from assistant.ui.tool_log_page import ToolLogPage
from assistant.ui.tools_tab import ToolsTab


class ToolsPages:
    """Lays the pages out in the tab that is open. A prompt of a server goes into `composer`, a tab of `tabs`."""

    def __init__(self, parts: Parts, t: Translator, *, composer: gr.Textbox, tabs: gr.Tabs) -> None:
        with gr.Tabs(elem_id="tools-pages", overflow_behavior="wrap"):  # no page hides behind a "…"
            with gr.Tab(t("tools.all"), elem_id="page-tools", id="all") as self._all_tab:
                self._tools = ToolsTab(parts.tools, t)
            with gr.Tab(t("reach.title"), elem_id="page-reach", id="reach") as self._reach_tab:
                self._reach = ReachPage(parts.reach, parts.configuration, t)
            with gr.Tab(t("servers.title"), elem_id="page-servers", id="servers") as self._servers_tab:
                self._servers = ServersPage(parts.servers, parts.configuration, t, composer=composer, tabs=tabs)
            with gr.Tab(t("tool-log.title"), elem_id="page-tool-log", id="tool-log") as self._log_tab:
                self._log = ToolLogPage(parts.tools.runs, t)

    def wire(self, tab: gr.Tab) -> None:
        """Ties the handlers to the page. `tab` is the Tools tab."""
        self._tools.wire(tab, self._all_tab)
        self._reach.wire(self._reach_tab)
        self._servers.wire(tab, self._servers_tab)
        self._log.wire(tab, self._log_tab)
