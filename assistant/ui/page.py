"""The page as a whole: tabs, and how they are served."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from gradio.routes import App

from assistant.i18n import Translator
from assistant.library.incoming import Incoming
from assistant.paths import asset
from assistant.ui import scripts, theme
from assistant.ui.banner import Banner
from assistant.ui.cards import Cards
from assistant.ui.chat import ChatTab
from assistant.ui.commands import Commands
from assistant.ui.context_panel import ContextPanel
from assistant.ui.export import Downloads
from assistant.ui.feed import Feed
from assistant.ui.intake import Intake
from assistant.ui.models_tab import ModelsTab
from assistant.ui.names import model_name
from assistant.ui.parts import Parts
from assistant.ui.pictures import Pictures
from assistant.ui.queue import PageQueue
from assistant.ui.settings_pages import SettingsPages
from assistant.ui.shelf import Shelf
from assistant.ui.sidebar import Sidebar
from assistant.ui.tools_pages import ToolsPages

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


def build_page(parts: Parts, t: Translator) -> FastAPI:
    """The page as an ASGI application. It is not safe to serve as it is: `assistant.guard` stands before it."""
    conversations, configuration = parts.conversations, parts.configuration
    with (
        _served_once(),
        gr.Blocks(title=t("app.name"), analytics_enabled=False, fill_width=True, fill_height=True) as blocks,
    ):
        mark = gr.Markdown(theme.mark(configuration.settings.theme, t.language), elem_id="theme-mark", container=False)
        gr.Button(t("sidebar.toggle"), elem_id="sidebar-toggle")
        downloads = Downloads(parts.exporter, upload_folder, t)
        sidebar = Sidebar(conversations, downloads, t)
        banner = Banner(parts.caretaker, lambda: conversations.unsaved, t)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab(t("tab.chat"), elem_id="tab-chat", id="chat", scale=1):
                chat = ChatTab(parts, sidebar, t)
            with gr.Tab(t("tab.tools"), elem_id="tab-tools", id="tools") as tools_tab:
                tool_pages = ToolsPages(parts, t, composer=chat.text, tabs=tabs)
            with gr.Tab(t("tab.models"), elem_id="tab-models", id="models") as models_tab:
                library = ModelsTab(parts.models, configuration, t)
            with gr.Tab(t("tab.settings"), elem_id="tab-settings", id="settings") as tab:
                pages = SettingsPages(parts, chat, downloads, t, mark=mark)
        commands = Commands(conversations, chat, sidebar)
        gr.Markdown(shortcuts(t), elem_id="shortcuts", container=False)
        chat.wire(blocks)
        sidebar.wire(chat.state)
        commands.wire(tabs)
        uses = [*chat.offers.wire(blocks, banner.look), *pages.general.search.wire()]
        tool_pages.wire(tools_tab)
        changes = [*uses, *library.wire(models_tab)]
        pages.wire(blocks, tabs, tab, chat=chat, sidebar=sidebar, banner=banner)
        pages.general.follow(*changes)
        chat.follow(*changes)
        library.follow(*uses)
        banner.wire(blocks)
    blocks._queue = PageQueue(blocks)  # pyright: ignore[reportPrivateUsage]
    blocks.state_session_capacity = MOST_PAGES
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, telemetry=NO_TELEMETRY)
    context, pictures = ContextPanel(conversations, configuration, t), Pictures(conversations, t)
    context.add_to(app)
    pictures.add_to(app)
    feed = Feed(
        conversations,
        t,
        banner=lambda: banner.words() + chat.offers.words(),
        context=context,
        pictures=pictures,
        loading=parts.loading,
        name_of=lambda pick: model_name(pick, configuration, t),
    )
    feed.add_to(app)
    Cards(conversations, t).add_to(app)
    Intake(Incoming(parts.models.library), t).add_to(app)
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
