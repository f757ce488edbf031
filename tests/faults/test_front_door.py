"""Rows 1 to 12 of the faults: who is let in, through which routes, and what lies open on the machine."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import psutil
import pytest
from playwright.sync_api import Browser, Page
from starlette.types import Receive, Scope, Send

from assistant.guard import CODE_LIFE_SECONDS, Guard
from tests.conftest import Served, eventually, hearth_command
from tests.conftest import hearth as run_hearth
from tests.faults.siege import CANARY, FORM, JOIN, JSON, RUN, UPLOAD, Besieged, part

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
TELLING = (b"<", b"gradio", b"Gradio", b"uvicorn", b"hearth/", b"0.1.0", b"fastapi")  # a page, a name, a version

# Row 1: every route, read from the app

ROUTES = """
import json, sys
from pathlib import Path
from assistant import Profile, create_app
guard = create_app(Profile(Path(sys.argv[1]))).asgi(1)

def walk(routes, before=""):
    for route in routes:
        inner = getattr(route, "original_router", None) or getattr(route, "app", None) or route
        inside = getattr(inner, "routes", None)
        path = before + getattr(route, "path", "")
        if inside:
            yield from walk(inside, path if not hasattr(route, "original_router") else before)
        else:
            yield path if hasattr(route, "methods") else path + "/{anything:path}"

print(json.dumps(sorted(set(walk(guard._app.routes)))))
"""
KINDS = (b"application/json", b"multipart/form-data; boundary=x", b"application/octet-stream", b"text/plain")
# What the page asks for, and nothing else: whoever adds a route to the list says here that it is needed.
NEEDED = {
    "GET /",
    "GET /assets/{path:path}",
    "GET /attached/{chat}/{file}",
    "GET /context/{chat}",
    "GET /favicon.ico",
    "GET /feed/{chat}/{message}",
    "GET /gradio_api/app_id",
    "GET /gradio_api/queue/data",
    "GET /gradio_api/upload_progress",
    "GET /more/{reader}",
    "GET /scripts/{name}",
    "GET /static/{path:path}",
    "GET /theme.css",
    "POST /ask",
    "POST /card",
    "POST /context",
    "POST /decide",
    "POST /gradio_api/cancel",
    "POST /gradio_api/queue/join",
    "POST /gradio_api/reset",
    "POST /gradio_api/run/{api_name}",
    "POST /gradio_api/upload",
    "POST /models/piece",
    "POST /pictures",
    "POST /pictures/remove",
}


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The paths of Hearth's own app, mounts included. In a process of its own: Gradio takes seconds to import."""
    folder = tmp_path_factory.mktemp("routes")
    told = subprocess.run(
        [sys.executable, "-c", ROUTES, str(folder / "data")], capture_output=True, check=True, timeout=60, text=True
    )
    found: list[str] = json.loads(told.stdout.splitlines()[-1])
    assert len(found) > 60
    return found


def concrete(path: str) -> str:
    """A path that the route would take."""
    return re.sub(r"{[^}]*}", "x", path.replace("{api_name}", "predict"))


def test_row_01_every_route_is_locked_without_the_cookie(hearth: Besieged, routes: list[str]) -> None:
    for path in routes:
        for method in METHODS:
            answer = hearth.ask(concrete(path), method=method, cookie=False)
            assert answer.status == 401, (method, path)
            assert not [word for word in TELLING if word in answer.body + str(answer.headers).encode()], (method, path)


def test_row_01_with_the_cookie_only_the_routes_that_the_page_needs_are_reached(routes: list[str]) -> None:
    reached: set[str] = set()
    asked = ""

    async def room(scope: Scope, receive: Receive, send: Send) -> None:
        reached.add(asked)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    guard = Guard(room, port=1)

    async def ask(method: str, target: str, kind: bytes, cookie: bytes = b"") -> list[Any]:
        path, _, query = target.partition("?")
        headers = [(b"host", b"127.0.0.1:1"), (b"content-type", kind), (b"cookie", cookie)]
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": headers}
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await guard(scope | {"query_string": query.encode()}, receive, send)
        return sent

    async def walk() -> None:
        nonlocal asked
        opened = await ask("GET", guard.one_time_address().partition(":1")[2], b"")
        cookie = dict(opened[0]["headers"])[b"set-cookie"].partition(b";")[0]
        for path in routes:
            for method in METHODS:
                for kind in KINDS:
                    asked = f"{method} {path}"
                    await ask(method, concrete(path), kind, cookie)

    asyncio.run(walk())

    heads = {name for name in reached if name.startswith("HEAD ")}
    assert {name.replace("HEAD", "GET") for name in heads} == {name for name in reached if name.startswith("GET ")}
    assert reached - heads == NEEDED


# Rows 2 to 5, 8, 9: other names, other pages, other carriers


@pytest.mark.parametrize(
    "head",
    [
        *(
            f"GET / HTTP/1.1\r\nHost: {host}\r\n"
            for host in ("localhost:{port}", "127.1:{port}", "[::1]:{port}", "evil.example", "", "127.0.0.1:{port}.")
        ),
        "GET / HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n",
        "GET / HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: {host}\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: {host}\r\n",
        "GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.0\r\n",
        "GET / HTTP/1.0\r\nHost: evil.example\r\n",
        "GET / HTTP/1.1\r\nhost:{host}\r\nHOST: {host}\r\n",
        "GET / HTTP/1.1\r\nHost: {host}\x00\r\n",
        "GET / HTTP/1.1\r\nHost: {host}\r\n\t.evil.example\r\n",
        "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n",
    ],
)
def test_row_02_a_host_that_is_not_exactly_ours_is_told_nothing(hearth: Besieged, head: str) -> None:
    answer = hearth.ask_raw(head.replace("{port}", str(hearth.port)) + "Cookie: {cookie}\r\nConnection: close\r\n\r\n")

    assert answer.split(b" ", 2)[1] in (b"421", b"400"), answer
    assert_sealed(answer)


@pytest.mark.parametrize(
    "line",
    [
        *(
            "Origin: " + it
            for it in ("null", "http://localhost:{port}", "https://{host}", "http://{host}.evil.example")
        ),
        *(
            "Origin: " + it
            for it in ("http://evil.example", "http://{host}/", "HTTP://{host}", "", "http://127.0.0.1:1")
        ),
        "Origin: http://{host}\r\nOrigin: http://{host}",
        *("Sec-Fetch-Site: " + it for it in ("cross-site", "same-site", "", "same-origin, cross-site", "SAME-ORIGIN")),
        "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site",
        "Origin: http://{host}\r\nSec-Fetch-Site: cross-site",
    ],
)
@pytest.mark.parametrize(
    "start", ["GET /", "GET /feed/x/-", "POST " + JOIN, "POST " + RUN, "POST " + UPLOAD, "OPTIONS " + JOIN]
)
def test_rows_03_and_04_another_page_is_refused_with_a_valid_cookie(hearth: Besieged, start: str, line: str) -> None:
    answer = hearth.ask_raw(
        f"{start} HTTP/1.1\r\nHost: {{host}}\r\nCookie: {{cookie}}\r\n{line.replace('{port}', str(hearth.port))}\r\n"
        "Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    )

    assert answer.startswith(b"HTTP/1.1 403"), answer
    assert b"access-control" not in answer.lower()
    assert_sealed(answer)


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", FORM["Content-Type"], "text/plain; application/json", ""],
)
@pytest.mark.parametrize("path", [JOIN, RUN, UPLOAD, "/gradio_api/reset", "/gradio_api/cancel"])
def test_row_05_a_body_that_needs_no_preflight_leaves_nothing(hearth: Besieged, path: str, kind: str) -> None:
    before = hearth.files_left()
    headers = {"Content-Type": kind, "Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    body = part("planted.txt", b"planted") + b"--edge--\r\n"

    assert hearth.ask(path, method="POST", headers=headers, body=body).status == 403
    assert hearth.ask(path, method="POST", headers={"Content-Type": kind}, body=body, cookie=False).status == 401
    if path != UPLOAD or kind != FORM["Content-Type"]:
        assert hearth.ask(path, method="POST", headers={"Content-Type": kind}, body=body).status == 415
    assert hearth.files_left() == before


def test_row_08_proxy_headers_change_nothing(hearth: Besieged) -> None:
    names = ["Host", "For", "Proto", "Port", "Prefix", "Server", "Path", "Uri", "Scheme", "Ssl"]
    headers = {f"X-Forwarded-{name}": "evil.example" for name in names} | {
        "Forwarded": "host=evil.example;proto=https",
        "X-Original-URL": "/config",
        "X-Rewrite-URL": "/config",
        "X-HTTP-Method-Override": "DELETE",
        "X-Gradio-Server": "http://evil.example",
        "X-Real-IP": "evil.example",
    }
    plain, odd = hearth.ask("/"), hearth.ask("/?__theme=dark&deep_link=../../x&view=api", headers=headers)

    assert b"evil.example" not in odd.body
    assert (odd.status, odd.body) == (plain.status, plain.body)
    assert hearth.ask("/", headers=headers, cookie=False).status == 401


@pytest.mark.parametrize("path", ["/", "/gradio_api/queue/data", "/queue/join", "/open"])
@pytest.mark.parametrize("upgrade", ["websocket", "WebSocket", "h2c", "websocket, h2c"])
def test_row_09_an_upgrade_is_refused(hearth: Besieged, path: str, upgrade: str) -> None:
    answer = hearth.ask_raw(
        f"GET {path} HTTP/1.1\r\nHost: {{host}}\r\nCookie: {{cookie}}\r\nConnection: Upgrade, close\r\n"
        f"Upgrade: {upgrade}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'x' * 22}==\r\n\r\n"
    )

    assert answer.startswith(b"HTTP/1.1 403"), answer


@pytest.mark.parametrize(
    "junk",
    [
        "GARBAGE\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/9.9\r\nConnection: close\r\n\r\n",
    ],
)
def test_what_is_no_request_gets_a_sealed_answer_and_no_line_in_the_log(hearth: Besieged, junk: str) -> None:
    before = hearth.served.log.read_bytes()
    answer = hearth.ask_raw(junk)

    assert answer.split(b" ", 2)[1] in (b"400", b"421"), answer
    assert_sealed(answer)
    assert hearth.served.log.read_bytes() == before


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("GET /theme.css", "GET /theme.css", [b"200", b"401"]),
        (f"POST {JOIN}", "GET /theme.css", [b"200", b"401"]),
        ("GET /theme.css", f"POST {JOIN}", [b"200", b"401"]),
        ("GET /theme.css", "GET /open?code=x", [b"200", b"403"]),
        ("GET /nothing", "GET /", [b"404", b"401"]),
    ],
)
def test_requests_on_one_connection_are_judged_one_by_one(
    hearth: Besieged, first: str, second: str, expected: list[bytes]
) -> None:
    """Who was let in once has said nothing of who asks next: another program may have been given the connection."""
    call = hearth.join_body(hearth.function("chat-stop", "click"), [None], "pipelined")
    bodies = {start: call if start.startswith("POST") else b"" for start in (first, second)}

    def whole(start: str, more: str) -> bytes:
        length = f"Content-Type: application/json\r\nContent-Length: {len(call)}\r\n" if bodies[start] else ""
        return hearth.filled(f"{start} HTTP/1.1\r\nHost: {{host}}\r\n{length}{more}\r\n") + bodies[start]

    with hearth.plug() as plug:
        plug.sendall(whole(first, "Cookie: {cookie}\r\n") + whole(second, "Connection: close\r\n"))
        answer = b""
        while more := plug.recv(65536):
            answer += more

    assert re.findall(rb"HTTP/1\.1 (\d\d\d)", answer) == expected


@pytest.mark.parametrize(
    ("lines", "body", "expected"),
    [
        ("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n", b"413"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", b"2\r\n{}\r\n0\r\n\r\n", b"413"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"0\r\n\r\n", b"400"),
        ("Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n", b"400"),
        ("Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n", b"400"),
        ("Transfer-Encoding : chunked\r\n", b"0\r\n\r\n", b"400"),
        ("Transfer-Encoding:\x0bchunked\r\n", b"0\r\n\r\n", b"400"),
        ("Content-Length: 2\r\nContent-Length: 40\r\n", b"{}", b"400"),
        ("Content-Length: 2, 40\r\n", b"{}", b"400"),
        ("Content-Length: +2\r\n", b"{}", b"400"),
        ("Transfer-Encoding: chunked\r\n", b"-2\r\n{}\r\n0\r\n\r\n", b"400"),
        ("Transfer-Encoding: chunked\r\n", b"0x2\r\n{}\r\n0\r\n\r\n", b"400"),
        ("X: a\rTransfer-Encoding: chunked\r\nContent-Length: 2\r\n", b"{}", b"400"),
    ],
)
def test_a_body_whose_end_two_readers_would_see_in_two_places_is_refused(
    hearth: Besieged, lines: str, body: bytes, expected: bytes
) -> None:
    head = f"POST {JOIN} HTTP/1.1\r\nHost: {{host}}\r\nCookie: {{cookie}}\r\nContent-Type: application/json\r\n"
    hidden = hearth.filled("GET /theme.css HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n")
    answer = hearth.ask_raw(head + lines + "\r\n", body + hidden)

    assert re.findall(rb"HTTP/1\.1 (\d\d\d)", answer) == [expected], answer
    assert_sealed(answer)


def test_what_comes_after_a_body_is_no_header(hearth: Besieged) -> None:
    trailers = hearth.filled("Cookie: {cookie}\r\nHost: {host}\r\n")
    head = f"POST {JOIN} HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    close = "Trailer: Cookie\r\nConnection: close\r\n\r\n"
    late, early = b"2\r\n{}\r\n0\r\n" + trailers + b"\r\n", b"2\r\n{}\r\n0\r\nOrigin: null\r\n\r\n"

    assert hearth.ask_raw(head + "Host: {host}\r\n" + close, late).startswith(b"HTTP/1.1 401")
    assert hearth.ask_raw(head + "Cookie: {cookie}\r\n" + close, late).startswith(b"HTTP/1.1 400")
    assert hearth.ask_raw(head + "Host: {host}\r\nCookie: {cookie}\r\n" + close, early).startswith(b"HTTP/1.1 422")


@pytest.mark.parametrize(
    ("line", "length", "expected"),
    [
        ("", 2, b"401"),
        ("", 1_000_000, b"401"),
        ("Cookie: {cookie}\r\nOrigin: null\r\n", 2, b"403"),
        ("Cookie: {cookie}\r\nOrigin: null\r\n", 1_000_000, b"403"),
        ("Cookie: {cookie}\r\n", 300_000_000, b"413"),
    ],
)
def test_who_asks_first_whether_to_send_is_told_no(hearth: Besieged, line: str, length: int, expected: bytes) -> None:
    answer = hearth.ask_raw(
        f"POST {UPLOAD} HTTP/1.1\r\nHost: {{host}}\r\n{line}Content-Type: {FORM['Content-Type']}\r\n"
        f"Content-Length: {length}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    )

    assert re.findall(rb"HTTP/1\.1 (\d\d\d)", answer) == [expected], "never 100"


# Rows 6 and 7: the code and the cookie


@pytest.fixture(scope="module", autouse=True)
def aging(standing: Besieged) -> tuple[str, float]:
    """A code that nobody spends, from when the tests of this file began."""
    return standing.served.fresh_address(), time.monotonic()


def test_row_06_of_all_ways_to_spend_a_code_one_succeeds_once(hearth: Besieged) -> None:
    address = urlsplit(hearth.served.fresh_address())
    path = f"{address.path}?{address.query}"
    for method in ("HEAD", "POST", "OPTIONS"):
        assert hearth.ask(path, method=method, cookie=False).status in (401, 403)
    for wrong in ("/open", "/open?code=", "/open?code=wrong", path + "x", path[:-1], path + "&code=x", "/open/" + path):
        assert hearth.ask(wrong, cookie=False).status in (401, 403)
    with ThreadPoolExecutor(16) as crowd:
        statuses = [answer.status for answer in crowd.map(lambda _: hearth.ask(path, cookie=False), range(16))]

    assert sorted(statuses) == [303] + [403] * 15
    assert hearth.ask(path).status == 403, "used, even by the window itself"


def test_row_06_only_the_launcher_makes_a_code(hearth: Besieged, page: Page) -> None:
    """A reload needs none, a second page of the same browser neither; another browser is let in by the launcher."""
    address = hearth.served.fresh_address()
    page.goto(address)
    page.reload()
    page.locator("#chat-input textarea").wait_for()
    assert page.url == f"{hearth.origin}/"
    second = page.context.new_page()
    assert (answer := second.goto(hearth.origin))
    assert answer.status == 200
    page.context.clear_cookies()
    assert (answer := second.reload())
    assert answer.status == 401
    assert (answer := second.goto(hearth.served.fresh_address()))
    assert answer.status == 200
    code = urlsplit(address).query.partition("=")[2]
    page.go_back()
    assert code not in page.content()


def test_row_06_a_code_is_in_no_log_argument_or_file_afterwards(hearth: Besieged) -> None:
    address = hearth.served.fresh_address()
    hearth.enter(address)
    code = urlsplit(address).query.partition("=")[2].encode()

    for folder in (hearth.served.data_dir, hearth.private):
        for path in folder.rglob("*"):
            if path.is_file():
                assert code not in path.read_bytes(), path
    for process in (hearth.process, *hearth.process.children(recursive=True)):
        assert code not in " ".join(process.cmdline()).encode()


def test_row_07_a_cookie_is_exactly_the_one_of_this_start(hearth: Besieged, serve: Callable[..., Served]) -> None:
    other_address = serve().address
    other_port = urlsplit(other_address).port
    name, _, value = hearth.cookie.partition("=")
    wrong = [value[:-1], value + "x", value.swapcase(), f'"{value}"', "x" * 9000, "\xff\xfe", "", value + "%00"]
    cookies = [f"{name}={it}" for it in wrong]
    cookies += [f"{name.upper()}={value}", f"hearth={value}", f"hearth_{other_port}={value}", value]
    cookies += [f"{hearth.cookie}; {hearth.cookie}", f"{name}=; {hearth.cookie}", f"$Version=1, {hearth.cookie}"]
    for cookie in cookies:
        assert hearth.ask("/", headers={"Cookie": cookie}, cookie=False).status == 401, cookie

    connection = http.client.HTTPConnection("127.0.0.1", other_port, timeout=10)
    connection.request("GET", "/", headers={"Cookie": f"hearth_{other_port}={value}"})
    assert connection.getresponse().status == 401
    connection.close()


# Row 10: in a browser


class Elsewhere(BaseHTTPRequestHandler):
    """Another local server, and so of the same site as ours in a browser's eyes; it serves one hostile page."""

    page: ClassVar[bytes] = b""
    heard: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        type(self).heard.append(str(self.headers))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, *_: Any) -> None:
        """Silence."""


@contextmanager
def elsewhere(page: str) -> Iterator[int]:
    Elsewhere.page = page.encode()
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


HOSTILE = """<!doctype html><body><script>
window.seen = [];
const at = "ORIGIN";
const note = (what) => (event) => window.seen.push(what + ":" + event.type);
for (const [tag, path] of [["script", "/theme.css"], ["script", "/"], ["img", "/favicon.ico"], ["iframe", "/"],
                           ["link", "/theme.css"], ["object", "/"], ["video", "/favicon.ico"]]) {
  const made = document.createElement(tag);
  made.onload = note(tag); made.onerror = note(tag);
  if (tag === "link") { made.rel = "stylesheet"; made.href = at + path; }
  else if (tag === "object") { made.data = at + path; } else { made.src = at + path; }
  document.body.append(made);
}
window.answers = Promise.all([
  fetch(at + "/", {credentials: "include"}), fetch(at + "/", {credentials: "include", mode: "no-cors"}),
  fetch(at + "/gradio_api/queue/join", {method: "POST", credentials: "include", mode: "no-cors", body: "{}"}),
  fetch(at + "/gradio_api/queue/join", {method: "POST", credentials: "include",
        headers: {"Content-Type": "application/json"}, body: "{}"}),
].map((asked) => asked.then((answer) => answer.type + answer.status, () => "failed")));
window.opened = window.open(at + "/");
window.socket = new Promise((told) => { const s = new WebSocket(at.replace("http", "ws") + "/gradio_api/queue/data");
  s.onopen = () => told("open"); s.onerror = () => told("failed"); });
</script><form id=form method=post enctype=text/plain action="ORIGIN/gradio_api/queue/join" target=_blank>
<input name=x value=y></form></body>"""


@pytest.mark.browser
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_row_10_a_page_of_elsewhere_cannot_frame_open_or_load_us(hearth: Besieged, browser: Browser, host: str) -> None:
    context = browser.new_context()
    answered: list[int] = []
    page = context.new_page()
    page.goto(hearth.served.fresh_address())  # the person is let in, in this very browser
    page.locator("#chat-input textarea").wait_for()
    page.close()
    context.on("response", lambda answer: answer.url.startswith(hearth.origin) and answered.append(answer.status))
    with elsewhere(HOSTILE.replace("ORIGIN", hearth.origin)) as port:
        page = context.new_page()
        page.goto(f"http://{host}:{port}/")
        told = page.evaluate("window.answers")
        assert page.evaluate("window.socket") == "failed"
        page.wait_for_function("window.seen.length >= 5")
        assert not [it for it in page.evaluate("window.seen") if it in ("script:load", "img:load", "link:load")]
        page.evaluate("document.getElementById('form').submit()")
        page.wait_for_timeout(500)
        assert (
            page.evaluate("(() => { try { return opened.document.body.innerText } catch { return 'shut' } })()")
            == "shut"
        )
        framed = [frame for frame in page.frames if frame is not page.main_frame]
        assert not [frame for frame in framed if "chat-input" in frame.content()]
        context.close()
    assert set(told) <= {"failed", "opaque0"}
    assert len(answered) >= 3
    assert set(answered) == {403}


@pytest.mark.browser
def test_row_02_a_name_that_was_made_to_lead_here_reads_nothing(hearth: Besieged, page: Page) -> None:
    """DNS rebinding, as a browser sees it: every name below .localhost leads to 127.0.0.1, so this page's own origin
    becomes our port, and what it asks there is of the same origin for the browser."""
    for name in ("evil.localhost", "localhost", "hearth.localhost"):
        told = page.goto(f"http://{name}:{hearth.port}/")
        assert told is not None
        assert told.status == 421
        asked = "fetch('/gradio_api/app_id', {credentials: 'include'}).then((answer) => answer.text())"
        assert page.evaluate(asked) == "Not here.\n"


# Rows 11 and 12: what lies open on the machine


def listening(process: psutil.Process) -> set[tuple[str, int]]:
    found: set[tuple[str, int]] = set()
    for each in (process, *process.children(recursive=True)):
        found |= {tuple(one.laddr) for one in each.net_connections("inet") if one.status == psutil.CONN_LISTEN}
    return found


def test_row_11_only_our_port_and_the_engines_listen_on_loopback_alone(tmp_path: Path) -> None:
    process = subprocess.Popen(
        hearth_command("serve", "--data-dir", str(tmp_path / "data")), stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL, env=os.environ | {"HEARTH_API_KEY": CANARY},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        port = urlsplit(process.stdout.readline()).port
        watched = psutil.Process(process.pid)
        assert eventually(lambda: len(listening(watched)) == 2, within_seconds=20)
        assert {host for host, _ in listening(watched)} == {"127.0.0.1"}
        (engine,) = {number for _, number in listening(watched)} - {port}
        assert eventually(lambda: engine_status(engine, "/health", "") == 200, within_seconds=30)
        for path in ("/v1/models", "/props", "/slots", "/metrics", "/v1/chat/completions", "/completion", "/"):
            for key in ("", "Bearer ", "Bearer none", f"Bearer {CANARY}"):
                assert engine_status(engine, path, key) in (401, 404), path
        for child in watched.children(recursive=True):
            assert CANARY not in str(child.environ()) + str(child.cmdline())
        assert CANARY not in str(watched.cmdline())
    finally:
        process.terminate()
        process.wait(15)
        process.stdout.close() if process.stdout else None


def engine_status(port: int, path: str, key: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST" if "complet" in path else "GET", path, body="{}" if "complet" in path else None,
                           headers=JSON | ({"Authorization": key} if key else {}))  # fmt: skip
        return connection.getresponse().status
    finally:
        connection.close()


def open_to_others(folder: Path) -> list[str]:
    found: list[str] = []
    for place in (folder, *folder.rglob("*")):
        with suppress(FileNotFoundError):  # a running Hearth renames what it has written
            if not place.is_symlink() and place.lstat().st_mode & 0o077:
                found.append(f"{oct(place.lstat().st_mode)} {place}")
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="rights are other things there")
def test_row_12_a_data_dir_that_lay_open_is_closed(tmp_path: Path, serve: Callable[..., Served]) -> None:
    data = tmp_path / "data"
    for folder in (data, data / "logs", data / "attachments", data / "attachments" / "deep"):
        folder.mkdir(mode=0o755)
    outside = tmp_path / "outside.txt"
    for path in (data / "settings.json", data / "logs" / "hearth.log", data / "attachments" / "deep" / "a", outside):
        path.write_text("{}", encoding="utf-8")
        path.chmod(0o644)
    (data / "attachments" / "link").symlink_to(outside)
    before = os.umask(0)
    try:
        served = serve(data_dir=data)
    finally:
        os.umask(before)

    private = Path(psutil.Process(served.process.pid).cwd()).parent
    assert open_to_others(data) == []
    assert open_to_others(private) == []
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644, "what a link leads to is not ours"
    assert list(Path(psutil.Process(served.process.pid).cwd()).iterdir()) == []
    served.process.kill()
    served.process.wait()
    assert private.exists()
    again = serve(data_dir=data)
    assert not private.exists(), "the next start removes what a killed one left"
    assert open_to_others(data) == []
    assert again.stop() == 0
    assert not [path for path in private.parent.glob("hearth-*") if (path / "lock").is_file() and is_ours(path)]


def is_ours(path: Path) -> bool:
    """Whether nobody holds its lock. Other tests' Hearths may run beside this one."""
    from filelock import FileLock, Timeout

    with suppress(Timeout, OSError), FileLock(path / "lock").acquire(blocking=False):
        return True
    return False


@pytest.mark.parametrize("name", ["data", "data/logs"])
@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can give a link away")
def test_row_12_a_data_dir_that_is_another_user_s_link_gets_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).symlink_to(tmp_path / "real")
    os.lchown(tmp_path / name, 65534, 65534)
    told = run_hearth("serve", "--data-dir", str(tmp_path / "data"))

    assert told.returncode == 1
    assert "it belongs to another user" in told.stderr
    assert "Traceback" not in told.stderr
    assert list((tmp_path / "real").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can give a folder away")
def test_row_12_a_data_dir_of_another_user_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    os.chown(tmp_path / "data", 65534, 65534)
    told = run_hearth("serve", "--data-dir", str(tmp_path / "data"))

    assert (told.returncode, "it belongs to another user" in told.stderr) == (1, True)


def test_row_12_what_is_not_hearth_s_in_its_folder_stays_as_it_was(
    tmp_path: Path, serve: Callable[..., Served]
) -> None:
    documents = tmp_path / "documents"
    (documents / "shared").mkdir(parents=True)
    for path in (documents / "letter.txt", documents / "shared" / "list.txt"):
        path.write_text("mine", encoding="utf-8")
        path.chmod(0o644)
    (tmp_path / "link").symlink_to(documents)
    assert serve(data_dir=tmp_path / "link").stop() == 0

    assert stat.S_IMODE((documents / "letter.txt").stat().st_mode) == 0o644
    assert stat.S_IMODE((documents / "shared" / "list.txt").stat().st_mode) == 0o644
    assert stat.S_IMODE((documents / "hearth.db").stat().st_mode) == 0o600


def test_row_12_a_folder_of_everybody_s_is_refused_and_not_closed(tmp_path: Path) -> None:
    (tmp_path / "everybody").mkdir()
    (tmp_path / "everybody").chmod(0o1777)
    told = run_hearth("ask", "Hi", "--data-dir", str(tmp_path / "everybody"))

    assert (told.returncode, "everybody may write to it" in told.stderr) == (1, True)
    assert stat.S_IMODE((tmp_path / "everybody").stat().st_mode) == 0o1777


def test_a_hostile_environment_changes_nothing_of_what_is_served(hearth: Besieged, tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    planted.mkdir()
    for name in ("gradio", "uvicorn", "openai", "dotenv", "assistant"):
        (planted / f"{name}.py").write_text("raise SystemExit('planted')", encoding="utf-8")
    (planted / ".env").write_text("GRADIO_ALLOWED_PATHS=/", encoding="utf-8")
    names = [
        "GRADIO_SHARE",
        "GRADIO_ROOT_PATH",
        "GRADIO_ALLOWED_PATHS",
        "GRADIO_SERVER_NAME",
        "GRADIO_SERVER_PORT",
        "GRADIO_TEMP_DIR",
        "GRADIO_MCP_SERVER",
        "GRADIO_SSR_MODE",
        "GRADIO_VIBE_MODE",
        "GRADIO_WATCH_DIRS",
        "GRADIO_NODE_PATH",
        "HF_ENDPOINT",
        "HF_TOKEN",
        "HF_HOME",
        "UVICORN_HOST",
        "UVICORN_PORT",
        "UVICORN_ROOT_PATH",
        "FORWARDED_ALLOW_IPS",
        "WEB_CONCURRENCY",
        "SPACE_ID",
        "SYSTEM",
        "OPENAI_BASE_URL",
        "OPENAI_API_KEY",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "SSLKEYLOGFILE",
        "OPENSSL_CONF",
        "KAGGLE_KERNEL_RUN_TYPE",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ]
    hostile = dict.fromkeys(names, str(planted)) | {"PYTHONPATH": f"{os.environ.get('PYTHONPATH', '')}:{planted}"}
    hostile |= {name: "http://127.0.0.1:9" for name in names if "proxy" in name.lower()}
    from tests.faults.conftest import LONG
    from tests.faults.siege import besieged

    with besieged(tmp_path / "data", LONG, **hostile) as other:
        ours, theirs = hearth.ask("/"), other.ask("/")
        assert theirs.status == 200
        assert sorted(theirs.headers.keys()) == sorted(ours.headers.keys())
        assert b"planted" not in theirs.body
        assert other.ask(f"/gradio_api/file={planted}/.env").status == 403
        with other.question("hello", "hostile"), other.feed() as frames:
            assert any("word0" in json.dumps(frame) for frame in frames), "the answer comes, past every proxy"
        assert listening(other.process) == {("127.0.0.1", other.port)}
        assert str(planted) not in str({k: v for k, v in os.environ.items() if k in hostile})
    assert sorted(path.name for path in planted.iterdir() if path.name != "__pycache__") == sorted(
        [".env", "assistant.py", "dotenv.py", "gradio.py", "openai.py", "uvicorn.py"]
    )


@pytest.mark.slow
def test_row_06_a_code_that_nobody_spent_is_worth_nothing_after_a_minute(
    hearth: Besieged, aging: tuple[str, float]
) -> None:
    """The last test of this file, so that the minute is mostly over."""
    address, made_at = urlsplit(aging[0]), aging[1]
    time.sleep(max(0.0, made_at + CODE_LIFE_SECONDS - time.monotonic()))

    assert hearth.ask(f"{address.path}?{address.query}", cookie=False).status == 403


def assert_sealed(answer: bytes) -> None:
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert b"frame-ancestors 'none'" in head
    assert b"x-content-type-options: nosniff" in head
    assert b"referrer-policy: no-referrer" in head
    assert b"server:" not in head
