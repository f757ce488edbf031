"""One running Hearth for each data dir, and the channel to it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, answer_challenge
from pathlib import Path

import pytest

from assistant.errors import StartError
from assistant.paths import Profile
from launcher import instance as module
from launcher.instance import Instance, Reply, Request

HOLD = """
import sys, time; from pathlib import Path
from assistant.paths import Profile; from launcher.instance import Instance
one = Instance(Profile(Path(sys.argv[1]))); print(one.claim(), flush=True)
if len(sys.argv) > 2: one.answer(Path(sys.argv[2]), lambda request: {"address": "http://a"}); print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    profile = Profile(tmp_path / "data")
    profile.create()
    return profile


@pytest.fixture
def running(profile: Profile, tmp_path: Path) -> Iterator[Callable[[Callable[[Request], Reply]], Instance]]:
    started: list[Instance] = []

    def start(reply: Callable[[Request], Reply]) -> Instance:
        instance = Instance(profile)
        assert instance.claim()
        instance.answer(tmp_path, reply)
        started.append(instance)
        return instance

    yield start
    for instance in started:
        instance.release()


def held(*arguments: str | Path) -> subprocess.Popen[str]:
    """Another process that has the claim."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, *map(str, arguments)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    if len(arguments) > 1:
        assert process.stdout.readline() == "ready\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_row_42_a_second_start_gets_the_reply_of_the_first(profile: Profile, running: Callable[..., Instance]) -> None:
    running(lambda request: {"address": f"to {request}"})
    assert Instance(profile).claim_or_ask("address") == {"address": "to address"}
    assert Instance(profile).claim_or_ask("show") == {"address": "to show"}


def test_row_42_a_killed_hearth_frees_its_claim(profile: Profile) -> None:
    first = held(profile.data_dir)
    assert not Instance(profile).claim()
    end(first)
    second = Instance(profile)
    assert second.claim()
    second.release()


def test_what_a_killed_hearth_left_does_not_mislead_the_next(profile: Profile, tmp_path: Path) -> None:
    end(held(profile.data_dir, tmp_path))
    assert profile.instance_file.exists()
    next_one = Instance(profile)
    assert next_one.claim_or_ask("address") is None
    next_one.release()


def test_a_second_start_waits_for_a_first_that_is_still_starting(profile: Profile, tmp_path: Path) -> None:
    first = Instance(profile)
    assert first.claim()
    threading.Timer(1, lambda: first.answer(tmp_path, lambda _: {"address": "at last"})).start()
    assert Instance(profile).claim_or_ask("address") == {"address": "at last"}
    first.release()


def test_row_42_of_many_starts_at_once_one_is_the_first(profile: Profile) -> None:
    claims = [Instance(profile) for _ in range(20)]
    won: list[bool] = []
    threads = [threading.Thread(target=lambda claim=claim: won.append(claim.claim())) for claim in claims]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won.count(True) == 1
    for claim in claims:
        claim.release()


def test_how_to_reach_it_is_for_this_user_only(profile: Profile, running: Callable[..., Instance]) -> None:
    running(lambda _: {"address": "x"})
    assert stat.S_IMODE(profile.instance_file.stat().st_mode) == 0o600


def test_without_the_key_nothing_is_told(profile: Profile, running: Callable[..., Instance]) -> None:
    running(lambda _: {"address": "x"})
    found = json.loads(profile.instance_file.read_text(encoding="utf-8"))
    with Client(found["address"]) as connection, pytest.raises(AuthenticationError):
        answer_challenge(connection, b"a guess")


def test_a_silent_connection_keeps_nobody_waiting(profile: Profile, running: Callable[..., Instance]) -> None:
    running(lambda _: {"address": "x"})
    found = json.loads(profile.instance_file.read_text(encoding="utf-8"))
    with Client(found["address"]), Client(found["address"]):
        began = time.monotonic()
        assert Instance(profile).claim_or_ask("address") == {"address": "x"}
        assert time.monotonic() - began < 5


def test_a_hearth_that_hangs_is_told_in_a_sentence(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 1.0)
    first = held(profile.data_dir, tmp_path)
    os.kill(first.pid, signal.SIGSTOP)
    with pytest.raises(StartError) as caught:
        Instance(profile).claim_or_ask("address")
    assert caught.value.key == "start-no-reply"
    end(first)


def test_a_first_that_could_not_start_is_told_in_a_sentence(profile: Profile, running: Callable[..., Instance]) -> None:
    running(lambda _: {"fault": "not running"})
    with pytest.raises(StartError) as caught:
        Instance(profile).claim_or_ask("address")
    assert caught.value.key == "start-other-failed"


def test_a_deep_temporary_folder_is_no_hindrance(profile: Profile, tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 6)
    deep.mkdir(parents=True)
    first = Instance(profile)
    assert first.claim()
    first.answer(deep, lambda _: {"address": "x"})
    assert Instance(profile).claim_or_ask("address") == {"address": "x"}
    first.release()


def test_after_the_release_nothing_of_it_is_left_and_the_next_may_claim(
    profile: Profile, running: Callable[..., Instance]
) -> None:
    running(lambda _: {"address": "x"}).release()
    assert not profile.instance_file.exists()
    second = Instance(profile)
    assert second.claim_or_ask("show") is None
    second.release()
