"""What is in force: the saved settings, the keys, and what the command line says for this run only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assistant.engines.address import normalise_endpoint
from assistant.errors import SettingsError
from assistant.keyrings import KeyringName
from assistant.keys import KeyPlace, Keys, check_key, origin_of
from assistant.settings import Settings, SettingsFile

MOST_DECLINED = 100


@dataclass(frozen=True)
class Target:
    """Where answers come from. An empty `endpoint` is the built-in engine, an empty `model` the endpoint's first."""

    endpoint: str
    model: str
    api_key: str | None


@dataclass(frozen=True)
class BuiltIn:
    """The model of the built-in engine: how the library calls it (empty: the starter), and what people call it."""

    ref: str = ""
    name: str = ""


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
        """The endpoint, model and key for the next question."""
        chosen = self.this_run.endpoint
        saved = "" if self._fault_of_endpoint() else self.settings.endpoint  # told by `notice`, and mended in the form
        endpoint = saved if chosen is None else chosen
        model = self.settings.model if chosen is None else ""
        return self.resolve(endpoint, self.this_run.model or model)

    @property
    def built_in(self) -> BuiltIn:
        """The model of the built-in engine, whether it answers just now or not."""
        settings = self.settings
        named = settings.builtin_name or Path(settings.builtin_model).stem
        return self.this_run.built_in or BuiltIn(settings.builtin_model, named)

    def use_built_in(self, chosen: BuiltIn) -> None:
        """Answers come from the built-in engine with this model from now on. Raises SettingsError."""
        self._left = self._keyed_address()
        self._settings.save(endpoint="", model="", builtin_model=chosen.ref, builtin_name=chosen.name)
        self.this_run = replace(self.this_run, built_in=None)

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

    def resolve(self, endpoint: str, model: str, api_key: str = "") -> Target:
        """A target of these, as typed into a form: a missing key is the one kept for that endpoint. Raises
        SettingsError where the address or the key cannot be one."""
        address = normalise_endpoint(endpoint) if endpoint.strip() else ""
        key = check_key(api_key) if api_key.strip() else self.key_for(address)
        return Target(address, model.strip() if address else "", key)

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

    def save(self, changes: dict[str, Any], *, api_key: str, key_place: KeyPlace) -> KeyPlace | None:
        """Saves the form. Everything is checked first, so that a bad field changes nothing. Gives the place where a key
        that was typed is now, which is this session where the keyring would not have it. Raises SettingsError."""
        target = self.resolve(str(changes["endpoint"]), str(changes["model"]), api_key)
        if api_key.strip() and not target.endpoint:
            raise SettingsError("key.without-endpoint")
        checked = changes | {"endpoint": target.endpoint, "model": target.model}
        self._settings.check(**checked)
        place = None
        if api_key.strip():
            place = self._keys.put(target.endpoint, api_key, place=key_place)
        elif target.endpoint == self.settings.endpoint and self.key_place(target.endpoint) not in (None, key_place):
            place = self._keys.put(target.endpoint, target.api_key or "", place=key_place)
        self._left = self._keyed_address()
        self._settings.save(**checked)
        return place

    def use(self, endpoint: str, model: str) -> None:
        """Answers come from this address and model from now on. Raises SettingsError."""
        address = normalise_endpoint(endpoint)
        self._left = self._keyed_address()
        self._settings.save(endpoint=address, model=model)

    def decline(self, endpoints: Sequence[str]) -> None:
        """These are not offered again. Raises SettingsError."""
        self._settings.save(declined=tuple(dict.fromkeys((*self.settings.declined, *endpoints)))[-MOST_DECLINED:])

    def set_offline(self, is_offline: bool) -> None:  # noqa: FBT001  # what a switch says
        """Whether nothing may leave this machine, from now on. Raises SettingsError, and then nothing changed."""
        self._settings.save(offline=is_offline)

    def remove_key(self, endpoint: str) -> None:
        """Forgets the key kept for the endpoint, in memory and on disk. Raises SettingsError."""
        address = normalise_endpoint(endpoint) if endpoint.strip() else ""
        if self.key_place(address) is None:
            raise SettingsError("key.none")
        self._keys.remove(address)
