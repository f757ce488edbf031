"""Small model files for tests: GGUF as its documentation lays it out, right or wrong on purpose."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

Value = str | int | float | bool | list[str] | list[int] | list[float]


def text(words: str) -> bytes:
    raw = words.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(raw)) + raw


def value(given: Value) -> bytes:
    match given:
        case bool():
            return struct.pack("<IB", 7, given)
        case int():
            return struct.pack("<II", 4, given)
        case float():
            return struct.pack("<If", 6, given)
        case str():
            return struct.pack("<I", 8) + text(given)
        case [float(), *_]:
            return struct.pack("<IIQ", 9, 6, len(given)) + b"".join(struct.pack("<f", each) for each in given)
        case [str(), *_]:
            return struct.pack("<IIQ", 9, 8, len(given)) + b"".join(text(str(each)) for each in given)
        case _:
            return struct.pack("<IIQ", 9, 4, len(given)) + b"".join(struct.pack("<I", each) for each in given)


DESCRIPTION: Mapping[str, Value] = {
    "general.architecture": "llama",
    "general.name": "Tiny",
    "general.license": "mit",
    "general.file_type": 15,
    "llama.context_length": 4096,
    "llama.block_count": 2,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.tokens": ["a", "b", "", "ü"],
    "tokenizer.chat_template": "{{ messages }}",
}


def gguf(
    described: Mapping[str, Value] = DESCRIPTION,
    *,
    tensors: Sequence[tuple[str, tuple[int, ...], int]] = (("weights", (64, 32), 0),),
    version: int = 3,
    filler: bytes = b"\x5a",
    data_bytes: int | None = None,
) -> bytes:
    """A file. `tensors` are name, dimensions and type (0: four bytes each, one after the other)."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(described))
    head += b"".join(text(key) + value(each) for key, each in described.items())
    offset = 0
    for name, dimensions, kind in tensors:
        head += text(name) + struct.pack("<I", len(dimensions)) + struct.pack(f"<{len(dimensions)}Q", *dimensions)
        head += struct.pack("<IQ", kind, offset)
        size = 4
        for each in dimensions:
            size *= each
        offset += size
    head += b"\x00" * (-len(head) % 32)
    wanted = offset if data_bytes is None else data_bytes
    return head + (filler * (wanted // len(filler) + 1))[:wanted]


def large(megabytes: int, *, seed: int = 1) -> bytes:
    """A good file of about that size, of bytes that never repeat at the same place."""
    weights = megabytes * 1024 * 1024 // 4
    block = bytes((seed * 31 + at * 7) % 251 for at in range(251 * 64))
    return gguf(tensors=(("weights", (weights,), 0),), filler=block)


def projector(width: int) -> bytes:
    """An eye for a model of this embedding length: LLaVA's kind, whole, and so blank that it tells nothing."""
    own, inner, image, patch, blocks = 64, 128, 64, 16, 2
    described: dict[str, Value] = {
        "general.architecture": "clip",
        "general.type": "mmproj",
        "general.file_type": 0,
        "clip.has_vision_encoder": True,
        "clip.projector_type": "mlp",
        "clip.use_gelu": False,
        "clip.vision.image_size": image,
        "clip.vision.patch_size": patch,
        "clip.vision.embedding_length": own,
        "clip.vision.feed_forward_length": inner,
        "clip.vision.projection_dim": width,
        "clip.vision.block_count": blocks,
        "clip.vision.attention.head_count": 2,
        "clip.vision.attention.layer_norm_epsilon": 1e-6,
        "clip.vision.image_mean": [0.5, 0.5, 0.5],
        "clip.vision.image_std": [0.5, 0.5, 0.5],
    }
    shapes: dict[str, tuple[int, ...]] = {
        "v.class_embd": (own,),
        "v.patch_embd.weight": (patch, patch, 3, own),
        "v.position_embd.weight": (own, (image // patch) ** 2 + 1),
        "mm.0.weight": (own, width),
        "mm.0.bias": (width,),
        "mm.2.weight": (width, width),
        "mm.2.bias": (width,),
    }
    layers = {"attn_q": (own, own), "attn_k": (own, own), "attn_v": (own, own), "attn_out": (own, own)}
    layers |= {"ffn_up": (own, inner), "ffn_down": (inner, own)}
    for block in range(blocks):
        for name, (taken, given) in layers.items():
            shapes |= {f"v.blk.{block}.{name}.weight": (taken, given), f"v.blk.{block}.{name}.bias": (given,)}
        shapes |= {f"v.blk.{block}.{norm}.{part}": (own,) for norm in ("ln1", "ln2") for part in ("weight", "bias")}
    shapes |= {f"v.{norm}.{part}": (own,) for norm in ("pre_ln", "post_ln") for part in ("weight", "bias")}
    return gguf(described, tensors=[(name, shape, 0) for name, shape in shapes.items()], filler=b"\x00")
