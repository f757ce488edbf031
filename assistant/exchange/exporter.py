"""Writes chats out: all or one, as our JSON, as Markdown, or as a page."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Literal

from assistant.attachments import Attachments
from assistant.catalogue import Catalogue
from assistant.errors import StoreError
from assistant.exchange import hearth_json, html_page, markdown
from assistant.i18n import Translator
from assistant.messages import Attachment
from assistant.pictures import data_url
from assistant.records import StoredConversation, StoredMessage
from assistant.store import Store

ExportFormat = Literal["json", "md", "html"]
FORMATS: tuple[ExportFormat, ...] = ("json", "md", "html")


class Exporter:
    """Writes the chats of a store, the archived ones included; every method may raise StoreError."""

    def __init__(self, store: Store, attachments: Attachments, t: Translator) -> None:
        self._store, self._attachments, self._t = store, attachments, t

    def write_all(self, path: Path, kind: ExportFormat) -> int:
        """Writes all chats into a file, whole or not at all, readable by this user only; several Markdown files into a
        zip. Gives how many chats they are."""
        ids = Catalogue(self._store.database).all_ids()
        with _whole(path) as file:
            if kind == "md":
                self._write_zip(file, ids)
            else:
                for piece in self._pieces(ids, kind):
                    file.write(piece.encode("utf-8", "replace"))
        return len(ids)

    def write_to(self, stream: IO[bytes], kind: ExportFormat) -> int:
        """Writes all chats into a stream."""
        ids = Catalogue(self._store.database).all_ids()
        for piece in self._pieces(ids, kind):
            stream.write(piece.encode("utf-8", "replace"))
        return len(ids)

    def write_one(self, conversation_id: str, folder: Path, kind: ExportFormat) -> Path:
        """Writes one chat into a new file in a folder, named after its title."""
        found = self._store.conversation(conversation_id)
        if found is None:
            raise StoreError("export.gone")
        path = folder / f"{file_name(found.title)}.{kind}"
        with _whole(path) as file:
            for piece in self._pieces([conversation_id], kind):
                file.write(piece.encode("utf-8", "replace"))
        return path

    def _pieces(self, ids: Sequence[str], kind: ExportFormat) -> Iterator[str]:
        if kind == "json":
            yield from hearth_json.write_chats(
                ((chat, self._store.tree(chat.id)) for chat in self._chats(ids)), self._attachments
            )
        elif kind == "html":
            roles = {role: self._t(f"export.role.{role}") for role in ("user", "assistant", "tool")}
            title = self._t("app.name")
            yield from html_page.write_page(title, self._branches(ids), names=roles, show=self._show)
        else:
            for chat, branch in self._branches(ids):
                yield markdown.write_chat(chat, branch)

    def _show(self, file: Attachment) -> str | None:
        content = self._attachments.read(file)
        return None if content is None else data_url(content)

    def _write_zip(self, file: IO[bytes], ids: Sequence[str]) -> None:
        taken: set[str] = set()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for chat, branch in self._branches(ids):
                name = stem = file_name(chat.title)
                number = 1
                while name.lower() in taken:
                    number += 1
                    name = f"{stem} ({number})"
                taken.add(name.lower())
                packed.writestr(f"{name}.md", markdown.write_chat(chat, branch).encode("utf-8", "replace"))

    def _chats(self, ids: Sequence[str]) -> Iterator[StoredConversation]:
        for conversation_id in ids:
            chat = self._store.conversation(conversation_id)
            if chat is not None and not chat.is_deleted and chat.leaf_id is not None:
                yield chat

    def _branches(self, ids: Sequence[str]) -> Iterator[tuple[StoredConversation, list[StoredMessage]]]:
        for chat in self._chats(ids):
            yield chat, self._store.branch(chat.leaf_id)


def file_name(title: str) -> str:
    """A title as the name of a file that every system takes, and that shows what it ends in."""
    kept = "".join(one if one.isprintable() and one not in '<>:"/\\|?*' else " " for one in title)
    return " ".join(kept.split())[:80].strip(" .") or "Chat"


class _whole:  # noqa: N801  # used as a function
    """A file that is there whole or not at all, readable by this user only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> IO[bytes]:
        try:
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".hearth-")
        except OSError as error:
            raise StoreError("export.unwritable", path=self._path, reason=error.strerror or "?") from error
        self._draft = Path(name)
        self._file = os.fdopen(handle, "wb")
        return self._file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        try:
            self._file.close()
            if kind is None:
                self._draft.replace(self._path)
        except OSError as fault:
            raise StoreError("export.unwritable", path=self._path, reason=fault.strerror or "?") from fault
        finally:
            self._draft.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StoreError("export.unwritable", path=self._path, reason=error.strerror or "?") from error
