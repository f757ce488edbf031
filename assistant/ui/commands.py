"""What happens when one of our links (see `links`) is clicked: commands.js puts it into a field that nobody sees."""

from __future__ import annotations

import time

import gradio as gr

from assistant.conversation import Conversation
from assistant.conversations import UNDO_SECONDS, Conversations
from assistant.errors import HearthError
from assistant.ui.chat import ChatTab
from assistant.ui.links import parse
from assistant.ui.sidebar import Sidebar
from assistant.ui.state import PageState, Question
from assistant.ui.wiring import Changes, wire


class Commands:
    """Lays the field out in the Blocks that is open, and does what comes through it. A command about a chat or a
    message that is not there (any more) does nothing."""

    def __init__(self, conversations: Conversations, chat: ChatTab, sidebar: Sidebar) -> None:
        self._conversations, self._chat, self._sidebar = conversations, chat, sidebar
        self._field = gr.Textbox(elem_id="command", show_label=False, label="command", container=False, max_lines=1)

    def wire(self, tabs: gr.Tabs) -> None:
        """Ties the handler to the page. A command that shows a chat brings its tab to the front."""
        inputs = [self._chat.state, self._field, self._chat.text]
        self._tabs = tabs
        wire([self._field.submit], self._run, inputs=inputs, outputs=[*self._chat.outputs, tabs], mode="multiple")

    async def _run(self, page: PageState, command: str, unsent: str) -> Changes:
        verb, what = parse(command)
        try:
            return await self._do(page, verb, what, unsent)
        except HearthError as error:
            return self._chat.told(error)

    async def _do(self, page: PageState, verb: str, what: str, unsent: str) -> Changes:
        if verb == "rename" or verb == "move" or verb == "export":  # noqa: PLR1714  # narrows the type
            return await self._sidebar.open_form(page, verb, what)
        if await self._sidebar.act(page, verb, what):
            return await self._sidebar.changes(page)
        changes: Changes = {}
        if verb in ("edit", "erase", "other") or (verb == "retry" and _has_changed_files(page, what)):
            changes = self._ask_first(page, verb, what)
        elif (turned := await self._turn(page, verb, what, unsent)) is not None:
            changes = {self._tabs: gr.update(selected="chat")} | turned
        elif page.conversation is not None:
            await _change_tree(page.conversation, verb, what)
        return await self._chat.whole(page) | changes

    async def _turn(self, page: PageState, verb: str, what: str, unsent: str) -> Changes | None:
        """Shows another chat; None for a command that does not."""
        async with page.turning:
            other = await self._other_chat(page, verb, what)
            if other is None:
                return None
            changes = await self._chat.turn_to(page, other, unsent=unsent)
            if verb == "jump":
                await self._jump(page, what.partition(".")[2])
            return changes

    async def _other_chat(self, page: PageState, verb: str, what: str) -> Conversation | None:
        """The chat that a command shows; None for a command that stays with the one that is shown."""
        match verb:
            case "open" | "jump":
                return await self._conversations.open(what.partition(".")[0])
            case "private":
                return await self._conversations.new_private()
            case "split":
                return await self._conversations.split(page.conversation, what) if page.conversation else None
            case "restore":
                page.deleted = ""
                return await self._conversations.restore(what)
            case "delete":
                await self._conversations.delete(what)
                page.deleted, page.deleted_until = what, time.monotonic() + UNDO_SECONDS
                shown = page.conversation
                return await self._conversations.last() if shown is None or shown.id == what else shown
            case _:
                return None

    def _ask_first(self, page: PageState, verb: str, what: str) -> Changes:
        """Puts an earlier question into the composer, or asks whether to delete, which other model should answer, or
        whether what an answer did to files is to be undone before it is made again;
        nothing where there is no such message, or an answer runs that might be about it."""
        found = page.conversation.message(what) if page.conversation else None
        if found is None or page.conversation is None or page.conversation.is_running:
            return {}
        if verb == "edit":
            page.editing, page.asked = what, ""
            return {self._chat.text: found.message.text}
        questions: dict[str, Question] = {"other": "other", "retry": "rewind"}
        page.asked, page.asked_about = questions.get(verb, "erase"), what
        return {self._chat.state: page}

    async def _jump(self, page: PageState, message_id: str) -> None:
        """Makes the page go to a message, which may be in another branch."""
        conversation = page.conversation
        if conversation is None:
            return
        if conversation.message(message_id) is None:
            await conversation.show(message_id)
        if conversation.message(message_id) is not None:
            page.target = message_id


def _has_changed_files(page: PageState, message_id: str) -> bool:
    step = page.conversation.changed.by(page.conversation.settled, message_id) if page.conversation else None
    return step is not None and not step.is_undone


async def _change_tree(conversation: Conversation, verb: str, message_id: str) -> None:
    """Does what a link below a message says."""
    match verb:
        case "retry":
            await conversation.retry(message_id)
        case "leave-oldest":
            await conversation.retry(message_id, way="leave_out")
        case "summarise-oldest":
            await conversation.retry(message_id, way="summarise")
        case "send-all":
            await conversation.send_all()
        case "undo-files":
            await conversation.turn_files(message_id, "undo")
        case "redo-files":
            await conversation.turn_files(message_id, "redo")
        case "continue":
            await conversation.go_on(message_id)
        case "show":
            await conversation.show(message_id)
        case "branch":
            await conversation.branch_from(message_id)
        case _:
            pass
