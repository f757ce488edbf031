"""The Chat tab: one column of messages, and the composer below it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import gradio as gr

from assistant.configuration import Configuration
from assistant.conversation import Conversation
from assistant.errors import HearthError
from assistant.i18n import Translator
from assistant.pick import NO_WISH, Pick
from assistant.ui.comparison import Comparison
from assistant.ui.links import as_html
from assistant.ui.offers import Greeting
from assistant.ui.parts import Parts
from assistant.ui.picker import Picker, SecondOpinion, parsed
from assistant.ui.sidebar import Sidebar
from assistant.ui.state import PageState
from assistant.ui.tool_switch import ToolSwitch
from assistant.ui.wiring import Changes, chain, wire

log = logging.getLogger(__name__)

TRANSCRIPT = """
<button id="chat-earlier" type="button" hidden>{earlier}</button>
<div id="chat-settled" role="log" aria-label="{settled}"></div>
<div id="chat-live" aria-label="{live}"></div>
<div id="chat-said" role="status"></div>
"""  # transcript.js puts the messages in


class ChatTab:
    """Lays the tab out in the Blocks that is open. Handlers read inputs, call the conversation, yield what changed."""

    def __init__(self, parts: Parts, sidebar: Sidebar, t: Translator) -> None:
        configuration, check = parts.configuration, parts.check
        self._conversations, self._configuration, self._t = parts.conversations, configuration, t
        self._sidebar, self._fault = sidebar, parts.notice
        self.state = gr.State(PageState())
        with gr.Row(elem_id="chat-bar"):
            self._notice = gr.Markdown(elem_id="notice", container=False, visible=False)
        with gr.Column(elem_id="chat-column", scale=1):
            self._greeting = gr.Markdown(self._welcome(None), elem_id="welcome", container=False)
            self.offers = Greeting(configuration, parts.neighbourhood, t)
            words = {"earlier": "chat.earlier", "settled": "chat.label.settled", "live": "chat.label.live"}
            html = TRANSCRIPT.format(**{name: as_html(t(key)) for name, key in words.items()})
            gr.Markdown(html, elem_id="transcript", container=False, sanitize_html=False)
        with gr.Column(elem_id="composer", scale=0):
            with gr.Row(elem_id="composer-asks", visible=False) as self._asks:
                self._question = gr.Markdown(elem_id="composer-question", container=False)
                self._other = SecondOpinion(t)
                self._yes = gr.Button(t("message.erase"), elem_id="composer-yes", variant="stop", size="sm", scale=0)
                self._keep = gr.Button(t("changes.retry.keep"), elem_id="composer-keep", size="sm", scale=0)
                self._no = gr.Button(t("sidebar.cancel"), elem_id="composer-no", size="sm", scale=0)
            with gr.Row(elem_id="composer-box", equal_height=False):
                self.text = _composer_text(t("chat.placeholder"))
                self._send = gr.Button(t("chat.send"), elem_id="chat-send", variant="primary", scale=0)
                self._stop = gr.Button(t("chat.stop"), elem_id="chat-stop", variant="stop", scale=0)
            with gr.Row(elem_id="composer-foot"):
                self.picker = Picker(configuration, t, models=check.models, reasons=check.reasons)
                self._tools = ToolSwitch(t)
                self.comparison = Comparison(configuration, self.picker, t)
                self.engine_line = gr.Markdown(engine_words(configuration, t), elem_id="engine-line", container=False)
            self._target = gr.Markdown(elem_id="chat-target", container=False)
            self._look = gr.Button("look", elem_id="look")  # pressed by transcript.js when the feed says so
        self.outputs = [
            *(self.state, self._greeting, self._notice, self.engine_line, self.text),
            *(self._asks, self._question, self._yes, self._keep, self._target),
            *self._other.outputs,
            *self.picker.outputs,
            *self._tools.outputs,
            *self.comparison.outputs,
            *sidebar.outputs,
        ]

    def wire(self, blocks: gr.Blocks) -> None:
        """Ties the handlers to the page."""
        state, text, whole = self.state, self.text, self.outputs
        opened = wire([blocks.load], self._open, inputs=[state], outputs=whole)
        chain(opened, self._keep_first_words, inputs=[state, text])
        wire([self._look.click], self.whole, inputs=[state], outputs=whole, mode="always_last")
        # composer.js asks by itself, and more quickly; these are for a page whose scripts do not run.
        wire([text.submit, self._send.click], self._ask, inputs=[state, text], outputs=whole, mode="multiple")
        wire([text.change], self._keep_draft, inputs=[state, text], mode="always_last")
        wire([self._stop.click], self._end_answer, inputs=[state])
        wire([self._sidebar.new.click], self._begin, inputs=[state, text], outputs=whole, mode="multiple")
        wire([self._yes.click], self._do_asked, inputs=[state], outputs=whole, mode="multiple")
        wire([self._keep.click], self._retry, inputs=[state], outputs=whole, mode="multiple")
        self.picker.wire(state, self.whole, whole)
        self._tools.wire(state)
        self.comparison.wire(state, self.whole, whole)
        wire([self._other.ask.click], self._ask_other, inputs=[state, self._other.model], outputs=whole)
        wire([self._other.model.focus], self._look_for_others, inputs=[state], outputs=self._other.outputs)
        wire([self._no.click], self._never_mind, inputs=[state, text], outputs=whole)

    def follow(self, *events: Any) -> None:
        """After each of these, answers come from elsewhere: the tab says so."""
        for event in events:
            chain(event, self.whole, inputs=[self.state], outputs=self.outputs)

    async def turn_to(self, page: PageState, conversation: Conversation, *, unsent: str) -> Changes:
        """Makes the page show another chat, with what was left in its composer; what stands there now is kept."""
        if page.conversation is not None and not page.editing:
            await page.conversation.keep_draft(unsent)
        page.turn_to(conversation)
        # An empty composer is left alone: a quick hand may have begun to type in it.
        words = {self.text: conversation.draft} if unsent or conversation.draft else {}
        return {self.state: page} | words

    def told(self, error: HearthError | None) -> Changes:
        """The banner with an error, or no banner."""
        if error is None:
            return {self._notice: gr.update(value="", visible=False)}
        message, hint = as_html(error.message_in(self._t)), as_html(error.hint_in(self._t))
        return {self._notice: gr.update(value=f"<strong>{message}</strong> {hint}", visible=True)}

    async def _open(self, page: PageState) -> Changes:
        try:
            async with page.turning:
                conversation = await self._conversations.last()
                page.turn_to(conversation)
        except HearthError as error:
            return self.told(error)
        words = {self.text: conversation.draft} if conversation.draft else {}  # a quick hand may have typed already
        return {self.state: page} | words | await self.whole(page)

    async def _ask(self, page: PageState, question: str) -> Changes:
        try:
            async with page.turning:
                conversation = page.conversation = page.conversation or await self._conversations.last()
            if conversation.is_running or not question.strip():
                return {self.state: page}  # the words stay where they are
            if page.editing:
                await conversation.edit(page.editing, question)
                page.editing = ""
            else:
                await conversation.send(question)
                await conversation.keep_draft("")
            draft = conversation.draft  # what stood there before an earlier question was edited
        except HearthError as error:
            return self.told(error)
        return {self.state: page, self.text: draft} | await self.whole(page)

    async def _keep_draft(self, page: PageState, text: str) -> None:
        chat = page.conversation
        if chat is None or page.editing:
            return
        if chat.live is not None and [item.message.text for item in chat.settled[-1:]] == [text]:
            return  # what was sent comes once more, late
        try:
            await chat.keep_draft(text)
        except HearthError:
            log.warning("a draft could not be saved")  # it stands in the composer, and is tried again

    async def _keep_first_words(self, page: PageState, text: str) -> None:
        """What a quick hand has typed before the page knew its chat."""
        if text:
            await self._keep_draft(page, text)

    async def _end_answer(self, page: PageState) -> None:
        if page.conversation is not None:
            await page.conversation.stop()

    async def _begin(self, page: PageState, text: str) -> Changes:
        try:
            page.shows_archived = False
            async with page.turning:
                wish = replace(page.conversation.wish, beside=None) if page.conversation else NO_WISH
                turned = await self.turn_to(page, await self._conversations.new(wish), unsent=text)
        except HearthError as error:
            return self.told(error)
        return turned | await self.whole(page)

    async def _do_asked(self, page: PageState) -> Changes:
        """Deletes, or retries an answer once what it did to files is undone."""
        asked, page.asked, message_id = page.asked, "", page.asked_about
        try:
            if page.conversation is not None and asked == "erase":
                await page.conversation.erase(message_id)
            elif page.conversation is not None and asked == "rewind":
                if (step := page.conversation.changed.by(page.conversation.settled, message_id)) is not None:
                    await page.conversation.turn_files(step.answer_id, "undo")
                await page.conversation.retry(message_id)
        except HearthError as error:
            return await self.whole(page) | self.told(error)
        return await self.whole(page)

    async def _retry(self, page: PageState) -> Changes:
        """Retries an answer and leaves the files as they are."""
        page.asked, message_id = "", page.asked_about
        try:
            if page.conversation is not None:
                await page.conversation.retry(message_id)
        except HearthError as error:
            return self.told(error)
        return await self.whole(page)

    async def _ask_other(self, page: PageState, value: str | None) -> Changes:
        """A second opinion: the same question to another model, whose answer stands beside the first."""
        page.asked, message_id = "", page.asked_about
        try:
            if page.conversation is not None and (pick := parsed(value or "")) is not None:
                await page.conversation.retry(message_id, pick=pick)
        except HearthError as error:
            return self.told(error)
        return await self.whole(page)

    async def _look_for_others(self, page: PageState) -> Changes:
        await self.picker.look()
        return self._other.changes(self.picker.others(page), is_asked=True)

    async def _never_mind(self, page: PageState, text: str) -> Changes:
        """Leaves the editing of a question, or the question whether to delete; the composer gets back what it had."""
        was_editing, page.editing, page.asked = page.editing, "", ""
        draft = page.conversation.draft if page.conversation and was_editing else text
        return {self.text: draft} | await self.whole(page)

    async def whole(self, page: PageState) -> Changes:
        """Everything on the tab and in the side bar as the page's chat now has it. (Its messages come by `feed`.)"""
        conversation = page.conversation
        try:
            sidebar = await self._sidebar.changes(page)
        except HearthError:
            sidebar: Changes = {}  # the chat goes on without it
        if conversation is None or conversation.is_running or conversation.message(page.editing) is None:
            page.editing = ""  # it has been asked, and may have been answered since
        return {
            **sidebar,
            **self.told(self._fault()),
            **self._asking(page),
            self._greeting: self._welcome(conversation),
            self._target: self._marks(page),
            self.engine_line: self._foot_words(conversation),
            **self.picker.changes(page),
            **self._tools.changes(page),
            **self.comparison.changes(page),
        }

    def _marks(self, page: PageState) -> str:
        """What the scripts have to do: show this chat, in it go to this message, ask this question anew; and the title
        that the chat has on paper."""
        if page.conversation is None:
            return ""
        chat = f"hearth-chat-{page.conversation.id} hearth-turn-{page.turns}"
        target = f"hearth-target-{page.target}" if page.target else ""
        editing = f"hearth-edits-{page.editing}" if page.editing else ""
        title = as_html(page.conversation.title or self._t("sidebar.untitled"))
        return f'<span class="{chat} {target} {editing}" title="{title}"></span>'

    def _asking(self, page: PageState) -> Changes:
        """The line above the composer: that an earlier question is edited, whether to delete, which model to ask."""
        words = self._t("message.editing") if page.editing else ""
        if page.asked == "erase":
            words = self._t("message.erase.question")
        if page.asked == "other":
            words = self._t("message.other.question")
        if page.asked == "rewind":
            words = self._t("changes.retry.question")
        return {
            self._asks: gr.update(visible=bool(words)),
            self._question: words,
            self._yes: gr.update(
                visible=page.asked in ("erase", "rewind"),
                value=self._t("changes.retry.undo" if page.asked == "rewind" else "message.erase"),
                variant="primary" if page.asked == "rewind" else "stop",
            ),
            self._keep: gr.update(visible=page.asked == "rewind"),
            **self._other.changes(
                self.picker.others(page) if page.asked == "other" else [], is_asked=page.asked == "other"
            ),
        }

    def _foot_words(self, conversation: Conversation | None) -> str:
        words = engine_words(self._configuration, self._t, conversation.wish.pick if conversation else None)
        if conversation is not None and conversation.wish.beside is not None:
            words = self._t("beside.both")
        is_private = conversation is not None and self._conversations.is_private(conversation)
        return f"{self._t('chat.private')} · {words}" if is_private else words

    def _welcome(self, conversation: Conversation | None) -> str:
        """The empty chat: a greeting, and honest words about who will answer."""
        t = self._t
        if conversation is not None and self._conversations.is_private(conversation):
            return f"# {t('chat.welcome.private')}\n\n{t('chat.welcome.private.about')}"
        pick = conversation.wish.pick if conversation else None
        if self._configuration.target_of(pick).endpoint:
            who = t("chat.welcome.endpoint")
        elif name := self._configuration.built_in.name:
            who = t("chat.welcome.own", model=_as_code(name))
        else:
            who = t("chat.welcome.starter")
        return f"# {t('chat.welcome')}\n\n{who}"


def engine_words(configuration: Configuration, t: Translator, pick: Pick | None = None) -> str:
    """One line of Markdown that says from where answers come; as code, or the address would become a link."""
    endpoint = configuration.target_of(pick).endpoint
    if not endpoint:
        return t("engine.own" if configuration.built_in.name else "engine.embedded")
    return t("engine.endpoint", endpoint=_as_code(endpoint))


def _as_code(name: str) -> str:
    return f"`{' '.join(name.split()).replace('`', '')}`"


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
