"""Settings pointed at a real OpenAI-compatible server with a key that is not our child: llama.cpp's own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection

import pytest
from playwright.sync_api import Page, expect

from assistant.paths import starter_model
from tests.conftest import Served

pytestmark = pytest.mark.browser

SERVER = """
import sys, time, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port, params.hostnames = sys.argv[1], int(sys.argv[2]), ["127.0.0.1"]
params.api_keys, params.n_ctx, params.model_alias, params.use_jinja = [sys.argv[3]], 2048, {"desk-model"}, True
server = xllamacpp.Server(params)
while True:
    time.sleep(3600)
"""


@pytest.fixture
def real_server() -> Iterator[str]:
    """The base address of llama.cpp's server, with the key "desk-key"."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(starter_model()), str(port), "desk-key"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(600):
        if process.poll() is not None or _is_ready(port):
            break
        time.sleep(0.1)
    assert process.poll() is None
    yield f"http://127.0.0.1:{port}/v1"
    process.kill()
    process.wait()


def _is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_each_outcome_gets_its_sentence_and_the_next_answer_comes_from_there(
    page: Page, serve: Callable[..., Served], real_server: str
) -> None:
    page.goto(serve().address)
    expect(page.locator("#chat-input textarea")).to_be_visible()
    page.click("#tab-settings-button")
    result, test = page.locator("#settings-result"), page.locator("#settings-test")
    endpoint, key, model = (
        page.locator(f"#settings-{name}").locator("input, textarea").first for name in ("endpoint", "api-key", "model")
    )

    endpoint.fill("http://127.0.0.1:9/v1")
    test.click()
    expect(result).to_contain_text("Nothing answers at http://127.0.0.1:9/v1.")

    endpoint.fill(real_server)
    key.fill("wrong-key")
    test.click()
    expect(result).to_contain_text("did not accept the API key")

    key.fill("desk-key")
    model.fill("no-such-model")
    test.click()
    expect(result).to_contain_text("has no model named no-such-model")

    model.fill("desk-model")
    test.click()
    expect(result).to_contain_text("The key was accepted.", timeout=60_000)
    expect(result).to_contain_text("desk-model answered; the first word came after")

    page.click("#settings-save")
    expect(result).to_contain_text("Saved")
    abilities = page.locator("#settings-abilities")
    expect(abilities).to_contain_text("A chat may fill 2,048 tokens.", timeout=60_000)
    expect(abilities.locator("li.hearth-yes")).to_contain_text(
        ["Words come one by one.", "It counts the tokens", "Its answers can be held to a form"]
    )
    expect(abilities.locator("li.hearth-no").filter(has_text="It did not see two test pictures")).to_be_visible()
    expect(result).to_contain_text("Saved")
    page.reload()
    page.click("#tab-settings-button")
    expect(abilities).to_contain_text("Tested on")
    expect(abilities).to_contain_text("A chat may fill 2,048 tokens.")
    page.click("#tab-chat-button")
    page.fill("#chat-input textarea", "Name three colours.")
    page.press("#chat-input textarea", "Enter")
    expect(page.locator("#chat-settled .hearth-meta")).to_contain_text("desk-model", timeout=90_000)
