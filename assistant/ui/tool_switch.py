"""The switch below the composer: whether this chat's model is told of tools."""

from __future__ import annotations

import logging

import gradio as gr

from assistant.errors import HearthError
from assistant.i18n import Translator
from assistant.ui.state import PageState
from assistant.ui.wiring import Changes, wire

log = logging.getLogger(__name__)


class ToolSwitch:
    """Laid out in the row that is open. It is on by itself, for what the model can handle; what a person says holds for
    the chat, and for further chats with that model."""

    def __init__(self, t: Translator) -> None:
        self._box = gr.Checkbox(label=t("tools.switch"), container=False, elem_id="tool-switch", min_width=0, scale=0)
        self.outputs = [self._box]

    def wire(self, state: gr.State) -> None:
        """Ties the handler to the page."""
        wire([self._box.input], self._switch, inputs=[state, self._box], mode="always_last")

    def changes(self, page: PageState) -> Changes:
        """As the page's chat has it."""
        return {self._box: gr.update(value=page.conversation is not None and page.conversation.has_tools)}

    async def _switch(self, page: PageState, is_on: bool) -> None:  # noqa: FBT001  # what a switch says
        if page.conversation is None:
            return
        try:
            await page.conversation.switch_tools(is_on=is_on)
        except HearthError as error:
            log.warning("the switch for tools could not be saved: %s", error)  # it holds until Hearth ends
