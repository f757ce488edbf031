"""What is in force: the saved settings, the keys, and what the command line says for this run only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assistant.engines.address import normalise_endpoint
from assistant.errors import SettingsError
from assistant.keys import Keys, check_key
from assistant.settings import Settings, SettingsFile


@dataclass(frozen=True)
class Target:
    """Where answers come from. An empty `endpoint` is the built-in engine, an empty `model` the endpoint's first."""

    endpoint: str
    model: str
    api_key: str | None


@dataclass(frozen=True)
class ThisRun:
    """What the command line chose for this run; it is never saved and wins over the settings."""

    endpoint: str | None = None
    model: str | None = None


class Configuration:
    """Settings and keys, and the one answer to the question which endpoint, model and key hold now."""

    def __init__(self, settings: SettingsFile, keys: Keys, *, this_run: ThisRun) -> None:
        self._settings = settings
        self._keys = keys
        self.this_run = this_run

    @property
    def settings(self) -> Settings:
        """The saved settings."""
        return self._settings.values

    @property
    def notice(self) -> SettingsError | None:
        """What to tell about the settings as they were found; None when they are in order."""
        return self._settings.notice or self._fault_of_endpoint()

    @property
    def target(self) -> Target:
        """The endpoint, model and key for the next question."""
        chosen = self.this_run.endpoint
        saved = "" if self._fault_of_endpoint() else self.settings.endpoint  # told by `notice`, and mended in the form
        endpoint = saved if chosen is None else chosen
        model = self.settings.model if chosen is None else ""
        return self.resolve(endpoint, self.this_run.model or model)

    def _fault_of_endpoint(self) -> SettingsError | None:
        """What is wrong with the saved address; None for a good one. The form saves none that is bad; a hand may."""
        try:
            normalise_endpoint(self.settings.endpoint or "http://127.0.0.1/v1")
        except SettingsError as error:
            return error
        return None

    def resolve(self, endpoint: str, model: str, api_key: str = "") -> Target:
        """A target of these, as typed into a form: a missing key is the one kept for that endpoint. Raises
        SettingsError where the address or the key cannot be one."""
        address = normalise_endpoint(endpoint) if endpoint.strip() else ""
        key = check_key(api_key) if api_key.strip() else self.key_for(address)
        return Target(address, model.strip() if address else "", key)

    def key_for(self, endpoint: str) -> str | None:
        """The key kept for the endpoint, in memory or on disk."""
        return self._keys.get(endpoint) if endpoint else None

    def has_key(self, endpoint: str) -> bool:
        """Whether a key is kept for the endpoint, in memory or on disk."""
        return self.key_for(endpoint) is not None

    def key_is_remembered(self, endpoint: str) -> bool:
        """Whether that key is on disk and so outlives this session."""
        return bool(endpoint) and self._keys.is_remembered(endpoint)

    def save(self, changes: dict[str, Any], *, api_key: str, remember_key: bool) -> Settings:
        """Saves the form. Everything is checked first, so that a bad field changes nothing. Raises SettingsError."""
        target = self.resolve(str(changes["endpoint"]), str(changes["model"]), api_key)
        if api_key.strip() and not target.endpoint:
            raise SettingsError("key.without-endpoint")
        checked = changes | {"endpoint": target.endpoint, "model": target.model}
        self._settings.check(**checked)
        if api_key.strip():
            self._keys.put(target.endpoint, api_key, remember=remember_key)
        return self._settings.save(**checked)

    def set_offline(self, is_offline: bool) -> None:  # noqa: FBT001  # what a switch says
        """Whether nothing may leave this machine, from now on. Raises SettingsError, and then nothing changed."""
        self._settings.save(offline=is_offline)

    def remove_key(self, endpoint: str) -> None:
        """Forgets the key kept for the endpoint, in memory and on disk. Raises SettingsError."""
        address = normalise_endpoint(endpoint) if endpoint.strip() else ""
        if not self.has_key(address):
            raise SettingsError("key.none")
        self._keys.remove(address)
