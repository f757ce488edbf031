"""What the page may ask of the engines: handed to it by the composition root."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from assistant.configuration import Target
from assistant.engines.probe import Findings
from assistant.known_models import Known


@dataclass(frozen=True)
class TargetCheck:
    """What the page may ask about an endpoint: `test` says what was found, first of the answer and then of the model's
    abilities; `models` gives the ids it offers; `tested` what an earlier test of an address and a model found.
    None raises; an endpoint that does not answer has no models."""

    test: Callable[[Target], AsyncGenerator[Findings]]
    models: Callable[[Target], Awaitable[list[str]]]
    tested: Callable[[str, str], Known | None]

    def reasons(self, target: Target) -> bool:
        """Whether a test saw the model think before it answered."""
        known = self.tested(target.endpoint, target.model)
        return known is not None and known.abilities.reasons is True
