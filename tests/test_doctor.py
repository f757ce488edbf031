"""The report: true, complete, and without a secret."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from assistant.doctor import Report, examine
from assistant.engines.access import Access
from assistant.engines.endpoint import EndpointEngine
from assistant.paths import Profile
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer, Silence, Status, html

CANARY = "sk-CANARY-0123456789"


def examined(profile: Profile, url: str, *, key: str | None = None, ports: tuple[int, ...] = ()) -> Report:
    async def run() -> Report:
        engine = EndpointEngine(url, access=Access(key))
        try:
            return await examine(profile, engine, endpoints=[url], access_for=lambda _url: Access(key), ports=ports)
        finally:
            await engine.aclose()

    return asyncio.run(run())


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return Profile(tmp_path / "data")


def test_all_is_well_when_an_answer_can_be_had(profile: Profile):
    with fake_endpoint(Answer()) as endpoint:
        report = examined(profile, endpoint.url)
    assert report.ok and all(check.ok for check in report.checks)
    assert [check.name for check in report.checks] == ["data", "disk", "engine", "endpoint", "libraries", "log"]


def test_the_json_has_the_promised_shape(profile: Profile):
    with fake_endpoint(Answer(), models=["llama3"]) as endpoint:
        report = json.loads(examined(profile, endpoint.url).as_json())
    assert set(report) == {"ok", "version", "engine", "endpoints", "checks"}
    assert report["engine"] == {"kind": "endpoint", "model": "llama3", "url": endpoint.url}
    assert report["endpoints"] == [{"url": endpoint.url, "kind": "unknown", "models": ["llama3"]}]
    assert all(set(check) == {"name", "ok", "detail", "cure"} for check in report["checks"])


def test_no_answer_is_not_ok_and_says_the_cure(profile: Profile):
    report = examined(profile, "http://127.0.0.1:9/v1")
    assert not report.ok
    [engine] = [check for check in report.checks if check.name == "engine"]
    assert "Nothing answers" in engine.detail and engine.cure
    assert report.endpoints[0].url == "http://127.0.0.1:9/v1"
    assert "✗ Engine" in report.as_text()


def test_servers_on_this_machine_are_found_and_listed_once(profile: Profile):
    with (
        fake_endpoint(Answer(), models=["a"]) as mine,
        fake_endpoint(models=["b", "c"]) as other,
        fake_endpoint(list_step=html()) as router,
    ):
        report = examined(profile, mine.url, ports=(mine.port, other.port, router.port, 9))
    assert [(seen.url, seen.models) for seen in report.endpoints] == [(mine.url, ("a",)), (other.url, ("b", "c"))]


def test_a_server_on_this_machine_gets_no_key(profile: Profile):
    with fake_endpoint(Answer()) as mine, fake_endpoint() as other:
        examined(profile, mine.url, key=CANARY, ports=(other.port,))
    assert CANARY not in repr(other.requests)


def test_a_silent_server_does_not_hold_up_the_report(profile: Profile):
    with fake_endpoint(Answer()) as mine, fake_endpoint(list_step=Silence()) as silent:
        report = examined(profile, mine.url, ports=(silent.port,))
    assert [seen.url for seen in report.endpoints] == [mine.url]


def test_a_key_is_nowhere_in_the_report(profile: Profile):
    with fake_endpoint(key="sk-right") as endpoint:
        report = examined(profile, endpoint.url, key=CANARY)
    assert not report.ok
    assert CANARY not in report.as_json() + report.as_text()


def test_a_data_folder_that_cannot_be_made_is_a_check(tmp_path: Path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with fake_endpoint(Answer()) as endpoint:
        report = examined(Profile(tmp_path / "file" / "data"), endpoint.url)
    failed = {check.name for check in report.checks if not check.ok}
    assert "data" in failed
    assert report.ok


def test_a_full_disk_is_a_check(profile: Profile, monkeypatch: pytest.MonkeyPatch):
    usage = namedtuple("usage", "total used free")(10, 10, 1024)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)
    with fake_endpoint(Answer()) as endpoint:
        report = examined(profile, endpoint.url)
    [disk] = [check for check in report.checks if check.name == "disk"]
    assert not disk.ok and disk.cure


def test_a_server_fault_does_not_raise(profile: Profile):
    with fake_endpoint(Status(500)) as endpoint:
        assert not examined(profile, endpoint.url).ok


def test_the_doctor_does_not_load_gradio(tmp_path: Path):
    code = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom assistant.doctor import examine\n"
        "from assistant.engines.endpoint import EndpointEngine\nfrom assistant.paths import Profile\n"
        f"asyncio.run(examine(Profile(Path({str(tmp_path)!r})), EndpointEngine('http://127.0.0.1:9/v1'), ports=()))\n"
        "print('gradio' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
