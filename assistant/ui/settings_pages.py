"""The pages of the Settings tab, side by side."""

from __future__ import annotations

import gradio as gr

from assistant.i18n import Translator
from assistant.ui.backups_page import BackupsPage
from assistant.ui.banner import Banner
from assistant.ui.chat import ChatTab
from assistant.ui.data_page import DataPage
from assistant.ui.engine_page import EnginePage
from assistant.ui.export import Downloads
from assistant.ui.network_page import NetworkPage
from assistant.ui.parts import Parts
from assistant.ui.settings_tab import SettingsTab
from assistant.ui.sidebar import Sidebar
from assistant.ui.wiring import wire


class SettingsPages:
    """Lays the pages out in the tab that is open. `mark` and the chat's line about its engine follow the settings."""

    def __init__(self, parts: Parts, chat: ChatTab, downloads: Downloads, t: Translator, *, mark: gr.Markdown) -> None:
        with gr.Tabs(elem_id="settings-pages") as self._pages:
            with gr.Tab(t("settings.general"), elem_id="page-general", id="general") as self._general_tab:
                self.general = SettingsTab(
                    parts.configuration,
                    parts.check,
                    parts.neighbourhood,
                    t,
                    speak=parts.speak,
                    mark=mark,
                    engine_line=chat.engine_line,
                )
            with gr.Tab(t("engine-page.title"), elem_id="page-engine", id="engine") as self._engine_tab:
                self._engine = EnginePage(parts.configuration, parts.desk, t)
            with gr.Tab(t("network.title"), elem_id="page-network", id="network") as self._network_tab:
                self._network = NetworkPage(parts.configuration, parts.visits, t)
            with gr.Tab(t("backups.title"), elem_id="page-backups", id="backups") as self._backups_tab:
                self._backups = BackupsPage(parts.caretaker, t)
            with gr.Tab(t("data.title"), elem_id="page-chats", id="chats"):
                self._data = DataPage(parts.importer, downloads, t)

    def wire(
        self, blocks: gr.Blocks, tabs: gr.Tabs, tab: gr.Tab, *, chat: ChatTab, sidebar: Sidebar, banner: Banner
    ) -> None:
        """Ties the handlers to the page. `tab` is the Settings tab among `tabs`; the banner leads to the backups."""
        chat.follow(*self.general.wire(blocks, tab, self._general_tab))
        self._engine.wire(self._engine_tab)
        self._network.wire(self._network_tab)
        self._data.wire(chat.state, sidebar)
        self._backups.wire(self._backups_tab, banner.backups)
        wire(
            [banner.backups.click],
            lambda: {tabs: gr.update(selected="settings"), self._pages: gr.update(selected="backups")},
            outputs=[tabs, self._pages],
        )
