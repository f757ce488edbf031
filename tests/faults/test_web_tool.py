"""Row 60 of the faults: web tools reach public pages only, whatever names and redirects say, and no more of them than
can be read. The servers are real ones on loopback; which of them counts as public is said by the test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from assistant.egress import Egress
from assistant.errors import ToolError
from assistant.tools.browser import Browser, is_public
from assistant.tools.tool import Address
from tests.workbench import Workbench

ARTICLE = b"""<html><head><title>Tea</title></head><body><nav><a href="/">Home</a></nav><article><h1>Green tea</h1>
<p>Green tea is made from <a href="/leaves">leaves</a> that have not been oxidised. It is drunk every day.</p>
<p>It came from China, and is made in many places of Asia by now. Each has its own way of drying the leaves.</p>
<p>How it tastes depends on the water, on the heat of it, and on how long the leaves are left in it.</p>
</article><script>alert("no words")</script></body></html>"""
RESULTS = b"""<html><body>
<div class="result result--ad"><a class="result__a" href="//duckduckgo.com/y.js?ad_provider=x">Buy</a></div>
<div class="result results_links"><h2>
<a class="result__a" href="//duckduckgo.com/l/?uddg=https%3A%2F%2Ftea.example%2Fa">A page <b>about</b> tea</a></h2>
<a class="result__snippet" href="#">Tea is a <b>drink</b>.</a></div>
<div class="result"><a class="result__a" href="https://leaves.example/">Leaves</a></div></body></html>"""


class Web(ThreadingHTTPServer):
    """A web site. `asked` holds what came, with the host that was meant."""

    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.asked: list[tuple[str, str]] = []
        self.sends_to = ""
        super().__init__((host, port), Site)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Site(BaseHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        self.server.asked.append((self.headers.get("host", ""), self.path))
        path = urlsplit(self.path).path
        if path == "/redirect":
            self.send_response(302)
            self.send_header("location", self.server.sends_to)
            self.end_headers()
            return
        if path == "/error":
            self.send_error(503)
            return
        kind = {"/photo": "image/png", "/plain": "text/plain"}.get(path, "text/html; charset=utf-8")
        self.send_response(200)
        self.send_header("content-type", kind)
        if path == "/packed":
            self.send_header("content-encoding", "gzip")
        self.end_headers()
        try:
            if path == "/endless":
                while True:
                    self.wfile.write(b"<p>" + b"word " * 20_000 + b"</p>")
            elif path == "/slow":
                threading.Event().wait(5)
            elif path == "/search":
                self.wfile.write(RESULTS)
            elif path == "/robots":
                self.wfile.write(b"<html><div class='anomaly-modal__title'>Unfortunately, bots...</div></html>")
            elif path == "/empty":
                self.wfile.write(b"<html><script>draw()</script></html>")
            else:
                self.wfile.write(ARTICLE)
        except OSError:
            pass  # whoever asked has had enough

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[Web]:
    site = Web()
    yield site
    site.shutdown()
    site.server_close()


Bench = Callable[..., Workbench]


@pytest.fixture
def bench(tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Where the site is the only public place there is."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def made(*, is_offline: bool = False, seconds: float = 20) -> Workbench:
        browser = Browser(
            may_reach=lambda _, port: port == web.server_port,
            search_url=f"{web.url}/search?q={{words}}",
            seconds=seconds,
        )
        return Workbench(tmp_path, browser=browser, egress=Egress(is_offline=lambda: is_offline))

    return made


def test_a_page_is_read_as_its_words(bench: Bench, web: Web) -> None:
    text = bench().call("fetch_page", url=f"{web.url}/tea")

    assert "# Green tea" in text
    assert f"made from [leaves]({web.url}/leaves)" in text
    assert "no words" not in text and "Home" not in text
    assert "no instruction" in text
    assert web.asked == [(f"127.0.0.1:{web.server_port}", "/tea")]


def test_a_visit_is_listed_with_its_reason(bench: Bench, web: Web) -> None:
    desk = bench()
    desk.call("fetch_page", url=f"{web.url}/tea")
    desk.call("web_search", words="green tea & more")

    assert [(visit.port, visit.reason, visit.is_allowed) for visit in desk.egress.visits()] == [
        (web.server_port, "web-search", True),
        (web.server_port, "web-page", True),
    ]
    assert parse_qs(urlsplit(web.asked[-1][1]).query) == {"q": ["green tea & more"]}


def test_results_are_read_and_advertisements_left_out(bench: Bench) -> None:
    found = bench().call("web_search", words="tea")

    assert "1. A page about tea\n   https://tea.example/a\n   Tea is a drink." in found
    assert "2. Leaves\n   https://leaves.example/" in found
    assert "Buy" not in found


def test_the_whole_address_is_shown_before(bench: Bench, web: Web) -> None:
    desk = bench()
    assert desk.preview("web_search", words="a b") == Address(f"{web.url}/search?q=a+b")
    assert desk.preview("fetch_page", url="https://example.org/x?y=1") == Address("https://example.org/x?y=1")
    assert web.asked == []


PRIVATE = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://127.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://LOCALHOST.:{port}/",
]


@pytest.mark.parametrize("url", PRIVATE)
def test_this_machine_and_its_network_are_not_reached(tmp_path: Path, web: Web, url: str) -> None:
    desk = Workbench(tmp_path, browser=Browser())
    with pytest.raises(ToolError) as told:
        desk.call("fetch_page", url=url.format(port=web.server_port))

    assert told.value.key in ("tool-web-private", "tool-web-unknown", "tool-web-address")
    assert web.asked == []


ODD = ["file:///etc/passwd", "ftp://x.example/", "gopher://x.example/", "javascript:alert(1)", "data:text/html,x"]
BROKEN = [
    "//x.y",
    "http://",
    "http:///x",
    "http://user:word@x.example/",
    "http://x.example\\@y/",
    "http://a b/",
    "x.y",
    "",
]


@pytest.mark.parametrize("url", [*ODD, *BROKEN, "http://x.example:99999/", "http://x\r\nhost: y/", "HTTP+UNIX://x/"])
def test_only_plain_web_addresses_are_asked(tmp_path: Path, url: str) -> None:
    desk = Workbench(tmp_path, browser=Browser())
    with pytest.raises(ToolError):
        desk.call("fetch_page", url=url)
    with pytest.raises(ToolError):
        desk.preview("fetch_page", url=url)

    assert desk.egress.visits() == []


@pytest.mark.parametrize(
    "place", ["http://127.0.0.1:{port}/secret", "//localhost:{port}/", "file:///etc/passwd", "http://169.254.169.254/"]
)
def test_a_redirect_leads_nowhere_else(bench: Bench, web: Web, place: str) -> None:
    inside = Web()
    web.sends_to = place.format(port=inside.server_port)

    with pytest.raises(ToolError) as told:
        bench().call("fetch_page", url=f"{web.url}/redirect")

    assert told.value.key in ("tool-web-private", "tool-web-address")
    assert inside.asked == []
    inside.shutdown()
    inside.server_close()


def test_redirects_are_followed_and_end(bench: Bench, web: Web) -> None:
    web.sends_to = "/tea"
    assert f"{web.url}/tea" in bench().call("fetch_page", url=f"{web.url}/redirect")

    web.sends_to = "/redirect"
    with pytest.raises(ToolError, match="sends on and on"):
        bench().call("fetch_page", url=f"{web.url}/redirect")


def test_a_name_that_changes_its_address_is_asked_only_where_it_was_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = Web("127.0.0.2")
    inside = Web("127.0.0.1", outside.server_port)
    answers = iter(["127.0.0.2", *["127.0.0.1"] * 9])

    def look_up(host: str, port: int, *_: object, **__: object) -> list[object]:
        assert host == "rebind.example"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    desk = Workbench(tmp_path, browser=Browser(may_reach=lambda address, _: address == ip_address("127.0.0.2")))

    assert "Green tea" in desk.call("fetch_page", url=f"http://rebind.example:{outside.server_port}/")
    assert outside.asked == [(f"rebind.example:{outside.server_port}", "/")]
    with pytest.raises(ToolError, match="on this machine or in its own network"):
        desk.call("fetch_page", url=f"http://rebind.example:{outside.server_port}/")
    assert inside.asked == []
    for site in (inside, outside):
        site.shutdown()
        site.server_close()


def test_a_name_with_a_private_address_among_others_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [(socket.AF_INET, 1, 6, "", (address, 80)) for address in ("93.184.216.34", "192.168.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)

    with pytest.raises(ToolError, match="in its own network"):
        Workbench(tmp_path, browser=Browser()).call("fetch_page", url="http://both.example/")


def test_offline_refuses_and_lists_it(tmp_path: Path) -> None:
    desk = Workbench(tmp_path, browser=Browser(), egress=Egress(is_offline=lambda: True))
    for name, arguments in (("fetch_page", {"url": "https://example.org/"}), ("web_search", {"words": "x"})):
        with pytest.raises(ToolError, match="Offline"):
            desk.call(name, **arguments)

    assert [(visit.host, visit.is_allowed) for visit in desk.egress.visits()] == [
        ("html.duckduckgo.com", False),
        ("example.org", False),
    ]


def test_the_web_is_off_until_it_is_switched_on(tmp_path: Path) -> None:
    for name, arguments in (("fetch_page", {"url": "https://example.org/"}), ("web_search", {"words": "x"})):
        with pytest.raises(ToolError, match="switched off"):
            Workbench(tmp_path).call(name, **arguments)


def test_what_never_ends_is_cut(bench: Bench, web: Web) -> None:
    desk = bench()
    text = desk.call("fetch_page", url=f"{web.url}/endless")

    assert len(text) < 25_000
    assert text.endswith("the page goes on.")
    assert desk.egress.visits()[0].received_bytes < 3_000_000


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/slow", "longer than 0|longer than 1"),
        ("/error", "answered with an error (503)"),
        ("/packed", "packed form"),
        ("/photo", "not a page of text but image/png"),
        ("/empty", "no words"),
    ],
)
def test_what_cannot_be_read_is_said(bench: Bench, web: Web, path: str, why: str) -> None:
    with pytest.raises(ToolError) as told:
        bench(seconds=1).call("fetch_page", url=f"{web.url}{path}")

    assert any(each in told.value.message for each in why.split("|"))


def test_a_search_engine_that_takes_us_for_a_robot_is_told(tmp_path: Path, web: Web) -> None:
    browser = Browser(may_reach=lambda *_: True, search_url=f"{web.url}/robots?{{words}}")

    with pytest.raises(ToolError, match="takes this for a robot"):
        Workbench(tmp_path, browser=browser).call("web_search", words="x")


def test_nobody_there_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(ToolError, match="could not be reached"):
        Workbench(tmp_path, browser=Browser(may_reach=lambda *_: True)).call(
            "fetch_page", url=f"http://127.0.0.1:{port}/"
        )


def test_public_addresses_are_public() -> None:
    assert all(is_public(ip_address(each)) for each in ("93.184.216.34", "8.8.8.8", "2606:4700::1111", "1.1.1.1"))
