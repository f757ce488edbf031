"""The page as a whole: tabs, and how they are served."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from gradio.routes import App

from assistant.caretaker import Caretaker
from assistant.configuration import Configuration
from assistant.conversations import Conversations
from assistant.egress import Visit
from assistant.engines.neighbours import Neighbourhood
from assistant.exchange.exporter import Exporter
from assistant.exchange.importer import Importer
from assistant.i18n import Translator
from assistant.library.incoming import Incoming
from assistant.paths import asset
from assistant.ui import scripts, theme
from assistant.ui.backups_page import BackupsPage
from assistant.ui.banner import Banner
from assistant.ui.chat import ChatTab
from assistant.ui.check import TargetCheck
from assistant.ui.commands import Commands
from assistant.ui.context_panel import ContextPanel
from assistant.ui.data_page import DataPage
from assistant.ui.engine_page import EngineDesk, EnginePage
from assistant.ui.export import Downloads
from assistant.ui.feed import Feed
from assistant.ui.intake import Intake
from assistant.ui.models_tab import Models, ModelsTab
from assistant.ui.network_page import NetworkPage
from assistant.ui.queue import PageQueue
from assistant.ui.settings_tab import SettingsTab
from assistant.ui.shelf import Shelf
from assistant.ui.sidebar import Sidebar
from assistant.ui.wiring import wire

NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
LARGEST_UPLOAD = "200mb"
MOST_PAGES = 256  # whose state is remembered: those that were used last
SHORTCUTS = {  # what commands.js listens to; on a Mac, Cmd stands for Ctrl
    "new": "Ctrl Shift O",
    "search": "Ctrl K",
    "previous": "Alt ↑",
    "next": "Alt ↓",
    "sidebar": "Ctrl B",
    "write": "Shift Esc",
    "print": "Ctrl P",
    "list": "Ctrl /",
}


def build_page(
    conversations: Conversations,
    configuration: Configuration,
    *,
    check: TargetCheck,
    visits: Callable[[], list[Visit]],
    neighbourhood: Neighbourhood,
    models: Models,
    desk: EngineDesk,
    caretaker: Caretaker,
    importer: Importer,
    exporter: Exporter,
    lifespan: Callable[[Any], AbstractAsyncContextManager[None]],
) -> FastAPI:
    """The page as an ASGI application. It is not safe to serve as it is: `assistant.guard` stands before it."""
    t = Translator("en")
    with (
        _served_once(),
        gr.Blocks(title=t("app.name"), analytics_enabled=False, fill_width=True, fill_height=True) as blocks,
    ):
        mark = gr.Markdown(theme.theme_mark(configuration.settings.theme), elem_id="theme-mark", container=False)
        gr.Button(t("sidebar.toggle"), elem_id="sidebar-toggle")
        downloads = Downloads(exporter, upload_folder, t)
        sidebar = Sidebar(conversations, downloads, t)
        banner = Banner(caretaker, lambda: conversations.unsaved, t)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab(t("tab.chat"), elem_id="tab-chat", id="chat", scale=1):
                chat = ChatTab(conversations, configuration, neighbourhood, sidebar, t, check=check)
            with gr.Tab(t("tab.models"), elem_id="tab-models", id="models") as models_tab:
                library = ModelsTab(models, configuration, t)
            with gr.Tab(t("tab.settings"), elem_id="tab-settings", id="settings") as tab:  # noqa: SIM117
                with gr.Tabs(elem_id="settings-pages") as pages:
                    with gr.Tab(t("settings.general"), elem_id="page-general", id="general") as general:
                        settings = SettingsTab(
                            configuration,
                            check,
                            neighbourhood,
                            t,
                            theme_mark_component=mark,
                            engine_line=chat.engine_line,
                        )
                    with gr.Tab(t("engine-page.title"), elem_id="page-engine", id="engine") as engine_tab:
                        engine = EnginePage(configuration, desk, t)
                    with gr.Tab(t("network.title"), elem_id="page-network", id="network") as network_tab:
                        network = NetworkPage(configuration, visits, t)
                    with gr.Tab(t("backups.title"), elem_id="page-backups", id="backups") as backups_tab:
                        backups = BackupsPage(caretaker, t)
                    with gr.Tab(t("data.title"), elem_id="page-chats", id="chats"):
                        data = DataPage(importer, downloads, t)
        commands = Commands(conversations, chat, sidebar)
        gr.Markdown(shortcuts(t), elem_id="shortcuts", container=False)
        chat.wire(blocks)
        sidebar.wire(chat.state)
        commands.wire(tabs)
        settings.wire(blocks, tab, general)
        uses = [*chat.offers.wire(blocks, banner.look), *settings.search.wire()]
        changes = [*uses, *library.wire(models_tab)]
        settings.follow(*changes)
        chat.follow(*changes)
        library.follow(*uses)
        engine.wire(engine_tab)
        network.wire(network_tab)
        data.wire(chat.state, sidebar)
        backups.wire(backups_tab, banner.backups)
        banner.wire(blocks)
        wire(
            [banner.backups.click],
            lambda: {tabs: gr.update(selected="settings"), pages: gr.update(selected="backups")},
            outputs=[tabs, pages],
        )
    blocks._queue = PageQueue(blocks)  # pyright: ignore[reportPrivateUsage]
    blocks.state_session_capacity = MOST_PAGES
    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None, telemetry=NO_TELEMETRY)
    context = ContextPanel(conversations, configuration, t)
    context.add_to(app)
    Feed(conversations, t, banner=lambda: banner.words() + chat.offers.words(), context=context).add_to(app)
    Intake(Incoming(models.library), t).add_to(app)
    scripts.add_to(app)
    app.add_middleware(Shelf, kinds={block.get_block_name() for block in blocks.blocks.values()})
    served = gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        theme=theme.theme(),
        css_paths=theme.stylesheet(),
        head=scripts.head(t),
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
        show_error=False,
        max_file_size=LARGEST_UPLOAD,
        favicon_path=str(asset("icons", "hearth.png")),
    )
    # It would keep a connection of each page for nothing but to say that the page is there. A browser has six for an
    # address, and one of them is the feed's.
    blocks.config["connect_heartbeat"] = False
    return served


@contextmanager
def _served_once() -> Generator[None]:
    """While a page is laid out, Gradio builds all its routes twice for applications that nobody will serve, before
    `mount_gradio_app` builds them once more. A new Gradio that does it elsewhere starts the slow way."""
    application: Any = App
    build = application.create_app
    application.create_app = staticmethod(lambda *_arguments, **_named: None)
    try:
        yield
    finally:
        application.create_app = staticmethod(build)


def shortcuts(t: Translator) -> str:
    """The list of keys, which commands.js shows and hides."""
    rows = "".join(
        f"<tr><td><kbd>{keys}</kbd></td><td>{t(f'shortcut.{name}')}</td></tr>" for name, keys in SHORTCUTS.items()
    )
    return f"<div><h2>{t('sidebar.shortcuts')}</h2><table>{rows}</table><p>{t('shortcut.close')}</p></div>"


def upload_folder() -> Path | None:
    """Where Gradio keeps uploads, if the launcher made that place for this process alone; a shared one is none."""
    named = os.environ.get("GRADIO_TEMP_DIR")
    if not named or not Path(named).is_dir() or (os.name == "posix" and Path(named).stat().st_mode & 0o077):
        return None
    return Path(named)
