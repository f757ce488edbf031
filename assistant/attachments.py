"""Files that belong to messages: in the profile's `attachments` folder, one folder for each chat."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from assistant.errors import StoreError
from assistant.messages import Attachment
from assistant.private_files import write_private_bytes
from assistant.records import new_id

LARGEST_BYTES = 200_000_000
_STORED_AS = re.compile(r"[0-9a-f]{32}/[0-9a-f]{32}(?:\.[a-z0-9]{1,8})?")


class Attachments:
    """The files of one profile; every method may raise StoreError. `stored_as` is "CHAT/FILE.suffix", made of random
    ids: a name that somebody else chose is only ever shown."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, conversation_id: str, name: str, media_type: str, content: bytes) -> Attachment:
        """Stores a file for a chat, readable by this user only."""
        suffix = Path(name).suffix.lower()
        suffix = suffix if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix) else ""
        attachment = Attachment(name, media_type, f"{conversation_id}/{new_id()}{suffix}")
        self.put_as(attachment.stored_as, content)
        return attachment

    def put_as(self, stored_as: str, content: bytes) -> bool:
        """Stores a file under the name that an attachment gives it; False where one is there already, which stays."""
        path = self._path(stored_as)
        if len(content) > LARGEST_BYTES:
            raise StoreError("attachment.large", name=path.name)
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            if path.exists():
                return False
            write_private_bytes(path, content)
        except OSError as error:
            raise StoreError("store.unavailable", path=path, reason=error.strerror or "?") from error
        return True

    def read(self, attachment: Attachment) -> bytes | None:
        """The file; None where it is gone."""
        try:
            return self._path(attachment.stored_as).read_bytes()
        except (OSError, StoreError):
            return None

    def remove(self, stored_as: str) -> None:
        """Removes a file, which may be gone already, and its folder with the last one. May raise OSError."""
        path = self._path(stored_as)
        path.unlink(missing_ok=True)
        with suppress(OSError):  # others are in it
            path.parent.rmdir()

    def _path(self, stored_as: str) -> Path:
        """Raises StoreError for a name that Hearth never gives."""
        if not _STORED_AS.fullmatch(stored_as):
            raise StoreError("attachment.name")
        return self._folder / stored_as


class AttachmentsInMemory(Attachments):
    """The files of private chats: nothing of them is ever written to disk."""

    def __init__(self) -> None:
        super().__init__(Path())
        self._held: dict[str, bytes] = {}

    def put_as(self, stored_as: str, content: bytes) -> bool:
        self._path(stored_as)
        if len(content) > LARGEST_BYTES:
            raise StoreError("attachment.large", name=stored_as)
        return self._held.setdefault(stored_as, content) is content

    def read(self, attachment: Attachment) -> bytes | None:
        return self._held.get(attachment.stored_as)

    def remove(self, stored_as: str) -> None:
        self._held.pop(stored_as, None)
