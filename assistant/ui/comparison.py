"""Two models in one question: the switch below the composer, and which model is the second."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from assistant.configuration import Configuration
from assistant.i18n import Translator
from assistant.pick import NO_WISH, Pick
from assistant.ui.picker import Picker, ask_for, packed, parsed
from assistant.ui.state import PageState
from assistant.ui.wiring import Changes, chain, wire


class Comparison:
    """Laid out in the row that is open. It holds for the chat it was switched on in, until it is switched off or Hearth
    ends: each question asked twice is too dear to be forgotten about."""

    def __init__(self, configuration: Configuration, picker: Picker, t: Translator) -> None:
        self._configuration, self._picker, self._t = configuration, picker, t
        self.model = gr.Dropdown(
            label=t("beside.label"), show_label=False, container=False, elem_id="beside-picker", visible=False
        )
        self.switch = gr.Button(t("beside.on"), elem_id="beside-switch", size="sm", scale=0, visible=False)
        self.outputs = [self.model, self.switch]

    def wire(self, state: gr.State, whole: Callable[[PageState], Awaitable[Changes]], outputs: Sequence[Any]) -> None:
        """Ties the handlers to the page; `whole` gives the page as it is after a change."""
        switched = wire([self.switch.click], self._switch, inputs=[state])
        picked = wire([self.model.input], self._pick, inputs=[state, self.model], mode="always_last")
        for event in (switched, picked):
            chain(event, whole, inputs=[state], outputs=outputs)
        wire([self.model.focus], self._look, inputs=[state], outputs=[self.model])

    def changes(self, page: PageState) -> Changes:
        """What stands below the composer for the page's chat."""
        beside = page.conversation.wish.beside if page.conversation else None
        words = self._t("beside.off" if beside else "beside.on")
        return {
            self.model: self._update(beside),
            self.switch: gr.update(value=words, visible=bool(beside) or self._picker.has_places),
        }

    async def _switch(self, page: PageState) -> None:
        if page.conversation is None:
            return
        wish = page.conversation.wish
        beside = None
        if wish.beside is None:
            await self._picker.look()
            beside = self._another(wish.pick)
        await ask_for(page.conversation, replace(page.conversation.wish, beside=beside))

    async def _pick(self, page: PageState, value: str | None) -> None:
        beside = parsed(value or "")
        if page.conversation is not None and beside is not None and page.conversation.wish.beside is not None:
            await ask_for(page.conversation, replace(page.conversation.wish, beside=beside))

    async def _look(self, page: PageState) -> Changes:
        await self._picker.look()
        return {self.model: self._update((page.conversation.wish if page.conversation else NO_WISH).beside)}

    def _another(self, pick: Pick | None) -> Pick:
        """The first model that is offered beside the chat's own; one with a server before the built-in one."""
        target = self._configuration.target_of(pick)
        own = Pick(target.endpoint, target.model)
        offered = [found for _, value in self._picker.choices(None) if (found := parsed(value)) and found != own]
        return next((found for found in offered if found.endpoint), offered[0] if offered else own)

    def _update(self, beside: Pick | None) -> Any:
        if beside is None:
            return gr.update(choices=[], value=None, visible=False)
        return gr.update(choices=self._picker.choices(beside), value=packed(beside), visible=True)
