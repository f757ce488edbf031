"""What of one chat its model is sent: as the person has marked it, and as the room there is allows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from assistant.context import Branch, Filling, covered_down_to
from assistant.engines import Engine
from assistant.errors import StoreError
from assistant.events import RoomMade
from assistant.messages import ToolOffer
from assistant.records import StoredMessage
from assistant.room import counted, filled
from assistant.settings import Settings
from assistant.store import Store

log = logging.getLogger(__name__)


class Sending:
    """Looks at a chat's messages through `branch`, and puts others in their place through `put`, once they are on
    disk."""

    def __init__(
        self, store: Store, branch: Callable[[], Branch], put: Callable[[Sequence[StoredMessage]], None]
    ) -> None:
        self._store, self.branch, self._put = store, branch, put
        self._known: tuple[object, object, Filling] | None = None  # of which messages, by what, and the result

    def filling(self, engine: Engine, settings: Settings, offers: tuple[ToolOffer, ...] = ()) -> Filling:
        """What fills the engine's context before the next question, by estimate. For any thread."""
        branch, how = self.branch(), _known_by(engine, settings, offers)
        known = self._known
        if known is None or known[0] is not branch or known[1] != how:
            known = self._known = (branch, how, filled(branch, engine, settings, offers))
        return known[2]

    async def counted(self, engine: Engine, settings: Settings, offers: tuple[ToolOffer, ...] = ()) -> Filling:
        """The same, by the engine's own count where it has one."""
        return await counted(self.filling(engine, settings, offers), engine)

    async def cover(self, made: RoomMade) -> None:
        """Goes by the room that was made. A disk that does not take it costs making it again one day."""
        branch = covered_down_to(self.branch(), made.down_to, made.stand_in)
        try:
            await self.replace(branch)
        except StoreError as error:
            log.warning("what stands in for messages could not be saved: %s", error)
            self._put(branch)

    async def replace(self, branch: Branch) -> None:
        """Keeps what is sent of the messages that are shown, as `branch` has it. Raises StoreError."""
        changed = [item for item, had in zip(branch, self.branch(), strict=True) if item is not had]
        if changed:
            await asyncio.to_thread(self._store.mark_messages, *changed)
            self._put(changed)


def _known_by(engine: Engine, settings: Settings, offers: tuple[ToolOffer, ...]) -> tuple[object, ...]:
    model = (engine.identity.model, engine.blindness is None, engine.way)
    return engine.context_tokens, model, settings, [offer.name for offer in offers]
