"""A file of Hearth's own that is read once and written whole; one that cannot be understood is set aside."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from assistant.errors import SettingsError
from assistant.private_files import write_private_bytes

log = logging.getLogger(__name__)

T = TypeVar("T")


class KeptFile:
    """One path. `set_aside` is the name under which a damaged file now lies beside it, until the next write: what
    other commands have found counts, since they may have had nobody to tell."""

    def __init__(self, path: Path, *, most_bytes: int) -> None:
        self.path, self._most_bytes = path, most_bytes
        self.set_aside = ""

    def read(self, understand: Callable[[bytes], T]) -> T | None:
        """What `understand` makes of the content; None where there is none, or where it raises ValueError (as bad JSON,
        UTF-8 and pydantic's checks do), TypeError, KeyError or RecursionError. Raises OSError."""
        try:
            if self.path.stat().st_size > self._most_bytes:
                raise ValueError("larger than it can be")
            return understand(self.path.read_bytes())
        except FileNotFoundError:
            earlier = self.path.parent.glob(f"{self.path.name}.corrupt-*")
            self.set_aside = max((each.name for each in earlier), default="")
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            log.warning("%s was set aside: %s", self.path.name, type(error).__name__)
            self.set_aside = self._put_aside()
        return None

    def write(self, text: str) -> None:
        """Whole or not at all, readable by this user only. Raises SettingsError("settings.unwritable")."""
        write_private(self.path, text)
        self.set_aside = ""

    def _put_aside(self) -> str:
        kept = self.path.with_name(f"{self.path.name}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
        try:
            self.path.replace(kept)
        except OSError as error:
            log.warning("%s could not be set aside: %s", self.path.name, error)
        return kept.name


def write_private(path: Path, text: str) -> None:
    """Writes a file whole or not at all, readable by this user only. Raises SettingsError("settings.unwritable")."""
    try:
        write_private_bytes(path, text.encode())
    except OSError as error:
        raise SettingsError("settings.unwritable", path=path, reason=error.strerror or "?") from error
