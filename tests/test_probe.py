"""What the Test in Settings says, for each thing that can be found."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest

from assistant.engines.access import Access
from assistant.engines.limits import Limits
from assistant.engines.probe import Findings, normalise_endpoint, probe
from assistant.errors import SettingsError
from assistant.i18n import ENGLISH
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer, Status, html

QUICK = Limits(connect_seconds=2, first_byte_seconds=2, stall_seconds=1, list_seconds=2, retries=0)


def tried(url: str, **more: str) -> tuple[Findings, str]:
    findings = asyncio.run(probe(url, limits=QUICK, **more))  # type: ignore[arg-type]
    return findings, " ".join(findings.sentences(ENGLISH))


def test_success_names_the_model_and_the_time_to_the_first_word():
    with fake_endpoint(Answer(), models=["llama3"]) as endpoint:
        findings, said = tried(endpoint.url)
    assert findings.ok and findings.model == "llama3" and findings.first_token_seconds is not None
    assert "No key was needed." in said
    assert re.search(r"llama3 answered; the first word came after \d+\.\d s", said)


def test_the_test_asks_for_a_few_tokens_only():
    with fake_endpoint(Answer()) as endpoint:
        tried(endpoint.url)
    assert endpoint.chats[0].body["max_tokens"] <= 16


def test_an_accepted_key_is_said():
    with fake_endpoint(Answer(), key="sk-right") as endpoint:
        findings, said = tried(endpoint.url, access=Access("sk-right"))
    assert findings.is_key_accepted and "The key was accepted." in said


def test_a_wrong_key_is_said_and_not_repeated():
    with fake_endpoint(key="sk-right") as endpoint:
        findings, said = tried(endpoint.url, access=Access("sk-CANARY-wrong"))
    assert (findings.is_reached, findings.is_key_accepted) == (True, False)
    assert "did not accept the API key" in said
    assert "CANARY" not in said + repr(findings)


def test_a_missing_key_is_said():
    with fake_endpoint(key="sk-right") as endpoint:
        assert "wants an API key" in tried(endpoint.url)[1]


def test_a_key_refused_only_at_the_chat_is_said():
    with fake_endpoint(Status(401)) as endpoint:
        findings, _ = tried(endpoint.url, access=Access("sk-wrong"))
    assert findings.is_key_accepted is False


def test_an_unknown_model_is_said_with_those_that_are_there():
    names = [f"model-{number}" for number in range(12)]
    with fake_endpoint(models=names) as endpoint:
        findings, said = tried(endpoint.url, model="gpt-9")
    assert findings.is_model_there is False
    assert "no model named gpt-9" in said
    assert "model-0, model-1" in said and "and 4 more" in said


def test_a_model_without_its_tag_is_there():
    with fake_endpoint(Answer(), models=["llama3:latest"]) as endpoint:
        assert tried(endpoint.url, model="llama3")[0].ok


def test_a_gateway_that_lists_no_models_is_judged_by_its_answer():
    with fake_endpoint(Answer(), list_step=Status(404)) as endpoint:
        assert tried(endpoint.url, model="any")[0].ok


def test_nothing_there_is_said():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        findings, said = tried(f"http://127.0.0.1:{free.getsockname()[1]}/v1")
    assert not findings.is_reached
    assert "Nothing answers at" in said


def test_what_is_no_chat_server_is_said():
    with fake_endpoint(list_step=html()) as endpoint:
        findings, said = tried(endpoint.url)
    assert not findings.ok and "OpenAI protocol" in said


def test_a_forgotten_v1_is_suggested():
    with fake_endpoint() as endpoint:
        findings, said = tried(endpoint.url.removesuffix("/v1"))
    assert findings.suggested_url == endpoint.url
    assert endpoint.url in said


def test_an_address_that_is_none_is_said():
    findings, said = tried("ftp://example.org")
    assert isinstance(findings.error, SettingsError)
    assert "http://" in said


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (" http://127.0.0.1:11434/v1/ ", "http://127.0.0.1:11434/v1"),
        ("HTTP://LocalHost:1234/v1/chat/completions", "http://localhost:1234/v1"),
        ("https://api.example.org/v1/models", "https://api.example.org/v1"),
        ("127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("localhost:8080/v1", "http://localhost:8080/v1"),
        ("192.168.1.5:8000/v1", "http://192.168.1.5:8000/v1"),
        ("api.example.org/v1", "https://api.example.org/v1"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("http://büro.example/v1", "http://xn--bro-hoa.example/v1"),
    ],
)
def test_an_address_is_spelled_one_way(typed: str, meant: str):
    assert normalise_endpoint(typed) == meant
    assert normalise_endpoint(meant) == meant


@pytest.mark.parametrize(
    "typed",
    ["", "  ", "http://", "http:///v1", "ftp://a/v1", "file:///etc/passwd", "javascript:alert(1)", "http://u:p@a/v1",
     "http://@a/v1", "http://a b/v1", "http://a\nb/v1", "http://a\x00/v1", "http://a:0/v1", "http://a:99999/v1",
     "http://a:x/v1", "http://a/v1?key=1", "http://a/v1#x", "http://a\\b/v1", "http://[::1/v1", "http://" + "a" * 3000,
     "http://\udcff/v1", "http://a..b/v1", "http://-a/v1", "http://a%00/v1"],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_words(typed: str):
    with pytest.raises(SettingsError) as caught:
        normalise_endpoint(typed)
    assert caught.value.message and caught.value.hint
