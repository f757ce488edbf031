"""The child process in which the built-in engine runs: llama.cpp's own server, on a loopback port, behind a key.

Protocol: one JSON line on standard input (see `Order`), one JSON line on standard output once it answers
({"port": 1234}, or {"error": "model" | "engine"}). It ends when its standard input does, so that it cannot outlive
its parent, however that ends. llama.cpp's log goes to standard error. Needs nothing of Hearth but this file.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

# Reading a prompt is cancelled only between batches. Measured on 2 cores with SmolLM2 and a prompt of 4,000 tokens:
# with 128 the next question waits up to 1.1 s behind an abandoned prompt; with 64 0.5 s, and reading takes an eighth
# longer; with the default of 2048 6-8 s.
BATCH_TOKENS = 128
BATCH_TOKENS_ON_FEW_CORES = 64
FEW_CORES = 2
LONGEST_ANSWER_TOKENS = 1024
PROMPT_CACHE_MIB = 512
CACHE_TYPES = ("f16", "q8_0", "q4_0")


@dataclass(frozen=True)
class Order:
    """What to run. 0 threads and -1 layers leave the number to llama.cpp; with `is_tiny`, the model is kept from
    wandering. After `idle_seconds` without a question the model leaves the memory, until the next one; never for -1."""

    model_path: str
    model_id: str
    key: str
    context_tokens: int
    threads: int = 0
    reading_threads: int = 0
    batch_tokens: int = BATCH_TOKENS
    is_tiny: bool = True
    gpu_layers: int = -1
    flash_attention: str = "auto"
    cache_type: str = "f16"
    idle_seconds: int = -1
    projector_path: str = ""
    chat_template: str = ""


def main() -> None:
    """Serves until the parent closes our standard input."""
    answer = _claim_stdout()
    line = sys.stdin.buffer.readline()
    if not line:
        return
    order = Order(**json.loads(line))
    ended = threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True)
    ended.start()
    try:
        server = _serve(order)
    except RuntimeError as error:  # what xllamacpp raises for a file it cannot load
        sys.stderr.write(f"hearth engine: {error}\n")
        _say(answer, {"error": "model"})
        os._exit(1)
    except ImportError as error:
        sys.stderr.write(f"hearth engine: {error}\n")
        _say(answer, {"error": "engine"})
        os._exit(1)
    _say(answer, {"port": urlsplit(server.listening_address).port})
    ended.join()


def _claim_stdout() -> int:
    """The real standard output, for us alone: whatever else is printed in this process goes to standard error."""
    answer = os.dup(1)
    os.dup2(2, 1)
    return answer


def _say(answer: int, message: dict[str, Any]) -> None:
    os.write(answer, (json.dumps(message) + "\n").encode("utf-8"))


def _end_with_parent() -> None:
    """Blocks until standard input ends. `_exit`, because threads of llama.cpp hold up an orderly end for seconds."""
    while os.read(0, 4096):
        pass
    os._exit(0)


def _serve(order: Order) -> Any:
    """A server that answers: its constructor returns when the model is loaded and the port is open."""
    import xllamacpp  # late: the thread that ends us must run first

    params = xllamacpp.CommonParams()  # pyright: ignore[reportAttributeAccessIssue]
    params.model.path = order.model_path
    params.model_alias = {order.model_id}
    params.n_ctx = order.context_tokens
    params.n_batch = params.n_ubatch = order.batch_tokens
    params.n_parallel = 1  # one slot: the chat's prefix stays in it
    params.cache_ram_mib = PROMPT_CACHE_MIB  # so that a request for a title does not cost the chat its prefix
    params.use_jinja = True
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [order.key]
    params.cors_origins = ""
    params.cors_credentials = False
    params.ui = False
    params.endpoint_slots = False
    params.endpoint_props = False
    params.offline = True
    # A model this small wanders off at llama.cpp's own temperature, and below it repeats itself for ever: so a little
    # cooler, a price on repeating whole phrases (DRY), and an end. Each is a default that a request may change.
    if order.is_tiny:
        params.sampling.temp, params.sampling.top_p = 0.4, 0.9
        params.sampling.dry_multiplier = 0.8
        params.n_predict = LONGEST_ANSWER_TOKENS
    if order.threads:
        params.cpuparams.n_threads = order.threads
        params.cpuparams_batch.n_threads = order.reading_threads or order.threads
    params.n_gpu_layers = order.gpu_layers
    params.flash_attn_type = {
        "auto": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_AUTO,  # pyright: ignore
        "on": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED,  # pyright: ignore
        "off": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED,  # pyright: ignore
    }[order.flash_attention]
    kinds = {name: getattr(xllamacpp.ggml_type, f"GGML_TYPE_{name.upper()}") for name in CACHE_TYPES}  # pyright: ignore
    params.cache_type_k = params.cache_type_v = kinds[order.cache_type]
    params.sleep_idle_seconds = order.idle_seconds
    # Beside chat it costs nothing that can be measured. By the last token and not by the mean of all: for those,
    # llama.cpp takes no text that is longer than a batch.
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_LAST  # pyright: ignore
    params.mmproj.path = order.projector_path
    params.chat_template = order.chat_template
    return xllamacpp.Server(params)  # pyright: ignore[reportAttributeAccessIssue]


if __name__ == "__main__":
    main()
