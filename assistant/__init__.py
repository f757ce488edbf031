"""The assistant: everything behind the window. `create_app` is its one door, for the launcher, tests and notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assistant.paths import Profile

if TYPE_CHECKING:
    from assistant.app import App

__all__ = ["Profile", "create_app"]


def create_app(
    profile: Profile, *, endpoint: str | None = None, model: str | None = None, api_key: str | None = None
) -> App:
    """Builds Hearth on `profile`'s data, without a page yet: `App.asgi` adds that.

    `endpoint` (the base address that ends in /v1), `model` and `api_key` hold for this App only and are never saved.
    Nothing is written yet. Raises SettingsError where `endpoint` is no address or `api_key` no key, and StartError for
    a model without an endpoint that could have it.
    """
    # late: `import assistant` has to stay cheap for the window and the engine child
    from assistant.app import build_app

    return build_app(profile, endpoint=endpoint, model=model, api_key=api_key)
