"""Models that other programs have downloaded: where LM Studio, Ollama, Jan and others keep them. It only reads."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from assistant.engines.gguf import part_number

MOST_FOUND = 500
_MOST_LOOKED_AT = 50_000  # folders and files; a place that somebody pointed at a whole disk
_MOST_MANIFEST_BYTES = 1_000_000
_OLLAMA_MODEL = "application/vnd.ollama.image.model"


@dataclass(frozen=True)
class Found:
    """A model file of another program. `name` is what people there know it by."""

    program: str
    name: str
    path: Path


def look(home: Path, environment: Mapping[str, str], *, platform: str = sys.platform) -> list[Found]:
    """What there is, each file once; places that are not there or may not be read count for nothing."""
    found: dict[Path, Found] = {}
    for each in _all(home, environment, platform):
        try:
            real = each.path.resolve(strict=True)
        except (OSError, RuntimeError):  # a blob that is gone; a loop of links
            continue
        found.setdefault(real, each)
        if len(found) >= MOST_FOUND:
            break
    return list(found.values())


def _all(home: Path, environment: Mapping[str, str], platform: str) -> Iterator[Found]:
    for root in _lm_studio(home):
        yield from _files("LM Studio", root)
    for root in _ollama(home, environment, platform):
        yield from _ollama_models(root)
    data = _data_folder(home, environment, platform)
    jan = (_config_folder(home, environment, platform) / "Jan" / "data", data / "Jan" / "data", home / "jan")
    for root in jan:
        yield from _files("Jan", root / "llamacpp" / "models")
        yield from _files("Jan", root / "models")
    local = Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
    yield from _files("GPT4All", (local if platform == "win32" else data) / "nomic.ai" / "GPT4All")
    yield from _files("Hugging Face", _hugging_face(home, environment))
    yield from _files("llama.cpp", _cache(home, environment, platform) / "llama.cpp")


def _lm_studio(home: Path) -> Iterator[Path]:
    yield home / ".lmstudio" / "models"
    yield home / ".cache" / "lm-studio" / "models"
    pointer = _read(home / ".lmstudio-home-pointer").strip()
    if pointer and Path(pointer).is_absolute():
        yield Path(pointer) / "models"
    chosen = _json(home / ".lmstudio" / "settings.json").get("downloadsFolder")
    if isinstance(chosen, str) and Path(chosen).is_absolute():
        yield Path(chosen)


def _ollama(home: Path, environment: Mapping[str, str], platform: str) -> Iterator[Path]:
    if named := environment.get("OLLAMA_MODELS"):
        yield Path(named)
    yield home / ".ollama" / "models"
    if platform == "linux":
        yield Path("/usr/share/ollama/.ollama/models")  # where its installer puts it


def _ollama_models(root: Path) -> Iterator[Found]:
    """Each manifest names the blob that holds the weights: manifests/REGISTRY/OWNER/NAME/TAG."""
    for path in _walk(root / "manifests"):
        *_, owner, name, tag = ("", "", *path.relative_to(root).parts)
        layers = _json(path).get("layers")
        for layer in cast("list[object]", layers) if isinstance(layers, list) else []:
            fields = cast("Mapping[str, Any]", layer) if isinstance(layer, dict) else {}
            digest = str(fields.get("digest", ""))
            if fields.get("mediaType") != _OLLAMA_MODEL or not digest.startswith("sha256:"):
                continue
            blob = root / "blobs" / Path(digest.replace(":", "-")).name
            yield Found("Ollama", f"{name}:{tag}" if owner in ("", "library") else f"{owner}/{name}:{tag}", blob)


def _hugging_face(home: Path, environment: Mapping[str, str]) -> Path:
    """As its own client chooses it (huggingface_hub.constants)."""

    def named(variable: str) -> str:
        # The launcher takes these out of the environment, for Gradio would go by others of their kind.
        return environment.get(variable) or environment.get(f"HEARTH_PLACE_{variable}", "")

    if cache := named("HF_HUB_CACHE") or named("HUGGINGFACE_HUB_CACHE"):
        return Path(cache)
    usual = Path(environment.get("XDG_CACHE_HOME") or home / ".cache") / "huggingface"
    return Path(named("HF_HOME") or usual) / "hub"


def _files(program: str, root: Path) -> Iterator[Found]:
    for path in _walk(root):
        if path.suffix.lower() != ".gguf" or part_number(path.name) > 1:
            continue
        # Jan calls every file model.gguf, in a folder with the model's name.
        yield Found(program, path.parent.name if path.stem.lower() == "model" else path.stem, path)


def _walk(root: Path) -> Iterator[Path]:
    """Files below `root`; links to folders are not followed, so that there is an end."""
    seen = 0
    for place, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            yield Path(place) / name
        seen += len(folders) + len(names)
        if seen > _MOST_LOOKED_AT:
            return


def _data_folder(home: Path, environment: Mapping[str, str], platform: str) -> Path:
    if platform == "win32":
        return Path(environment.get("APPDATA") or home / "AppData" / "Roaming")
    if platform == "darwin":
        return home / "Library" / "Application Support"
    return Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")


def _config_folder(home: Path, environment: Mapping[str, str], platform: str) -> Path:
    if platform in ("win32", "darwin"):
        return _data_folder(home, environment, platform)
    return Path(environment.get("XDG_CONFIG_HOME") or home / ".config")


def _cache(home: Path, environment: Mapping[str, str], platform: str) -> Path:
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
    if platform == "darwin":
        return home / "Library" / "Caches"
    return Path(environment.get("XDG_CACHE_HOME") or home / ".cache")


def _read(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > _MOST_MANIFEST_BYTES:
            return ""
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _json(path: Path) -> Mapping[str, Any]:
    try:
        whole: object = json.loads(_read(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return cast("Mapping[str, Any]", whole) if isinstance(whole, dict) else {}
