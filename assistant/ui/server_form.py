"""Adding an MCP server: by pasting what its page shows, or field by field."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import gradio as gr

from assistant.configuration import Configuration
from assistant.errors import HearthError, SettingsError
from assistant.i18n import Translator
from assistant.keys import KeyPlace
from assistant.servers import Servers
from assistant.tools.mcp.launch import Launch
from assistant.tools.mcp.paste import servers_in
from assistant.ui.server_words import failed, sentences
from assistant.ui.wiring import Changes, wire

Show = Callable[[str, str], Awaitable[Changes]]


class ServerForm:
    """Lays the form out in the Blocks that is open. Nothing that is added here is started."""

    def __init__(self, servers: Servers, configuration: Configuration, t: Translator) -> None:
        self._servers, self._configuration, self._t = servers, configuration, t
        with gr.Accordion(t("servers.add"), open=False, elem_id="servers-add") as self._part:
            self._said = gr.Markdown(elem_id="servers-add-said", container=False)
            self._text = gr.Textbox(
                label=t("servers.paste"),
                info=t("servers.paste.help"),
                elem_id="servers-paste",
                lines=6,
                max_lines=16,
            )
            self._place = gr.Radio(
                label=t("servers.key_place"), info=t("settings.key_place.help"), elem_id="servers-key-place"
            )
            self._take = gr.Button(t("servers.paste.take"), elem_id="servers-take", variant="primary", scale=0)
            gr.Markdown(f"### {t('servers.form')}", container=False)
            self._fields = [
                self._field("name"),
                self._field("command"),
                self._field("arguments", lines=3),
                self._field("folder"),
                self._field("address"),
                self._field("secrets", lines=3),
            ]
            self._seconds = gr.Number(
                value=60, precision=0, minimum=1, maximum=3600, label=t("servers.seconds"), elem_id="servers-seconds"
            )
            self._save = gr.Button(t("servers.save"), elem_id="servers-save", scale=0)

        self.outputs: list[Any] = [self._part, self._said, self._place, *self._fields, self._seconds]

    def filled(self, launch: Launch, place: KeyPlace | None) -> Changes:
        """The form, open, with a server to be changed. Of what it is given there are only the names."""
        mark = ": " if launch.url else "="
        names = "\n".join(f"{name}{mark}" for name in launch.secrets)
        arguments = "\n".join(launch.arguments)
        values = (launch.name, launch.command, arguments, launch.folder, launch.url, names)
        kept = {self._place: place} if place else {}
        return (
            dict(zip(self._fields, values, strict=True))
            | kept
            | {
                self._seconds: launch.timeout_seconds,
                self._part: gr.update(open=True),
                self._said: sentences([self._t("servers.changing", name=launch.name)], "plain"),
            }
        )

    def wire(self, opened: list[Any], show: Show, outputs: list[Any]) -> None:
        """Ties the handlers to the page. `opened` are the events by which the page is opened; `show` gives the whole
        page with a server chosen and a sentence."""
        self._show = show
        wire(opened, self._open, outputs=[self._place])
        everything = [*outputs, self._part, self._said, self._text, *self._fields]
        wire([self._take.click], self._take_over, inputs=[self._text, self._place], outputs=everything)
        form = [*self._fields, self._seconds, self._place]
        wire([self._save.click], self._store, inputs=form, outputs=everything)

    def _field(self, name: str, *, lines: int = 1) -> gr.Textbox:
        return gr.Textbox(
            label=self._t(f"servers.{name}"),
            info=self._t.optional(f"servers.{name}.help") or None,
            elem_id=f"servers-{name}",
            lines=lines,
            max_lines=8 if lines > 1 else 1,
        )

    async def _open(self) -> Changes:
        return await asyncio.to_thread(self._places)

    def _places(self) -> Changes:
        """Where values can be kept; may wait for the system's keyring."""
        keyring = self._configuration.keyring()
        named = self._t(f"settings.keyring.{keyring}") if keyring else ""
        offered = [name for name in ("keyring", "file", "session") if keyring or name != "keyring"]
        choices = [(self._t(f"settings.key_place.{name}", keyring=named), name) for name in offered]
        return {self._place: gr.update(choices=choices, value="keyring" if keyring else "session")}

    async def _take_over(self, text: str, place: KeyPlace | None) -> Changes:
        try:
            found = servers_in(text or "")
            kept = [await self._servers.save(launch, place=place or "session") for launch in found]
        except HearthError as error:
            return {self._said: failed(error, self._t)}
        names = [launch.name for launch in found]
        said = [self._t("servers.added", names=", ".join(names))]
        if any(each not in (None, place or "session") for each in kept):
            said.append(self._t("servers.not-in-keyring"))
        return await self._show(names[0], sentences(said, "good")) | self._emptied()

    async def _store(self, *values: Any) -> Changes:
        try:
            launch = self._launch(values)
            place: KeyPlace = values[7] or "session"
            kept = await self._servers.save(launch, place=place)
        except HearthError as error:
            return {self._said: failed(error, self._t)}
        said = [self._t("servers.saved", name=launch.name.strip())]
        if kept is not None and kept != place:
            said.append(self._t("servers.not-in-keyring"))
        return await self._show(launch.name.strip(), sentences(said, "good")) | self._emptied()

    def _emptied(self) -> Changes:
        """The form, shut: what was added is looked at above it."""
        return dict.fromkeys([*self._fields, self._text, self._said], "") | {self._part: gr.update(open=False)}

    def _launch(self, values: tuple[Any, ...]) -> Launch:
        name, command, arguments, folder, url, secrets = (str(value or "") for value in values[:6])
        return Launch(
            name,
            command,
            tuple(each for each in arguments.splitlines() if each.strip()),
            folder,
            url,
            given(secrets, ":" if url.strip() else "="),
            int(values[6] or 60),
        )


def given(text: str, between: str) -> dict[str, str]:
    """Lines of names and values. Raises SettingsError for a line that is none."""
    found: dict[str, str] = {}
    for each in text.splitlines():
        name, mark, value = each.partition(between)
        if not each.strip():
            continue
        if not name.strip() or (not mark and not name.strip().replace("-", "_").isidentifier()):
            raise SettingsError("mcp-secret-line", line=name.strip()[:20] or "…")
        found[name.strip()] = value.strip()
    return found
