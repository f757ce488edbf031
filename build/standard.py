"""Which modules of Python's standard library are in the executable for the person's own functions, beside ours."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Collection

from PyInstaller.utils.hooks import collect_submodules

# Jokes, installers, and what needs another program beside it.
NOT_FOR_FUNCTIONS = {"antigravity", "this", "test", "turtledemo", "venv", "distutils", "zipapp", "msilib"}


def modules(cut: Collection[str]) -> list[str]:
    """All public ones with their parts, but for those that are `cut` for everybody."""
    names = [name for name in sys.stdlib_module_names if not name.startswith("_") and name not in NOT_FOR_FUNCTIONS]
    there = sorted(name for name in names if name not in cut and importlib.util.find_spec(name) is not None)
    parts = [part for name in there for part in collect_submodules(name, filter=_is_wanted)]
    return sorted({*there, *parts})


def _is_wanted(name: str) -> bool:
    words = name.split(".")
    return not {"test", "tests", "__main__", "idle_test"} & set(words)
