"""The models of this machine: those in the profile's `models/` folder, the starter, and those of other programs."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from assistant.engines.embedded import model_id
from assistant.engines.gguf import Header, part_number, parts_of, read_model
from assistant.engines.machine import Fit, Machine, memory_need
from assistant.errors import LibraryError, ModelMissing
from assistant.library.elsewhere import Found

KEPT_FREE_BYTES = 500_000_000  # of a disk: chats need room
COPYING = ".copy"  # at the end of the name of what is not whole yet
_BLOCK = 4 * 1024**2
Look = Callable[[], list[Found]]


@dataclass(frozen=True)
class Model:
    """A model on this machine. `ref` is what the settings call it: empty for the starter, the name of a file in
    `models/`, or the whole path of one elsewhere. Exactly one of `header` and `fault` is there."""

    ref: str
    name: str
    path: Path
    header: Header | None
    fault: ModelMissing | None
    is_link: bool = False
    program: str = ""

    @property
    def can_chat(self) -> bool:
        return self.header is not None and self.header.kind == "chat"


class Library:
    """All models of one profile. Methods read and write the disk: call them in a thread. `look` gives what other
    programs have; `kept_free_bytes` of the disk are left to the chats."""

    def __init__(
        self,
        folder: Path,
        starter: Path | None,
        *,
        look: Look,
        machine: Machine,
        kept_free_bytes: int = KEPT_FREE_BYTES,
    ) -> None:
        self.folder, self._starter, self._look, self.machine = folder, starter, look, machine
        self._kept_free_bytes = kept_free_bytes
        self._headers: dict[tuple[Path, int, int], Header | ModelMissing] = {}
        self._lock = threading.Lock()  # of what changes the folder

    def path_of(self, ref: str) -> Path | None:
        """Where the file of a model should be; whether it is there is another question. None: there is no starter."""
        if not ref:
            return self._starter
        return Path(ref) if Path(ref).is_absolute() else self.folder / Path(ref).name

    def model(self, ref: str, name: str = "") -> Model | None:
        """The model that the settings call `ref`, there or not; None where there is no starter."""
        path = self.path_of(ref)
        return self._model(ref, path, name=name or model_id(path)) if path else None

    def here(self) -> list[Model]:
        """The starter and what lies in the folder, by name."""
        starter = self.model("")
        found = [self._model(path.name, path, name=model_id(path)) for path in self._listed()]
        return [*([starter] if starter else []), *sorted(found, key=lambda model: model.name.lower())]

    def elsewhere(self) -> list[Model]:
        """What other programs have and can be used where it lies."""
        linked = {_real(path) for path in self._listed()}
        models = [
            self._model(str(found.path), found.path, name=found.name, program=found.program)
            for found in self._look()
            if _real(found.path) not in linked
        ]
        return [model for model in models if model.can_chat]

    def named(self, name: str) -> Model | None:
        """The model with this name or file name, in the folder or elsewhere; None where there is none."""
        wanted = name.lower()
        for model in (*self.here(), *self.elsewhere()):
            if wanted in (model.name.lower(), model.path.name.lower(), model.ref.lower()) and wanted:
                return model
        return None

    def fit(self, header: Header) -> Fit:
        """How a model runs on this machine."""
        need = memory_need(header.file_bytes, header.chat_bytes_per_token, header.context_tokens)
        return self.machine.fit(need, int(header.file_bytes * header.active_share))

    def link(self, path: Path) -> Model:
        """Puts a link to a model into the folder; the model stays where it is. Raises LibraryError, ModelMissing."""
        _check(path)
        with self._lock:
            for part in parts_of(path):
                target = self._free_place(part.name)
                try:
                    target.symlink_to(part.resolve())
                except OSError as error:
                    self._take_back(path)
                    key = "library-no-links" if os.name == "nt" else "library-unwritable"
                    raise LibraryError(key, name=part.name, reason=error.strerror or "?") from error
        return self._model(path.name, self.folder / path.name, name=model_id(path))

    def copy(self, path: Path) -> Model:
        """Puts a copy of a model into the folder, whole or not at all. Raises LibraryError, ModelMissing."""
        header = _check(path)
        with self._lock:
            parts = parts_of(path)
            targets = [self._free_place(part.name) for part in parts]
            self.check_room(header.file_bytes)
            copies = [target.with_name(target.name + COPYING) for target in targets]
            try:
                for part, unfinished in zip(parts, copies, strict=True):
                    _copy(part, unfinished)
                for unfinished, target in zip(copies, targets, strict=True):
                    unfinished.replace(target)
            except OSError as error:
                raise unwritable(error, path.name) from error
            finally:
                for unfinished in copies:
                    unfinished.unlink(missing_ok=True)
        return self._model(path.name, self.folder / path.name, name=model_id(path))

    def delete(self, ref: str) -> None:
        """Takes a model out of the folder: a file is gone, of a link only the link. Raises LibraryError."""
        path = self.folder / Path(ref).name
        if not ref or Path(ref).name != ref or path not in self._listed():
            raise LibraryError("library-gone", name=ref)
        try:
            for part in parts_of(path):
                part.unlink(missing_ok=True)
        except OSError as error:
            raise LibraryError("library-not-deleted", name=ref, reason=error.strerror or "?") from error

    def check_room(self, needed_bytes: int) -> None:
        """Raises LibraryError where so much more would fill the disk."""
        free = shutil.disk_usage(self.folder).free
        whole = needed_bytes + self._kept_free_bytes
        if free < whole:
            needed, left = round(whole / 1e9, 1), round(free / 1e9, 1)
            raise LibraryError("library-no-room", needed=needed, free=left)

    def check_name(self, name: str) -> None:
        """Raises LibraryError where a model of this name is here already, or it is none for a model's file."""
        if not is_file_name(name):
            raise LibraryError("library-name")
        if os.path.lexists(self.folder / name):
            raise LibraryError("library-there", name=name)

    def forget_unfinished(self) -> None:
        """Takes away what copies that were broken off have left."""
        for path in self.folder.glob(f"*{COPYING}"):
            if path.name.lower().endswith(f".gguf{COPYING}"):
                with suppress(OSError):
                    path.unlink()

    def _free_place(self, name: str) -> Path:
        self.check_name(name)
        return self.folder / name

    def _take_back(self, path: Path) -> None:
        for part in parts_of(path):
            place = self.folder / part.name
            if place.is_symlink() and _real(place) == _real(part):
                place.unlink(missing_ok=True)

    def _listed(self) -> list[Path]:
        return [path for path in self.folder.glob("*") if _is_model_name(path.name) and not path.is_dir()]

    def _model(self, ref: str, path: Path, *, name: str, program: str = "") -> Model:
        told = self._read(path)
        header, fault = (told, None) if isinstance(told, Header) else (None, told)
        return Model(ref, name, path, header, fault, is_link=path.is_symlink() and not program, program=program)

    def _read(self, path: Path) -> Header | ModelMissing:
        """The header, read anew only where the file has changed."""
        try:
            found = path.stat()
        except OSError:
            return ModelMissing("engine-model-gone", name=path.name)
        seen = (path, found.st_size, found.st_mtime_ns)
        if seen not in self._headers:
            self._headers[seen] = _header_or_fault(path)
            if part_number(path.name):  # the others may change alone
                return self._headers.pop(seen)
        return self._headers[seen]


def is_file_name(name: str) -> bool:
    """Whether a model's file may be called so on every system."""
    return (
        name == Path(name).name
        and "\\" not in name
        and name.lower().endswith(".gguf")
        and 5 < len(name.encode("utf-8", "replace")) <= 200
        and name.isprintable()
        and not name.startswith(".")
        and not set(name) & set('<>:"|?*')
    )


def unwritable(error: OSError, name: str) -> LibraryError:
    """The sentence for a disk that does not take a model."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return LibraryError("library-disk-full", name=name)
    return LibraryError("library-unwritable", name=name, reason=error.strerror or "?")


def _check(path: Path) -> Header:
    if path.is_dir():
        raise LibraryError("library-path")
    if path.suffix.lower() != ".gguf" and path.is_file():
        read_model(path)  # says what it is, if it is none
        raise LibraryError("library-name")
    return read_model(path)


def _header_or_fault(path: Path) -> Header | ModelMissing:
    try:
        return read_model(path)
    except ModelMissing as fault:
        return fault


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as old, target.open("xb") as new:
        target.chmod(0o600)
        while block := old.read(_BLOCK):
            new.write(block)
        new.flush()
        os.fsync(new.fileno())


def _is_model_name(name: str) -> bool:
    return name.lower().endswith(".gguf") and part_number(name) <= 1


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
