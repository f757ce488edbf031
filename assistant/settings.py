"""What a person can choose, each with its help, and the file it is kept in."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from assistant.errors import SettingsError
from assistant.i18n import LANGUAGES
from assistant.kept_file import KeptFile

log = logging.getLogger(__name__)

ThemeChoice = Literal["system", "light", "dark"]
WayToMakeRoom = Literal["leave_out", "summarise"]
THEMES: tuple[str, ...] = get_args(ThemeChoice)
LARGEST_FILE_BYTES = 1_000_000


def _encodable(text: str) -> str:
    """A lone surrogate cannot be written as UTF-8 nor sent to an endpoint."""
    return text.encode("utf-8", "replace").decode("utf-8")


Words = Annotated[str, AfterValidator(_encodable)]


def _known_language(code: str) -> str:
    """One that this Hearth does not speak, as a later one may, is no reason to lose all settings."""
    return code if code in LANGUAGES else "system"


LanguageChoice = Annotated[str, AfterValidator(_known_language)]


class Connection(BaseModel):
    """A server that answers can come from, with what goes to it and to no other; its key is kept by `keys`.

    `temperature` and `max_tokens` go before those of `Settings`; an empty `name` stands for the address."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    endpoint: Words = Field(min_length=1, max_length=2000)
    name: Words = Field(default="", max_length=100)
    model: Words = Field(default="", max_length=500)
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    headers: tuple[tuple[Words, Words], ...] = Field(default=(), max_length=20)
    proxy: Words = Field(default="", max_length=2000)


class EngineSetup(BaseModel):
    """How the built-in engine runs its model. None leaves a number to Hearth, or to llama.cpp."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    context_tokens: int | None = Field(default=None, ge=256, le=1_048_576)
    threads: int | None = Field(default=None, ge=1, le=512)
    batch_tokens: int | None = Field(default=None, ge=16, le=4096)
    gpu_layers: int | None = Field(default=None, ge=0, le=999)
    flash_attention: Literal["auto", "on", "off"] = "auto"
    cache_type: Literal["f16", "q8_0", "q4_0"] = "f16"
    idle_minutes: int | None = Field(default=None, ge=1, le=1440)
    projector: Words = Field(default="", max_length=4000)
    chat_template: Words = Field(default="", max_length=100_000)


BY_ITSELF = EngineSetup()


class Server(BaseModel):
    """An MCP server: a command to run, or an address. The values of its environment variables or headers are kept by
    `keys`; here are their names. `allowed` is the fingerprint of what the person allowed to be started."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Words = Field(min_length=1, max_length=100)
    command: Words = Field(default="", max_length=4000)
    arguments: tuple[Words, ...] = Field(default=(), max_length=200)
    folder: Words = Field(default="", max_length=4000)
    url: Words = Field(default="", max_length=4000)
    secret_names: tuple[Words, ...] = Field(default=(), max_length=100)
    timeout_seconds: int = Field(default=60, ge=1, le=3600)
    allowed: Words = Field(default="", max_length=100)


class Settings(BaseModel):
    """All settings. The form is made from these fields: titles and help stand in the locale file as
    "settings.FIELD" and "settings.FIELD.help"; descriptions here say the same to a reader of the code."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = Field(default=1, description="Version of this file's layout.")
    endpoint: Words = Field(
        default="",
        max_length=2000,
        description="Base address of an OpenAI-compatible server, /v1 included; empty: the built-in engine.",
    )
    model: Words = Field(
        default="",
        max_length=500,
        description="Id of the model to ask for; empty: the first one the endpoint offers.",
    )
    builtin_model: Words = Field(
        default="",
        max_length=4000,
        description="File in models/, or the whole path of one elsewhere, for the built-in engine; empty: the starter.",
    )
    builtin_name: Words = Field(default="", max_length=300, description="What that model is called on the page.")
    system_prompt: Words = Field(
        default="",
        max_length=100_000,
        description="What every chat begins with, unseen: who the assistant is and how it should answer.",
    )
    temperature: float | None = Field(
        default=None,
        ge=0,
        le=2,
        allow_inf_nan=False,
        description="0 is the most predictable, 2 the most surprising; None: the engine's own.",
    )
    max_tokens: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Longest answer in tokens (a token is about three quarters of a word); None: the engine's own.",
    )
    connections: tuple[Connection, ...] = Field(
        default=(), max_length=50, description="Every server that was saved; `endpoint` is the one that answers."
    )
    when_full: Literal["ask", "leave_out", "summarise"] = Field(
        default="ask",
        description="What happens when a chat is longer than its model can read: ask, leave out the oldest messages, or"
        " put the model's summary in their place.",
    )
    engine: EngineSetup = Field(default=BY_ITSELF, description="How the built-in engine runs its model.")
    workspace: Words = Field(
        default="",
        max_length=4000,
        description="The folder that file tools work in, whole; empty: `workspace` in Hearth's own folder.",
    )
    web_tools: bool = Field(default=False, description="Tools may search the web and read pages, each time asking.")
    offline: bool = Field(default=False, description="Nothing leaves this machine: foreign addresses are refused.")
    declined: tuple[Words, ...] = Field(
        default=(),
        max_length=100,
        description="Addresses of servers on this machine that the person does not want to be offered again.",
    )
    servers: tuple[Server, ...] = Field(
        default=(), max_length=50, description="MCP servers, whose tools a model may have done."
    )
    theme: ThemeChoice = Field(default="system", description="Light, dark, or as the system has it.")
    language: LanguageChoice = Field(default="system", description="The code of what Hearth speaks, or system.")


class SettingsFile:
    """The settings on disk. A file that cannot be understood is kept aside; `notice` then holds what to tell."""

    def __init__(self, path: Path) -> None:
        self._file = KeptFile(path, most_bytes=LARGEST_FILE_BYTES)
        self.notice: SettingsError | None = None
        self._values = self._load()

    @property
    def values(self) -> Settings:
        """The settings in force."""
        return self._values

    def check(self, **changes: Any) -> Settings:
        """The settings as they would be with the changes. Raises SettingsError, naming the first field at fault."""
        try:
            return Settings.model_validate(self._values.model_dump() | changes)
        except ValidationError as error:
            field = str(error.errors()[0]["loc"][0])
            raise SettingsError(f"settings.{field}") from error

    def save(self, **changes: Any) -> Settings:
        """Checks and writes the changed settings and returns all. Raises SettingsError, and then nothing changed."""
        values = self.check(**changes)
        self._file.write(values.model_dump_json(indent=2))
        self._values, self.notice = values, None
        return values

    def _load(self) -> Settings:
        try:
            found = self._file.read(lambda content: Settings.model_validate(json.loads(content.decode())))
        except OSError as error:
            log.warning("settings could not be read: %s", error)
            self.notice = SettingsError("settings.unreadable", path=self._file.path)
            return Settings()
        if kept := self._file.set_aside:
            self.notice = SettingsError("settings.corrupt", kept=kept)
        return found or Settings()
