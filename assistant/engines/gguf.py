"""What a model file says of itself: the header of a GGUF file, read without loading anything. Bounded and pure.

The layout is the one that ggml's documentation gives (docs/gguf.md). Nothing is taken at its word: no count in the file
decides how much memory is used, and where the header says the weights end is where the file must end at the earliest,
so that half a download is known before llama.cpp sees it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal, cast

from assistant.errors import ModelMissing

Kind = Literal["chat", "embedding", "projector", "adapter"]

MOST_HEADER_BYTES = 256 * 1024**2  # the words of the largest vocabularies take 20 MB
MOST_PAIRS = 65_536
MOST_TENSORS = 262_144
MOST_PARTS = 1000
MOST_FILE_BYTES = 1 << 50
_LONGEST_KEY = 65_535
_LONGEST_TEXT = 262_144  # kept of a text; chat templates have up to 30,000
_LONGEST_LIST = 4096  # kept of a list of numbers: one for each layer
_BLOCK = 1 << 20
_DIMENSIONS = 4
_SPLIT = re.compile(r"^(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$", re.IGNORECASE)
_SCALARS = {0: "B", 1: "b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "?", 10: "<Q", 11: "<q", 12: "<d"}
_TEXT, _LIST = 8, 9
_EMBEDDERS = frozenset(
    {"bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "neo-bert", "eurobert"}
    | {"t5encoder", "gemma-embedding"}
)
_FILE_TYPES = {
    **{0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S"},
    **{12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS"},
    **{20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M"},
    **{28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4"},
}
# ggml's type: how many weights a block holds, and its bytes. A newer type only makes the check of the length looser.
_BLOCKS = {
    **{0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36)},
    **{10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292)},
    **{16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82)},
    **{23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2)},
    **{34: (256, 54), 35: (256, 66), 39: (32, 17)},
}


@dataclass(frozen=True)
class Header:
    """What a model says of itself, with all its parts. Empty texts and 0: it does not say."""

    kind: Kind
    name: str
    family: str
    parameters: int
    quantisation: str
    context_tokens: int
    licence: str
    has_template: bool
    file_bytes: int
    chat_bytes_per_token: int  # what each token of a chat takes in memory
    active_share: float = 1.0  # of the weights, for each token: less than 1 for a mixture of experts
    parts: int = 1
    has_tools: bool = False  # whether its template knows any


def read_model(path: Path, *, name: str = "") -> Header:
    """The header of the model in `path`, which for one in parts is its first file. Raises ModelMissing with a sentence
    for what is not there, cannot be read, is no GGUF file, is cut short, or is of a kind that cannot be read. `name` is
    what the sentence calls it, by default as the file is called."""
    first = _read(path, name or path.name)
    files = parts_of(path)
    for part in files[1:]:
        if not part.is_file():
            raise ModelMissing("model-part-missing", name=path.name, part=part.name)
        other = _read(part, part.name)
        parameters, size = first.parameters + other.parameters, first.file_bytes + other.file_bytes
        first = replace(first, parameters=parameters, file_bytes=size)
    return replace(first, parts=len(files))


def parts_of(path: Path) -> list[Path]:
    """The files that belong to a model: `name-00001-of-00003.gguf` and its fellows, else `path` alone."""
    return [path.with_name(name) for name in part_names(path.name)]


def part_names(name: str) -> list[str]:
    """The same for a name."""
    split = _SPLIT.match(name)
    if split is None or not 1 < int(split["count"]) <= MOST_PARTS:
        return [name]
    numbers = range(1, int(split["count"]) + 1)
    return [f"{split['stem']}-{number:05}-of-{split['count']}{name[-5:]}" for number in numbers]


def part_number(name: str) -> int:
    """Which part of a model the name is, from 1 on; 0 for a model in one file."""
    split = _SPLIT.match(name)
    return int(split["number"]) if split and int(split["count"]) > 1 else 0


def _read(path: Path, name: str) -> Header:
    try:
        if not path.is_file():  # a pipe would never end, and a folder is none
            raise FileNotFoundError
        with path.open("rb") as file:
            return _header(_Reader(file, name, file_bytes=path.stat().st_size))
    except FileNotFoundError:
        raise ModelMissing("engine-model-gone", name=name) from None
    except OSError as error:
        raise ModelMissing("engine-model-unreadable", name=name, reason=error.strerror or "?") from error


def _header(reader: _Reader) -> Header:
    if reader.file_bytes == 0:
        raise ModelMissing("model-empty", name=reader.name)
    if reader.taken(min(4, reader.file_bytes)) != b"GGUF":
        raise ModelMissing("model-not-gguf", name=reader.name)
    version = reader.number("<I")
    if version & 0xFFFF == 0:
        raise ModelMissing("model-big-endian", name=reader.name)
    if version not in (2, 3):
        raise ModelMissing("model-version", name=reader.name, version=version)
    tensors, pairs = reader.number("<Q"), reader.number("<Q")
    if tensors > MOST_TENSORS or pairs > MOST_PAIRS:
        raise reader.absurd()
    values: dict[str, object] = {}
    for _ in range(pairs):
        key = reader.text(longest=_LONGEST_KEY)
        value = reader.value(reader.number("<I"))
        if value is not None:
            values[key] = value
    parameters, data_bytes = _tensors(reader, tensors)
    alignment = _whole(values.get("general.alignment")) or 32
    if alignment > _BLOCK:
        raise reader.absurd()
    needed = -(-reader.offset // alignment) * alignment + data_bytes
    if needed > MOST_FILE_BYTES:
        raise reader.absurd()
    if data_bytes and reader.file_bytes < needed:
        raise ModelMissing("model-truncated", name=reader.name, percent=int(100 * reader.file_bytes / needed))
    return _told(values, parameters=parameters, file_bytes=reader.file_bytes)


def _tensors(reader: _Reader, count: int) -> tuple[int, int]:
    """How many weights there are, and where the last of them ends."""
    parameters = end = 0
    for _ in range(count):
        reader.skip_text()
        dimensions = reader.number("<I")
        if dimensions > _DIMENSIONS:
            raise reader.absurd()
        weights = 1
        for _ in range(dimensions):
            weights *= reader.number("<Q")
        per_block, block_bytes = _BLOCKS.get(reader.number("<I"), (1, 0))
        parameters += weights
        end = max(end, reader.number("<Q") + -(-weights // per_block) * block_bytes)
    return parameters, end


def _told(values: Mapping[str, object], *, parameters: int, file_bytes: int) -> Header:
    family = _words(values, "general.architecture")
    kind: Kind = "chat"
    if family == "clip" or _words(values, "general.type") == "mmproj":
        kind = "projector"
    elif _words(values, "general.type") == "adapter":
        kind = "adapter"
    elif family in _EMBEDDERS or _whole(values.get(f"{family}.pooling_type")):
        kind = "embedding"
    experts, used = (_whole(values.get(f"{family}.expert_{name}count")) for name in ("", "used_"))
    return Header(
        kind=kind,
        name=_words(values, "general.name"),
        family=family,
        parameters=parameters,
        quantisation=_FILE_TYPES.get(_whole(values.get("general.file_type"), missing=-1), ""),
        context_tokens=_whole(values.get(f"{family}.context_length")),
        licence=_words(values, "general.license") or _words(values, "general.license.name"),
        has_template="tokenizer.chat_template" in values,
        file_bytes=file_bytes,
        chat_bytes_per_token=_chat_bytes_per_token(values, family),
        active_share=used / experts if 0 < used < experts else 1.0,
        has_tools=knows_tools(values.get("tokenizer.chat_template")),
    )


def knows_tools(template: object) -> bool:
    """Whether a chat template puts tools before the model."""
    return isinstance(template, str) and bool(re.search(r"\btools\b", template))


def _chat_bytes_per_token(values: Mapping[str, object], family: str) -> int:
    """A key and a value of 16-bit numbers for each layer; an upper bound where layers differ or look back shortly."""
    layers, width, heads = (
        _whole(values.get(f"{family}.{name}")) for name in ("block_count", "embedding_length", "attention.head_count")
    )
    kept = values.get(f"{family}.attention.head_count_kv")
    kept_heads = (
        sum(_whole(each) for each in cast("list[object]", kept))
        if isinstance(kept, list)
        else layers * (_whole(kept) or heads)
    )
    each = width // heads if heads else 0
    sizes = (_whole(values.get(f"{family}.attention.{name}_length")) or each for name in ("key", "value"))
    return min(2 * kept_heads * sum(sizes), _BLOCK * 16)


def _words(values: Mapping[str, object], key: str) -> str:
    value = values.get(key, "")
    return value.strip()[:200] if isinstance(value, str) else ""


def _whole(value: object, *, missing: int = 0) -> int:
    if isinstance(value, list):
        value = max((each for each in cast("list[object]", value) if isinstance(each, int)), default=missing)
    return value if isinstance(value, int) and 0 <= value < MOST_FILE_BYTES else missing


class _Reader:
    """Reads on through a file, a block at a time; `offset` is where it stands."""

    def __init__(self, file: BinaryIO, name: str, *, file_bytes: int) -> None:
        self._file, self.name, self.file_bytes = file, name, file_bytes
        self._block, self._begin, self._at = b"", 0, 0

    @property
    def offset(self) -> int:
        return self._begin + self._at

    def absurd(self) -> ModelMissing:
        """The error for a number that no model has."""
        return ModelMissing("engine-model-damaged", name=self.name)

    def taken(self, count: int) -> bytes:
        """The next bytes; `count` is one that we bounded."""
        if self._at + count > len(self._block):
            self._refill(count)
        self._at += count
        return self._block[self._at - count : self._at]

    def _refill(self, count: int) -> None:
        self._begin += self._at
        if self._begin + count > self.file_bytes:
            raise ModelMissing("model-truncated-header", name=self.name)
        if self._begin + count > MOST_HEADER_BYTES:
            raise self.absurd()
        self._file.seek(self._begin)
        self._block, self._at = self._file.read(max(count, _BLOCK)), 0
        if len(self._block) < count:  # it became shorter while we read
            raise ModelMissing("model-truncated-header", name=self.name)

    def number(self, form: str) -> int:
        return struct.unpack(form, self.taken(struct.calcsize(form)))[0]

    def text(self, *, longest: int = _LONGEST_TEXT) -> str:
        length = self.number("<Q")
        kept = self.taken(min(length, longest))
        self._skip(length - len(kept))
        return kept.decode("utf-8", "replace")

    def skip_text(self) -> None:
        self._skip(self.number("<Q"))

    def _skip(self, count: int) -> None:
        self._at += count
        if self._at > len(self._block):
            self._refill(0)

    def value(self, kind: int, depth: int = 0) -> object:
        """The next value; None for one that nobody asks for: a list of texts, or a long one."""
        if kind in _SCALARS:
            return self.number(_SCALARS[kind])
        if kind == _TEXT:
            return self.text()
        if kind != _LIST or depth:
            raise self.absurd()
        element, count = self.number("<I"), self.number("<Q")
        if element == _TEXT:
            self._skip_texts(count)
            return None
        if element not in _SCALARS:
            raise self.absurd()
        form = _SCALARS[element]
        if count <= _LONGEST_LIST:
            return [self.number(form) for _ in range(count)]
        self._skip(count * struct.calcsize(form))
        return None

    def _skip_texts(self, count: int) -> None:
        """A vocabulary has 250,000 words: this is the one loop here that has to be fast."""
        length_at = struct.Struct("<Q").unpack_from
        block, at, size = self._block, self._at, len(self._block)
        for _ in range(count):
            if at + 8 > size:
                self._at = at
                self._refill(8)
                block, at, size = self._block, self._at, len(self._block)
            at += 8 + length_at(block, at)[0]
        self._at = at
        self._skip(0)
