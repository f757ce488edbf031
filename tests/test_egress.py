"""The way out: what has a reason is let through and listed, everything else is refused and listed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from assistant import create_app
from assistant.egress import KEPT, Egress, is_loopback
from assistant.engines import GenerationOptions
from assistant.engines.access import Access
from assistant.engines.endpoint import EndpointEngine
from assistant.engines.probe import probe
from assistant.errors import EngineError, Unreachable
from assistant.messages import user
from assistant.paths import Profile
from assistant.settings import SettingsFile
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer, redirect

# Ways out of a process that a library of ours, or one of theirs, could take. Each prints nothing where it is refused.
WAYS = {
    "connect": "socket.create_connection(('192.0.2.1', 443), timeout=1)",
    "connect to a service of this machine": "socket.create_connection(('127.0.0.1', free), timeout=1)",
    "IPv6": "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 443))",
    "connect_ex": "raised(socket.socket().connect_ex(('192.0.2.1', 443)))",
    "a datagram": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
    "a datagram as a message": "socket.socket(type=socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, ('192.0.2.1', 53))",
    "a datagram's connect": "socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.1', 53))",
    "a look-up": "socket.getaddrinfo('tracker.example', 443)",
    "an old look-up": "socket.gethostbyname('tracker.example')",
    "a reverse look-up": "socket.gethostbyaddr('192.0.2.1')",
    "urllib": "urllib.request.urlopen('http://192.0.2.1/')",
    "urllib through a proxy": "urllib.request.build_opener(urllib.request.ProxyHandler({'http': proxy})).open('http://x/')",
    "asyncio": "asyncio.run(asyncio.wait_for(asyncio.open_connection('192.0.2.1', 443), 1))",
    "asyncio and a name": "asyncio.run(asyncio.wait_for(asyncio.open_connection('tracker.example', 443), 1))",
    "httpx2": "httpx2.get('http://192.0.2.1/', trust_env=False)",
    "a thread": "in_thread(lambda: socket.create_connection(('192.0.2.1', 443), timeout=1))",
}
PROGRAM = """
import asyncio, concurrent.futures, errno, json, socket, sys, urllib.request
import httpx2
from assistant.egress import Egress, seal_process

def in_thread(work):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pool.submit(work).result()

def raised(number):
    if number: raise OSError(number, "")

listening = socket.create_server(("127.0.0.1", 0))
free = listening.getsockname()[1]
proxy = f"http://127.0.0.1:{free}"
egress = Egress()
seal_process(egress)
found = {}
for name, way in json.loads(sys.argv[1]).items():
    listed = len(egress.visits())
    try:
        eval(way)
        found[name] = "let through"
    except Exception as error:
        while error.__cause__ or error.__context__ or getattr(error, "reason", None):
            inner = getattr(error, "reason", None)
            error = inner if isinstance(inner, Exception) else error.__cause__ or error.__context__
            if error is None: break
        found[name] = [len(egress.visits()) > listed, not any(visit.is_allowed for visit in egress.visits())]
listening.settimeout(0.2)
try:
    listening.accept()
    found["nobody came"] = "somebody came"
except OSError:
    found["nobody came"] = [True, True]
print(json.dumps(found))
"""


def test_what_has_no_reason_is_refused_and_listed_by_whatever_way_it_goes() -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(WAYS)], capture_output=True, text=True, timeout=60, check=True
    )

    found = json.loads(told.stdout)
    assert found == {name: [True, True] for name in [*WAYS, "nobody came"]}


def test_what_has_a_reason_is_let_through_in_a_sealed_process() -> None:
    program = """
import asyncio, sys
from assistant.egress import Egress, seal_process
from assistant.engines import GenerationOptions
from assistant.engines.endpoint import EndpointEngine
from assistant.messages import user

egress = Egress()
seal_process(Egress())
seal_process(egress)  # as after "Try again": the later one holds

async def ask():
    engine = EndpointEngine(sys.argv[1], egress=egress)
    async for event in engine.stream([user("Hi")], GenerationOptions()):
        print(event)

asyncio.run(ask())
for visit in egress.visits():
    print(visit.host, visit.reason, visit.is_allowed, visit.sent_bytes > 50, visit.received_bytes > 50)
"""
    with fake_endpoint(Answer(("Red",))) as endpoint:
        by_name = endpoint.url.replace("127.0.0.1", "localhost")
        told = subprocess.run(
            [sys.executable, "-c", program, by_name], capture_output=True, text=True, timeout=60, check=True
        )

    assert "TextDelta(text='Red')" in told.stdout
    listing, asking = "localhost endpoint True False True", "localhost endpoint True True True"  # a GET has no body
    assert told.stdout.splitlines()[-2:] == [asking, listing]


def test_a_passage_leads_to_its_own_port_and_address_only() -> None:
    program = """
import socket
from assistant.egress import Egress, seal_process

egress = Egress()
seal_process(egress)
with egress.passage("http://127.0.0.1:9/v1", "endpoint"):
    for address in (("127.0.0.1", 10), ("192.0.2.1", 9)):
        try:
            socket.create_connection(address, timeout=1)
        except PermissionError:
            print("refused")
with egress.passage("http://localhost:9/v1", "endpoint"):
    try:
        socket.create_connection(("192.0.2.1", 9), timeout=1)  # what a forged answer to a look-up could say
    except PermissionError:
        print("refused")
try:
    socket.create_connection(("127.0.0.1", 9), timeout=1)
except PermissionError:
    print("refused")
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert told.stdout.split() == ["refused"] * 4


def test_offline_refuses_every_other_machine_and_says_so() -> None:
    egress = Egress(is_offline=lambda: True)

    async def ask(url: str) -> None:
        engine = EndpointEngine(url, model="m", egress=egress)
        async for _ in engine.stream([user("Hi")], GenerationOptions()):
            pass

    for url in ("http://192.0.2.1:8080/v1", "https://llm.example/v1", "http://10.0.0.5/v1", "http://[2001:db8::1]/v1"):
        with pytest.raises(Unreachable, match="Offline is switched on"):
            asyncio.run(ask(url))
    assert [visit.is_allowed for visit in egress.visits()] == [False] * 4


def test_offline_lets_a_server_of_this_machine_answer() -> None:
    egress = Egress(is_offline=lambda: True)
    with fake_endpoint(Answer()) as endpoint:
        assert asyncio.run(probe(endpoint.url, egress=egress)).ok

    assert {visit.is_allowed for visit in egress.visits()} == {True}


def test_offline_is_not_left_through_a_proxy_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with fake_endpoint() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        findings = asyncio.run(probe("http://llm.invalid/v1", egress=Egress(is_offline=lambda: True)))

    assert findings.error is not None
    assert findings.error.key == "offline"
    assert proxy.requests == []


def test_a_proxy_is_named_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    egress = Egress()
    with fake_endpoint() as proxy:
        place = proxy.url.removesuffix("/v1")
        monkeypatch.setenv("http_proxy", place)
        asyncio.run(probe("http://llm.invalid/v1", egress=egress))

    assert {(visit.host, visit.port, visit.via) for visit in egress.visits()} == {
        ("llm.invalid", 80, place.removeprefix("http://"))
    }


def test_a_redirect_makes_no_second_connection() -> None:
    egress = Egress()
    with fake_endpoint(list_step=redirect("http://192.0.2.1/v1/models")) as endpoint:
        asyncio.run(probe(endpoint.url, egress=egress))

    assert {visit.host for visit in egress.visits()} == {"127.0.0.1"}


def test_the_list_keeps_the_last_thousand() -> None:
    egress = Egress()
    for port in range(1, KEPT + 11):
        with egress.passage(f"http://127.0.0.1:{port}/", "endpoint"):
            pass

    ports = [visit.port for visit in egress.visits()]
    assert len(ports) == KEPT == 1000
    assert (ports[0], ports[-1]) == (KEPT + 10, 11)


def test_the_list_holds_no_word_and_no_key(tmp_path: Path) -> None:
    egress = Egress()

    async def ask(url: str) -> None:
        engine = EndpointEngine(url, access=Access("sk-CANARY-0123456789"), egress=egress)
        async for _ in engine.stream([user("a secret of mine")], GenerationOptions()):
            pass

    with fake_endpoint(Answer(), key="sk-CANARY-0123456789") as endpoint:
        asyncio.run(ask(endpoint.url))

    listed = repr(egress.visits())
    assert "secret" not in listed
    assert "CANARY" not in listed
    assert "/v1" not in listed


def test_an_app_takes_offline_from_its_settings(tmp_path: Path) -> None:
    profile = Profile(tmp_path)
    profile.create()
    SettingsFile(profile.settings_file).save(offline=True, endpoint="http://192.0.2.1:8080/v1", model="m")

    async def asked() -> list[str]:
        app = create_app(profile)
        try:
            return [
                type(event).__name__ + getattr(getattr(event, "error", None), "key", "")
                async for event in app.ask("Hi")
            ]
        finally:
            await app.aclose()

    assert asyncio.run(asked())[-1] == "TurnFailedoffline"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost", "LOCALHOST.", "a.localhost"])
def test_this_machine_by_any_name(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["127.0.0.1.example", "localhost.example", "0.0.0.0", "10.0.0.1", "", "::2", "1270.0.0.1"]
)
def test_another_machine_whatever_it_looks_like(host: str) -> None:
    assert not is_loopback(host)


def test_an_engine_error_is_what_offline_raises() -> None:
    assert issubclass(Unreachable, EngineError)
    assert Unreachable("offline", host="llm.example").hint
