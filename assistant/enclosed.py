"""Pictures that stand in a chat's composer: kept from the moment they are attached, like the draft they belong to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import PurePath

from assistant.attachments import Attachments
from assistant.catalogue import Catalogue
from assistant.errors import PictureError, StoreError
from assistant.messages import Attachment
from assistant.pictures import Picture
from assistant.records import new_id
from assistant.visible import visible

log = logging.getLogger(__name__)

MOST = 12  # pictures in one question
LONGEST_NAME = 120


class Enclosed:
    """The pictures of one chat's draft. `files` are those that can be sent; `told` is called when they change."""

    def __init__(
        self,
        conversation_id: str,
        files: Sequence[Attachment],
        *,
        catalogue: Catalogue,
        attachments: Attachments,
        told: Callable[[], None],
    ) -> None:
        self._conversation_id, self._catalogue, self._attachments = conversation_id, catalogue, attachments
        self._told = told
        self._changing = asyncio.Lock()
        # A snapshot may name one that was taken out since.
        self.files = tuple(file for file in files if attachments.read(file) is not None)

    async def add(self, name: str, picture: Picture) -> Attachment:
        """Attaches a picture. Raises PictureError where there are too many, and StoreError."""
        shown = visible(PurePath(name.replace("\\", "/")).name)[:LONGEST_NAME] or "?"
        stored_as = f"{self._conversation_id}/{new_id()}{picture.suffix}"
        added = Attachment(shown, picture.media_type, stored_as)
        async with self._changing:
            had = self.files
            if len(had) >= MOST:
                raise PictureError("picture.many", name=shown, most=MOST)
            await self._keep((*had, added))  # first: no file is ever there that nobody knows of
            try:
                await asyncio.to_thread(self._attachments.put_as, stored_as, picture.content)
            except StoreError:
                await self._keep(had)
                raise
        return added

    async def remove(self, stored_as: str) -> None:
        """Takes a picture out, and its file away. Raises StoreError."""
        async with self._changing:
            left = tuple(file for file in self.files if file.stored_as != stored_as)
            if left == self.files:
                return
            try:
                await asyncio.to_thread(self._attachments.remove, stored_as)
            except OSError as error:
                raise StoreError("store.unavailable", path=stored_as, reason=error.strerror or "?") from error
            await self._keep(left)

    async def sent(self, files: Sequence[Attachment]) -> None:
        """These belong to a message now. A disk that does not take it shows them in the composer once more one day."""
        if not files:
            return
        async with self._changing:
            left = tuple(file for file in self.files if file not in files)
            try:
                await self._keep(left)
            except StoreError as error:
                log.warning("what was sent could not be taken out of the draft: %s", error)
                self.files = left

    async def _keep(self, files: tuple[Attachment, ...]) -> None:
        if files == self.files:
            return
        await asyncio.to_thread(self._catalogue.save_draft_files, self._conversation_id, files)
        self.files = files
        self._told()
