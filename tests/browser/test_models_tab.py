"""The Models tab in a real browser: what is here, what comes, what is used, and what a page is told about it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from assistant.paths import starter_model
from tests.browser.test_windows import ask
from tests.conftest import Served, eventually, settings_of
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer
from tests.model_files import DESCRIPTION, gguf, large
from tests.range_server import Served as File
from tests.range_server import range_server

pytestmark = pytest.mark.browser
Serve = Callable[..., Served]
ADDRESS = "#model-address input, #model-address textarea"
PATH = "#model-path input, #model-path textarea"


def opens_models(page: Page, served: Served) -> None:
    page.goto(served.address)
    page.click("#tab-models-button")
    expect(page.locator("#models-in-use .hearth-model")).to_be_visible()


def row(page: Page, name: str, *, within: str = "#models-page") -> Locator:
    return page.locator(f"{within} .hearth-model").filter(has_text=name)


def does(page: Page, name: str, action: str, *, within: str = "#models-page") -> None:
    row(page, name, within=within).get_by_text(action, exact=True).first.click()


def models(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_another_model_is_used_where_it_lies_without_a_restart_and_the_chat_says_so(
    page: Page, serve: Serve, tmp_path: Path
) -> None:
    starter = starter_model()
    assert starter is not None
    theirs = tmp_path / "home" / ".lmstudio" / "models" / "some" / "one" / "Theirs-Q4_1.gguf"
    theirs.parent.mkdir(parents=True)
    shutil.copy(starter, theirs)
    models(tmp_path)
    with fake_endpoint() as endpoint:
        (tmp_path / "data" / "settings.json").write_text(json.dumps({"version": 1, "endpoint": endpoint.url}))
        served = serve(HOME=str(tmp_path / "home"))
        opens_models(page, served)
        expect(page.locator("#models-in-use")).to_contain_text(f"Answers come from {endpoint.url} just now.")
        shown = row(page, "Theirs", within="#models-elsewhere")
        expect(shown).to_contain_text("98 MB · 135M weights · llama · Q4_1 · 8,192 tokens of context · apache-2.0")
        expect(shown).to_contain_text(f"LM Studio · {theirs}")
        does(page, "Theirs", "Use in place")
        expect(page.locator("#models-said")).to_contain_text("Theirs-Q4_1 answers from now on.")
        expect(page.locator("#models-in-use")).to_contain_text("Theirs")
        expect(page.locator("#models-here")).to_contain_text("SmolLM2-135M-Instruct")
        page.click("#tab-chat-button")
        expect(page.locator("#model-picker input")).to_have_value("Theirs-Q4_1 · built in (default)")
        ask(page, "Name three colours.")
        expect(page.locator("#chat-settled .hearth-meta").last).to_contain_text("Theirs-Q4_1")
        assert settings_of(served)["builtin_model"] == str(theirs)


@pytest.mark.slow
def test_a_download_is_followed_paused_and_goes_on_after_a_restart(page: Page, serve: Serve, tmp_path: Path) -> None:
    content = large(6)
    with range_server() as server:
        server.next("/Fetched.gguf", File(content, bytes_per_second=2_000_000))
        server.files["/Fetched.gguf"] = File(content)
        served = serve()
        opens_models(page, served)
        assert server.asked == []
        page.fill(ADDRESS, f"{server.url}/Fetched.gguf")
        page.click("#model-get")
        coming = row(page, "Fetched", within="#models-downloads")
        expect(coming.locator("progress")).to_be_visible()
        expect(coming).to_contain_text("per second")
        expect(coming).to_contain_text("left")
        does(page, "Fetched", "Pause", within="#models-downloads")
        expect(coming).to_contain_text("paused")
        assert served.stop() == 0

        served = serve()
        opens_models(page, served)
        expect(row(page, "Fetched", within="#models-downloads")).to_contain_text("paused")
        assert len(server.asked) == 1
        does(page, "Fetched", "Resume", within="#models-downloads")
        expect(row(page, "Fetched", within="#models-downloads")).to_contain_text("Here, whole and checked")
        expect(row(page, "Fetched", within="#models-here")).to_contain_text("Q4_K_M")
        assert (models(tmp_path) / "Fetched.gguf").read_bytes() == content
        assert server.asked[1].headers["Range"]
        does(page, "Fetched", "Close", within="#models-downloads")
        expect(page.locator("#models-downloads .hearth-model")).to_have_count(0)

        page.click("#tab-settings-button")
        page.click("#page-network-button")
        expect(page.locator("#network-list tbody tr").first).to_contain_text("a model that you download")


def test_what_cannot_be_fetched_says_why_and_is_cancelled_without_a_trace(
    page: Page, serve: Serve, tmp_path: Path
) -> None:
    models(tmp_path)
    (tmp_path / "data" / "settings.json").write_text(json.dumps({"version": 1, "offline": True}))
    with range_server() as server:
        server.files["/page.gguf"] = File(b"<!DOCTYPE html><title>Sign in</title>")
        opens_models(page, serve())
        page.fill(ADDRESS, "http://example.org/model.gguf")
        page.click("#model-get")
        expect(page.locator("#models-said")).to_contain_text("Plain http:// can be read and changed on its way")
        page.fill(ADDRESS, f"{server.url}/page.gguf")
        page.click("#model-get")
        expect(row(page, "page.gguf")).to_contain_text("What the server sends as page.gguf is not a GGUF file.")
        does(page, "page.gguf", "Cancel")
        does(page, "SmolLM2 360M", "Download", within="#models-recommended")
        expect(page.locator("#models-downloads")).to_contain_text("Offline is switched on: nothing was sent")
        does(page, "smollm2-360m", "Cancel", within="#models-downloads")
        expect(page.locator("#models-downloads .hearth-model")).to_have_count(0)
        assert list(models(tmp_path).iterdir()) == []


def test_a_file_is_linked_chosen_dragged_and_deleted_and_what_is_none_says_so(
    page: Page, serve: Serve, tmp_path: Path
) -> None:
    mine = tmp_path / "Mine.gguf"
    mine.write_bytes(gguf())
    dropped = tmp_path / "Dropped.gguf"
    dropped.write_bytes(large(10))  # two slices
    renamed = tmp_path / "Renamed.gguf"
    renamed.write_bytes(b"PK\x03\x04")
    opens_models(page, serve())
    page.click("#models-add button")
    page.fill(PATH, str(mine))
    page.click("#model-add")
    expect(row(page, "Mine")).to_contain_text(f"Link to {mine}")
    page.set_input_files("#model-files", [dropped, renamed])
    expect(row(page, "Dropped", within="#models-here")).to_contain_text("10 MB")
    expect(page.locator("#model-sent")).to_contain_text("Renamed.gguf is not a GGUF file, whatever its name says.")
    assert (models(tmp_path) / "Dropped.gguf").read_bytes() == dropped.read_bytes()

    drag = page.evaluate_handle(
        """(bytes) => { const held = new DataTransfer();
            held.items.add(new File([new Uint8Array(bytes)], "Dragged.gguf")); return held; }""",
        list(gguf()),
    )
    page.dispatch_event("#model-drop", "dragover", {"dataTransfer": drag})
    expect(page.locator("#model-drop.hearth-lit")).to_be_visible()
    page.dispatch_event("#model-drop", "drop", {"dataTransfer": drag})
    expect(row(page, "Dragged", within="#models-here")).to_be_visible()
    assert (models(tmp_path) / "Dragged.gguf").read_bytes() == gguf()

    does(page, "Mine", "Delete", within="#models-here")
    does(page, "Mine", "Delete it", within="#models-here")
    expect(row(page, "Mine", within="#models-here")).to_have_count(0)
    assert mine.exists() and {path.name for path in models(tmp_path).iterdir()} == {"Dropped.gguf", "Dragged.gguf"}


def test_a_name_of_a_file_and_a_model_s_words_are_text(page: Page, serve: Serve, tmp_path: Path) -> None:
    told: list[str] = []
    page.on("dialog", lambda dialog: (told.append(dialog.message), dialog.dismiss()))
    name = "<img src=x onerror=alert(1)>$x$ \u202eevil.gguf"
    hostile = DESCRIPTION | {
        "general.license": "<script>alert(2)</script>",
        "general.architecture": "[a](javascript:1)",
    }
    (models(tmp_path) / name).write_bytes(gguf(hostile))
    with fake_endpoint(
        Answer(("[get it](#hearth/model-get/o%2Fr%2Fm.gguf) [gone](#hearth/model-delete/x.gguf)",))
    ) as end:
        served = serve("--endpoint", end.url)
        opens_models(page, served)
        shown = page.locator("#models-here .hearth-model").first
        expect(shown).to_contain_text("<img src=x onerror=alert(1)>")
        expect(shown).to_contain_text("\\u202e")
        expect(shown).to_contain_text("<script>alert(2)</script>")
        page.click("#tab-chat-button")
        ask(page, "A link, please.")
        page.locator("#chat-settled").get_by_text("get it").click()
        page.wait_for_timeout(300)
        page.click("#tab-models-button")
        expect(page.locator("#models-downloads .hearth-model")).to_have_count(0)
        assert told == []
    assert eventually(lambda: not list(models(tmp_path).glob("*.part*")))
