"""The side bar: search, the chats by day, and the small forms that belong to them."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

import gradio as gr

from assistant.conversations import Conversations
from assistant.errors import HearthError
from assistant.exchange.exporter import FORMATS, ExportFormat
from assistant.i18n import Translator
from assistant.ui.chat_list import render_archived, render_found, render_overview
from assistant.ui.export import Downloads
from assistant.ui.links import as_html, link
from assistant.ui.state import LISTED, FormOfChat, PageState
from assistant.ui.wiring import Changes, wire

LISTED_AT_MOST = 100_000


class Sidebar:
    """Lays the side bar out in the Blocks that is open. commands.js opens and shuts it."""

    def __init__(self, conversations: Conversations, downloads: Downloads, t: Translator) -> None:
        self._conversations, self._downloads, self._t = conversations, downloads, t
        with gr.Column(elem_id="sidebar", scale=0):
            self.new = gr.Button(t("chat.new"), elem_id="new-chat", size="sm")
            self.search = gr.Textbox(
                elem_id="search-chats",
                placeholder=t("sidebar.search"),
                label=t("sidebar.search"),
                show_label=False,
                container=False,
                lines=1,
                max_lines=1,
            )
            with gr.Column(elem_id="chat-form", visible=False) as self._form:
                self._name = gr.Textbox(label=t("sidebar.name"), elem_id="chat-name", max_lines=1, autofocus=True)
                self._folder = gr.Dropdown(
                    label=t("sidebar.folder"), elem_id="chat-folder", allow_custom_value=True, choices=[]
                )
                self._format = gr.Radio(
                    [(t(f"data.format.{kind}"), kind) for kind in FORMATS],
                    value="md",
                    label=t("sidebar.export"),
                    elem_id="chat-format",
                )
                with gr.Row():
                    self._save = gr.Button(t("sidebar.save"), elem_id="chat-form-save", size="sm", variant="primary")
                    self._cancel = gr.Button(t("sidebar.cancel"), elem_id="chat-form-cancel", size="sm")
            self._list = gr.Markdown(elem_id="chat-list", container=False)
            self._undo = gr.Markdown(elem_id="chat-undo", container=False, visible=False)
            self._foot = gr.Markdown(elem_id="sidebar-foot", container=False)
        self.outputs = [
            *(self._form, self._name, self._folder, self._format, self._list, self._undo, self._foot),
            self._downloads.link,
        ]

    def wire(self, state: gr.State) -> None:
        """Ties the handlers to the page."""
        wire([self.search.change], self._look, inputs=[state, self.search], outputs=self.outputs, mode="always_last")
        form = [state, self._name, self._folder, self._format]
        saves = [self._save.click, self._name.submit]
        wire(saves, self._store_form, inputs=form, outputs=self.outputs)
        wire([self._cancel.click], self._shut_form, inputs=[state], outputs=self.outputs)

    async def changes(self, page: PageState) -> Changes:
        """The side bar as it now is."""
        current = page.conversation.id if page.conversation else ""
        overview = await self._conversations.overview(limit=page.listed, open_folders=page.open_folders)
        archived = overview.archived_count
        if page.query.strip():
            shown = render_found(await self._conversations.search(page.query), self._t, current=current)
        elif page.shows_archived:
            chats = await self._conversations.archived(limit=page.listed)
            shown = render_archived(chats, self._t, current=current)
        else:
            shown = render_overview(
                overview,
                self._t,
                current=current,
                open_folders=page.open_folders,
                today=datetime.now().astimezone().date(),
            )
        return {self._list: shown, self._foot: self._foot_words(archived), **self._undo_changes(page)}

    async def refresh(self, page: PageState) -> Changes:
        """The side bar as it now is, for whom a fault of the chats' file does not concern."""
        try:
            return await self.changes(page)
        except HearthError:
            return {}

    async def open_form(self, page: PageState, what: FormOfChat, chat_id: str) -> Changes:
        """Shows the form that asks for a chat's name, its folder, or how to export it."""
        chat = await self._conversations.open(chat_id)
        if chat is None:
            return {}
        page.asked, page.asked_about = what, chat_id
        folders, folder = await self._conversations.folders(), await self._conversations.folder_of(chat_id)
        return {
            self._form: gr.update(visible=True),
            self._name: gr.update(value=chat.title, visible=what == "rename"),
            self._folder: gr.update(choices=["", *folders], value=folder, visible=what == "move"),
            self._format: gr.update(visible=what == "export"),
        }

    async def act(self, page: PageState, verb: str, what: str) -> bool:
        """Does what a link in the side bar says, if it is one of those that show no other chat."""
        match verb:
            case "pin" | "unpin":
                await self._conversations.pin(what, verb == "pin")
            case "archive" | "unarchive":
                await self._conversations.archive(what, verb == "archive")
            case "folder":
                page.open_folders = page.open_folders ^ {what}
            case "more":
                page.listed = min(page.listed + LISTED, LISTED_AT_MOST)
            case "archived":
                page.shows_archived = what == "open"
            case _:
                return False
        return True

    async def _look(self, page: PageState, query: str) -> Changes:
        page.query = query
        try:
            return await self.changes(page)
        except HearthError as error:
            return {self._list: error.message_in(self._t)}

    async def _store_form(self, page: PageState, name: str, folder: str | None, kind: ExportFormat) -> Changes:
        given: Changes = {}
        try:
            if page.asked == "rename" and (chat := await self._conversations.open(page.asked_about)):
                await chat.aside.rename(name)
            elif page.asked == "move":
                await self._conversations.move(page.asked_about, folder or "")
                page.open_folders |= {" ".join((folder or "").split())}
            elif page.asked == "export":
                given = await asyncio.to_thread(self._downloads.one_chat, page.asked_about, kind)
            return await self._shut_form(page) | given
        except HearthError as error:
            return {self._list: error.message_in(self._t)}  # the form stays, with what was typed

    async def _shut_form(self, page: PageState) -> Changes:
        page.asked = ""
        return {self._form: gr.update(visible=False)} | await self.changes(page)

    def _undo_changes(self, page: PageState) -> Changes:
        if time.monotonic() > page.deleted_until:
            page.deleted = ""
        undo = link("restore", page.deleted, self._t("sidebar.undo"))
        words = f"<div>{as_html(self._t('sidebar.deleted'))} {undo}</div>" if page.deleted else ""
        return {self._undo: gr.update(value=words, visible=bool(page.deleted))}

    def _foot_words(self, archived: int) -> str:
        t = self._t
        links = [link("private", "new", t("sidebar.new-private"), title=t("sidebar.new-private.about"))]
        if archived:
            links.append(link("archived", "open", t("sidebar.show-archived", count=archived)))
        links.append(link("shortcuts", "show", t("sidebar.shortcuts")))
        return f"<div>{''.join(links)}</div>"
