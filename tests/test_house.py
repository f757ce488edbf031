"""The house rules: who may know whom, and promises that a reader of one file could not keep alone."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

import pytest
from babel import Locale
from pydantic import BaseModel

from assistant.engines.abilities import ABILITIES
from assistant.i18n import LANGUAGES
from assistant.settings import EngineSetup, Settings

HOUSE = Path(__file__).resolve().parent.parent
PACKAGES = ("launcher", "assistant")
# Beginnings of locale keys that the source puts together: what follows is a field, a choice or the key of an error.
PUT_TOGETHER = (
    "ability.",
    "network.column.",
    "network.reason.",
    "changes.",
    "chat.status.",
    "connections.",
    "engine-page.",
    "thinking.",
    "chat.welcome.",
    "data.format.",
    "doctor.",
    "tool.state.",
    "tool.risk.",
    "tool.diff.",
    "error.",
    "exchange.",
    "export.role.",
    "models.fit.",
    "models.good-for.",
    "models.is-",
    "models.note.",
    "month.",
    "servers.",
    "settings.",
    "shortcut.",
    "start.",
    "tool-log.",
    "tools.from.",
    "tools.risk.",
    "tools.rule.",
    "tools.state.",
)
COMPOSED_IN_APP_ONLY = {"Store", "SettingsFile", "Keys", "Guard", "EmbeddedEngine", "EndpointEngine"}


@dataclass(frozen=True)
class Source:
    path: str
    tree: ast.Module

    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        """Every call, with the last part of the name that is called."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                called = node.func
                yield (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")), node


def sources(*folders: str) -> list[Source]:
    paths = sorted(path for folder in folders for path in (HOUSE / folder).rglob("*.py"))
    assert paths
    return [Source(str(path.relative_to(HOUSE)), ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def run(*command: str, cwd: Path = HOUSE, timeout_seconds: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, check=False, timeout=timeout_seconds, stdin=subprocess.DEVNULL
    )


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


# Imports


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return run(tool("lint-imports"), "--no-cache", cwd=folder)


def test_the_import_contracts_hold() -> None:
    told = lint_imports(HOUSE)

    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("assistant/turn.py", "import gradio", "Only the page and the composition root know Gradio"),
        ("launcher/server.py", "import gradio", "Only the page and the composition root know Gradio"),
        ("assistant/ui/chat.py", "import webview", "Only the launcher knows the window"),
        ("assistant/app.py", "from PySide6 import QtCore", "Only the launcher knows the window"),
        ("assistant/conversation.py", "import openai", "Only the engines talk to endpoints"),
        ("assistant/ui/chat.py", "import sqlite3", "Only the store and its neighbours know the database"),
        ("assistant/tools/mcp/session.py", "import mcp", "Only the way to MCP servers knows their library"),
        ("assistant/app.py", "import xllamacpp", "Only the engine's child knows llama.cpp"),
        ("assistant/engines/child.py", "import assistant.messages", "The engine's child stands alone"),
        ("assistant/messages.py", "import assistant.turn", "Imports run downwards"),
        ("assistant/engines/deltas.py", "import assistant.conversation", "Imports run downwards"),
        ("assistant/newcomer.py", "import json", "Imports run downwards"),
        ("assistant/app.py", "import launcher", "The assistant does not know the launcher"),
        ("launcher/server.py", "import assistant.guard", "The launcher knows one door of the assistant"),
        ("launcher/server.py", "from assistant.app import App", "The launcher knows one door of the assistant"),
    ],
)
def test_an_import_contract_breaks_when_it_is_broken(tmp_path: Path, module: str, line: str, contract: str) -> None:
    for package in PACKAGES:
        shutil.copytree(HOUSE / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HOUSE / ".importlinter", tmp_path)
    offender = tmp_path / module
    words = offender.read_text(encoding="utf-8") if offender.exists() else ""
    offender.write_text(f"{words}\n{line}\n", encoding="utf-8")
    told = lint_imports(tmp_path)

    assert told.returncode != 0
    assert f"{contract} BROKEN" in told.stdout or f"in '{contract}'" in told.stdout + told.stderr, told.stdout


def test_only_the_composition_root_builds_what_everything_shares() -> None:
    builders = {
        f"{source.path}: {name}"
        for source in sources(*PACKAGES)
        if source.path != "assistant/app.py" and not source.path.startswith("assistant/engines/")
        for name, _ in source.calls()
        if name in COMPOSED_IN_APP_ONLY
    }

    assert builders == set()


# A cold start per command; each has to work on a fresh data dir and leave the page's heavy parts alone.
UNLOADED = """
import sys
from launcher.__main__ import main
try:
    code = main({arguments!r})
except SystemExit as left:
    code = left.code
loaded = sorted({{"gradio", "fastapi", "webview", "PySide6"}} & sys.modules.keys())
print("LOADED", loaded, code or 0, file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["ask", "Name three colours."], ["doctor"], ["doctor", "--json"], ["--version"]])
def test_a_command_without_a_page_loads_neither_gradio_nor_a_window(tmp_path: Path, arguments: list[str]) -> None:
    script = UNLOADED.format(
        arguments=[*arguments, *([] if "--version" in arguments else ["--data-dir", str(tmp_path)])]
    )
    told = run(sys.executable, "-c", script)

    assert told.stderr.strip().splitlines()[-1:] == ["LOADED [] 0"], told.stderr


# Words


def texts() -> dict[str, str]:
    return json.loads((HOUSE / "assets" / "locales" / "en.json").read_text(encoding="utf-8"))


def said(node: ast.expr) -> Iterator[tuple[str, bool]]:
    """The locale keys an argument may be, each with whether it is only a key's beginning."""
    match node:
        case ast.Constant(value=str(key)):
            yield key, False
        case ast.IfExp(body=one, orelse=other):
            yield from said(one)
            yield from said(other)
        case ast.JoinedStr(values=[ast.Constant(value=str(beginning)), *_]):
            yield beginning, True
        case _:
            return


def error_names() -> set[str]:
    classes = [
        node
        for source in sources("assistant")
        if source.path == "assistant/errors.py"
        for node in source.tree.body
        if isinstance(node, ast.ClassDef)
    ]
    return {node.name for node in classes}


def keys_in_source() -> list[tuple[str, str, bool]]:
    """(file, key, whether it is only a beginning) of every word that the source asks for by name."""
    errors = error_names()
    found: list[tuple[str, str, bool]] = []
    for source in sources(*PACKAGES):
        for name, call in source.calls():
            if not call.args:
                continue
            if name in ("t", "_t", "optional", "ENGLISH"):
                found += [(source.path, key, is_part) for key, is_part in said(call.args[0])]
            elif name in errors:
                found += [(source.path, f"error.{key}", is_part) for key, is_part in said(call.args[0])]
    return found


def test_every_word_that_the_source_asks_for_exists() -> None:
    known = texts()
    missing = [(path, key) for path, key, is_part in keys_in_source() if not is_part and key not in known]

    assert missing == []


def test_keys_are_put_together_only_where_it_is_stated() -> None:
    loose = [(path, key) for path, key, is_part in keys_in_source() if is_part and not key.startswith(PUT_TOGETHER)]

    assert loose == []


def test_no_word_is_left_over() -> None:
    written = {
        node.value
        for source in sources(*PACKAGES)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    fields = {*Settings.model_fields, *EngineSetup.model_fields, *ABILITIES}
    written |= fields
    beginnings = {key for _, key, is_part in keys_in_source() if is_part} | set(PUT_TOGETHER)

    def is_used(key: str) -> bool:
        stem = without_form(key).removesuffix(".hint").removesuffix(".help").removesuffix(".example")
        ends = (stem.removeprefix(part) for part in beginnings if stem.startswith(part))
        return stem in written or any(end in written or end.partition(".")[0] in fields for end in ends)

    assert [key for key in texts() if not is_used(key)] == []


def without_form(key: str) -> str:
    """A key without the form of a plural that it may end in."""
    stem, _, form = key.rpartition(".")
    return stem if form in ("zero", "one", "two", "few", "many") and f"{stem}.one" in texts() else key


def test_there_is_a_file_for_every_language_and_no_other() -> None:
    assert {path.stem for path in (HOUSE / "assets" / "locales").glob("*.json")} == set(LANGUAGES)


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_has_the_words_and_placeholders_of_english(code: str) -> None:
    english = texts()
    other: dict[str, str] = json.loads((HOUSE / "assets" / "locales" / f"{code}.json").read_text(encoding="utf-8"))
    millions = {"many"} if code in ("fr", "es", "pt", "it") else set[str]()  # theirs is for nothing less
    forms = set(Locale.parse(code, sep="-").plural_form.tags) - millions
    stems = {without_form(key) for key in english}

    assert {without_form(key) for key in other} == stems
    for key, text in other.items():
        stem = without_form(key)
        missing = placeholders(english[stem]) - placeholders(text)
        assert not placeholders(text) - placeholders(english[stem]), key
        assert not missing or (stem != key and missing == {"count"}), key
        assert text.strip() == text != "", key
    for stem in (key for key in stems if f"{key}.one" in english):
        assert {f"{stem}.{form}" for form in forms} <= other.keys(), stem


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


# Promises


def test_every_setting_says_what_it_is() -> None:
    models: list[type[BaseModel]] = [Settings]
    silent = [name for model in models for name, field in model.model_fields.items() if not field.description]

    assert silent == []


def test_the_page_asks_for_no_script_that_the_policy_refuses() -> None:
    # `js=` and `gr.HTML` are compiled in the browser with eval. Refused by the policy, the first leaves the whole page
    # at "Loading..." for ever and the second shows an error in its place.
    refused = {"ClearButton", "DeepLinkButton", "HTML", "DuplicateButton", "LoginButton"}
    found = [
        f"{source.path}:{call.lineno}"
        for source in sources("assistant/ui")
        for name, call in source.calls()
        if name in refused or {keyword.arg for keyword in call.keywords} & {"js", "js_on_load", "head_js"}
    ]

    assert found == []


def test_nothing_is_compiled_at_run_time() -> None:
    found = [
        f"{source.path}:{call.lineno}"
        for source in sources(*PACKAGES)
        for name, call in source.calls()
        if name == "evaluate_js"
        or (name in ("eval", "exec") and isinstance(call.func, ast.Name))
        or {keyword.arg for keyword in call.keywords} & {"shell"}
    ]

    assert found == []


# Order


def test_the_code_is_clean() -> None:
    told = run(tool("ruff"), "check", ".")
    assert told.returncode == 0, told.stdout


def test_the_code_is_formatted() -> None:
    told = run(tool("ruff"), "format", "--check", ".")
    assert told.returncode == 0, told.stdout


def test_the_types_fit() -> None:
    told = run(tool("pyright"), timeout_seconds=300)
    assert told.returncode == 0, told.stdout + told.stderr


# The README


def readme() -> str:
    return (HOUSE / "README.md").read_text(encoding="utf-8")


def test_the_readme_draws_the_house_as_it_is() -> None:
    drawn = set(re.findall(r"\b([a-z_0-9]+)\.py\b", readme()))
    there = {path.stem for folder in (*PACKAGES, "build", "tests") for path in (HOUSE / folder).rglob("*.py")}
    top = {path.stem for path in (HOUSE / "assistant").glob("*.py")} - {"__init__"}

    assert drawn - there == set(), "drawn, but not there"
    assert top - drawn == set(), "there, but not drawn"


def test_the_test_command_brings_every_package_that_the_readme_names() -> None:
    named = re.search(r"apt install (.+)", readme())
    assert named
    brought = set(re.findall(r"[a-z0-9.+-]+", (HOUSE / "tests" / "run").read_text(encoding="utf-8")))

    assert [package for package in named[1].split() if package not in brought] == []


def test_the_stylesheet_survives_gradio() -> None:
    """Gradio puts its container before each selector, and takes a list apart at every comma."""
    css = re.sub(r"/\*.*?\*/", "", (HOUSE / "assets" / "app.css").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert css.count("{") == css.count("}")
    selectors = [each.strip() for each in re.findall(r"([^{};]+)\{", css)]
    assert [each for each in selectors if re.search(r"\([^)]*,", each) and not each.startswith("@")] == []
