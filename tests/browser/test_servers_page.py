"""The Servers page: what is pasted is shown before it runs, and used once it was allowed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from assistant.engines.abilities import Abilities
from assistant.known_models import KnownModels
from tests.browser.test_windows import ask
from tests.conftest import Served, eventually, settings_of
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer
from tests.toolkit import call, calls

pytestmark = pytest.mark.browser
Serve = Callable[..., Served]
SERVER = str(Path(__file__).resolve().parents[1] / "mcp_server.py")
CANARY = "canary-99b1c7"


def paste(page: Page, **servers: object) -> None:
    page.click("#tab-tools-button")
    page.click("#page-servers-button")
    page.click("#servers-add > button")
    page.fill("#servers-paste textarea", json.dumps({"mcpServers": servers}))
    page.click("#servers-take")


def test_a_server_is_seen_allowed_used_and_removed(page: Page, serve: Serve, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    order = json.dumps({"tools": [["echo", "Says <b>it</b> again."]], "notes": str(notes), "at_start": ["secret"]})
    served = serve()
    page.goto(served.address)
    paste(page, demo={"command": sys.executable, "args": [SERVER, order, "a\u202eb"], "env": {"TOKEN": CANARY}})

    expect(page.locator("#servers-said")).to_contain_text("Nothing has been started yet")
    expect(page.locator("#servers-one .hearth-command")).to_contain_text("a\\u202eb")
    expect(page.locator("#servers-one")).to_contain_text("It is given: TOKEN")
    assert page.locator("#servers-one .hearth-command").evaluate("e => e.scrollWidth <= e.clientWidth"), "all is seen"
    assert not notes.exists()
    page.click("#servers-allow")
    expect(page.get_by_label("demo: runs")).to_be_visible()
    expect(page.locator("#servers-one")).to_contain_text("Tools: 1")
    page.click("#servers-one summary")
    expect(page.locator("#servers-one li")).to_contain_text("Says <b>it</b> again.")
    page.click("#servers-log > button")
    expect(page.locator("#servers-log-text")).to_contain_text("the token is [hidden]")
    assert CANARY not in page.content()
    assert CANARY not in json.dumps(settings_of(served))

    page.click("#servers-more > button")
    page.click("#servers-look")
    page.fill("#servers-prompt-arguments textarea", "topic=tea")
    page.click("#servers-prompt-use")
    expect(page.locator("#chat-input textarea")).to_have_value("Tell me about tea")
    page.click("#tab-tools-button")
    page.click("#servers-look")
    page.click("#servers-read")
    expect(page.locator("#servers-text")).to_contain_text("The first note.")

    page.click("#servers-stop")
    expect(page.get_by_label("demo: starts when it is needed")).to_be_visible()
    assert eventually(lambda: not psutil.pid_exists(started(notes)))
    page.click("#servers-change")
    expect(page.locator("#servers-secrets textarea")).to_have_value("TOKEN=")
    page.fill("#servers-arguments textarea", SERVER)
    page.click("#servers-save")
    expect(page.get_by_label("demo: waits for your word")).to_be_visible()
    page.click("#servers-remove")
    page.click("#servers-yes")
    expect(page.locator("#servers-none")).to_be_visible()
    assert settings_of(served)["servers"] == []
    assert served.stop() == 0


def test_a_model_calls_a_server_s_tool_once_the_person_says_so(page: Page, serve: Serve, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    asked = calls(call("demo__echo", {"text": "tea"}))
    with fake_endpoint(asked, Answer(("It said tea.",))) as endpoint:
        known = Abilities(calls_tools=True)
        (tmp_path / "data").mkdir()
        KnownModels(tmp_path / "data" / "tested.json").put(endpoint.url, "fake", known)
        served = serve("--endpoint", endpoint.url, "--model", "fake")
        page.goto(served.address)
        paste(page, demo={"command": sys.executable, "args": [SERVER, json.dumps({"notes": str(notes)})]})
        page.click("#servers-allow")
        expect(page.get_by_label("demo: runs")).to_be_visible()
        page.click("#servers-stop")
        expect(page.get_by_label("demo: starts when it is needed")).to_be_visible()
        page.click("#page-tools-button")
        expect(page.locator("#tools-list")).to_contain_text("demo__echo")
        page.click("#tab-chat-button")
        ask(page, "Say tea.")
        card = page.locator(".hearth-card")
        expect(card).to_contain_text("demo")
        expect(card).to_contain_text("tea")
        assert "call echo" not in notes.read_text(encoding="utf-8")
        card.get_by_role("button").first.click()
        expect(page.locator("#chat-settled")).to_contain_text("It said tea.")
        assert any("You said tea" in json.dumps(request.body) for request in endpoint.requests)
        assert notes.read_text(encoding="utf-8").count("started") == 2  # for the call, and not before


def test_what_fails_is_said_with_what_mends_it(page: Page, serve: Serve) -> None:
    page.goto(serve().address)
    paste(page, lost={"command": "/nowhere/npx", "args": ["-y", "server"]})
    page.click("#servers-allow")
    expect(page.locator("#servers-one .hearth-bad")).to_contain_text("nodejs.org")
    expect(page.get_by_label("lost: failed")).to_be_visible()
    page.click("#servers-add > button")
    page.fill("#servers-paste textarea", "npx -y server")
    page.click("#servers-take")
    expect(page.locator("#servers-add-said .hearth-bad")).to_contain_text("no list of servers")
    expect(page.locator("#servers-paste textarea")).to_have_value("npx -y server")


def test_a_running_server_ends_with_hearth(page: Page, serve: Serve, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    served = serve()
    page.goto(served.address)
    paste(page, demo={"command": sys.executable, "args": [SERVER, json.dumps({"notes": str(notes), "stays": True})]})
    page.click("#servers-allow")
    expect(page.get_by_label("demo: runs")).to_be_visible()
    assert served.stop() == 0
    assert eventually(lambda: not psutil.pid_exists(started(notes)))


def started(notes: Path) -> int:
    return int(notes.read_text(encoding="utf-8").split()[1])
