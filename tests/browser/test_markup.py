"""Markdown as elements (assets/markup.js): what comes out of it, and that what stands is not drawn again."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from playwright.sync_api import Browser, Page, Route

from assistant.paths import asset
from assistant.ui.scripts import of_gradio
from tests.faults.carriers import FETCHES, LINKS, OVERLAYS, RUNS

pytestmark = pytest.mark.browser

HOUSE = "http://hearth.test"
OUTWARD = 'target="_blank" rel="noopener noreferrer"'
# fmt: off
ELEMENTS = {
    "DIV", "P", "H1", "H2", "H3", "H4", "H5", "H6", "UL", "OL", "LI", "BLOCKQUOTE", "HR",
    "BR", "A", "SPAN", "PRE", "CODE", "BUTTON", "TABLE", "THEAD", "TBODY", "TR", "TH", "TD", "EM",
    "STRONG", "S", "B", "I", "KBD", "MARK", "SMALL", "SUB", "SUP", "U",
}
# fmt: on
ATTRIBUTES = {"class", "href", "target", "rel", "type", "tabindex", "data-language", "style", "start"}
TEXT = """# A heading

Some **bold**, `code`, a [link](https://example.com) and H<sub>2</sub>O,
over two lines.

- one
- two

  with a paragraph
- three

1. first

2. second

```python
print("```")

x = 1
```

~~~
tildes ``` within
~~~

| a | b |
|---|:--|
| 1 | 2<br>3 |

> a quote
lazily continued

$$
a
+ b
$$

    indented

    code

Setext
======

The end, without a line break"""


@pytest.fixture(scope="module")
def markup(browser: Browser) -> Iterator[Page]:
    """A page with nothing but the script in it."""
    page = browser.new_page()

    def answer(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        if "/assets/" in route.request.url:
            route.fulfill(path=Path(gr.__file__).parent / "templates" / "frontend" / "assets" / name)
            return
        if "/scripts/" in route.request.url:
            route.fulfill(path=asset("vendor", name), content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html><title>x</title>", content_type="text/html")

    page.route("**/*", answer)
    page.goto(HOUSE)
    page.evaluate("(gradio) => { window.hearth = {words: {copy: 'Copy'}, gradio}; }", of_gradio())
    page.add_script_tag(path=asset("markup.js"))
    page.evaluate("hearth.markup.ready")
    page.evaluate("""() => {
        window.grow = (pieces) => {
            const place = document.createElement("div");
            const growing = new hearth.markup.Growing(place);
            for (const piece of pieces) growing.add(piece);
            growing.end();
            return place;
        };
    }""")
    page.evaluate('grow(["```python\\n1\\n```"])')  # the colours are loaded when the first code asks for them
    page.wait_for_function("window.hljs")
    yield page
    page.close()


def drawn(page: Page, *pieces: str) -> str:
    """The HTML that the pieces of a text become."""
    return page.evaluate("(pieces) => grow(pieces).innerHTML", list(pieces))


def test_a_text_becomes_the_same_however_it_comes(markup: Page) -> None:
    whole = drawn(markup, TEXT)
    assert drawn(markup, *TEXT) == whole
    for seed in range(40):
        dice, left, pieces = random.Random(seed), TEXT, []
        while left:
            length = dice.randint(1, 25)
            pieces.append(left[:length])
            left = left[length:]
        assert drawn(markup, *pieces) == whole, pieces


def test_what_stands_is_not_drawn_again(markup: Page) -> None:
    kept: dict[str, Any] = markup.evaluate("""() => {
        const place = document.createElement("div");
        const growing = new hearth.markup.Growing(place);
        growing.add("# One\\n\\ntwo\\n\\n");
        const [first] = place.children;
        growing.add("```js\\nlet x");
        const code = place.querySelector("code");
        growing.add(" = 1;\\nlet y;\\n");
        return {
            isFirst: place.children[0] === first,
            isCode: place.querySelector("code") === code,
            code: code.textContent,
        };
    }""")
    assert kept == {"isFirst": True, "isCode": True, "code": "let x = 1;\nlet y;\n"}


@pytest.mark.parametrize("is_split", [False, True])
def test_no_carrier_becomes_more_than_text_and_plain_elements(markup: Page, is_split: bool) -> None:
    for words in map(str, [*FETCHES.values(), *RUNS.values(), *LINKS.values(), *OVERLAYS.values()]):
        split = [words[at : at + 7] for at in range(0, len(words), 7)] if is_split else [words]
        found: list[list[Any]] = markup.evaluate(
            """(pieces) => [...grow(pieces).querySelectorAll("*")].map((each) =>
                [each.tagName, [...each.attributes].map(({name, value}) => [name, value])])""",
            split,
        )
        for tag, attributes in found:
            assert tag.upper() in ELEMENTS, (tag, words)
            assert {name for name, _ in attributes} <= ATTRIBUTES, (attributes, words)
            for name, value in attributes:
                if name == "href":
                    assert value.lower().startswith(("http://", "https://", "mailto:")), (value, words)
                if name == "style":
                    assert value.startswith("text-align:"), (value, words)  # a column's, and ours


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("![a picture](https://x.example/p.png)", f'<a href="https://x.example/p.png" {OUTWARD}>a picture</a>'),
        ("[x](https://x.example)", f'<a href="https://x.example" {OUTWARD}>x</a>'),
        ("[x](javascript:alert(1))", "<span>x</span>"),
        ("[x](//x.example)", "<span>x</span>"),
        ("[x](#hearth/erase/1)", "<span>x</span>"),
        ("[x](mailto:a@x.example)", '<a href="mailto:a@x.example"'),
        ("[x](mailto:a@x.example?attach=/etc/passwd)", "<span>x</span>"),
        ("see https://x.example/a?b=1.", 'href="https://x.example/a?b=1"'),
        ("run main.py", "run main.py"),
        ("<kbd>a</kbd> <kbd onclick=x>b</kbd>", "<kbd>a</kbd> &lt;kbd onclick=x&gt;b&lt;/kbd&gt;"),
        ("<b>not closed", "&lt;b&gt;not closed"),
        ("$5 and $6", "$5 and $6"),
        ("\\(a_1 * b_2 * c\\)", '<span class="hearth-maths">\\(a_1 * b_2 * c\\)</span>'),
        ("- [x] done", "☑ done"),
        ("| a |\n|---|\n| 1<br/>2 |", "1<br>\n2"),
    ],
)
def test_how_it_is_read(markup: Page, said: str, shown: str) -> None:
    assert shown in drawn(markup, said), json.dumps(drawn(markup, said))


def test_an_endless_block_is_read_once_at_its_end(markup: Page) -> None:
    """Read anew with each of its three thousand pieces, it would hold the page for minutes."""
    shown: dict[str, Any] = markup.evaluate("""() => {
        const place = document.createElement("div");
        const growing = new hearth.markup.Growing(place);
        for (let i = 0; i < 3000; i += 1) growing.add("word and _more_ of it ".repeat(3));
        const before = {length: place.textContent.length, marks: place.querySelectorAll("em").length};
        growing.end();
        return {before, after: place.querySelectorAll("em").length};
    }""")
    assert shown == {"before": {"length": 66 * 3000, "marks": 0}, "after": 9000}


@pytest.mark.parametrize(
    "words",
    [
        r"\href{https://x.example/}{x}",
        r"\url{javascript:alert(1)}",
        r"\includegraphics[width=9em]{https://x.example/p.png}",
        r"\htmlId{chat-send}{x}",
        r"\htmlClass{hearth-running}{x}",
        r"\htmlStyle{position: fixed; inset: 0}{x}",
        r"\htmlData{testid=user}{x}",
    ],
)
def test_maths_becomes_signs_and_nothing_else(markup: Page, words: str) -> None:
    shown: list[Any] = markup.evaluate(
        """async (words) => {
            const place = grow(["\\\\(x^2 + " + words + "\\\\)"]);
            const until = performance.now() + 10_000;
            while (!place.querySelector(".katex") && performance.now() < until)
                await new Promise((go) => setTimeout(go, 50));
            const reaches = "a, img, [id], [data-testid], .hearth-running, [style*=position], [href], [src]";
            return [Boolean(place.querySelector(".katex")), place.querySelectorAll(reaches).length];
        }""",
        words,
    )
    assert shown == [True, 0]


SHOWN = """async (words) => {
    const place = grow(["```mermaid\\n" + words + "\\n```"]);
    document.body.append(place);
    const until = performance.now() + 10_000;
    while (!place.querySelector("img") && performance.now() < until) await new Promise((go) => setTimeout(go, 50));
    const picture = place.querySelector("img");
    const left = document.querySelectorAll(".hearth-desk, svg, a, style").length;
    place.remove();
    return {source: picture && decodeURIComponent(picture.src), width: picture?.naturalWidth, left};
}"""


@pytest.mark.parametrize(
    "words",
    [
        'graph TD\nA-->B\nclick A href "https://x.example/" _self',
        """%%{init: {"securityLevel": "loose", "secure": [], "htmlLabels": true}}%%
graph TD\nA["<img src='https://x.example/p.png' onerror='window.caught=1'>"]-->B""",
        """%%{init: {"themeCSS": "body:has(&) {display: none} .node {fill: url(https://x.example/c)}"}}%%
graph TD\nA-->B""",
    ],
)
def test_a_diagram_is_a_picture_that_leads_nowhere(markup: Page, words: str) -> None:
    """As a picture it loads nothing, and its links and styles are not the page's."""
    shown: dict[str, Any] = markup.evaluate(SHOWN, words)

    assert shown["source"].startswith("data:image/svg+xml,")
    assert shown["width"] > 0
    assert shown["left"] == 0
    assert "body:has" not in shown["source"]
    assert markup.evaluate("window.caught ?? null") is None


@pytest.mark.parametrize(
    "words",
    [
        "gantt\ndateFormat YYYY-MM-DD\nexcludes weekends, 2024-01-01\nsection s\nA :2024-01-01, 9d",
        'packet-beta\n0-99999999: "x"',
        "graph TD\n" + "\n".join(f"a{i}-->b{i}" for i in range(101)),
        "mindmap\n root" + "\n  n" * 1000,
    ],
)
def test_a_diagram_that_would_hold_the_page_stays_as_it_was_written(markup: Page, words: str) -> None:
    """One is drawn after the other: when a small one is there that came later, this one's turn has been."""
    markup.evaluate("words => { window.place = grow(['```mermaid\\n' + words + '\\n```']); }", words)
    assert markup.evaluate(SHOWN, "graph TD\nA-->B")["width"] > 0
    assert (
        markup.evaluate("place.querySelector('img') === null && place.querySelector('code').textContent.trim()")
        == words
    )


@pytest.mark.parametrize(
    "language", ["__proto__", "constructor", "toString", "<b>", '"x', "ü", "c++", "a" * 5000, "\x00"]
)
def test_a_language_that_is_none_leaves_the_code_as_it_is(markup: Page, language: str) -> None:
    place = markup.evaluate(
        """(text) => {
            const place = grow([text]);
            return [place.querySelector("code").textContent, place.querySelectorAll("*").length, place.innerText];
        }""",
        f"```{language}\nlet x = 1;\n```\n\nafter",
    )
    assert place[0] == "let x = 1;\n"
    assert "after" in place[2]


@pytest.mark.parametrize("language", ["typescript", "java", "ini", "c"])
def test_a_line_without_end_is_not_coloured(markup: Page, language: str) -> None:
    """Of 99,000 letters in one line, some languages would take minutes."""
    code = f"```{language}\nint x = 1;\n{'a' * 99_000}\n```"
    assert "hljs-" not in drawn(markup, code)
    assert "hljs-" in drawn(markup, f"```{language}\nx = 1\n[y]\nint z = 2;\n```")
