"""Brings chats in: finds out what a file is, turns it into chats, and adds what is not here yet."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from assistant.attachments import Attachments
from assistant.catalogue import Catalogue
from assistant.errors import StoreError
from assistant.exchange import archive, chatgpt, claude, hearth_json, markdown, open_webui
from assistant.exchange.brought import Brought, Unreadable, mapping, sequence, text
from assistant.i18n import Translator
from assistant.messages import parts_to_json
from assistant.records import StoredMessage, new_id
from assistant.store import Store

log = logging.getLogger(__name__)

Told = Callable[[int, int], object]
"""Is told how many chats of how many are done."""


def _nobody(_: int, __: int) -> None: ...


@dataclass(frozen=True)
class Skipped:
    """Something that did not come in: its name, and why, as the key and values of a sentence."""

    name: str
    key: str
    values: dict[str, object] = field(default_factory=dict[str, object])

    def reason(self, t: Translator) -> str:
        """Why, in the language of `t`."""
        return t(f"exchange.skip.{self.key}", **self.values)


@dataclass(frozen=True)
class ImportReport:
    """What became of an import: chats that are new here, that got more messages, and that were here already."""

    added: int = 0
    grown: int = 0
    known: int = 0
    skipped: tuple[Skipped, ...] = ()

    def __add__(self, other: ImportReport) -> ImportReport:
        return ImportReport(
            self.added + other.added,
            self.grown + other.grown,
            self.known + other.known,
            self.skipped + other.skipped,
        )


class Importer:
    """Adds chats to a store. One that cannot be read is skipped, with its reason, and the others come in."""

    def __init__(self, store: Store, attachments: Attachments) -> None:
        self._store, self._attachments = store, attachments

    def bring_in(self, paths: Sequence[Path], told: Told = _nobody) -> ImportReport:
        """Brings in everything in these files and folders. Raises StoreError where the chats cannot be written."""
        report = ImportReport()
        for path in paths:
            try:
                with archive.opened(path) as found:
                    for name in found.refused:
                        report += ImportReport(skipped=(Skipped(name, "hostile"),))
                    report += self._bring_in(found, told)
            except Unreadable as fault:
                report += ImportReport(skipped=(Skipped(path.name, fault.key, dict(fault.values)),))
        return report

    def _bring_in(self, found: archive.Archive, told: Told) -> ImportReport:
        chats = list(_chats_in(found))
        if not chats:
            raise Unreadable("no-chats")
        report = ImportReport()
        for done, (name, read) in enumerate(chats, start=1):
            try:
                report += self._add(read())
            except Unreadable as fault:
                report += ImportReport(skipped=(Skipped(name, fault.key, dict(fault.values)),))
            except StoreError as error:
                if error.key in ("store.full", "store.unavailable", "store.corrupt"):
                    raise
                report += ImportReport(skipped=(Skipped(name, "damaged-chat"),))
            except (RecursionError, ValueError, TypeError, KeyError, AttributeError):
                log.info("a chat could not be read", exc_info=True)
                report += ImportReport(skipped=(Skipped(name, "damaged-chat"),))
            told(done, len(chats))
        return report

    def _add(self, brought: Brought) -> ImportReport:
        here = self._store.conversation(brought.conversation.id) if brought.keeps_ids else None
        if here is None and (origin := brought.conversation.origin):
            here = self._store.conversation_from(origin)
        if here is None:
            with self._with_files(brought.files):
                self._store.add_tree(brought.conversation, brought.messages)
            return ImportReport(added=1)
        if here.is_deleted:
            Catalogue(self._store.database).restore(here.id)
        missing = _missing(brought, self._store.tree(here.id))
        if not missing:
            return ImportReport(known=1) if not here.is_deleted else ImportReport(added=1)
        named = {file.stored_as for item in missing for file in item.message.attachments}
        with self._with_files({name: content for name, content in brought.files.items() if name in named}):
            self._store.add_messages(here.id, missing)
        return ImportReport(grown=1)

    @contextmanager
    def _with_files(self, files: Mapping[str, bytes]) -> Generator[None]:
        """Puts the files there first, and takes the new ones away again where their chat cannot come in."""
        new: list[str] = []
        try:
            for stored_as, content in files.items():
                if self._attachments.put_as(stored_as, content):
                    new.append(stored_as)
            yield
        except BaseException:
            for stored_as in new:
                self._attachments.remove(stored_as)
            raise


def _missing(brought: Brought, here: Sequence[StoredMessage]) -> list[StoredMessage]:
    """The messages that are not here, below what is here already. A message of our own that says something else here
    comes in beside it, in both versions."""
    by_id = {item.id: item for item in here}
    by_origin = {item.origin: item.id for item in here if item.origin is not None}  # some are named ""
    places: dict[str, str] = {}
    missing: list[StoredMessage] = []
    for item in brought.messages:
        parent = places.get(item.parent_id or "", item.parent_id)
        if brought.keeps_ids:
            same = by_id.get(item.id)
            if same is None:
                missing.append(replace(item, parent_id=parent))
                continue
            if same.message == item.message:
                continue
            version = f"version:{_digest(item)}"
            if version in by_origin:
                places[item.id] = by_origin[version]
                continue
            copy = replace(item, id=new_id(), parent_id=parent, origin=version)
            places[item.id] = copy.id
            missing.append(copy)
        elif item.origin in by_origin:
            places[item.id] = by_origin[item.origin]
        else:
            missing.append(replace(item, parent_id=parent))
    return missing


def _digest(item: StoredMessage) -> str:
    said = json.dumps([item.id, item.message.role, parts_to_json(item.message.parts)])
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def _chats_in(found: archive.Archive) -> Iterator[tuple[str, Callable[[], Brought]]]:
    """Every chat that is in there, by name, and how it is read."""
    lists = [name for name in found.names if name.rsplit("/", 1)[-1].startswith("conversations")]
    jsons = [name for name in (lists or found.names) if name.lower().endswith(".json")]
    if len(found.names) == 1 and not jsons and not found.names[0].lower().endswith(".md"):
        jsons = list(found.names)  # a single file of another name
    for name in jsons:
        data = found.json(name)
        yield from _chats_of(data, found)
    for name in found.names:
        if name.lower().endswith((".md", ".markdown")):
            yield name, lambda name=name: markdown.read_chat(found.text(name), name=name.rsplit("/", 1)[-1])


def _chats_of(data: Any, found: archive.Archive) -> Iterator[tuple[str, Callable[[], Brought]]]:
    if hearth_json.is_hearth(data):
        for item in hearth_json.chats_of(data):
            yield _name(item), lambda item=item: hearth_json.read_chat(item)
        return
    items = [data] if mapping(data) else sequence(data)
    for item in items:
        if chatgpt.is_chatgpt([item]):
            yield _name(item), lambda item=item: chatgpt.read_chat(item, found.find)
        elif claude.is_claude([item]):
            yield _name(item), lambda item=item: claude.read_chat(item)
        elif open_webui.is_open_webui([item]):
            yield _name(item), lambda item=item: open_webui.read_chat(item)
        elif chatgpt.is_chatgpt(items) or claude.is_claude(items) or open_webui.is_open_webui(items):
            yield _name(item), _refuse


def _refuse() -> Brought:
    raise Unreadable("damaged-chat")


def _name(item: Any) -> str:
    source = mapping(item)
    return text(source.get("title")) or text(source.get("name")) or text(source.get("id")) or "?"
