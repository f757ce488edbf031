"""The Chat tab: one column of messages, and the composer below it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from assistant.configuration import Configuration
from assistant.conversation import Conversation, Conversations
from assistant.errors import HearthError
from assistant.i18n import Translator
from assistant.ui.pace import Pace
from assistant.ui.render import render_live, render_messages

log = logging.getLogger(__name__)

SCREENFUL = 30
MATHS: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "\\[", "right": "\\]", "display": True},
    {"left": "\\(", "right": "\\)", "display": False},
]

Changes = dict[Any, Any]


@dataclass
class PageState:
    """What one open page shows: a chat, and how many of its last messages. Gradio keeps one for each page."""

    conversation: Conversation | None = None
    shown: int = SCREENFUL


@dataclass(frozen=True)
class ChatTab:
    """What other tabs may change here."""

    engine_line: gr.Markdown


def build_chat(blocks: gr.Blocks, conversations: Conversations, configuration: Configuration, t: Translator) -> ChatTab:
    """Lays the tab out and wires it. Handlers read inputs, call the conversation and yield what changed."""
    state = gr.State(PageState())
    with gr.Row(elem_id="chat-bar"):
        notice = gr.Markdown(elem_id="notice", container=False, visible=False)
        new_chat = gr.Button(t("chat.new"), elem_id="new-chat", variant="secondary", size="sm", scale=0)
    with gr.Column(elem_id="chat-column", scale=1):
        earlier = gr.Button(t("chat.earlier"), elem_id="chat-earlier", size="sm", variant="secondary", visible=False)
        settled = _chatbot("chat-settled", t("chat.label.settled"), placeholder=_welcome(configuration, t))
        live = _chatbot("chat-live", t("chat.label.live"), placeholder="")
    with gr.Column(elem_id="composer", scale=0):
        with gr.Row(elem_id="composer-box", equal_height=False):
            text = gr.Textbox(
                elem_id="chat-input",
                placeholder=t("chat.placeholder"),
                label=t("chat.placeholder"),
                show_label=False,
                container=False,
                lines=1,
                max_lines=12,
                autofocus=True,
                scale=1,
            )
            send = gr.Button(t("chat.send"), elem_id="chat-send", variant="primary", scale=0, min_width=72)
            stop = gr.Button(t("chat.stop"), elem_id="chat-stop", variant="stop", scale=0, min_width=72, visible=False)
        with gr.Row(elem_id="composer-foot"):
            engine_line = gr.Markdown(engine_words(configuration, t), elem_id="engine-line", container=False)
            retry = gr.Button(t("chat.retry"), elem_id="chat-retry", size="sm", scale=0, min_width=72, visible=False)

    def settled_changes(page: PageState) -> Changes:
        """Everything but the running answer, as the conversation now has it."""
        conversation = page.conversation
        messages = conversation.settled if conversation else ()
        running = conversation is not None and conversation.live is not None
        unsaved = conversation.unsaved if conversation else None
        return {
            settled: gr.update(
                value=render_messages(messages[-page.shown :], t),
                placeholder="" if running else _welcome(configuration, t),
            ),
            live: render_live(conversation.live if conversation else None, t),
            earlier: gr.update(visible=len(messages) > page.shown),
            send: gr.update(visible=not running),
            stop: gr.update(visible=running),
            retry: gr.update(visible=conversation is not None and conversation.can_retry),
            notice: _told(unsaved or configuration.notice, t),
            engine_line: engine_words(configuration, t),
        }

    async def follow(page: PageState) -> AsyncGenerator[Changes]:
        """Frames of the page's chat until it is at rest, or until the page shows another one."""
        conversation, pace = page.conversation, Pace()
        if conversation is None:
            return
        while page.conversation is conversation and conversation.live is not None:
            started, news = time.monotonic(), conversation.news
            yield {live: render_live(conversation.live, t)}
            pace = pace.after(time.monotonic() - started)
            await news.wait()
            await asyncio.sleep(max(0.0, pace.interval_seconds - (time.monotonic() - started)))
        if page.conversation is conversation:
            yield settled_changes(page)

    async def open_page(page: PageState) -> AsyncGenerator[Changes]:
        try:
            page.conversation = await conversations.last()
        except HearthError as error:
            yield {notice: _told(error, t)}
            return
        yield {state: page} | settled_changes(page)
        async for changes in follow(page):
            yield changes

    async def ask(page: PageState, question: str) -> AsyncGenerator[Changes]:
        conversation = page.conversation
        if conversation is None or conversation.live is not None or not question.strip():
            yield {text: gr.skip()}  # the words stay where they are
            return
        try:
            await conversation.send(question)
        except HearthError as error:
            yield {notice: _told(error, t)}
            return
        yield settled_changes(page) | {text: ""}
        async for changes in follow(page):
            yield changes

    async def ask_again(page: PageState) -> AsyncGenerator[Changes]:
        if page.conversation is None:
            return
        try:
            await page.conversation.retry()
        except HearthError as error:
            yield {notice: _told(error, t)}
            return
        yield settled_changes(page)
        async for changes in follow(page):
            yield changes

    async def end_answer(page: PageState) -> None:
        if page.conversation is not None:
            await page.conversation.stop()

    async def begin_chat(page: PageState) -> Changes:
        try:
            page.conversation = await conversations.new()
        except HearthError as error:
            return {notice: _told(error, t)}
        page.shown = SCREENFUL
        return {state: page} | settled_changes(page)

    def show_earlier(page: PageState) -> Changes:
        page.shown += SCREENFUL
        return settled_changes(page)

    whole = [state, settled, live, earlier, send, stop, retry, notice, engine_line]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    blocks.load(open_page, [state], whole, **quiet)
    gr.on([text.submit, send.click], ask, [state, text], [*whole, text], **quiet)
    retry.click(ask_again, [state], whole, **quiet)
    stop.click(end_answer, [state], None, **quiet)
    new_chat.click(begin_chat, [state], whole, **quiet)
    earlier.click(show_earlier, [state], whole, **quiet)
    return ChatTab(engine_line)


def engine_words(configuration: Configuration, t: Translator) -> str:
    """One line that says who answers, and from where."""
    target = configuration.target
    if not target.endpoint:
        return escape(t("engine.embedded"))
    model = target.model or t("engine.first-model")
    return escape(t("engine.endpoint", model=model, endpoint=target.endpoint))


def _chatbot(elem_id: str, label: str, *, placeholder: str) -> gr.Chatbot:
    return gr.Chatbot(
        elem_id=elem_id,
        label=label,
        show_label=False,
        container=False,
        height="auto",
        autoscroll=False,
        layout="bubble",
        buttons=["copy"],
        placeholder=placeholder,
        latex_delimiters=MATHS,
        line_breaks=False,
        sanitize_html=True,
        feedback_options=None,
        group_consecutive_messages=True,
    )


def _welcome(configuration: Configuration, t: Translator) -> str:
    """The empty chat: a greeting, and honest words about who will answer."""
    about = t("chat.welcome.starter") if not configuration.target.endpoint else t("chat.welcome.endpoint")
    return f"# {t('chat.welcome')}\n\n{about}"


def _told(error: HearthError | None, t: Translator) -> Changes:
    """The banner with an error, or no banner."""
    if error is None:
        return gr.update(value="", visible=False)
    said = f"<strong>{escape(error.message_in(t))}</strong> {escape(error.hint_in(t))}"
    return gr.update(value=said, visible=True)
