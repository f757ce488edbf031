"""All downloads of one profile: begun, paused, gone on with after a restart, cancelled. The files come by `fetch`.

Beside what has come of a model (`NAME.part`) lies its state (`NAME.part.json`). A model gets its own name when all of
it is there and has been checked, and not a moment before. After a restart every download is paused: nothing leaves
this machine that nobody asked for just now.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field, ValidationError

from assistant.egress import Egress
from assistant.errors import HearthError, LibraryError
from assistant.library.piece import FetchLimits, Note, Piece, in_thread
from assistant.library.shelf import Library, is_file_name, unwritable
from assistant.library.source import Source, check_hop
from assistant.private_files import forget_unfinished, write_private_bytes

if TYPE_CHECKING:
    from assistant.library.fetch import Fetch

log = logging.getLogger(__name__)

State = Literal["running", "paused", "failed", "done"]
MOST_AT_ONCE = 3
_PART, _STATE = ".part", ".part.json"
_MOST_STATE_BYTES = 1_000_000
_RATE_SECONDS = 8.0


@dataclass(frozen=True)
class Progress:
    """How a download stands. `total_bytes` and `bytes_per_second` are 0 where nobody knows; `fault` says why it
    failed."""

    name: str
    host_url: str
    state: State
    received_bytes: int
    total_bytes: int
    bytes_per_second: int
    note: Note
    fault: HearthError | None
    part: int = 1
    parts: int = 1

    @property
    def seconds_left(self) -> int | None:
        """None where nobody knows."""
        if not self.bytes_per_second or not self.total_bytes:
            return None
        return max(0, self.total_bytes - self.received_bytes) // self.bytes_per_second


class _Order(BaseModel):
    """A download's state on disk."""

    version: Literal[1] = 1
    pieces: list[Piece] = Field(min_length=1, max_length=1000)


class Downloads:
    """Belongs to one event loop, but for `views`."""

    def __init__(self, library: Library, egress: Egress, *, limits: FetchLimits | None = None) -> None:
        self._library, self._egress, self._limits = library, egress, limits or FetchLimits()
        self._jobs: dict[str, _Job] = {}

    def views(self) -> list[Progress]:
        """All of them, those that began first at the top."""
        return [job.view() for job in list(self._jobs.values())]

    @property
    def is_busy(self) -> bool:
        """Whether any is under way."""
        return any(job.state == "running" for job in self._jobs.values())

    def load(self) -> None:
        """Finds what an earlier Hearth has begun; its downloads are paused. What belongs to none is taken away."""
        folder = self._library.folder
        for path in sorted(folder.glob(f"*{_STATE}")):
            order = _read_order(path)
            name = path.name.removesuffix(_STATE)
            if order is not None and order.pieces[0].name == name:
                self._jobs[name] = _Job(order, self._library, self._egress, self._limits)
            else:
                log.warning("the state of a download could not be understood")
                path.unlink(missing_ok=True)
        ours = {piece.name + _PART for job in self._jobs.values() for piece in job.order.pieces}
        for path in folder.glob(f"*{_PART}"):
            if path.name.lower().endswith(f".gguf{_PART}") and path.name not in ours:
                with suppress(OSError):
                    path.unlink()
        forget_unfinished(folder, f"*{_STATE}")
        self._library.forget_unfinished()

    async def start(self, sources: Sequence[Source]) -> None:
        """Begins to fetch a model. Raises LibraryError."""
        name = sources[0].name
        there = self._jobs.get(name)
        if there is not None and there.state != "done":
            raise LibraryError("download-running", name=name)
        for source in sources:
            self._library.check_name(source.name)
        self._check_count()
        pieces = [
            Piece(url=source.url, name=source.name, sha256=source.sha256, is_sha256_given=bool(source.sha256))
            for source in sources
        ]
        job = _Job(_Order(pieces=pieces), self._library, self._egress, self._limits)
        try:
            await in_thread(job.keep)
        except OSError as error:
            raise unwritable(error, name) from error
        self._jobs[name] = job
        job.start()

    async def pause(self, name: str) -> None:
        """Stops one; what has come stays."""
        if job := self._jobs.get(name):
            await job.stop()

    async def resume(self, name: str) -> None:
        """Goes on with one. Raises LibraryError."""
        job = self._jobs.get(name)
        if job is not None and job.state in ("paused", "failed"):
            self._check_count()
            job.start()

    async def cancel(self, name: str) -> None:
        """Ends one and takes away what has come of it. Of one that is done, only the word that it is."""
        job = self._jobs.pop(name, None)
        if job is not None and job.state != "done":
            await job.stop()
            await in_thread(job.remove)

    async def aclose(self) -> None:
        """Pauses all."""
        await asyncio.gather(*(job.stop() for job in self._jobs.values()))

    def _check_count(self) -> None:
        if sum(job.state == "running" for job in self._jobs.values()) >= MOST_AT_ONCE:
            raise LibraryError("download-too-many", count=MOST_AT_ONCE)


class _Job:
    """One download."""

    def __init__(self, order: _Order, library: Library, egress: Egress, limits: FetchLimits) -> None:
        self.order, self._library, self._egress, self._limits = order, library, egress, limits
        self.state: State = "paused"
        self._fault: HearthError | None = None
        self._task: asyncio.Task[None] | None = None
        self._fetch: Fetch | None = None
        self._number = next((at for at, piece in enumerate(order.pieces) if not piece.is_whole), 0)
        self._seen: deque[tuple[float, int]] = deque()

    @property
    def name(self) -> str:
        return self.order.pieces[0].name

    def start(self) -> None:
        self.state, self._fault = "running", None
        self._seen.clear()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})

    def keep(self) -> None:
        write_private_bytes(self._place(self.name, _STATE), self.order.model_dump_json().encode())

    def remove(self) -> None:
        for piece in self.order.pieces:
            self._place(piece.name, _PART).unlink(missing_ok=True)
        self._place(self.name, _STATE).unlink(missing_ok=True)

    def view(self) -> Progress:
        piece = self.order.pieces[self._number]
        received = self._fetch.received_bytes if self._fetch and self.state == "running" else piece.safe_bytes
        note: Note = self._fetch.note if self._fetch and self.state == "running" else ""
        return Progress(
            self.name,
            piece.url,
            self.state,
            received,
            piece.total_bytes,
            self._rate(received),
            note,
            self._fault,
            part=self._number + 1,
            parts=len(self.order.pieces),
        )

    def _rate(self, received: int) -> int:
        """Bytes per second of late; asked for about once a second while somebody looks."""
        now = monotonic()
        if self._seen and received < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now, received))
        while now - self._seen[0][0] > _RATE_SECONDS and len(self._seen) > 2:
            self._seen.popleft()
        began, before = self._seen[0]
        return int((received - before) / (now - began)) if self.state == "running" and now - began > 0.5 else 0

    async def _run(self) -> None:
        """A border: whatever goes wrong is told, and the other downloads go on."""
        try:
            await self._fetch_all()
            self.state = "done"
        except asyncio.CancelledError:
            self.state = "paused"
            raise
        except HearthError as error:
            await self._fail(error)
        except OSError as error:
            await self._fail(unwritable(error, self.name))
        except Exception:
            log.exception("a download failed")
            await self._fail(HearthError("bug"))

    async def _fail(self, error: HearthError) -> None:
        log.warning("a download ended: %s", error)
        if not any(self._place(piece.name, _PART).exists() for piece in self.order.pieces):
            await in_thread(self.remove)  # nothing has come, or it was of no use: nothing stays
        self._fault, self.state = error, "failed"

    async def _fetch_all(self) -> None:
        from assistant.library.fetch import Fetch  # late: it loads an HTTP client, which a start need not wait for

        for number, piece in enumerate(self.order.pieces):
            self._number = number
            self._seen.clear()
            check_hop(piece.url)
            self._fetch = Fetch(
                piece,
                self._place(piece.name, _PART),
                egress=self._egress,
                limits=self._limits,
                keep=self.keep,
                check_room=self._library.check_room,
            )
            await self._fetch.run()
        await in_thread(self._finish)

    def _finish(self) -> None:
        """Everything gets its own name. The first part comes last: with it, the model is there."""
        for piece in reversed(self.order.pieces):
            part = self._place(piece.name, _PART)
            if part.exists():  # else Hearth ended in the middle of this, and it has its name
                self._library.check_name(piece.name)
                part.replace(self._library.folder / piece.name)
        self._place(self.name, _STATE).unlink(missing_ok=True)

    def _place(self, name: str, ending: str) -> Path:
        return self._library.folder / f"{name}{ending}"


def _read_order(path: Path) -> _Order | None:
    try:
        if path.stat().st_size > _MOST_STATE_BYTES:
            return None
        order = _Order.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return order if all(is_file_name(piece.name) for piece in order.pieces) else None
