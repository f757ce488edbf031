"""What can go wrong in a way that a person can be told.

    HearthError
    |- EngineError          the model could not answer
    |  |- Unreachable       nothing answers at the address
    |  |- WrongKey          the endpoint refuses the key, or wants one
    |  |- ModelMissing      the endpoint, or this machine, has no such model
    |  |- ContextFull       the chat is longer than the model can read
    |  |- Busy              the endpoint has too much to do, or counts requests
    |  |- NotCompatible     what answers does not speak the OpenAI chat protocol
    |  `- Interrupted       the answer began and then broke off
    |- ToolError            a tool could not do its work
    |- StoreError           chats could not be read or written
    |- LibraryError         a model file could not be fetched, brought in or taken away
    |- SettingsError        a setting or a key is not valid, or could not be saved
    `- StartError           Hearth itself could not start: no display, no free port, a missing library

Only these are shown to a person. Anything else is a bug: logged with its traceback and shown as one calm sentence.
Each is made from a key of the locale files and the values its sentence needs, so that it can be said in any language.
"""

from __future__ import annotations

from assistant.i18n import ENGLISH, Translator


class HearthError(Exception):
    """A fault that has a sentence, and mostly a hint at what mends it.

    `key` names two entries of the locale files, "error.KEY" and "error.KEY.hint" (the hint may be missing); `values`
    fill their placeholders. Values are shown and logged: never put a key or a chat's words into them.
    """

    def __init__(self, key: str, **values: object) -> None:
        self.key = key
        self.values = values
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """What went wrong, in one English sentence."""
        return self.message_in(ENGLISH)

    @property
    def hint(self) -> str:
        """What mends it, in English; empty where there is nothing to say."""
        return self.hint_in(ENGLISH)

    def message_in(self, t: Translator) -> str:
        """What went wrong, in one sentence of the language of `t`."""
        return t(f"error.{self.key}", **self.values)

    def hint_in(self, t: Translator) -> str:
        """What mends it, in the language of `t`; empty where there is nothing to say."""
        return t.optional(f"error.{self.key}.hint", **self.values)


class EngineError(HearthError):
    """The model could not answer."""


class Unreachable(EngineError):
    """Nothing answers at the endpoint's address."""


class WrongKey(EngineError):
    """The endpoint refuses the key, or wants one."""


class ModelMissing(EngineError):
    """The endpoint, or this machine, has no such model."""


class ContextFull(EngineError):
    """The chat is longer than the model can read."""


class Busy(EngineError):
    """The endpoint has too much to do, or counts requests."""


class NotCompatible(EngineError):
    """What answers does not speak the OpenAI chat protocol."""


class Interrupted(EngineError):
    """The answer began and then broke off."""


class ToolError(HearthError):
    """A tool could not do its work."""


class StoreError(HearthError):
    """Chats could not be read or written."""


class PictureError(HearthError):
    """A file cannot be attached as a picture."""


class LibraryError(HearthError):
    """A model file could not be fetched, brought in or taken away."""


class SettingsError(HearthError):
    """A setting or a key is not valid, or could not be saved."""


class StartError(HearthError):
    """Hearth itself could not start."""
