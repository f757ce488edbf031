"""What a model can do is found out by trying, and nothing is claimed that was not seen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from assistant.egress import Egress
from assistant.engines.abilities import ABILITIES, Abilities, examine
from assistant.engines.access import Access
from assistant.engines.embedded import EmbeddedEngine
from assistant.known_models import KnownModels
from assistant.paths import starter_model

Pages = Mapping[str, Any]
NOTHING = dict.fromkeys(("calls_tools", "keeps_to_json", "sees_images", "embeds"))


class Server:
    """Answers GET from `pages`, and chats as a model would that can do what `can` says; a number is the status of a
    refusal."""

    def __init__(self, pages: Pages, can: Mapping[str, bool | int]) -> None:
        self.pages, self.can = pages, can
        self.limit = "max_tokens"
        self.refuses_beyond = ""  # what is said to a limit that no context holds
        self.asked: list[tuple[str, Mapping[str, str], Any]] = []

    def answer(self, path: str, body: Mapping[str, Any] | None) -> tuple[int, Any]:
        if body is None:
            return (200, self.pages[path]) if path in self.pages else (404, {})
        wanted = "embeds" if path == "/v1/embeddings" else self._wanted(body)
        if path != "/v1/embeddings" and self.limit not in body:
            return 400, {"error": {"message": "this parameter is not supported"}}
        if wanted == "answers" and self.refuses_beyond and body[self.limit] > 10_000_000:
            return 400, {"error": {"message": self.refuses_beyond}}
        if wanted == "answers":
            return self.can.get(wanted, 200), {"choices": [{"message": {"content": "OK"}}]}
        able = self.can.get(wanted, False)
        if able is not True and able is not False:
            return able, {"error": {"message": "no"}}
        if path == "/v1/embeddings":
            return 200, {"data": [{"embedding": [0.1, 0.2]} if able else {}]}
        return 200, {"choices": [{"message": self._message(wanted, body) if able else {"content": "Hello there."}}]}

    def _wanted(self, body: Mapping[str, Any]) -> str:
        if "tools" in body:
            return "calls_tools"
        if "response_format" in body:
            return "keeps_to_json"
        return "answers" if isinstance(body["messages"][0]["content"], str) else "sees_images"

    def _message(self, wanted: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        if wanted == "calls_tools":
            function = {"name": body["tools"][0]["function"]["name"], "arguments": '{"room": "kitchen"}'}
            return {"content": None, "tool_calls": [{"id": "1", "type": "function", "function": function}]}
        if wanted == "keeps_to_json":
            return {"content": '{"greeting": "Hello"}'}
        return {"content": colour_of(body["messages"][0]["content"][1]["image_url"]["url"])}


def colour_of(url: str) -> str:
    """What a model with eyes says of a picture."""
    import base64
    import io

    from PIL import Image

    red, green, blue = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB").getpixel((5, 5))
    names = {(1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue", (1, 1, 0): "yellow", (0, 0, 0): "black"}
    return names.get((red > 128, green > 128, blue > 128), "white")


@contextmanager
def serving(pages: Pages | None = None, **can: bool | int) -> Iterator[tuple[str, Server]]:
    server = Server(pages or {}, can)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(None)

        def do_POST(self) -> None:
            self._reply(json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def _reply(self, body: Any) -> None:
            server.asked.append((self.path, dict(self.headers), body))
            status, content = server.answer(self.path, body)
            said = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{http.server_port}/v1", server
    finally:
        http.shutdown()
        http.server_close()


def seen(url: str, *, model: str = "m", key: str | None = None) -> Abilities:
    return asyncio.run(examine(url, model=model, access=Access(key), egress=Egress(), reason="endpoint", seconds=5))


def test_what_a_model_does_is_seen() -> None:
    with serving(**dict.fromkeys(NOTHING, True)) as (url, _):
        found = seen(url)
    assert [getattr(found, name) for name in NOTHING] == [True] * 4


def test_what_it_does_not_do_is_not_claimed_and_one_word_that_fits_every_picture_is_no_eye() -> None:
    with serving() as (url, _):
        found = seen(url)
    assert [getattr(found, name) for name in NOTHING] == [False] * 4


@pytest.mark.parametrize(
    ("said", "tokens"),
    [
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 1000000000. This model's maximum context length is"
            " 32768 tokens and your request has 36 input tokens (1000000000 > 32768 - 36).",
            32768,
        ),
        ("`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 12 `inputs` tokens and 1000000000", 4096),
        (
            "max_tokens=1000000000 cannot be greater than max_model_len=max_total_tokens=32768. Please request fewer"
            " output tokens. (parameter=max_tokens, value=1000000000)",
            32768,
        ),
        ("max_tokens is too large: 1000000000. This model supports at most 16384 completion tokens", None),
        ("max_tokens must be less than 8192", None),
        ("", None),
    ],
)
def test_a_context_that_no_page_tells_is_asked_for_with_care(said: str, tokens: int | None) -> None:
    with serving() as (url, server):
        server.refuses_beyond = said
        found = seen(url)
    assert found.context_tokens == tokens
    longest = max(len(json.dumps(body)) for path, _, body in server.asked if path.endswith("completions"))
    assert longest < 3000, "what it asks is short, whatever it asks for"


def test_a_context_that_a_page_tells_is_not_asked_for() -> None:
    page = {"data": [{"id": "m", "max_model_len": 4096}]}
    with serving({"/v1/models": page}) as (url, server):
        assert seen(url).context_tokens == 4096
    assert all(body is None or body.get("max_tokens", 0) < 10_000_000 for _, _, body in server.asked)


@pytest.mark.parametrize(("status", "means"), [(400, False), (404, False), (422, False), (500, False), (501, False),
                                               (401, None), (429, None), (503, None)])  # fmt: skip
def test_a_refusal_is_a_no_and_a_fault_of_the_moment_is_nothing(status: int, means: bool | None) -> None:
    with serving(**dict.fromkeys(NOTHING, status)) as (url, _):
        found = seen(url)
    assert [getattr(found, name) for name in NOTHING] == [means] * 4


def test_a_server_that_calls_the_limit_of_tokens_otherwise_is_tried_out_all_the_same() -> None:
    with serving(**dict.fromkeys(NOTHING, True)) as (url, server):
        server.limit = "max_completion_tokens"
        found = seen(url)
    assert [getattr(found, name) for name in NOTHING] == [True] * 4


def test_where_a_plain_question_is_refused_too_a_refusal_says_nothing() -> None:
    with serving({"/api/version": {"version": "1"}}, answers=400, **dict.fromkeys(NOTHING, 400)) as (url, _):
        assert seen(url) == Abilities("Ollama 1")


def test_nothing_is_found_out_where_nobody_answers() -> None:
    with serving() as (url, _):
        pass
    assert seen(url) == Abilities()


@pytest.mark.parametrize(
    ("pages", "server", "tokens"),
    [
        (
            {
                "/api/version": {"version": "0.11.4"},
                "/api/ps": {"models": [{"name": "m:latest", "context_length": 4096}]},
                "/v1/models": {"data": [{"id": "m", "owned_by": "library"}]},
            },
            "Ollama 0.11.4",
            4096,
        ),
        (
            {"/props": {"build_info": "b6000-1234567", "default_generation_settings": {"n_ctx": 8192}}},
            "llama.cpp b6000-1234567",
            8192,
        ),
        (
            {
                "/version": {"version": "0.10.1"},
                "/v1/models": {"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 32768}]},
            },
            "vLLM 0.10.1",
            32768,
        ),
        (
            {"/api/v0/models": {"data": [{"id": "m", "arch": "llama", "loaded_context_length": 2048}]}},
            "LM Studio",
            2048,
        ),
        (
            {
                "/api/extra/version": {"result": "KoboldCpp", "version": "1.99"},
                "/api/version": {"version": "0.7.0"},
            },
            "KoboldCpp 1.99",
            None,
        ),
        ({"/props": {"build_info": "b0-unknown"}}, "llama.cpp", None),
        ({"/health/readiness": {"litellm_version": "1.80.0"}}, "LiteLLM 1.80.0", None),
        (
            {
                "/health/readiness": {"status": "healthy"},
                "/health/readiness/details": {"litellm_version": "1.108.7"},
                "/model_group/info": {"data": [{"model_group": "m", "max_input_tokens": 4096.0}]},
            },
            "LiteLLM 1.108.7",
            4096,
        ),
        ({"/version": {"version": 3}, "/props": [], "/api/ps": "no", "/v1/models": {"data": [None, {}]}}, "", None),
        ({"/props": {"default_generation_settings": {"n_ctx": True}}, "/api/version": {"version": "\x1b[2J"}},
         "Ollama [2J", None),
    ],
)  # fmt: skip
def test_a_server_is_known_by_its_own_pages(pages: Pages, server: str, tokens: int | None) -> None:
    with serving(pages) as (url, _):
        found = seen(url)
    assert (found.server, found.context_tokens) == (server, tokens)


def test_every_request_carries_the_key_and_goes_to_the_one_server() -> None:
    with serving() as (url, server):
        seen(url, key="sk-mine")
    assert {headers["authorization"] for _, headers, _ in server.asked} == {"Bearer sk-mine"}
    chats = [body for _, _, body in server.asked if body and "messages" in body]
    assert all(body["max_tokens"] <= 200 or body["stop"] for body in chats)


def test_a_server_that_gives_the_key_for_its_version_has_none() -> None:
    with serving({"/api/version": {"version": "sk-mine"}}) as (url, _):
        assert "sk-mine" not in repr(seen(url, key="sk-mine"))


def test_the_starter_model_is_told_as_it_is(tmp_path: Path) -> None:
    async def tried() -> Abilities:
        engine = EmbeddedEngine(starter_model(), log_file=tmp_path / "engine.log")
        try:
            return await engine.abilities()
        finally:
            await engine.aclose()

    found = asyncio.run(tried())

    assert found.server.startswith("llama.cpp")
    assert found.context_tokens == 8192
    assert (found.keeps_to_json, found.sees_images, found.embeds) == (True, False, True)


def test_results_are_kept_by_endpoint_and_model(tmp_path: Path) -> None:
    path = tmp_path / "tested.json"
    models = KnownModels(path)
    models.put("http://a/v1", "m", Abilities("llama.cpp 1", 4096, calls_tools=True, embeds=False))
    models.put("http://a/v1", "n", Abilities())

    again = KnownModels(path)

    kept = again.get("http://a/v1", "m")
    assert kept is not None
    assert kept.abilities == Abilities("llama.cpp 1", 4096, calls_tools=True, embeds=False)
    assert again.get("http://b/v1", "m") is None
    latest = again.get("http://a/v1", "")
    assert latest is not None
    assert latest.abilities == Abilities()
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"tested": [{}]}', '{"tested": 3}', "\udcff", "[" * 100_000])
def test_a_file_that_cannot_be_understood_counts_for_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tested.json"
    path.write_text(content, encoding="utf-8", errors="surrogateescape")
    models = KnownModels(path)
    assert models.get("http://a/v1", "m") is None
    models.put("http://a/v1", "m", Abilities(sees_images=True))
    assert KnownModels(path).get("http://a/v1", "m") is not None


def test_an_unknown_or_false_kind_of_result_has_not_been_found_out() -> None:
    assert Abilities.from_json({"server": 3, "context_tokens": "many", "streams": "yes", "embeds": 1}) == Abilities()
    assert Abilities.from_json(Abilities("x", 1, **dict.fromkeys(ABILITIES, True)).to_json()).reasons is True
