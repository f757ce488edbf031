"""What people call servers and the models on them."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from assistant.configuration import Configuration
from assistant.i18n import Translator
from assistant.pick import Pick
from assistant.settings import Connection
from assistant.visible import visible

NameOf = Callable[[Pick], str]


def connection_name(connection: Connection) -> str:
    """What a person calls a server: the name it was given, else its host and port."""
    return connection.name or urlsplit(connection.endpoint).netloc


def model_name(pick: Pick, configuration: Configuration, t: Translator) -> str:
    """A model with its server."""
    if not pick.endpoint:
        own = configuration.built_in.name
        return visible(t("picker.own", model=own)) if own else t("picker.built-in")
    connection = configuration.connection(pick.endpoint)
    place = connection_name(connection or Connection(endpoint=pick.endpoint))
    return visible(f"{pick.model or t('engine.first-model')} · {place}")
