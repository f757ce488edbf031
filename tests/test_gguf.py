"""A model's header is read right, and a file that is none gets its sentence before anything is loaded."""

from __future__ import annotations

import os
import random
import struct
import tracemalloc
from pathlib import Path

import pytest

from assistant.engines.gguf import read_model
from assistant.errors import ModelMissing
from assistant.paths import starter_model
from tests.model_files import DESCRIPTION, gguf, text

ONE_PAIR = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a")


def fault(path: Path) -> ModelMissing:
    with pytest.raises(ModelMissing) as caught:
        read_model(path)
    assert path.name in caught.value.message
    return caught.value


def written(folder: Path, content: bytes, name: str = "model.gguf") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_the_starter_model_s_header_is_read_right() -> None:
    path = starter_model()
    assert path is not None
    header = read_model(path)

    assert (header.kind, header.family, header.quantisation) == ("chat", "llama", "Q4_1")
    assert (header.parameters, header.context_tokens) == (134_515_008, 8192)
    assert header.licence == "apache-2.0" and header.has_template
    assert header.file_bytes == path.stat().st_size
    assert header.chat_bytes_per_token == 2 * 30 * 3 * 64 * 2  # keys and values, layers, heads, width, bytes


def test_half_of_the_starter_model_is_known_for_what_it_is(tmp_path: Path) -> None:
    path = starter_model()
    assert path is not None
    whole = path.read_bytes()
    half = fault(written(tmp_path, whole[: len(whole) // 2]))

    assert half.key == "model-truncated"
    assert half.values["percent"] == 50
    assert fault(written(tmp_path, whole[:-1])).key == "model-truncated"
    assert fault(written(tmp_path, whole[:1_000_000])).key == "model-truncated-header"


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (b"", "model-empty"),
        (b"GG", "model-not-gguf"),
        (b"PK\x03\x04 a zip", "model-not-gguf"),
        (b"<!DOCTYPE html><title>Sign in</title>", "model-not-gguf"),
        (b"GGUF", "model-truncated-header"),
        (b"GGUF" + struct.pack(">IQQ", 3, 1, 1), "model-big-endian"),
        (gguf(version=1), "model-version"),
        (gguf(version=900), "model-version"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1), "engine-model-damaged"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 1 << 63), "engine-model-damaged"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1 << 62), "model-truncated-header"),
        (ONE_PAIR + struct.pack("<I", 99), "engine-model-damaged"),
        (ONE_PAIR + struct.pack("<IIQ", 9, 4, 1 << 61), "model-truncated-header"),
        (ONE_PAIR + struct.pack("<IIQ", 9, 8, 1 << 61), "model-truncated-header"),
        (ONE_PAIR + struct.pack("<II", 9, 9), "model-truncated-header"),
        (gguf(tensors=(("w", (1 << 50, 1 << 10), 0),), data_bytes=8), "engine-model-damaged"),
        (gguf(tensors=(("w", (1, 1, 1, 1, 1, 1), 0),)), "engine-model-damaged"),
        (gguf(DESCRIPTION | {"general.alignment": 1 << 31}), "engine-model-damaged"),
    ],
)
def test_what_is_no_good_model_has_its_sentence(tmp_path: Path, content: bytes, key: str) -> None:
    assert fault(written(tmp_path, content)).key == key


def test_no_number_in_a_file_decides_how_much_memory_is_used(tmp_path: Path) -> None:
    """A file of 30 MB that claims lists without end, and texts as long as it is."""
    endless = b"GGUF" + struct.pack("<IQQ", 3, 0, 60_000) + text("a") + struct.pack("<IIQ", 9, 8, 1 << 61)
    long = ONE_PAIR + struct.pack("<I", 8) + struct.pack("<Q", 29_000_000)
    for head in (endless, long):
        path = written(tmp_path, head + bytes(30_000_000))
        tracemalloc.start()
        try:
            read_model(path)
        except ModelMissing:
            pass
        finally:
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert most < 8_000_000


def test_whatever_is_changed_in_a_file_it_is_read_or_refused(tmp_path: Path) -> None:
    chance = random.Random(20261125)
    good = gguf()
    for _ in range(500):
        spoilt = bytearray(good[: chance.choice((len(good), chance.randrange(len(good))))])
        for _ in range(chance.randrange(6)):
            if spoilt:
                spoilt[chance.randrange(min(len(spoilt), 700))] = chance.choice((0, 1, 9, 127, 255))
        path = written(tmp_path, bytes(spoilt))
        try:
            read_model(path)
        except ModelMissing as refused:
            assert refused.message


@pytest.mark.parametrize(
    ("described", "kind"),
    [
        ({"general.architecture": "clip"}, "projector"),
        ({"general.architecture": "llama", "general.type": "mmproj"}, "projector"),
        ({"general.architecture": "llama", "general.type": "adapter"}, "adapter"),
        ({"general.architecture": "nomic-bert"}, "embedding"),
        ({"general.architecture": "qwen3", "qwen3.pooling_type": 3}, "embedding"),
        ({"general.architecture": "qwen3"}, "chat"),
    ],
)
def test_what_cannot_chat_is_told_from_what_can(tmp_path: Path, described: dict[str, str | int], kind: str) -> None:
    assert read_model(written(tmp_path, gguf(described))).kind == kind


def test_a_model_in_parts_is_one_model_and_a_missing_part_is_named(tmp_path: Path) -> None:
    parts = [written(tmp_path, gguf(), f"big-0000{number}-of-00003.gguf") for number in (1, 2, 3)]
    header = read_model(parts[0])
    assert header.parts == 3
    assert header.parameters == 3 * 64 * 32
    assert header.file_bytes == sum(part.stat().st_size for part in parts)

    parts[2].unlink()
    missing = fault(parts[0])
    assert missing.key == "model-part-missing" and "00003-of" in missing.message


def test_layers_that_differ_and_experts_are_counted(tmp_path: Path) -> None:
    described = DESCRIPTION | {
        "llama.attention.head_count_kv": [2, 4],
        "llama.expert_count": 8,
        "llama.expert_used_count": 2,
    }
    header = read_model(written(tmp_path, gguf(described)))  # fmt: skip

    assert header.chat_bytes_per_token == 2 * (2 + 4) * 16 * 2
    assert header.active_share == 0.25


def test_a_folder_and_a_pipe_and_nothing_are_no_models(tmp_path: Path) -> None:
    assert fault(tmp_path).key == "engine-model-gone"
    assert fault(tmp_path / "gone.gguf").key == "engine-model-gone"
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.gguf")
        assert fault(tmp_path / "pipe.gguf").key == "engine-model-gone"
