"""The model picker below the composer: who answers this chat, and how long it may think."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from assistant.configuration import Configuration, Target
from assistant.conversation import Conversation
from assistant.errors import HearthError
from assistant.i18n import Translator
from assistant.pick import NO_WISH, THINKING, Pick, Thinking, Wish
from assistant.settings import Connection
from assistant.ui.names import model_name
from assistant.ui.state import Offered, PageState
from assistant.ui.wiring import Changes, chain, wire

log = logging.getLogger(__name__)

LOOK_SECONDS = 4.0
MOST_OF_ONE = 500  # models of one server: gateways list hundreds
FOLLOWS = ""  # the value of "as in Settings"


class Picker:
    """Laid out in the Blocks that is open. `models` gives what an endpoint offers, `reasons` whether a model is known
    to think before it answers. No server is asked for its models before the list is opened."""

    def __init__(
        self,
        configuration: Configuration,
        t: Translator,
        *,
        models: Callable[[Target], Awaitable[list[str]]],
        reasons: Callable[[Target], bool],
    ) -> None:
        self._configuration, self._t = configuration, t
        self._models, self._reasons = models, reasons
        self._listed: dict[str, tuple[str, ...]] = {}
        offered = self._offered(None)
        self.model = gr.Dropdown(
            choices=list(offered),
            value=FOLLOWS,
            label=t("picker.label"),
            show_label=False,
            container=False,
            elem_id="model-picker",
        )
        self.thinking = gr.Dropdown(
            choices=[(t(f"thinking.{thinking or 'own'}"), thinking) for thinking in THINKING],
            value="",
            label=t("thinking.label"),
            show_label=False,
            container=False,
            filterable=False,
            visible=False,
            elem_id="thinking-picker",
        )
        self.outputs = [self.model, self.thinking]

    def wire(self, state: gr.State, whole: Callable[[PageState], Awaitable[Changes]], outputs: Sequence[Any]) -> None:
        """Ties the handlers to the page; `whole` gives the page as it is after a change."""
        picked = wire([self.model.input], self._pick, inputs=[state, self.model], mode="always_last")
        thought = wire([self.thinking.input], self._think, inputs=[state, self.thinking], mode="always_last")
        for event in (picked, thought):
            chain(event, whole, inputs=[state], outputs=outputs)
        wire([self.model.focus], self._look, inputs=[state], outputs=[self.model])

    def changes(self, page: PageState) -> Changes:
        """What the two lists show for the page's chat."""
        conversation = page.conversation
        wish = conversation.wish if conversation else NO_WISH
        target = self._configuration.target_of(wish.pick)
        return {
            self.model: self._update(page),
            self.thinking: gr.update(value=wish.thinking, visible=self._may_think(target, conversation)),
        }

    def others(self, page: PageState) -> list[tuple[str, str]]:
        """What can give a second opinion in the page's chat, as words and as the value that `parsed` takes."""
        return self.choices(page.conversation.wish.pick if page.conversation else None)

    def choices(self, picked: Pick | None) -> list[tuple[str, str]]:
        """Every model that is known of, the picked one among them."""
        return [choice for choice in self._offered(self._configuration.in_force(picked)) if choice[1] != FOLLOWS]

    @property
    def has_places(self) -> bool:
        """Whether there are servers to pick from."""
        return bool(self._places())

    async def look(self) -> None:
        """Asks every saved server for its models. One that does not answer in time keeps those it had."""
        connections = self._places()
        found = await asyncio.gather(*(self._list(each.endpoint) for each in connections))
        for connection, models in zip(connections, found, strict=True):
            if models:
                self._listed[connection.endpoint] = tuple(models[:MOST_OF_ONE])

    async def _list(self, endpoint: str) -> list[str]:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                return await self._models(self._configuration.target_of(Pick(endpoint, "")))
        except (TimeoutError, HearthError):
            return []

    async def _look(self, page: PageState) -> Changes:
        await self.look()
        return {self.model: self._update(page)}

    async def _pick(self, page: PageState, value: str | None) -> None:
        if page.conversation is not None and value is not None:
            await ask_for(page.conversation, replace(page.conversation.wish, pick=parsed(value)))

    async def _think(self, page: PageState, thinking: Thinking) -> None:
        if page.conversation is not None and thinking in THINKING:
            await ask_for(page.conversation, replace(page.conversation.wish, thinking=thinking))

    def _update(self, page: PageState) -> Any:
        """The list goes to the page only where it is another: a gateway's is long."""
        pick = self._configuration.in_force(page.conversation.wish.pick if page.conversation else None)
        value, offered = FOLLOWS if pick is None else packed(pick), self._offered(pick)
        if offered == page.offered:
            return gr.update(value=value)
        page.offered = offered
        return gr.update(choices=list(offered), value=value)

    def _offered(self, picked: Pick | None) -> Offered:
        default = self._configuration.target
        picks = [] if self._configuration.this_run.endpoint is not None else [Pick("", "")]
        for connection in self._places():
            models = (connection.model, *self._listed.get(connection.endpoint, ()))
            picks += [Pick(connection.endpoint, model) for model in dict.fromkeys(models) if model or len(models) == 1]
        if picked is not None:
            picks.append(picked)
        follows = self._t("picker.default", model=self._name(Pick(default.endpoint, default.model)))
        return ((follows, FOLLOWS), *((self._name(pick), packed(pick)) for pick in dict.fromkeys(picks)))

    def _places(self) -> tuple[Connection, ...]:
        """The servers that can be picked from: in a run that the command line gave an endpoint, that one."""
        run = self._configuration.this_run.endpoint
        return self._configuration.connections if run is None else (Connection(endpoint=run),) if run else ()

    def _name(self, pick: Pick) -> str:
        return model_name(pick, self._configuration, self._t)

    def _may_think(self, target: Target, conversation: Conversation | None) -> bool:
        """Whether the model was seen to think, in a test or in this chat."""
        said = conversation.settled[-8:] if conversation else ()
        return self._reasons(target) or any(
            item.message.reasoning and item.model == target.model for item in said if item.model
        )


async def ask_for(conversation: Conversation, wish: Wish) -> None:
    """Has the chat answered like this, and goes on where that cannot be saved."""
    try:
        await conversation.ask_for(wish)
    except HearthError as error:
        log.warning("what was picked for a chat could not be saved: %s", error)  # it holds until Hearth ends


class SecondOpinion:
    """Which other model should answer a question too. Laid out in the row that is open."""

    def __init__(self, t: Translator) -> None:
        self.model = gr.Dropdown(
            label=t("message.other.question"), show_label=False, container=False, elem_id="other-model", visible=False
        )
        self.ask = gr.Button(
            t("message.other.ask"), elem_id="other-ask", variant="primary", size="sm", scale=0, visible=False
        )
        self.outputs = [self.model, self.ask]

    def changes(self, choices: Sequence[tuple[str, str]], *, is_asked: bool) -> Changes:
        """Shows the question with these choices, or takes it away."""
        return {
            self.model: gr.update(choices=list(choices), visible=is_asked),
            self.ask: gr.update(visible=is_asked),
        }


def packed(pick: Pick) -> str:
    """A pick as the value of a choice."""
    return json.dumps([pick.endpoint, pick.model])


def parsed(value: str) -> Pick | None:
    """What `packed` made; None for FOLLOWS and for what is no pick."""
    try:
        endpoint, model = json.loads(value)
    except ValueError:
        return None
    return Pick(str(endpoint), str(model))
