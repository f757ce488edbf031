"""The Servers page of the Tools tab: MCP servers, what each would start, its tools, its log; and adding one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

import gradio as gr

from assistant.configuration import Configuration
from assistant.errors import HearthError
from assistant.i18n import Translator
from assistant.servers import Servers, View
from assistant.tools.mcp.session import Prompt
from assistant.ui import server_words as words
from assistant.ui.links import as_html
from assistant.ui.server_form import ServerForm, given
from assistant.ui.wiring import Changes, wire
from assistant.visible import visible

Shown = dict[str, Any]
"""Of the server that is on the page: its name, the fingerprint of its command, those of its tools. What a person allows
is what they saw."""


class ServersPage:
    """Lays the page out in the Blocks that is open. A prompt of a server goes into `composer`."""

    def __init__(
        self, servers: Servers, configuration: Configuration, t: Translator, *, composer: gr.Textbox, tabs: gr.Tabs
    ) -> None:
        self._servers, self._t, self._composer, self._tabs = servers, t, composer, tabs
        self._shown = gr.State(dict[str, Any]())
        with gr.Column(elem_id="servers-page", elem_classes="settings-page"):
            gr.Markdown(f"## {t('servers.title')}\n\n{t('servers.about')}", container=False)
            self._said = gr.Markdown(elem_id="servers-said", container=False)
            self._none = gr.Markdown(t("servers.none"), elem_id="servers-none", container=False)
            self._choice = gr.Radio(label=t("servers.choice"), elem_id="servers-choice", visible=False)
            self._about = gr.Markdown(elem_id="servers-one", container=False)
            self._lay_out_buttons()
            self._lay_out_more()
            with gr.Accordion(t("servers.log"), open=False, elem_id="servers-log", visible=False) as self._log_part:
                self._log = gr.Markdown(elem_id="servers-log-text", container=False)
            self._form = ServerForm(servers, configuration, t)
        buttons = [*self._buttons.values(), self._sure, self._yes]
        more = [self._more_part, self._more_said, self._prompts, self._prompt_values, self._use]
        more += [self._resources, self._read, self._text]
        self.outputs: list[Any] = [
            *(self._shown, self._said, self._none, self._choice, self._about, self._log_part, self._log),
            *buttons,
            *more,
        ]

    def _lay_out_buttons(self) -> None:
        t = self._t
        with gr.Row(elem_id="servers-buttons"):
            self._buttons = {
                name: gr.Button(
                    t(f"servers.{name}"),
                    elem_id=f"servers-{name}",
                    variant="primary" if name.startswith("allow") else "secondary",
                    size="sm",
                    scale=0,
                    visible=False,
                )
                for name in ("allow", "allow-tools", "start", "restart", "stop", "change", "refresh", "remove")
            }
        with gr.Row(elem_id="servers-sure-row"):
            self._sure = gr.Markdown(t("servers.remove.sure"), elem_id="servers-sure", container=False, visible=False)
            self._yes = gr.Button(
                t("servers.remove.yes"), elem_id="servers-yes", variant="stop", size="sm", scale=0, visible=False
            )

    def _lay_out_more(self) -> None:
        t = self._t
        with gr.Accordion(t("servers.more"), open=False, elem_id="servers-more", visible=False) as self._more_part:
            gr.Markdown(t("servers.more.about"), container=False)
            self._look = gr.Button(t("servers.more.look"), elem_id="servers-look", size="sm", scale=0)
            self._more_said = gr.Markdown(elem_id="servers-more-said", container=False)
            self._prompts = gr.Dropdown(label=t("servers.prompt"), elem_id="servers-prompt", visible=False)
            self._prompt_values = gr.Textbox(
                label=t("servers.prompt.arguments"), elem_id="servers-prompt-arguments", lines=2, visible=False
            )
            self._use = gr.Button(t("servers.prompt.use"), elem_id="servers-prompt-use", scale=0, visible=False)
            self._resources = gr.Dropdown(label=t("servers.resource"), elem_id="servers-resource", visible=False)
            self._read = gr.Button(t("servers.resource.read"), elem_id="servers-read", scale=0, visible=False)
            self._text = gr.Markdown(elem_id="servers-text", container=False)

    def wire(self, *tabs: gr.Tab) -> None:
        """Ties the handlers to the page. By `tabs` it is opened: then the list is read."""
        opened = [tab.select for tab in tabs]
        whole, shown, pressed = self.outputs, [self._shown], self._buttons
        wire([*opened, pressed["refresh"].click], self._open, inputs=shown, outputs=whole)
        wire([self._choice.input], self._choose, inputs=[self._choice], outputs=whole)
        wire([pressed["allow"].click], self._allow, inputs=shown, outputs=whole)
        wire([pressed["start"].click], self._start, inputs=shown, outputs=whole)
        wire([pressed["restart"].click], self._restart, inputs=shown, outputs=whole)
        wire([pressed["stop"].click], self._stop, inputs=shown, outputs=whole)
        wire([pressed["allow-tools"].click], self._accept, inputs=shown, outputs=whole)
        wire([pressed["remove"].click], self._ask, outputs=[self._sure, self._yes])
        wire([self._yes.click], self._remove, inputs=shown, outputs=whole)
        more = [self._more_said, self._prompts, self._prompt_values, self._use, self._resources, self._read, self._text]
        wire([self._look.click], self._look_for_more, inputs=shown, outputs=[*more, *whole])
        wire([self._prompts.input], self._choose_prompt, inputs=[self._shown, self._prompts], outputs=more)
        wire(
            [self._use.click],
            self._use_prompt,
            inputs=[self._shown, self._prompts, self._prompt_values],
            outputs=[self._composer, self._tabs, self._more_said],
        )
        wire(
            [self._read.click],
            self._read_resource,
            inputs=[self._shown, self._resources],
            outputs=[self._text, self._more_said],
        )
        self._form.wire(opened, self._whole, whole)
        wire([pressed["change"].click], self._change, inputs=shown, outputs=self._form.outputs)

    async def _open(self, shown: Shown) -> Changes:
        return await self._whole(shown.get("name", ""), "")

    async def _choose(self, name: str | None) -> Changes:
        return await self._whole(name or "", "")

    async def _whole(self, name: str, said: str) -> Changes:
        """The page as it is now, with this server chosen; the first where it is gone."""
        return await asyncio.to_thread(self._drawn, name, said)

    def _drawn(self, name: str, said: str) -> Changes:
        views = {each: self._servers.view(each) for each in self._servers.names()}
        chosen = name if name in views else next(iter(views), "")
        view = views.get(chosen)
        standing = words.standing(view) if view else ""
        choices = [(words.line(each, self._t), each.launch.name) for each in views.values()]
        empty: Changes = {self._more_said: "", self._text: "", self._prompts: gr.update(visible=False)}
        hidden = [self._prompt_values, self._use, self._resources, self._read, self._sure, self._yes]
        return (
            {
                self._shown: _shown(view),
                self._said: said,
                self._none: gr.update(visible=not views),
                self._choice: gr.update(choices=choices, value=chosen or None, visible=bool(views)),
                self._about: words.about(view, self._t) if view else "",
                self._log_part: gr.update(visible=view is not None and not view.launch.url),
                self._log: words.log(self._servers.log(chosen), self._t) if view else "",
                self._more_part: gr.update(visible=view is not None and view.is_allowed and view.change is None),
            }
            | {self._buttons[each]: gr.update(visible=each in _offered(standing)) for each in self._buttons}
            | empty
            | dict.fromkeys(hidden, gr.update(visible=False))
        )

    async def _allow(self, shown: Shown) -> AsyncGenerator[Changes]:
        async for change in self._starting(shown, lambda name: self._servers.allow(name, shown["command"])):
            yield change

    async def _start(self, shown: Shown) -> AsyncGenerator[Changes]:
        async for change in self._starting(shown, self._servers.start):
            yield change

    async def _restart(self, shown: Shown) -> AsyncGenerator[Changes]:
        async def again(name: str) -> None:
            await self._servers.stop(name)
            await self._servers.start(name)

        async for change in self._starting(shown, again):
            yield change

    async def _starting(self, shown: Shown, start: Callable[[str], Awaitable[None]]) -> AsyncGenerator[Changes]:
        name = shown.get("name", "")
        yield {self._said: words.sentences([self._t("servers.starting", name=name)], "plain")}
        said = ""
        try:
            await start(name)
        except HearthError as error:
            said = words.failed(error, self._t) if not self._is_told(name) else ""
        yield await self._whole(name, said)

    def _is_told(self, name: str) -> bool:
        """Whether the server's own lines say what is wrong with it."""
        return name in self._servers.names() and self._servers.view(name).fault is not None

    async def _stop(self, shown: Shown) -> Changes:
        await self._servers.stop(shown.get("name", ""))
        return await self._open(shown)

    async def _accept(self, shown: Shown) -> Changes:
        said = ""
        try:
            self._servers.accept_tools(shown.get("name", ""), shown.get("tools", []))
        except HearthError as error:
            said = words.failed(error, self._t)
        return await self._whole(shown.get("name", ""), said)

    async def _change(self, shown: Shown) -> Changes:
        if shown.get("name") not in self._servers.names():
            return {}
        view = await asyncio.to_thread(self._servers.view, shown["name"])
        return self._form.filled(view.launch, view.key_place)

    def _ask(self) -> Changes:
        return dict.fromkeys([self._sure, self._yes], gr.update(visible=True))

    async def _remove(self, shown: Shown) -> Changes:
        name = shown.get("name", "")
        try:
            await self._servers.remove(name)
        except HearthError as error:
            return await self._whole(name, words.failed(error, self._t))
        return await self._whole("", words.sentences([self._t("servers.removed", name=name)], "good"))

    async def _look_for_more(self, shown: Shown) -> AsyncGenerator[Changes]:
        name = shown.get("name", "")
        yield {self._more_said: words.sentences([self._t("servers.starting", name=name)], "plain")}
        try:
            prompts, resources = await self._servers.prompts(name), await self._servers.resources(name)
        except HearthError as error:
            yield {self._more_said: words.failed(error, self._t)}
            return
        none = words.sentences([self._t("servers.more.none")], "plain")
        first = prompts[0] if prompts else None
        named = [
            (visible(f"{each.name}: {each.about}" if each.about else each.name)[:200], each.name) for each in prompts
        ]
        placed = [(visible(f"{each.name} ({each.uri})")[:200], each.uri) for each in resources]
        yield {
            self._more_said: "" if prompts or resources else none,
            self._prompts: gr.update(choices=named, value=first.name if first else None, visible=bool(prompts)),
            self._use: gr.update(visible=bool(prompts)),
            self._resources: gr.update(
                choices=placed, value=resources[0].uri if resources else None, visible=bool(resources)
            ),
            self._read: gr.update(visible=bool(resources)),
        } | self._values_of(first)

    def _values_of(self, prompt: Prompt | None) -> Changes:
        if prompt is None or not prompt.arguments:
            return {self._prompt_values: gr.update(visible=False, value="")}
        lines = "\n".join(f"{name}=" for name in prompt.arguments)
        named = ", ".join(prompt.arguments)
        about = self._t("servers.prompt.arguments.help", names=visible(named))
        return {self._prompt_values: gr.update(visible=True, value=lines, info=as_html(about))}

    async def _choose_prompt(self, shown: Shown, chosen: str | None) -> Changes:
        try:
            prompts = await self._servers.prompts(shown.get("name", ""))
        except HearthError as error:
            return {self._more_said: words.failed(error, self._t)}
        return self._values_of(next((each for each in prompts if each.name == chosen), None))

    async def _use_prompt(self, shown: Shown, prompt: str | None, values: str) -> Changes:
        try:
            filled = {name: value for name, value in given(values or "", "=").items() if value}
            text = await self._servers.prompt(shown.get("name", ""), prompt or "", filled)
        except HearthError as error:
            return {self._more_said: words.failed(error, self._t)}
        return {self._composer: text, self._tabs: gr.update(selected="chat"), self._more_said: ""}

    async def _read_resource(self, shown: Shown, uri: str | None) -> Changes:
        try:
            text = await self._servers.read(shown.get("name", ""), uri or "")
        except HearthError as error:
            return {self._more_said: words.failed(error, self._t)}
        return {self._text: words.text(text[:100_000]), self._more_said: ""}


def _offered(standing: str) -> Sequence[str]:
    """The buttons for a server that stands like this."""
    match standing:
        case "":
            return ()
        case "ask":
            return ("allow", "change", "remove")
        case "changed":
            return ("allow-tools", "restart", "stop", "change", "refresh", "remove")
        case "running" | "starting":
            return ("restart", "stop", "change", "refresh", "remove")
        case _:
            return ("start", "change", "refresh", "remove")


def _shown(view: View | None) -> Shown:
    if view is None:
        return {}
    tools = [tool.fingerprint for tool in view.tools.values()]
    return {"name": view.launch.name, "command": view.launch.fingerprint, "tools": tools}
