"""The library: what is here and elsewhere, brought in, taken away, and used by the engine."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from assistant import Profile, create_app
from assistant.app import App
from assistant.engines.gguf import read_model
from assistant.engines.machine import Machine
from assistant.errors import HearthError, LibraryError, ModelMissing
from assistant.events import TextDelta, TurnFailed
from assistant.library.elsewhere import Found, look
from assistant.library.incoming import Incoming
from assistant.library.recommended import recommended
from assistant.library.shelf import Library
from assistant.library.source import sources
from assistant.paths import starter_model
from tests.conftest import hearth
from tests.model_files import gguf

MACHINE = Machine(8_000_000_000, 4)


def starter() -> Path:
    path = starter_model()
    assert path is not None
    return path


def library(folder: Path, *found: Found) -> Library:
    folder.mkdir(exist_ok=True)
    return Library(folder, starter(), look=lambda: list(found), machine=MACHINE)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# Brought in, taken away


def test_a_link_is_used_where_it_lies_and_deleting_it_leaves_the_file(tmp_path: Path) -> None:
    mine = tmp_path / "Mine.Q4_K_M.gguf"
    mine.write_bytes(gguf())
    shelf = library(tmp_path / "models")
    model = shelf.link(mine)

    assert (model.name, model.is_link) == ("Mine", True)
    assert [each.name for each in shelf.here()] == ["SmolLM2-135M-Instruct", "Mine"]
    shelf.delete(model.ref)
    assert names(shelf.folder) == set()
    assert mine.read_bytes() == gguf()


def test_a_copy_is_whole_and_private_and_its_source_stays(tmp_path: Path) -> None:
    parts = [tmp_path / f"big-0000{number}-of-00002.gguf" for number in (1, 2)]
    for part in parts:
        part.write_bytes(gguf())
    shelf = library(tmp_path / "models")
    model = shelf.copy(parts[0])

    assert names(shelf.folder) == {part.name for part in parts}
    assert model.header is not None and model.header.parts == 2
    assert os.name == "nt" or all(path.stat().st_mode & 0o077 == 0 for path in shelf.folder.iterdir())
    shelf.delete(model.ref)
    assert names(shelf.folder) == set() and all(part.exists() for part in parts)


@pytest.mark.parametrize("how", ["link", "copy"])
def test_what_is_no_model_is_not_brought_in(tmp_path: Path, how: str) -> None:
    shelf = library(tmp_path / "models")
    bring: Any = getattr(shelf, how)
    bad: Mapping[str, bytes] = {"page.gguf": b"<!DOCTYPE html>", "half.gguf": gguf()[:-40], "notes.txt": b"Hello"}
    for name, content in bad.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises((LibraryError, ModelMissing)):
            bring(path)
    renamed = tmp_path / "model.bin"
    renamed.write_bytes(gguf())
    with pytest.raises(LibraryError, match="plain name"):
        bring(renamed)
    with pytest.raises(ModelMissing, match="no longer there"):
        bring(tmp_path / "gone.gguf")
    assert names(shelf.folder) == set()


@pytest.mark.parametrize("how", ["link", "copy"])
def test_a_folder_is_no_model_whatever_its_name(tmp_path: Path, how: str) -> None:
    shelf = library(tmp_path / "models")
    (shelf.folder / "mine.gguf").mkdir()
    assert [model.name for model in shelf.here()] == ["SmolLM2-135M-Instruct"]
    (tmp_path / "mine.gguf").mkdir()
    with pytest.raises(LibraryError) as caught:
        getattr(shelf, how)(tmp_path / "mine.gguf")
    assert caught.value.key == "library-path"


def test_two_models_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    mine = tmp_path / "m.gguf"
    mine.write_bytes(gguf())
    shelf = library(tmp_path / "models")
    shelf.copy(mine)
    for bring in (shelf.link, shelf.copy):
        with pytest.raises(LibraryError, match="is here already"):
            bring(mine)


def test_nothing_outside_of_the_folder_can_be_deleted(tmp_path: Path) -> None:
    shelf = library(tmp_path / "models")
    other = tmp_path / "other.gguf"
    other.write_bytes(gguf())
    for ref in ("", "../other.gguf", str(other), "..", "gone.gguf"):
        with pytest.raises(LibraryError):
            shelf.delete(ref)
    assert other.exists() and starter().exists()


def test_a_broken_file_is_listed_with_what_is_wrong_and_can_be_deleted(tmp_path: Path) -> None:
    shelf = library(tmp_path / "models")
    (shelf.folder / "half.gguf").write_bytes(gguf()[:-40])
    (shelf.folder / "lost.gguf").symlink_to(tmp_path / "unmounted.gguf")
    faults = {model.name: model.fault.key for model in shelf.here() if model.fault}

    assert faults == {"half": "model-truncated", "lost": "engine-model-gone"}
    for ref in ("half.gguf", "lost.gguf"):
        shelf.delete(ref)
    assert names(shelf.folder) == set()


def test_a_file_comes_in_slices_and_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    shelf = library(tmp_path / "models")
    incoming, content = Incoming(shelf), gguf()
    half = len(content) // 2
    assert not incoming.take("m.gguf", offset=0, total_bytes=len(content), data=content[:half])
    assert "m.gguf" not in names(shelf.folder)
    assert incoming.take("m.gguf", offset=half, total_bytes=len(content), data=content[half:])
    assert names(shelf.folder) == {"m.gguf"} and (shelf.folder / "m.gguf").read_bytes() == content


@pytest.mark.parametrize(
    ("name", "offset", "data"),
    [
        ("m.gguf", 0, b"<!DOCTYPE html>"),
        ("m.gguf", 5, gguf()),
        ("m.gguf", 0, gguf()[:-40]),
        ("../m.gguf", 0, gguf()),
        ("m.exe", 0, gguf()),
        (".gguf", 0, gguf()),
    ],
)
def test_a_slice_that_is_wrong_leaves_nothing(tmp_path: Path, name: str, offset: int, data: bytes) -> None:
    shelf = library(tmp_path / "models")
    with pytest.raises(HearthError):
        Incoming(shelf).take(name, offset=offset, total_bytes=offset + len(data), data=data)
    assert names(shelf.folder) == set() and names(tmp_path) == {"models"}


# Other programs


def put(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_what_other_programs_have_is_found_under_the_names_they_give_it(tmp_path: Path) -> None:
    put(tmp_path / ".lmstudio/models/qwen/Q/Qwen3-4B-Q4_K_M.gguf", gguf())
    put(tmp_path / ".cache/lm-studio/models/a/b/Old-00001-of-00002.gguf", gguf())
    put(tmp_path / ".cache/lm-studio/models/a/b/Old-00002-of-00002.gguf", gguf())
    blob = put(tmp_path / ".ollama/models/blobs/sha256-abc", gguf())
    layers = [
        {"mediaType": "application/vnd.ollama.image.template", "digest": "sha256:def"},
        {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:abc"},
    ]
    manifests = tmp_path / ".ollama/models/manifests/registry.ollama.ai"
    put(manifests / "library/llama3.2/3b", json.dumps({"layers": layers}))
    put(manifests / "library/broken/1b", "{")
    put(manifests / "library/gone/1b", json.dumps({"layers": [layers[1] | {"digest": "sha256:gone"}]}))
    put(tmp_path / ".config/Jan/data/llamacpp/models/Jan-v1/model.gguf", gguf())
    put(tmp_path / ".local/share/nomic.ai/GPT4All/Phi-3.gguf", gguf())
    hub = tmp_path / ".cache/huggingface/hub/models--o--r"
    kept = put(hub / "blobs/123", gguf())
    (hub / "snapshots/main").mkdir(parents=True)
    (hub / "snapshots/main/Hub.gguf").symlink_to(kept)
    found = {(each.program, each.name) for each in look(tmp_path, {}, platform="linux")}

    assert found == {
        ("LM Studio", "Qwen3-4B-Q4_K_M"),
        ("LM Studio", "Old-00001-of-00002"),
        ("Ollama", "llama3.2:3b"),
        ("Jan", "Jan-v1"),
        ("GPT4All", "Phi-3"),
        ("Hugging Face", "Hub"),
    }
    assert read_model(blob).kind == "chat"


def test_their_own_variables_say_where_they_keep_them(tmp_path: Path) -> None:
    layers = [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:abc"}]
    put(tmp_path / "o/manifests/hub/me/mine/latest", json.dumps({"layers": layers}))
    put(tmp_path / "o/blobs/sha256-abc", gguf())
    put(tmp_path / "hf/hub/models--o--r/snapshots/1/A.gguf", gguf())
    environment = {"OLLAMA_MODELS": str(tmp_path / "o"), "HF_HOME": str(tmp_path / "hf")}

    found = {each.name for each in look(tmp_path / "nobody", environment, platform="linux")}
    assert found == {"me/mine:latest", "A"}


def test_on_a_machine_without_them_nothing_is_found(tmp_path: Path) -> None:
    for platform in ("linux", "darwin", "win32"):
        assert look(tmp_path, {}, platform=platform) == []


def test_what_is_linked_already_or_cannot_chat_is_not_offered(tmp_path: Path) -> None:
    theirs = put(tmp_path / "a.gguf", gguf())
    eyes = put(tmp_path / "mmproj.gguf", gguf({"general.architecture": "clip"}))
    shelf = library(tmp_path / "models", Found("LM Studio", "a", theirs), Found("LM Studio", "mmproj", eyes))
    assert [model.name for model in shelf.elsewhere()] == ["a"]
    shelf.link(theirs)
    assert shelf.elsewhere() == []


# What runs here


def test_the_recommended_ones_are_addresses_with_a_licence_from_small_to_large() -> None:
    models = recommended().models
    assert 6 <= len(models) <= 12
    for model in models:
        [source] = sources(model.address)
        assert source.url == f"https://huggingface.co/{model.repo}/resolve/main/{model.file}"
        assert source.sha256 == "" and model.licence
    sizes = [model.file_bytes for model in models]
    assert sizes == sorted(sizes)


def test_a_small_machine_is_told_what_will_not_fit_and_a_large_one_that_all_runs() -> None:
    def fits(machine: Machine) -> list[str]:
        return [model.fit(machine) for model in recommended().models]

    assert fits(Machine(4_000_000_000, 2))[-1] == "not"
    assert fits(Machine(4_000_000_000, 2))[0] == "well"
    assert "slowly" in fits(Machine(16_000_000_000, 2))
    assert set(fits(Machine(64_000_000_000, 16))) <= {"well", "slowly"}
    assert Machine.this().cores >= 1 and Machine.this().memory_bytes > 0


# The engine


def engine_children() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and "assistant.engines.child" in child.cmdline()
    ]


def with_app(data_dir: Path, use: Any, **more: Any) -> None:
    async def running() -> None:
        app = create_app(Profile(data_dir), **more)
        try:
            await use(app)
        finally:
            await app.aclose()

    asyncio.run(running())


async def answered(app: App) -> str:
    events = [event async for event in app.ask("Name three colours.")]
    for event in events:
        if isinstance(event, TurnFailed):
            raise event.error
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_another_model_answers_without_a_restart_and_the_first_child_ends(tmp_path: Path) -> None:
    profile = Profile(tmp_path / "data")
    profile.create()
    shutil.copy(starter(), profile.models / "Other-Q4_1.gguf")

    async def use(app: App) -> None:
        assert await answered(app)
        [first] = engine_children()
        shelf = app._library  # pyright: ignore[reportPrivateUsage]
        other = shelf.named("Other")
        assert other is not None
        await app._use_model(other)  # pyright: ignore[reportPrivateUsage]
        [second] = engine_children()
        assert second.pid != first.pid
        assert await answered(app)
        assert (await app.examine()).engine.model == "Other"

    with_app(tmp_path / "data", use)
    assert engine_children() == []
    saved = json.loads((tmp_path / "data" / "settings.json").read_text(encoding="utf-8"))
    assert (saved["builtin_model"], saved["builtin_name"]) == ("Other-Q4_1.gguf", "Other")
    report = hearth("doctor", "--json", "--data-dir", str(tmp_path / "data"))
    assert json.loads(report.stdout)["engine"]["model"] == "Other"


def test_a_model_that_cannot_be_loaded_leaves_everything_as_it_was(tmp_path: Path) -> None:
    profile = Profile(tmp_path / "data")
    profile.create()
    (profile.models / "empty.gguf").write_bytes(gguf())  # a good header, and no model that llama.cpp knows

    async def use(app: App) -> None:
        model = app._library.named("empty")  # pyright: ignore[reportPrivateUsage]
        assert model is not None
        with pytest.raises(HearthError):
            await app._use_model(model)  # pyright: ignore[reportPrivateUsage]
        assert (await app.examine()).engine.model == "SmolLM2-135M-Instruct"
        assert await answered(app)

    with_app(tmp_path / "data", use)


def test_a_model_whose_disk_is_gone_is_said_and_no_other_takes_its_place(tmp_path: Path) -> None:
    settings = {"version": 1, "builtin_model": str(tmp_path / "unmounted" / "big.gguf"), "builtin_name": "Big"}
    put(tmp_path / "data" / "settings.json", json.dumps(settings))
    ended = hearth("ask", "Hi", "--data-dir", str(tmp_path / "data"))

    assert ended.returncode == 1 and ended.stdout == ""
    assert "big.gguf is no longer there" in ended.stderr
    report = hearth("doctor", "--json", "--data-dir", str(tmp_path / "data"))
    assert report.returncode == 1 and json.loads(report.stdout)["engine"]["model"] == "Big"


def test_half_a_model_is_known_before_anything_is_loaded(tmp_path: Path) -> None:
    put(tmp_path / "data" / "models" / "half.gguf", starter().read_bytes()[:50_000_000])
    put(tmp_path / "data" / "settings.json", json.dumps({"version": 1, "builtin_model": "half.gguf"}))
    ended = hearth("ask", "Hi", "--data-dir", str(tmp_path / "data"))

    assert ended.returncode == 1 and "half.gguf is incomplete: only 50 % of it is there" in ended.stderr
    assert not (tmp_path / "data" / "logs" / "engine.log").exists()  # no child was started


def test_a_model_of_the_library_may_be_asked_for_by_its_name(tmp_path: Path) -> None:
    put(tmp_path / "data" / "models" / "Mine-Q4_1.gguf", starter().read_bytes())
    report = hearth("doctor", "--json", "--data-dir", str(tmp_path / "data"), "--model", "mine-q4_1.gguf")
    assert json.loads(report.stdout)["engine"]["model"] == "Mine"
    assert not (tmp_path / "data" / "settings.json").exists()
    ended = hearth("ask", "Hi", "--data-dir", str(tmp_path / "data"), "--model", "Nobody's")
    assert ended.returncode == 1 and "There is no model named “Nobody's” on this machine" in ended.stderr
