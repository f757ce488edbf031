"""The front door, over a real socket: who is let in, who is not, and what every answer carries."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from assistant.guard import CODE_LIFE_SECONDS, Guard
from assistant.payload import is_inside

JSON = {"Content-Type": "application/json"}
JOIN, RUN = "/gradio_api/queue/join", "/gradio_api/run/predict"
UPLOAD = "/gradio_api/upload"
MEGABYTE = 1_000_000


@dataclass
class Room:
    """The app behind the door: counts who came in, remembers what they brought, and answers as told."""

    visits: list[Scope] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    answer: list[tuple[bytes, bytes]] = field(default_factory=lambda: [(b"content-type", b"text/html")])
    frames: list[bytes] = field(default_factory=lambda: [b"inside"])
    next_frame: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            assert (await receive())["type"] == "lifespan.startup"
            await send({"type": "lifespan.startup.complete"})
            assert (await receive())["type"] == "lifespan.shutdown"
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.visits.append(scope)
        if scope["path"] == "/assets/broken.js":
            raise ZeroDivisionError
        body = bytearray()
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        self.bodies.append(bytes(body))
        await send({"type": "http.response.start", "status": 200, "headers": self.answer})
        for frame in self.frames[:-1]:
            await send({"type": "http.response.body", "body": frame, "more_body": True})
            await asyncio.to_thread(self.next_frame.wait, 10)
        await send({"type": "http.response.body", "body": self.frames[-1]})


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass
class House:
    """A guard, the room behind it, and the port on which both are served."""

    port: int
    guard: Guard
    room: Room
    now: list[float]
    uploads: Path
    cookie: str = ""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        cookie: bool = True,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        all_headers = ({"Cookie": self.cookie} if cookie else {}) | (headers or {})
        try:
            connection.request(method, path, body=body, headers=all_headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def ask_raw(self, text: str) -> bytes:
        """Everything that comes back for these very bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as plug:
            plug.sendall(text.encode("latin-1"))
            answer = b""
            while more := plug.recv(65536):
                answer += more
        return answer

    def code_path(self) -> str:
        parts = urlsplit(self.guard.one_time_address())
        assert parts.netloc == f"127.0.0.1:{self.port}"
        return f"{parts.path}?{parts.query}"

    def join(self, *, route: str = JOIN, **fields: object) -> Answer:
        body = {"session_hash": "s", "fn_index": 0, "data": []} | fields
        return self.ask(route, method="POST", headers=JSON, body=json.dumps(body).encode())


@dataclass
class Running:
    """A server on a loopback port that was free."""

    server: uvicorn.Server
    thread: threading.Thread
    port: int

    @staticmethod
    def start(make_app: Callable[[int], ASGIApp]) -> Running:
        plug = socket.create_server(("127.0.0.1", 0))
        port: int = plug.getsockname()[1]
        app = make_app(port)
        # It believes proxies, as uvicorn does unless told otherwise: the guard must not.
        config = uvicorn.Config(app, log_level="critical", server_header=False, forwarded_allow_ips="*")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [plug]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        return Running(server, thread, port)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=10)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One server for all tests here: starting and stopping one takes longer than most of them."""
    uploads = tmp_path_factory.mktemp("outside") / "uploads"
    uploads.mkdir()
    room, now, guards = Room(), [1000.0], list[Guard]()

    def make_app(port: int) -> Guard:
        guards.append(Guard(room, port=port, uploads=uploads, clock=lambda: now[0]))
        return guards[0]

    running = Running.start(make_app)
    house = House(running.port, guards[0], room, now, uploads)
    opened = house.ask(house.code_path(), cookie=False)
    house.cookie = opened.headers["Set-Cookie"].partition(";")[0]
    yield house
    running.stop()


@pytest.fixture
def house(standing: House) -> House:
    """The standing one as if just built."""
    fresh = Room()
    for name in vars(fresh):
        setattr(standing.room, name, getattr(fresh, name))
    shutil.rmtree(standing.uploads.parent)
    standing.uploads.mkdir(parents=True)
    return standing


def assert_refused(answer: Answer, status: int, house: House) -> None:
    assert answer.status == status
    assert house.room.visits == [], "the handler ran"
    assert len(answer.body) < 200
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert_sealed(answer)


def assert_sealed(answer: Answer) -> None:
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert not [name for name in answer.headers if name.lower().startswith(("access-control", "server", "x-powered"))]


# The window's own way in


def test_the_one_time_address_gives_a_cookie_and_leads_to_the_page(house: House) -> None:
    answer = house.ask(house.code_path(), cookie=False)

    assert answer.status == 303
    assert answer.headers["Location"] == "/"
    name, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert name.startswith(f"hearth_{house.port}=")
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Strict"]
    assert_sealed(answer)


def test_with_the_cookie_the_page_is_served(house: House) -> None:
    answer = house.ask("/")

    assert (answer.status, answer.body) == (200, b"inside")
    assert answer.headers["Cache-Control"] == "no-store"
    assert_sealed(answer)


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_our_own_page_and_a_typed_address_are_let_in(house: House, site: str) -> None:
    assert house.ask("/", headers={"Origin": house.origin, "Sec-Fetch-Site": site}).status == 200


def test_a_code_works_once(house: House) -> None:
    path = house.code_path()

    assert house.ask(path, cookie=False).status == 303
    again = house.ask(path, cookie=False)
    assert_refused(again, 403, house)
    assert b"Open Hearth again" in again.body
    assert "Set-Cookie" not in again.headers


def test_a_code_lives_a_minute(house: House) -> None:
    path, other = house.code_path(), house.code_path()

    house.now[0] += CODE_LIFE_SECONDS - 0.1
    assert house.ask(path, cookie=False).status == 303
    house.now[0] += 0.2
    assert_refused(house.ask(other, cookie=False), 403, house)


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "OPTIONS"])
def test_only_get_spends_a_code(house: House, method: str) -> None:
    path = house.code_path()

    assert_refused(house.ask(path, method=method, cookie=False), 401, house)
    assert house.ask(path, cookie=False).status == 303


def test_a_foreign_visitor_does_not_spend_a_code(house: House) -> None:
    path = house.code_path()

    assert_refused(house.ask(path, headers={"Sec-Fetch-Site": "cross-site"}, cookie=False), 403, house)
    assert_refused(house.ask(path, headers={"Host": "evil.example"}, cookie=False), 421, house)
    assert house.ask(path, cookie=False).status == 303


def test_of_many_at_once_with_one_code_exactly_one_gets_in(house: House) -> None:
    path = house.code_path()

    with ThreadPoolExecutor(20) as crowd:
        statuses = [answer.status for answer in crowd.map(lambda _: house.ask(path, cookie=False), range(20))]

    assert sorted(statuses) == [303] + [403] * 19


@pytest.mark.parametrize(
    "query",
    ["", "?", "?code=", "?code=wrong", "?code=%FF%FE", "?CODE={code}", "?code={code}&code=x", "?x=1&code={code}"],
)
def test_a_wrong_code_is_refused(house: House, query: str) -> None:
    code = house.code_path().partition("=")[2]

    assert_refused(house.ask("/open" + query.format(code=code), cookie=False), 403, house)


def test_codes_outstanding_are_bounded_and_the_newest_work(house: House) -> None:
    first = house.code_path()
    newest = [house.code_path() for _ in range(1000)][-1]

    assert house.ask(newest, cookie=False).status == 303
    assert_refused(house.ask(first, cookie=False), 403, house)


def test_codes_are_handed_out_to_many_threads(house: House) -> None:
    with ThreadPoolExecutor(16) as crowd:
        addresses = list(crowd.map(lambda _: house.guard.one_time_address(), range(500)))

    assert len(set(addresses)) == 500


# Without the cookie


@pytest.mark.parametrize(
    "path", ["/", "/config", "/gradio_api/info", "/openapi.json", "/assets/x.js", "/nothing", "/open/"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE", "TRACE"])
def test_without_the_cookie_nothing_answers(house: House, path: str, method: str) -> None:
    assert_refused(house.ask(path, method=method, cookie=False), 401, house)


def test_a_cookie_that_is_not_ours_opens_nothing(house: House) -> None:
    name, _, value = house.cookie.partition("=")
    wrong = [
        f"{name}=",
        f"{name}={value[:-1]}",
        f"{name}={value}x",
        f"{name}={value.swapcase()}",
        f"{name}={'x' * 8000}",
        f"{name}=\xff\xfe",
        f'{name}="{value}"',
        f"{name}={value}; {name}={value}",
        f"{name}={value}; {name}=other",
        f"{name.upper()}={value}",
        f"hearth_1={value}",
        f"hearth={value}",
        value,
        ";;;=;",
    ]
    for cookie in wrong:
        assert_refused(house.ask("/", headers={"Cookie": cookie}, cookie=False), 401, house)


def test_a_cookie_from_an_earlier_start_opens_nothing(house: House) -> None:
    later = Running.start(lambda port: Guard(Room(), port=port))
    try:
        value = house.cookie.partition("=")[2]
        connection = http.client.HTTPConnection("127.0.0.1", later.port, timeout=10)
        connection.request("GET", "/", headers={"Cookie": f"hearth_{later.port}={value}"})
        assert connection.getresponse().status == 401
        connection.close()
    finally:
        later.stop()


def test_cookies_of_other_servers_on_this_machine_do_no_harm(house: House) -> None:
    assert house.ask("/", headers={"Cookie": f"a=b; {house.cookie}; hearth_1=x; c"}, cookie=False).status == 200


# Somewhere else: other names, other pages


@pytest.mark.parametrize(
    "host",
    [
        "localhost:{port}",
        "127.0.0.1",
        "127.0.0.1:{port} ",
        "127.0.0.1:1",
        "127.0.0.1:0{port}",
        "127.0.0.1.:{port}",
        "127.1:{port}",
        "127.0.1:{port}",
        "0.0.0.0:{port}",
        "2130706433:{port}",
        "0x7f.0.0.1:{port}",
        "0177.0.0.1:{port}",
        "[::1]:{port}",
        "[::ffff:127.0.0.1]:{port}",
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1:{port}.evil.example",
        "127.0.0.1:{port}@evil.example",
        "user@127.0.0.1:{port}",
        "127.0.0.1:{port},evil.example",
        "127.0.0.1:{port}/",
        "LOCALHOST:{port}",
    ],
)
def test_another_host_is_misdirected(house: House, host: str) -> None:
    shown = host.format(port=house.port)
    if shown.strip() == f"127.0.0.1:{house.port}":
        assert house.ask("/", headers={"Host": shown}).status == 200  # white space around a value is not part of it
        return
    for path in ("/", "/open?code=x"):
        assert_refused(house.ask(path, headers={"Host": shown}), 421, house)


@pytest.mark.parametrize(
    "head",
    [
        "GET / HTTP/1.0\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n",
        "GET / HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n",
        "GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: {host}\r\n",
        "GET //evil.example/ HTTP/1.1\r\nHost: evil.example\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: {host}\r\n",
        "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n",
        "GET / HTTP/1.1\r\nHost : {host}\r\n",
        "GET / HTTP/1.1\r\n Host: {host}\r\n",
    ],
)
def test_odd_ways_to_name_a_host_reach_nothing(house: House, head: str) -> None:
    host = f"127.0.0.1:{house.port}"
    answer = house.ask_raw(head.format(host=host) + f"Cookie: {house.cookie}\r\nConnection: close\r\n\r\n")

    assert answer.split(b" ", 2)[1] in (b"400", b"421"), answer
    assert house.room.visits == []


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://localhost:{port}",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "http://127.0.0.1:{port}/",
        "http://127.0.0.1:{port}.evil.example",
        "http://127.0.0.1:{port}@evil.example",
        "HTTP://127.0.0.1:{port}",
        "http://evil.example",
        "http://[::1]:{port}",
        "file://",
        "http://127.0.0.1:{port} http://evil.example",
        "\xff",
    ],
)
def test_another_origin_is_refused_even_with_the_cookie(house: House, origin: str) -> None:
    headers = {"Origin": origin.format(port=house.port)}

    for path, method in (("/", "GET"), (JOIN, "POST"), ("/", "OPTIONS"), (house.code_path(), "GET")):
        assert_refused(house.ask(path, method=method, headers=headers), 403, house)


def test_two_origins_are_refused(house: House) -> None:
    answer = house.ask_raw(
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{house.port}\r\nOrigin: {house.origin}\r\nOrigin: http://evil.example\r\n"
        f"Cookie: {house.cookie}\r\nConnection: close\r\n\r\n"
    )

    assert answer.startswith(b"HTTP/1.1 403")
    assert house.room.visits == []


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "Same-Origin", "none, cross-site", "unknown"])
def test_a_request_that_another_page_caused_is_refused(house: House, site: str) -> None:
    assert_refused(house.ask("/", headers={"Sec-Fetch-Site": site}), 403, house)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_of_another_page_cannot_call(house: House, content_type: str) -> None:
    headers = {"Content-Type": content_type, "Origin": "http://evil.example"}
    body = b'{"session_hash":"s","fn_index":0,"data":[]}'

    assert_refused(house.ask(JOIN, method="POST", headers=headers, body=body), 403, house)
    del headers["Origin"]
    assert_refused(house.ask(JOIN, method="POST", headers=headers, body=body), 415, house)
    assert_refused(house.ask(JOIN, method="POST", body=body), 415, house)


def test_a_web_socket_is_refused(house: House) -> None:
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "x" * 24,
        "Sec-WebSocket-Version": "13",
    }

    for cookie in (True, False):
        assert_refused(house.ask("/gradio_api/queue/data", headers=upgrade, cookie=cookie), 403, house)


def test_a_web_socket_that_the_server_speaks_is_closed_before_it_opens() -> None:
    room, sent = Room(), list[object]()

    async def send(message: object) -> None:
        sent.append(message)

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    asyncio.run(Guard(room, port=1)({"type": "websocket", "path": "/", "headers": []}, receive, send))

    assert sent == [{"type": "websocket.close", "code": 1008}]
    assert room.visits == []


# What is passed on


def test_only_known_headers_reach_the_app(house: House) -> None:
    names = (
        "X-Forwarded-Host X-Forwarded-Proto X-Forwarded-For X-Forwarded-Prefix X-Forwarded-Server Forwarded X-Real-IP "
        "X-Original-URL X-Original-Host X-Rewrite-URL X-HTTP-Method-Override X-Gradio-Server X-Gradio-User Via Proxy "
        "Authorization Referer Accept-Encoding X-Host"
    )
    odd = dict.fromkeys(names.split(), "evil.example") | {"X-Forwarded-Proto": "https"}
    assert house.ask("/", headers=odd | {"Range": "bytes=0-1"}).status == 200

    scope = house.room.visits[0]
    assert {name for name, _ in scope["headers"]} == {b"host", b"range"}
    assert (scope["scheme"], scope["server"], scope["root_path"]) == ("http", ("127.0.0.1", house.port), "")


def test_the_cookie_stays_with_the_guard(house: House) -> None:
    house.ask("/")

    assert house.cookie.partition("=")[2] not in str(house.room.visits)


def test_the_apps_own_headers_leave_only_when_known(house: House) -> None:
    house.room.answer = [
        (b"content-type", b"text/html"),
        (b"access-control-allow-origin", b"*"),
        (b"Access-Control-Allow-Credentials", b"true"),
        (b"server", b"gradio"),
        (b"x-powered-by", b"gradio"),
        (b"set-cookie", b"a=b"),
        (b"location", b"http://evil.example"),
        (b"content-security-policy", b"default-src *"),
        (b"cache-control", b"public"),
        (b"etag", b"x"),
    ]
    answer = house.ask("/")

    assert_sealed(answer)
    assert answer.headers["ETag"] == "x"
    assert "Set-Cookie" not in answer.headers
    assert "Location" not in answer.headers
    assert len(answer.headers.get_all("Content-Security-Policy") or []) == 1
    assert answer.headers.get_all("Cache-Control") == ["no-store"]


def test_the_policy_lets_nothing_load_from_elsewhere(house: House) -> None:
    policy = house.ask("/").headers["Content-Security-Policy"]

    assert "default-src 'self'" in policy
    assert "form-action 'none'" in policy
    assert not [word for word in ("http:", "https:", "*", "unsafe-eval", "ws:") if word in policy]


def test_what_carries_a_hash_in_its_name_may_be_kept(house: House) -> None:
    assert "immutable" in house.ask("/assets/index-abc.js").headers["Cache-Control"]
    assert house.ask("/theme.css").headers["Cache-Control"] == "no-store"


def test_a_stream_passes_frame_by_frame(house: House) -> None:
    house.room.answer = [(b"content-type", b"text/event-stream")]
    house.room.frames = [b"data: one\n\n", b"data: two\n\n"]
    connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=10)
    connection.request("GET", "/gradio_api/queue/data?session_hash=s", headers={"Cookie": house.cookie})
    answer = connection.getresponse()

    assert answer.read1() == b"data: one\n\n"
    house.room.next_frame.set()
    assert answer.read() == b"data: two\n\n"
    connection.close()


def test_a_fault_in_the_app_is_a_short_answer_with_all_headers(house: House) -> None:
    answer = house.ask("/assets/broken.js")

    assert answer.status == 500
    assert answer.body == b"Something in Hearth went wrong.\n"
    assert_sealed(answer)


# Routes


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/config"),
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
        ("GET", "/monitoring"),
        ("GET", "/monitoring/summary"),
        ("POST", "/login"),
        ("GET", "/logout"),
        ("GET", "/svelte/x"),
        ("GET", "/manifest.json"),
        ("GET", "/robots.txt"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/openapi.json"),
        ("GET", "/gradio_api/token"),
        ("GET", "/gradio_api/deep_link?session_hash=x"),
        ("GET", "/gradio_api/custom_component/a/client/b/c"),
        ("GET", "/gradio_api/proxy=http://127.0.0.1:1/"),
        ("GET", "/gradio_api/proxy%3Dhttp://127.0.0.1:1/"),
        ("GET", "/proxy=https://evil.example/"),
        ("GET", "/file=/etc/passwd"),
        ("GET", "/gradio_api/file/etc/passwd"),
        ("GET", "/gradio_api/stream/s/r/1/playlist.m3u8"),
        ("POST", "/gradio_api/stream/x"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/call/predict"),
        ("POST", "/gradio_api/call/v2/predict"),
        ("POST", "/gradio_api/api/predict"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/vibe-edit"),
        ("POST", "/gradio_api/run-history/connect"),
        ("GET", "/gradio_api/runs"),
        ("GET", "/assets/../config"),
        ("GET", "/assets/%2e%2e/config"),
        ("GET", "/assets//etc/passwd"),
        ("GET", "/static/..%5c..%5cconfig"),
        ("GET", "/assets/%252e%252e/config"),
        ("GET", "/assets/a%00b"),
        ("GET", "/assets/a%0d%0ab"),
        ("GET", "/gradio_api/queue/join"),
        ("POST", "/"),
        ("PUT", "/gradio_api/upload"),
        ("DELETE", "/"),
        ("PATCH", JOIN),
        ("HEAD", "/gradio_api/reset"),
        ("POST", "/gradio_api/run/../component_server"),
        ("POST", "/gradio_api/run/other"),
        ("POST", "/gradio_api/run/predict/"),
        ("GET", "/gradio_api/run/predict"),
        ("GET", "/gradio_api/heartbeat/x"),
        ("POST", "/feed/x/-"),
        ("GET", "/feed/../config"),
        ("POST", "/gradio_api/queue/join/"),
    ],
)
def test_a_route_that_the_page_does_not_need_is_not_there(house: House, method: str, path: str) -> None:
    assert_refused(house.ask(path, method=method, headers=JSON, body=b"{}" if method == "POST" else None), 404, house)


def test_a_long_target_is_refused(house: House) -> None:
    assert_refused(house.ask("/assets/" + "a" * 5000), 414, house)
    assert_refused(house.ask("/?" + "a" * 5000), 414, house)


def test_endless_headers_are_refused(house: House) -> None:
    head = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{house.port}\r\nCookie: {house.cookie}\r\nX-A: "

    assert house.ask_raw(head + "a" * 70_000).startswith(b"HTTP/1.1 400")
    assert house.room.visits == []


# Files


def test_an_uploaded_picture_is_shown(house: House) -> None:
    picture = house.uploads / "a b é.png"
    picture.write_bytes(b"x")
    house.room.answer = [(b"content-type", b"image/png"), (b"content-disposition", b'inline; filename="a.png"')]
    answer = house.ask("/gradio_api/file=" + quote(str(picture)))

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "image/png"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert_sealed(answer)


@pytest.mark.parametrize(
    "kind", ["text/html", "image/svg+xml", "image/svg", "text/javascript", "application/xhtml+xml", "text/xml", ""]
)
def test_an_uploaded_page_is_never_served_as_one(house: House, kind: str) -> None:
    page = house.uploads / "page.html"
    page.write_bytes(b"<script>alert(1)</script>")
    house.room.answer = [(b"content-type", kind.encode())] if kind else []
    answer = house.ask(f"/gradio_api/file={page}")

    assert answer.headers.get_all("Content-Type") == ["application/octet-stream"]
    assert answer.headers["Content-Disposition"] == "attachment"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_a_download_keeps_its_name(house: House) -> None:
    chats = house.uploads / "chats.json"
    chats.write_bytes(b"{}")
    house.room.answer = [(b"content-disposition", b'attachment; filename="chats.json"')]

    assert "chats.json" in house.ask(f"/gradio_api/file={chats}").headers["Content-Disposition"]


def foreign_paths(house: House) -> list[str]:
    outside = house.uploads.parent / "hearth.db"
    outside.write_bytes(b"chats")
    beside = house.uploads.parent / "uploads-of-another"
    beside.mkdir()
    (beside / "x").write_bytes(b"x")
    (house.uploads / "link").symlink_to(outside)
    (house.uploads / "folder").symlink_to(house.uploads.parent)
    (house.uploads / "loop").symlink_to(house.uploads / "loop")
    return [
        "",
        ".",
        "hearth.db",
        str(outside),
        f"{house.uploads}",
        f"{house.uploads}/../hearth.db",
        f"{house.uploads}/link",
        f"{house.uploads}/folder/hearth.db",
        f"{house.uploads}/loop",
        f"{house.uploads}/none",
        f"{beside}/x",
        "/etc/passwd",
        "../../../../../../etc/passwd",
        "/proc/self/environ",
        "/dev/zero",
        "/dev/stdin",
        "C:\\Windows\\win.ini",
        "\\\\evil.example\\share\\x",
        "//evil.example/share/x",
        "\\\\?\\C:\\x",
        "http://127.0.0.1:1/x",
        "https://evil.example/x",
        "HTTP://evil.example/x",
        "file:///etc/passwd",
        "data:text/html,x",
        "ftp://evil.example/x",
        f"{outside}\x00.png",
        f"{house.uploads}/\x00",
        "/" + "a" * 3000,
    ]


def test_no_file_of_elsewhere_is_served_and_no_address_fetched(house: House) -> None:
    for path in foreign_paths(house):
        for spelled in (quote(path), quote(path, safe=""), quote(quote(path, safe=""), safe="")):
            answer = house.ask("/gradio_api/file=" + spelled)
            assert answer.status in (403, 414), path
            assert house.room.visits == []


def test_a_name_that_reads_as_an_address_is_not_looked_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(house.uploads)
    for name in ("data:x", "http:x", "a\nb"):
        (house.uploads / name).write_bytes(b"x")

    assert is_inside(house.uploads, str(house.uploads / "data:x"))
    assert not [name for name in ("data:x", "http:x", str(house.uploads / "a\nb")) if is_inside(house.uploads, name)]


def test_a_pipe_is_no_file(house: House) -> None:
    subprocess.run(["mkfifo", str(house.uploads / "pipe")], check=True, timeout=5)
    started = time.monotonic()

    assert_refused(house.ask(f"/gradio_api/file={house.uploads}/pipe"), 403, house)
    assert time.monotonic() - started < 1


def test_a_call_may_name_an_uploaded_file(house: House) -> None:
    path = house.uploads / "a.png"
    path.write_bytes(b"x")
    file = {"path": str(path), "url": f"{house.origin}/gradio_api/file={path}", "meta": {"_type": "gradio.FileData"}}

    assert house.join(data=[{"text": "see http://evil.example", "files": [file]}]).status == 200
    assert json.loads(house.room.bodies[0])["data"][0]["files"] == [file]


def test_a_call_cannot_name_a_file_of_elsewhere(house: House) -> None:
    meta = {"meta": {"_type": "gradio.FileData"}}
    for path in filter(None, foreign_paths(house)):
        for file in ({"path": path, **meta}, {"path": path, "url": None}, {"path": path, "orig_name": "x"}):
            for route in (JOIN, RUN):
                assert_refused(house.join(route=route, data=[[{"content": file}]]), 400, house)


@pytest.mark.parametrize(
    "url", ["http://evil.example/x", "//evil.example/x", "/\\evil.example", "file:///etc/passwd", 5]
)
def test_a_call_cannot_make_the_server_fetch(house: House, url: object) -> None:
    path = house.uploads / "a.png"
    path.write_bytes(b"x")
    for named in (str(path), "", None):
        file = {"path": named, "url": url, "meta": {"_type": "gradio.FileData"}}
        for route in (JOIN, RUN):
            assert_refused(house.join(route=route, data=[file]), 400, house)


def test_without_an_upload_folder_no_file_is_served_or_named(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"x")
    room, guards = Room(), list[Guard]()

    def make_app(port: int) -> Guard:
        guards.append(Guard(room, port=port))
        return guards[0]

    running = Running.start(make_app)
    house = House(running.port, guards[0], room, [], tmp_path)
    house.cookie = house.ask(house.code_path(), cookie=False).headers["Set-Cookie"].partition(";")[0]
    try:
        assert_refused(house.ask(f"/gradio_api/file={file}"), 403, house)
        assert_refused(house.join(data=[{"path": str(file), "meta": {}}]), 400, house)
    finally:
        running.stop()


# Bodies


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b'{"data": [NaN]}',
        b'{"data": [-Infinity]}',
        b'{"data": ["\\ud800"]}',
        b'{"\\udfff": 1}',
        b'{"data": ["a\\u0000b"]}',
        b'{"data": ["\xff"]}',
        b'{"data": ' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"data": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        b'{"data": [' + b"1" * 10_000 + b"]}",
    ],
)
def test_a_call_that_would_choke_a_handler_is_refused(house: House, body: bytes) -> None:
    for route in (JOIN, RUN):
        assert_refused(house.ask(route, method="POST", headers=JSON, body=body), 400, house)


def test_a_long_message_is_let_in(house: House) -> None:
    assert house.join(data=["ä" * MEGABYTE + "\U0001f600"]).status == 200


def test_an_upload_passes_untouched(house: House) -> None:
    body = bytes(range(256)) * 4000
    headers = {"Content-Type": 'Multipart/Form-Data; boundary="x"'}

    assert house.ask(UPLOAD, method="POST", headers=headers, body=body).status == 200
    assert house.room.bodies == [body]


@pytest.mark.parametrize(
    ("path", "kind", "length"),
    [
        (UPLOAD, "multipart/form-data; boundary=x", 201 * MEGABYTE),
        (UPLOAD, "multipart/form-data; boundary=x", 10**14),
        (JOIN, "application/json", 50 * MEGABYTE),
        (RUN, "application/json", 50 * MEGABYTE),
        ("/gradio_api/cancel", "application/json", MEGABYTE),
        ("/models/piece", "application/octet-stream", 10 * MEGABYTE),
    ],
)
def test_a_body_that_declares_too_much_is_refused_unread(house: House, path: str, kind: str, length: int) -> None:
    answer = house.ask_raw(
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{house.port}\r\nCookie: {house.cookie}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    )

    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()
    assert house.room.visits == []


def test_who_sends_too_much_still_hears_why(house: House) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = house.ask(UPLOAD, method="POST", headers=headers, body=bytes(201 * MEGABYTE))

    assert_refused(answer, 413, house)
    assert answer.headers["Connection"] == "close"


def test_a_stream_that_does_not_end_is_cut_off(house: House) -> None:
    headers = {"Cookie": house.cookie, "Content-Type": "multipart/form-data; boundary=x"}
    connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=30)
    connection.request("POST", UPLOAD, headers=headers, body=(bytes(MEGABYTE) for _ in range(205)), encode_chunked=True)
    answer = connection.getresponse()

    assert answer.status == 413
    assert answer.headers["Connection"] == "close"
    assert_sealed(Answer(answer.status, answer.headers, answer.read()))
    assert max(map(len, house.room.bodies)) <= 201 * MEGABYTE
    connection.close()


def test_a_call_in_pieces_is_bounded_too(house: House) -> None:
    pieces = (b"a" * MEGABYTE for _ in range(20))
    connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=30)
    connection.request("POST", JOIN, headers=JSON | {"Cookie": house.cookie}, body=pieces, encode_chunked=True)

    assert connection.getresponse().status == 413
    assert house.room.visits == []
    connection.close()


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "1, 2", " ", "9" * 30])
def test_a_length_that_is_none_reaches_nothing(house: House, length: str) -> None:
    answer = house.ask_raw(
        f"POST {JOIN} HTTP/1.1\r\nHost: 127.0.0.1:{house.port}\r\nCookie: {house.cookie}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{{}}"
    )

    assert answer.split(b" ", 2)[1] in (b"400", b"413"), answer
    assert house.room.visits == []


def test_a_page_is_asked_for_without_a_body(house: House) -> None:
    assert_refused(house.ask("/", body=b"x"), 413, house)


def test_a_long_body_without_the_cookie_is_not_kept(house: House) -> None:
    assert_refused(house.ask(UPLOAD, method="POST", body=bytes(20 * MEGABYTE), cookie=False), 401, house)


def test_the_app_starts_and_ends_behind_the_guard() -> None:
    running = Running.start(lambda port: Guard(Room(), port=port))  # its lifespan asserts the order
    running.stop()

    assert not running.thread.is_alive()
