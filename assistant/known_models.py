"""What tests have found out about models, and when: kept between starts, and nothing secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from assistant.engines.abilities import Abilities
from assistant.errors import SettingsError
from assistant.kept_file import write_private

log = logging.getLogger(__name__)

MOST = 200  # of them, the newest
_LARGEST_FILE_BYTES = 1_000_000


@dataclass(frozen=True)
class Known:
    """One result."""

    abilities: Abilities
    at: datetime


class KnownModels:
    """The results in a file of their own, which is read once. A file that cannot be understood counts for nothing: a
    test makes it anew. An empty `endpoint` is the built-in engine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._results = self._load()

    def get(self, endpoint: str, model: str) -> Known | None:
        """The last result; None where there is none. Without a model, the last one of the endpoint."""
        if model:
            return self._results.get((endpoint, model))
        return next((each for (address, _), each in reversed(self._results.items()) if address == endpoint), None)

    def put(self, endpoint: str, model: str, abilities: Abilities) -> None:
        """Keeps a result. A disk that does not take it costs no more than the result."""
        self._results.pop((endpoint, model), None)
        self._results[endpoint, model] = Known(abilities, datetime.now(UTC))
        for oldest in list(self._results)[:-MOST]:
            del self._results[oldest]
        rows = [
            {"endpoint": address, "model": name, "at": each.at.isoformat(), "abilities": each.abilities.to_json()}
            for (address, name), each in self._results.items()
        ]
        try:
            write_private(self._path, json.dumps({"version": 1, "tested": rows}, indent=1))
        except SettingsError as error:
            log.warning("a test's result could not be saved: %s", error)

    def _load(self) -> dict[tuple[str, str], Known]:
        try:
            if self._path.stat().st_size > _LARGEST_FILE_BYTES:
                return {}
            rows = cast("Mapping[str, Any]", json.loads(self._path.read_text(encoding="utf-8")))["tested"]
            return {
                (str(row["endpoint"]), str(row["model"])): Known(
                    Abilities.from_json(row["abilities"]), datetime.fromisoformat(row["at"])
                )
                for row in rows
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            log.warning("the results of earlier tests cannot be read: %s", type(error).__name__)
            return {}
