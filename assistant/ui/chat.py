"""The Chat tab: one column of messages, and the composer below it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from html import escape
from typing import Any

import gradio as gr

from assistant.configuration import Configuration
from assistant.conversation import Conversation, Conversations
from assistant.errors import HearthError
from assistant.i18n import Translator
from assistant.ui.pace import Pace
from assistant.ui.render import render_live, render_messages
from assistant.ui.wiring import Changes, wire

SCREENFUL = 30
DRAWN_SECONDS = 1.2
MATHS: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "\\[", "right": "\\]", "display": True},
    {"left": "\\(", "right": "\\)", "display": False},
]


@dataclass
class PageState:
    """What one open page shows: a chat, and how many of its last messages. Gradio keeps one for each page."""

    conversation: Conversation | None = None
    shown: int = SCREENFUL
    asked_for_at: float = field(default_factory=time.monotonic)

    async def is_drawn(self) -> None:
        """Waits until a page that has just been loaded shows what it was given. What comes sooner may be covered by it
        again: the browser applies the two in either order (seen in Gradio 6.31)."""
        await asyncio.sleep(self.asked_for_at + DRAWN_SECONDS - time.monotonic())


class ChatTab:
    """Lays the tab out in the Blocks that is open. Handlers read inputs, call the conversation, yield what changed."""

    def __init__(self, conversations: Conversations, configuration: Configuration, t: Translator) -> None:
        self._conversations, self._configuration, self._t = conversations, configuration, t
        self._state = gr.State(PageState())
        with gr.Row(elem_id="chat-bar"):
            self._notice = gr.Markdown(elem_id="notice", container=False, visible=False)
            self._new = gr.Button(t("chat.new"), elem_id="new-chat", size="sm", scale=0)
        with gr.Column(elem_id="chat-column", scale=1):
            self._earlier = gr.Button(t("chat.earlier"), elem_id="chat-earlier", size="sm", visible=False)
            self._settled = _chatbot("chat-settled", t("chat.label.settled"), placeholder=self._welcome())
            self._live = _chatbot("chat-live", t("chat.label.live"), placeholder="")
        with gr.Column(elem_id="composer", scale=0):
            with gr.Row(elem_id="composer-box", equal_height=False):
                self._text = _composer_text(t("chat.placeholder"))
                self._send = gr.Button(t("chat.send"), elem_id="chat-send", variant="primary", scale=0)
                self._stop = gr.Button(t("chat.stop"), elem_id="chat-stop", variant="stop", scale=0, visible=False)
            with gr.Row(elem_id="composer-foot"):
                self.engine_line = gr.Markdown(engine_words(configuration, t), elem_id="engine-line", container=False)
                self._retry = gr.Button(t("chat.retry"), elem_id="chat-retry", size="sm", scale=0, visible=False)

    def wire(self, blocks: gr.Blocks) -> None:
        """Ties the handlers to the page."""
        state, text = self._state, self._text
        whole = [
            *(state, self._settled, self._live, self._earlier, self._send, self._stop, self._retry),
            *(self._notice, self.engine_line, text),
        ]
        wire([blocks.load], self._open, inputs=[state], outputs=whole)
        wire([text.submit, self._send.click], self._ask, inputs=[state, text], outputs=whole)
        wire([self._retry.click], self._ask_again, inputs=[state], outputs=whole)
        wire([self._stop.click], self._end_answer, inputs=[state])
        wire([self._new.click], self._begin, inputs=[state], outputs=whole)
        wire([self._earlier.click], self._show_earlier, inputs=[state], outputs=whole)

    async def _open(self, page: PageState) -> AsyncGenerator[Changes]:
        page.asked_for_at = time.monotonic()
        try:
            page.conversation = await self._conversations.last()
        except HearthError as error:
            yield {self._notice: self._told(error)}
            return
        yield {self._state: page}
        async for changes in self._follow(page):
            yield changes

    async def _ask(self, page: PageState, question: str) -> AsyncGenerator[Changes]:
        try:
            conversation = page.conversation = page.conversation or await self._conversations.last()
            if conversation.live is not None or not question.strip():
                return  # the words stay where they are
            await conversation.send(question)
        except HearthError as error:
            yield {self._notice: self._told(error)}
            return
        await page.is_drawn()
        yield {self._state: page, self._text: ""}
        async for changes in self._follow(page):
            yield changes

    async def _ask_again(self, page: PageState) -> AsyncGenerator[Changes]:
        if page.conversation is None:
            return
        try:
            await page.conversation.retry()
        except HearthError as error:
            yield {self._notice: self._told(error)}
            return
        async for changes in self._follow(page):
            yield changes

    async def _end_answer(self, page: PageState) -> None:
        if page.conversation is not None:
            await page.conversation.stop()

    async def _begin(self, page: PageState) -> Changes:
        try:
            page.conversation = await self._conversations.new()
        except HearthError as error:
            return {self._notice: self._told(error)}
        page.shown = SCREENFUL
        return {self._state: page} | self._whole(page)

    def _show_earlier(self, page: PageState) -> Changes:
        page.shown += SCREENFUL
        return self._whole(page)

    async def _follow(self, page: PageState) -> AsyncGenerator[Changes]:
        """The page's chat as it is, then frames of a running answer until it rests, or the page shows another chat.
        An answer may begin or end while the page is handed what came before: it has to rest on both sides of that."""
        conversation = page.conversation
        while conversation is not None and page.conversation is conversation:
            was_at_rest = conversation.live is None
            yield self._whole(page)
            if was_at_rest and conversation.live is None:
                return
            async for changes in self._frames(page, conversation):
                yield changes

    async def _frames(self, page: PageState, conversation: Conversation) -> AsyncGenerator[Changes]:
        pace = Pace()
        while page.conversation is conversation and conversation.live is not None:
            began, news = time.monotonic(), conversation.news
            yield {self._live: render_live(conversation.live, self._t)}
            pace = pace.after(time.monotonic() - began)
            await news.wait()
            await asyncio.sleep(max(0.0, pace.interval_seconds - (time.monotonic() - began)))

    def _whole(self, page: PageState) -> Changes:
        """Everything on the tab as the page's chat now has it."""
        conversation, t = page.conversation, self._t
        messages = conversation.settled if conversation else ()
        live = conversation.live if conversation else None
        is_running = live is not None
        placeholder = "" if is_running else self._welcome()
        return {
            self._settled: gr.update(value=render_messages(messages[-page.shown :], t), placeholder=placeholder),
            self._live: render_live(live, t),
            self._earlier: gr.update(visible=len(messages) > page.shown),
            self._send: gr.update(visible=not is_running),
            self._stop: gr.update(visible=is_running),
            self._retry: gr.update(visible=conversation is not None and conversation.can_retry),
            self._notice: self._told(self._configuration.notice),
            self.engine_line: engine_words(self._configuration, t),
        }

    def _welcome(self) -> str:
        """The empty chat: a greeting, and honest words about who will answer."""
        who = "endpoint" if self._configuration.target.endpoint else "starter"
        return f"# {self._t('chat.welcome')}\n\n{self._t(f'chat.welcome.{who}')}"

    def _told(self, error: HearthError | None) -> dict[str, Any]:
        """The banner with an error, or no banner."""
        if error is None:
            return gr.update(value="", visible=False)
        message, hint = escape(error.message_in(self._t)), escape(error.hint_in(self._t))
        return gr.update(value=f"<strong>{message}</strong> {hint}", visible=True)


def engine_words(configuration: Configuration, t: Translator) -> str:
    """One line of Markdown that says who answers, and from where; as code, or the address would become a link."""
    target = configuration.target
    if not target.endpoint:
        return t("engine.embedded")
    model = f"`{target.model.replace('`', '')}`" if target.model else t("engine.first-model")
    return t("engine.endpoint", model=model, endpoint=f"`{target.endpoint.replace('`', '')}`")


def _composer_text(placeholder: str) -> gr.Textbox:
    return gr.Textbox(
        elem_id="chat-input",
        placeholder=placeholder,
        label=placeholder,
        show_label=False,
        container=False,
        lines=1,  # more would make Enter a new line
        max_lines=12,
        autofocus=True,
        scale=1,
    )


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
