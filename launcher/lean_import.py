"""Gradio's import without what Hearth never uses of it, in less than half the time and with a quarter less memory, and
the window's without most of Qt's names."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

log = logging.getLogger(__name__)

_REWRITES_STUBS = "gradio.component_meta"
_ONLY_NAMED = "pandas"  # in annotations, and where tables are shown
_SERVES_MCP = "gradio.mcp"  # which loads `mcp` wherever that is installed
_QT_NAMES_FROM = {  # what qtpy's modules take from more than the module of their own name
    "QtWidgets": ("QtWidgets", "QtGui"),
    "QtWebEngineWidgets": ("QtWebEngineWidgets", "QtWebEngineCore"),
}
_QT_MODULES = ("QtCore", "QtGui", "QtNetwork", "QtWebChannel", "QtWebEngineCore", *_QT_NAMES_FROM)  # pywebview's


def spare_gradio_its_rest() -> None:
    """To be called before Gradio is imported; may be repeated.

    Half of that import is rewriting .pyi files for an editor: that one function is taken out, before the components
    load. Where a new Gradio has none of that name, it starts the slow way. A tenth more is pandas, whose import waits
    until somebody uses it. And `mcp`, which is there for Hearth to ask others: Gradio would load it to be a server
    itself, and finds none.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        changes = {_REWRITES_STUBS: _without_stubs, _ONLY_NAMED: _when_used, _SERVES_MCP: _without_mcp}
        sys.meta_path[:0] = [_Finder(name, change) for name, change in changes.items()]


def spare_qt_its_rest() -> None:
    """To be called before pywebview's Qt back end is imported; may be repeated.

    That back end takes some forty names from qtpy, which asks PySide6 for all of its two thousand and renames those of
    other bindings: a third of the time until the start page. Here a name is looked up when it is asked for. Raises
    ImportError where PySide6 is missing or broken.
    """
    for name in _QT_MODULES:
        sys.modules.setdefault(f"qtpy.{name}", _Names(name))


class _Names(ModuleType):
    """Stands for one of qtpy's modules: PySide6's own names, each looked up once."""

    def __init__(self, name: str) -> None:
        super().__init__(f"qtpy.{name}")
        self._sources = [import_module(f"PySide6.{source}") for source in _QT_NAMES_FROM.get(name, (name,))]

    def __getattr__(self, name: str) -> Any:
        for source in self._sources:
            if hasattr(source, name):
                found = getattr(source, name)
                setattr(self, name, found)
                return found
        raise AttributeError(f"{self.__name__} has no {name}")


class _Finder:
    """Finds one module as the others would, and changes how it is loaded."""

    def __init__(self, name: str, change: Callable[[ModuleSpec], None]) -> None:
        self._name, self._change = name, change
        self._is_asking = False

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG002
        if name != self._name or self._is_asking:
            return None
        self._is_asking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._is_asking = False
        if spec is not None and spec.loader is not None:
            self._change(spec)
        return spec


def _without_stubs(spec: ModuleSpec) -> None:
    loader: Any = spec.loader
    load = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        load(module)
        if hasattr(module, "create_or_modify_pyi"):
            module.create_or_modify_pyi = lambda *_args, **_more: None  # type: ignore[attr-defined]
        else:
            log.info("this Gradio has no create_or_modify_pyi; it starts the slow way")

    loader.exec_module = exec_module


def _without_mcp(spec: ModuleSpec) -> None:
    loader: Any = spec.loader
    load = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        modules: dict[str, Any] = sys.modules
        before = modules.get("mcp")
        modules["mcp"] = None  # who imports it now gets an ImportError
        try:
            load(module)
        finally:
            del modules["mcp"]
            if before is not None:
                modules["mcp"] = before

    loader.exec_module = exec_module


def _when_used(spec: ModuleSpec) -> None:
    loader: Any = spec.loader
    spec.loader = importlib.util.LazyLoader(loader)
