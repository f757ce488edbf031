"""The offer of what runs on this machine already: a better model is one click away, and never used without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from assistant.configuration import Configuration
from assistant.engines.neighbours import Neighbour, Neighbourhood
from assistant.errors import HearthError
from assistant.i18n import Translator
from assistant.ui.links import as_html
from assistant.ui.wiring import Changes, wire
from assistant.visible import visible

Shown = Sequence[tuple[str, str]]
MOST = 6  # shown at once
_NAMES = {
    "ollama": "Ollama",
    "lm-studio": "LM Studio",
    "llama.cpp": "llama.cpp",
    "vllm": "vLLM",
    "koboldcpp": "KoboldCpp",
}


class Offers:
    """Servers of this machine, each with a button that makes answers come from there. Laid out in the Blocks that is
    open, in two places: `Greeting` and `Search`."""

    def __init__(self, configuration: Configuration, neighbourhood: Neighbourhood, t: Translator) -> None:
        self._configuration, self._neighbourhood, self._t = configuration, neighbourhood, t
        self._shown = gr.State(())  # what is behind the buttons of this page: address and model of each
        self._rows: list[tuple[gr.Row, gr.Markdown, gr.Button]] = []
        for _ in range(MOST):
            with gr.Row(elem_classes="hearth-offer", visible=False) as row:
                words = gr.Markdown(container=False)
                use = gr.Button(t("offer.use"), elem_classes="hearth-offer-use", size="sm", scale=0)
            self._rows.append((row, words, use))
        self._said = gr.Markdown(elem_classes="hearth-offers-said", container=False)
        self._outputs: list[Any] = [self._shown, self._said, *(part for row in self._rows for part in row[:2])]

    def wire_uses(self) -> list[Any]:
        """Ties the buttons to the page. Gives the events after which answers come from elsewhere."""
        return [
            wire([use.click], self._use_number(number), inputs=[self._shown], outputs=self._outputs)
            for number, (_, _, use) in enumerate(self._rows)
        ]

    def _rows_of(self, offered: Sequence[Neighbour]) -> Changes:
        changes: Changes = {self._shown: tuple((each.url, each.model) for each in offered[:MOST])}
        for number, (row, words, _) in enumerate(self._rows):
            is_shown = number < len(offered)
            changes |= {row: gr.update(visible=is_shown), words: self._words(offered[number]) if is_shown else ""}
        return changes

    def _words(self, neighbour: Neighbour) -> str:
        count = len(neighbour.models)
        name = _NAMES.get(neighbour.kind, self._t("offer.unknown"))
        said = self._t("offer.models" if count else "offer.silent", name=name, count=count)
        models = as_html(visible(", ".join(neighbour.models)))
        address = neighbour.url.removeprefix("http://")
        return f'<p title="{models}">{as_html(said)}<br><code>{as_html(address)}</code></p>'

    def _use_number(self, number: int) -> Callable[[Shown], Changes]:
        def use(shown: Shown) -> Changes:
            try:
                if number < len(shown):
                    self._configuration.use(*shown[number])
            except HearthError as error:
                return self._failed(error)
            return self._used()

        return use

    def _used(self) -> Changes:
        return self._rows_of(())

    def _failed(self, error: HearthError) -> Changes:
        return {self._said: as_html(f"{error.message_in(self._t)} {error.hint_in(self._t)}")}


class Greeting(Offers):
    """Below the greeting, while the built-in model answers. Servers may be found after the page has come: `words` is
    another then, and the feed tells the page to look again."""

    def __init__(self, configuration: Configuration, neighbourhood: Neighbourhood, t: Translator) -> None:
        with gr.Column(elem_id="offers", visible=False) as self._column:
            super().__init__(configuration, neighbourhood, t)
            self._decline = gr.Button(t("offer.decline"), elem_id="offers-decline", size="sm", scale=0)
        self._outputs.append(self._column)

    def words(self) -> str:
        """Tells one state of the offers from another."""
        return " ".join(each.url for each in self._offered())

    def wire(self, blocks: gr.Blocks, look: gr.Button) -> list[Any]:
        """Ties the handlers to the page. `look` is pressed when `words` has changed. Gives what `wire_uses` does."""
        wire([blocks.load, look.click], self._show, outputs=self._outputs)
        wire([self._decline.click], self._not_again, inputs=[self._shown], outputs=self._outputs)
        return self.wire_uses()

    def _offered(self) -> list[Neighbour]:
        """What is to be offered now."""
        if self._configuration.target.endpoint:
            return []
        declined = self._configuration.settings.declined
        return [each for each in self._neighbourhood.found if each.models and each.url not in declined]

    def _show(self) -> Changes:
        offered = self._offered()
        return self._rows_of(offered) | {self._column: gr.update(visible=bool(offered))}

    def _used(self) -> Changes:
        return self._show()

    def _not_again(self, shown: Shown) -> Changes:
        try:
            self._configuration.decline([url for url, _ in shown])
        except HearthError as error:
            return self._failed(error)
        return self._show()


class Search(Offers):
    """In Settings: looks when asked to, and shows everything that answers."""

    def __init__(self, configuration: Configuration, neighbourhood: Neighbourhood, t: Translator) -> None:
        with gr.Column(elem_id="settings-search"):
            self._look = gr.Button(t("offer.look"), elem_id="settings-look", size="sm", scale=0)
            super().__init__(configuration, neighbourhood, t)

    def wire(self) -> list[Any]:
        """Ties the handlers to the page. Gives what `wire_uses` does."""
        wire([self._look.click], self._search, outputs=self._outputs)
        return self.wire_uses()

    async def _search(self) -> Changes:
        await self._neighbourhood.look()
        found = self._neighbourhood.found
        return self._rows_of(found) | {self._said: "" if found else self._t("offer.none")}

    def _used(self) -> Changes:
        said = "settings.saved.run-only" if self._configuration.this_run.endpoint else "settings.saved"
        return self._rows_of(self._neighbourhood.found) | {self._said: self._t(said)}
