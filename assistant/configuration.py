"""What is in force: the saved settings, the keys, and what the command line says for this run only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assistant.engines.access import KEYLESS, Access, check_proxy
from assistant.engines.address import normalise_endpoint
from assistant.errors import SettingsError
from assistant.i18n import system_language
from assistant.keyrings import KeyringName
from assistant.keys import KeyPlace, Keys, check_key, origin_of
from assistant.pick import Pick
from assistant.settings import BY_ITSELF, Connection, EngineSetup, Server, Settings, SettingsFile

MOST_DECLINED = 100
MOST_CONNECTIONS = 50


@dataclass(frozen=True)
class Target:
    """Where answers come from. An empty `endpoint` is the built-in engine, an empty `model` the endpoint's first."""

    endpoint: str
    model: str
    access: Access = KEYLESS


@dataclass(frozen=True)
class BuiltIn:
    """The model of the built-in engine: how the library calls it (empty: the starter), what people call it, and how it
    is run."""

    ref: str = ""
    name: str = ""
    setup: EngineSetup = BY_ITSELF


@dataclass(frozen=True)
class ThisRun:
    """What the command line chose for this run; it is never saved and wins over the settings."""

    endpoint: str | None = None
    model: str | None = None
    built_in: BuiltIn | None = None


class Configuration:
    """Settings and keys, and the one answer to the question which endpoint, model and key hold now."""

    def __init__(self, settings: SettingsFile, keys: Keys, *, this_run: ThisRun) -> None:
        self._settings = settings
        self._keys = keys
        self.this_run = this_run
        self._left = ""  # the address with a key that another one was saved in place of

    @property
    def settings(self) -> Settings:
        """The saved settings."""
        return self._settings.values

    @property
    def notice(self) -> SettingsError | None:
        """What to tell about the settings as they were found; None when they are in order."""
        return self._settings.notice or self._fault_of_endpoint() or self._fault_of_key()

    @property
    def target(self) -> Target:
        """The endpoint, model and key for the next question of a chat that follows the settings."""
        chosen = self.this_run.endpoint
        saved = "" if self._fault_of_endpoint() else self.settings.endpoint  # told by `notice`, and mended in the form
        endpoint = saved if chosen is None else chosen
        model = self.settings.model if chosen is None else ""
        return self.resolve(endpoint, self.this_run.model or model)

    def in_force(self, pick: Pick | None) -> Pick | None:
        """The pick, unless this run was given an endpoint by the command line: then no other is used."""
        run = self.this_run.endpoint
        return pick if pick is None or run is None or pick.endpoint == run else None

    def target_of(self, pick: Pick | None) -> Target:
        """The same for a chat that was given a model of its own. An address that is not saved any more is still the one
        that was picked, and no other takes its place."""
        pick = self.in_force(pick)
        if pick is None:
            return self.target
        connection = self.connection(pick.endpoint)
        return self.resolve(pick.endpoint, pick.model or (connection.model if connection else ""))

    def settings_for(self, target: Target) -> Settings:
        """The settings with the target's own parameters in place of the general ones."""
        connection = self.connection(target.endpoint)
        own = {} if connection is None else {name: getattr(connection, name) for name in ("temperature", "max_tokens")}
        return self.settings.model_copy(update={name: value for name, value in own.items() if value is not None})

    @property
    def language(self) -> str:
        """The code of the language that Hearth speaks."""
        chosen = self.settings.language
        return system_language() if chosen == "system" else chosen

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Every server that can be picked, as they were saved; the one that answers is among them."""
        settings = self.settings
        saved = settings.connections
        if not settings.endpoint or self._fault_of_endpoint() or any(c.endpoint == settings.endpoint for c in saved):
            return saved
        return (*saved, Connection(endpoint=settings.endpoint, model=settings.model))

    def connection(self, endpoint: str) -> Connection | None:
        """The one at an address; None where none is saved."""
        return next((each for each in self.connections if each.endpoint == endpoint), None) if endpoint else None

    @property
    def built_in(self) -> BuiltIn:
        """The model of the built-in engine, whether it answers just now or not."""
        settings = self.settings
        named = settings.builtin_name or Path(settings.builtin_model).stem
        chosen = self.this_run.built_in or BuiltIn(settings.builtin_model, named)
        return replace(chosen, setup=settings.engine)

    def use_built_in(self, chosen: BuiltIn) -> None:
        """Answers come from the built-in engine with this model from now on. Raises SettingsError."""
        self._left = self._keyed_address()
        models = {"builtin_model": chosen.ref, "builtin_name": chosen.name}
        self._settings.save(endpoint="", model="", connections=self.connections, **models)
        self.this_run = replace(self.this_run, built_in=None)

    def set_up(self, setup: EngineSetup) -> None:
        """The built-in engine runs like this from now on. Raises SettingsError."""
        self._settings.save(engine=setup)

    def _fault_of_endpoint(self) -> SettingsError | None:
        """What is wrong with the saved address; None for a good one. The form saves none that is bad; a hand may."""
        try:
            normalise_endpoint(self.settings.endpoint or "http://127.0.0.1/v1")
        except SettingsError as error:
            return error
        return None

    def _fault_of_key(self) -> SettingsError | None:
        """That the key in use lies in a keyring that does not give it out; None while it need not be known."""
        endpoint = self.settings.endpoint if self.this_run.endpoint is None else self.this_run.endpoint
        return SettingsError("key.locked") if endpoint and self._keys.missing(endpoint) else None

    def resolve(self, endpoint: str, model: str, api_key: str = "", connection: Connection | None = None) -> Target:
        """A target of these, as typed into a form: a missing key is the one kept for that endpoint, and so is a missing
        connection. Raises SettingsError where the address or the key cannot be one."""
        address = normalise_endpoint(endpoint) if endpoint.strip() else ""
        access = self.access_for(address)
        if connection is not None:
            access = replace(access, headers=connection.headers, proxy=connection.proxy)
        if api_key.strip():
            access = replace(access, api_key=check_key(api_key))
        return Target(address, model.strip() if address else "", access)

    def access_for(self, endpoint: str) -> Access:
        """What is sent along to an endpoint."""
        own, key = self.connection(endpoint), self.key_for(endpoint)
        return Access(key, own.headers, own.proxy) if own else Access(key)

    def key_for(self, endpoint: str) -> str | None:
        """The key kept for the endpoint, in memory or on disk."""
        return self._keys.get(endpoint) if endpoint else None

    def key_place(self, endpoint: str) -> KeyPlace | None:
        """Where the key for the endpoint is kept; None where there is none."""
        return self._keys.place(endpoint) if endpoint else None

    def keyring(self) -> KeyringName | None:
        """The system's keyring if one can be used; may take a few seconds."""
        return self._keys.keyring()

    def lonely_key(self, endpoint: str) -> tuple[str, str] | None:
        """The origin of the saved address and that of `endpoint`, where the first has a key and the second, another
        one, has none: the key stays, unless the person says otherwise (`share_key`)."""
        saved = self._keyed_address()
        try:
            address = normalise_endpoint(endpoint) if endpoint.strip() else ""
        except SettingsError:
            return None
        if not address or not saved or self.key_for(address):
            return None
        return origin_of(saved), origin_of(address)

    def _keyed_address(self) -> str:
        """The saved address if it has a key, else the one with a key that was saved before it; may be empty."""
        saved = "" if self._fault_of_endpoint() else self.settings.endpoint
        return saved if self.key_for(saved) else self._left

    def share_key(self, endpoint: str) -> None:
        """Gives the key of the saved address to `endpoint` too, kept in the same place. Raises SettingsError."""
        saved = self._keyed_address()
        key, place = self.key_for(saved), self.key_place(saved)
        if key is None or place is None:
            raise SettingsError("key.none")
        self._keys.put(normalise_endpoint(endpoint), key, place=place)

    def save(
        self, changes: dict[str, Any], *, api_key: str, key_place: KeyPlace, own: dict[str, Any] | None = None
    ) -> KeyPlace | None:
        """Saves the form: `changes` of the settings, and what the connection has of its `own`. Everything is checked
        first, so that a bad field changes nothing. Gives the place where a key that was typed is now, which is this
        session where the keyring would not have it. Raises SettingsError."""
        connection = self.drawn_up(str(changes["endpoint"]), str(changes["model"]), own or {})
        target = self.resolve(str(changes["endpoint"]), str(changes["model"]), api_key, connection)
        if api_key.strip() and not target.endpoint:
            raise SettingsError("key.without-endpoint")
        checked = changes | {"endpoint": target.endpoint, "model": target.model}
        checked["connections"] = self._with(connection)
        self._settings.check(**checked)
        place = None
        if api_key.strip():
            place = self._keys.put(target.endpoint, api_key, place=key_place)
        elif target.endpoint == self.settings.endpoint and self.key_place(target.endpoint) not in (None, key_place):
            place = self._keys.put(target.endpoint, target.access.api_key or "", place=key_place)
        self._left = self._keyed_address()
        self._settings.save(**checked)
        return place

    def drawn_up(self, endpoint: str, model: str, own: dict[str, Any]) -> Connection | None:
        """A connection of these; what `own` does not name is as it was. None for the built-in engine. Raises
        SettingsError, naming what is wrong."""
        if not endpoint.strip():
            return None
        address = normalise_endpoint(endpoint)
        known = self.connection(address)
        was = known.model_dump() if known else {}
        if "proxy" in own:
            own = own | {"proxy": check_proxy(own["proxy"])}
        try:
            return Connection.model_validate(was | own | {"endpoint": address, "model": model.strip()})
        except ValidationError as error:
            raise SettingsError(f"settings.{error.errors()[0]['loc'][0]}") from error

    def _with(self, connection: Connection | None) -> tuple[Connection, ...]:
        """All, with this one in place of the one at its address. Raises SettingsError where they are too many."""
        here = self.connections
        if connection is None:
            return here
        if any(each.endpoint == connection.endpoint for each in here):
            return tuple(connection if each.endpoint == connection.endpoint else each for each in here)
        if len(here) >= MOST_CONNECTIONS:
            raise SettingsError("connections.many", count=MOST_CONNECTIONS)
        return (*here, connection)

    def use(self, endpoint: str, model: str) -> None:
        """Answers come from this address and model from now on. Raises SettingsError."""
        address = normalise_endpoint(endpoint) if endpoint else ""
        self._left = self._keyed_address()
        connection = self.drawn_up(address, model, {})
        self._settings.save(endpoint=address, model=model, connections=self._with(connection))

    def forget(self, endpoint: str) -> None:
        """Takes a saved connection away, its key too where no other has its origin. The built-in engine answers where
        it was the one in use. Raises SettingsError."""
        left = tuple(each for each in self.connections if each.endpoint != endpoint)
        if self.key_place(endpoint) and origin_of(endpoint) not in {origin_of(each.endpoint) for each in left}:
            self._keys.remove(endpoint)
        was_used = endpoint == self.settings.endpoint
        self._settings.save(connections=left, **({"endpoint": "", "model": ""} if was_used else {}))

    def decline(self, endpoints: Sequence[str]) -> None:
        """These are not offered again. Raises SettingsError."""
        self._settings.save(declined=tuple(dict.fromkeys((*self.settings.declined, *endpoints)))[-MOST_DECLINED:])

    def choose_when_full(self, way: str) -> None:
        """What happens from now on when a chat is longer than its model can read. Raises SettingsError."""
        self._settings.save(when_full=way)

    def set_servers(self, servers: Sequence[Server]) -> None:
        """These are the MCP servers from now on. Raises SettingsError, and then nothing changed."""
        self._settings.save(servers=tuple(servers))

    def set_reach(self, *, workspace: str | None = None, web_tools: bool | None = None) -> None:
        """Which folder file tools work in, and whether tools may go to the web. Raises SettingsError."""
        given = {"workspace": workspace, "web_tools": web_tools}
        self._settings.save(**{name: value for name, value in given.items() if value is not None})

    def set_offline(self, is_offline: bool) -> None:  # noqa: FBT001  # what a switch says
        """Whether nothing may leave this machine, from now on. Raises SettingsError, and then nothing changed."""
        self._settings.save(offline=is_offline)

    def remove_key(self, endpoint: str) -> None:
        """Forgets the key kept for the endpoint, in memory and on disk. Raises SettingsError."""
        address = normalise_endpoint(endpoint) if endpoint.strip() else ""
        if self.key_place(address) is None:
            raise SettingsError("key.none")
        self._keys.remove(address)
