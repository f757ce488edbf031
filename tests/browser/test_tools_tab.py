"""The Tools tab in a real browser: a function's source is seen and allowed, its form used, and a change asked about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.conftest import Served, eventually
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer
from tests.toolkit import call, calls

pytestmark = pytest.mark.browser
Serve = Callable[..., Served]

SHOUT = '''from typing import Annotated, Literal

from pydantic import Field


def shout(
    text: str, times: Annotated[int, Field(ge=1, le=9)] = 2, mark: Literal["!", "?"] = "!", loud: bool = True
) -> str:
    """Says it loud."""
    print("in the child")  # hidden here: \u202e\u200b
    return ((text.upper() if loud else text) + mark) * times
'''
MORE = '''
def words() -> str:
    """Markdown."""
    return "# Title\\n\\n<img src=x onerror=alert(1)> ![p](http://example.org/p.png) [go](#hearth/tool-forbid/shout)"


def people() -> list[dict]:
    """A table."""
    return [{"name": "Ada <b>", "born": 1815}]


def breaks(by: int = 0) -> float:
    """Fails."""
    return 1 / by


def counts(to: int = 300):
    """Counts."""
    import time
    for number in range(to):
        yield f"step {number}"
        time.sleep(0.1)
'''


def put(tmp_path: Path, source: str, name: str = "shout") -> Path:
    folder = tmp_path / "data" / "tools"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(source, encoding="utf-8")
    return folder / f"{name}.py"


def opens_tools(page: Page, served: Served) -> None:
    page.goto(served.address)
    page.click("#tab-tools-button")
    expect(page.locator("#tools-list .hearth-model").first).to_be_visible()


def form(page: Page, name: str) -> Locator:
    return page.locator(f"#tool-form-{name}")


def runs(page: Page, name: str) -> Locator:
    """Presses Run, and gives what comes of it."""
    form(page, name).get_by_role("button", name="Run").click()
    return form(page, name).locator(".block.hearth-tool-output")


def test_a_function_is_seen_allowed_used_and_asked_about_again_once_it_has_changed(
    page: Page, serve: Serve, tmp_path: Path
) -> None:
    path = put(tmp_path, SHOUT)
    served = serve()
    opens_tools(page, served)
    source = page.locator("#tool-file-shout .hearth-source")
    expect(source).to_contain_text("def shout(")
    expect(source).to_contain_text("# hidden here: \\u202e\\u200b")
    expect(source.locator(".hljs-keyword").first).to_be_visible()
    expect(form(page, "shout")).to_have_count(0)
    expect(page.locator("#tools-list")).not_to_contain_text("shout")

    page.click("#tool-allow-shout")
    expect(form(page, "shout")).to_be_visible()
    expect(page.locator("#tools-list li", has_text="shout")).to_contain_text("own code")
    form(page, "shout").get_by_label("text").fill("hello")
    form(page, "shout").get_by_label("times").fill("3")
    form(page, "shout").get_by_label("?").check()
    output = runs(page, "shout")
    expect(output).to_contain_text("HELLO?HELLO?HELLO?")
    expect(output).to_contain_text("in the child")
    form(page, "shout").get_by_label("times").fill("10")
    expect(runs(page, "shout")).to_contain_text("times: Input should be less than or equal to 9")

    path.write_text(SHOUT.replace("Says it loud", "Says it louder"), encoding="utf-8")
    expect(page.locator("#tool-allow-shout")).to_be_visible()
    expect(page.locator("#tool-file-shout")).to_contain_text("changed since you allowed it")
    expect(form(page, "shout")).to_have_count(0)
    assert served.stop() == 0

    served = serve()
    opens_tools(page, served)
    page.click("#tool-allow-shout")
    expect(form(page, "shout")).to_contain_text("Says it louder.")


def test_a_model_calls_a_function_once_it_is_allowed_and_the_log_has_the_call(
    page: Page, serve: Serve, tmp_path: Path
) -> None:
    put(tmp_path, SHOUT)
    steps = [calls(call("shout", {"text": "from the model", "times": 1})), Answer(("It was loud.",))]
    with fake_endpoint(*steps) as server:
        opens_tools(page, serve("--endpoint", server.url, "--model", "fake"))
        page.click("#tool-allow-shout")
        expect(form(page, "shout")).to_be_visible()
        page.click("#tab-chat-button")
        page.fill("#chat-input textarea", "Say it loud.")
        page.press("#chat-input textarea", "Enter")
        card = page.locator(".hearth-card")
        expect(card).to_contain_text("shout.py")
        card.get_by_role("button", name="Allow once").click()
        expect(page.locator("#chat-settled")).to_contain_text("It was loud.")
        assert "FROM THE MODEL!" in server.chats[1].body["messages"][-1]["content"]
        page.click("#tab-tools-button")
        page.click("#page-tool-log-button")
        row = page.locator("#tool-log-list li")
        expect(row).to_contain_text("allowed once")
        row.locator("summary").click()
        expect(row).to_contain_text("from the model")
        expect(row).to_contain_text("FROM THE MODEL!")


EMPTY = """
def empties(count: int, limit: int | None = None, share: float | None = None, sure: bool | None = None) -> str:
    return repr((count, limit, share, sure))
"""


def test_a_number_that_is_left_empty_is_none_and_no_nought(page: Page, serve: Serve, tmp_path: Path) -> None:
    put(tmp_path, EMPTY, "empties")
    opens_tools(page, serve())
    page.click("#tool-allow-empties")
    form(page, "empties").get_by_label("count").fill("7")
    expect(runs(page, "empties")).to_contain_text("(7, None, None, None)")
    form(page, "empties").get_by_label("false").check()
    form(page, "empties").get_by_label("limit").fill("0")
    form(page, "empties").get_by_label("share").fill("1.5")
    expect(runs(page, "empties")).to_contain_text("(7, 0, 1.5, False)")
    form(page, "empties").get_by_label("limit").fill("many")
    expect(runs(page, "empties")).to_contain_text("limit: many is no number")


def test_what_functions_give_is_shown_and_leads_nowhere(page: Page, serve: Serve, tmp_path: Path) -> None:
    put(tmp_path, SHOUT + MORE)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    opens_tools(page, serve())
    page.click("#tool-allow-shout")
    expect(runs(page, "shout-people").locator("tbody")).to_contain_text("Ada <b>")
    expect(runs(page, "shout-breaks")).to_contain_text("ZeroDivisionError: division by zero")
    line = (SHOUT + MORE).splitlines().index("    return 1 / by") + 1
    line = (SHOUT + MORE).splitlines().index("    return 1 / by") + 1
    expect(form(page, "shout-breaks")).to_contain_text(f"shout.py, line {line}")
    words = runs(page, "shout-words")
    expect(words.locator("h1")).to_have_text("Title")
    expect(words).to_contain_text("<img src=x onerror=alert(1)>")
    expect(words.locator("img")).to_have_count(0)
    assert [each for each in asked if "example.org" in each] == []

    counting = runs(page, "shout-counts")
    expect(counting).to_contain_text("step 2")
    form(page, "shout-counts").get_by_role("button", name="Stop").click()
    expect(counting).to_contain_text("Stopped.")
    expect(form(page, "shout")).to_be_visible()


def test_a_tool_of_hearths_own_is_tried_by_hand_and_told_when_to_ask(page: Page, serve: Serve, tmp_path: Path) -> None:
    served = serve()
    opens_tools(page, served)
    clock = page.locator("#tools-list li", has_text="now").first
    expect(clock).to_contain_text("not the network")
    clock.get_by_text("Try it").click()
    expect(runs(page, "now")).to_contain_text("20")
    clock.get_by_text("Off", exact=True).click()
    expect(clock.locator(".hearth-chosen")).to_have_text("Off")
    assert eventually(lambda: '"off"' in (tmp_path / "data" / "tools.json").read_text(encoding="utf-8"))


def test_a_new_function_begins_as_an_example_that_is_there_at_once(page: Page, serve: Serve, tmp_path: Path) -> None:
    opens_tools(page, serve())
    expect(page.locator("#tools-own")).to_contain_text("There is none yet.")
    page.click("#tool-new")
    expect(page.locator("#tools-own-said")).to_contain_text(str(tmp_path / "data" / "tools" / "my_function.py"))
    page.click("#tool-allow-my_function")
    form(page, "my_function").get_by_label("total").fill("100")
    expect(runs(page, "my_function").locator("tbody")).to_contain_text("55")


def test_a_narrow_window_shows_every_page_of_the_tab(page: Page, serve: Serve) -> None:
    page.set_viewport_size({"width": 360, "height": 700})
    opens_tools(page, serve())
    for name in ("page-tools", "page-reach", "page-servers", "page-tool-log"):
        expect(page.locator(f"#tools-pages .tab-container.wrap #{name}-button")).to_be_in_viewport(ratio=1)
    page.click("#page-tool-log-button")
    expect(page.locator("#tool-log-list")).to_be_visible()


def test_a_table_in_a_narrow_window_scrolls_and_breaks_no_word(page: Page, serve: Serve, tmp_path: Path) -> None:
    put(
        tmp_path,
        'def wide() -> list[dict]:\n    """Gives a table."""\n    return [{f"column{n}": "value" for n in range(9)}]\n',
        "wide",
    )
    page.set_viewport_size({"width": 360, "height": 700})
    opens_tools(page, serve())
    page.click("#tool-allow-wide")
    table = runs(page, "wide").locator(".hearth-table")
    expect(table.locator("th").first).to_have_text("column0")
    lines = "e => { const r = document.createRange(); r.selectNodeContents(e); return r.getClientRects().length }"
    assert [each.evaluate(lines) for each in table.locator("th, td").all()] == [1] * 18
    assert table.evaluate("e => e.scrollWidth > e.clientWidth"), "it scrolls by itself"
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 360
