"""Rows 48 to 52: where a key is kept, with a real keyring and without, and that it is nowhere else."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Served, hearth
from tests.fake_endpoint import FakeEndpoint, fake_endpoint
from tests.fake_steps import Answer
from tests.faults.keyring_service import gnome_keyring

CANARY = "sk-CANARY-0123456789abcdef"
Serve = Callable[..., Served]


def open_settings(page: Page, served: Served) -> None:
    page.goto(served.fresh_address())
    page.click("#tab-settings-button")
    expect(page.locator("#settings-save")).to_be_visible()


def save_key(page: Page, address: str, *, place: str = "") -> None:
    page.fill("#settings-endpoint input, #settings-endpoint textarea", address)
    page.fill("#settings-api-key input", CANARY)
    if place:
        page.get_by_label(place).check()
    page.click("#settings-save")
    expect(page.locator("#settings-result")).to_contain_text("Saved")


def answered_with(server: FakeEndpoint) -> str:
    return server.chats[-1].headers.get("authorization", "")


def assert_nowhere(served: Served, *more: Path, but: tuple[str, ...] = ()) -> None:
    """The key is in no file below the data dir (with snapshots and logs), the private folder (with uploads and what
    is handed out) and these folders, in no export, no command line and no environment of Hearth's."""
    assert hearth("backup", "--data-dir", str(served.data_dir)).returncode == 0
    assert CANARY not in hearth("export", "-", "--data-dir", str(served.data_dir)).stdout
    private = Path(psutil.Process(served.process.pid).cwd()).parent
    for folder in (served.data_dir, private, *more):
        for path in folder.rglob("*"):
            if path.is_file() and path.name not in but:
                assert CANARY.encode() not in path.read_bytes(), path
    for process in (psutil.Process(served.process.pid), *psutil.Process(served.process.pid).children(recursive=True)):
        assert CANARY not in " ".join(process.cmdline())
        assert not any(CANARY in value for value in process.environ().values())


def keyring_holds(environment: dict[str, str], data_dir: Path, address: str) -> bool:
    """Whether the keyring itself has the key, asked by a program of its own."""
    script = (
        "import sys; from assistant.keyrings import SystemKeyring as K; print(K().read(sys.argv[1]) == sys.argv[2])"
    )
    entry = f"{address.removesuffix('/v1')} in {data_dir}"
    command = [sys.executable, "-c", script, entry, CANARY]
    told = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True, timeout=20)
    return told.stdout.strip() == "True"


@pytest.mark.browser
def test_rows_48_and_52_a_key_in_the_keyring_is_nowhere_else_serves_the_next_start_and_is_gone_when_removed(
    page: Page, serve: Serve, tmp_path: Path
) -> None:
    seen: list[str] = []
    page.on("response", lambda answer: seen.append(_body(answer)))
    (tmp_path / "home").mkdir()
    with gnome_keyring(tmp_path / "home") as desktop, fake_endpoint(Answer(("Yes.",)), key=CANARY) as server:
        served = serve(**desktop)
        open_settings(page, served)
        expect(page.get_by_label("In the system’s keyring (Secret Service)")).to_be_checked()
        save_key(page, server.url)
        assert keyring_holds(desktop, served.data_dir, server.url)
        assert_nowhere(served, tmp_path)
        assert CANARY not in page.content()
        page.click("#page-chats-button")
        with page.expect_download() as export:
            page.click("#export-all")
        assert CANARY.encode() not in export.value.path().read_bytes()
        kept = page.evaluate(
            "JSON.stringify([localStorage, sessionStorage, document.cookie, location.href, history.state])"
        )
        assert CANARY not in kept + str(page.context.storage_state(indexed_db=True))
        page.reload()
        page.click("#tab-settings-button")
        expect(page.locator("#settings-key-line")).to_contain_text("keyring")
        assert CANARY not in page.content()
        assert page.locator("#settings-api-key input").input_value() == ""
        assert not any(CANARY in body for body in seen)
        assert served.stop() == 0

        asked = hearth("ask", "Well?", "--data-dir", str(served.data_dir), **desktop)
        assert (asked.returncode, asked.stdout) == (0, "Yes.\n")
        assert answered_with(server) == f"Bearer {CANARY}"

        again = serve(**desktop)
        open_settings(page, again)
        expect(page.locator("#settings-key-line")).to_contain_text("keyring")
        page.click("#settings-remove-key")
        expect(page.locator("#settings-result")).to_contain_text("The key is gone.")
        assert not keyring_holds(desktop, served.data_dir, server.url)
        assert not (served.data_dir / "keys.json").exists()
        refused = hearth("ask", "Well?", "--data-dir", str(served.data_dir), **desktop)
        assert refused.returncode == 1
        assert "API key" in refused.stderr


@pytest.mark.browser
def test_row_48_a_key_stays_with_its_address_until_the_person_shares_it(page: Page, serve: Serve) -> None:
    with fake_endpoint(title="") as first, fake_endpoint(Answer(), Answer(), title="") as second:
        served = serve()
        open_settings(page, served)
        save_key(page, first.url, place="In a file that only you can read")
        assert_nowhere(served, but=("keys.json",))
        page.fill("#settings-endpoint input, #settings-endpoint textarea", second.url)
        page.click("#settings-test")
        expect(page.locator("#settings-result")).to_contain_text("answered")
        expect(page.locator("#settings-share-line")).to_contain_text(first.url.removesuffix("/v1"))
        page.click("#settings-save")
        expect(page.locator("#settings-result")).to_contain_text("Saved")
        assert not any(CANARY in str(request.headers) for request in second.requests)

        page.click("#settings-share-key")
        expect(page.locator("#settings-result")).to_contain_text("both addresses")
        page.click("#settings-test")
        expect(page.locator("#settings-result")).to_contain_text("answered")
        assert answered_with(second) == f"Bearer {CANARY}"


@pytest.mark.slow
@pytest.mark.browser
def test_row_49_a_keyring_that_never_answers_holds_nobody_up(page: Page, serve: Serve, tmp_path: Path) -> None:
    with deaf_bus(tmp_path / "bus") as desktop:
        served = serve(**desktop)
        open_settings(page, served)
        page.wait_for_timeout(3000)
        began = time.monotonic()
        save_key(page, "http://127.0.0.1:9/v1")
        assert time.monotonic() - began < 3
        expect(page.locator("#settings-key-line")).to_contain_text("until Hearth ends")
        assert_nowhere(served)


def test_row_49_a_locked_keyring_is_told_and_the_key_is_there_once_it_is_unlocked(tmp_path: Path) -> None:
    home, data_dir = tmp_path / "home", tmp_path / "data"
    home.mkdir()
    with fake_endpoint(Answer(("Yes.",)), key=CANARY) as server:
        with gnome_keyring(home) as desktop:
            put_into_keyring(data_dir, server.url, desktop)
        with gnome_keyring(home, is_locked=True) as desktop:
            began = time.monotonic()
            locked = hearth("ask", "Well?", "--data-dir", str(data_dir), **desktop)
            assert time.monotonic() - began < 15
            assert locked.returncode == 1
            assert "keyring does not give out the API key" in locked.stderr
        with gnome_keyring(home) as desktop:
            asked = hearth("ask", "Well?", "--data-dir", str(data_dir), **desktop)
            assert (asked.returncode, asked.stdout) == (0, "Yes.\n")


@pytest.mark.parametrize("how", ["variable", "null", "settings-file", "properties"])
def test_row_49_no_foreign_keyring_is_loaded_whoever_names_it(tmp_path: Path, how: str) -> None:
    """Without a keyring of the system: then `keyring` by itself would take what it is given."""
    data_dir, foreign = tmp_path / "data", tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "evil.py").write_text(
        f"open({str(tmp_path / 'loaded')!r}, 'w').close()\n"
        "import keyring.backend\n"
        "class Keyring(keyring.backend.KeyringBackend):\n"
        "    priority = 99\n"
        "    def get_password(self, service, username): return 'sk-planted'\n"
        "    def set_password(self, service, username, password): open('/tmp/stolen', 'w').write(password)\n",
        encoding="utf-8",
    )
    settings = tmp_path / "config" / "python_keyring"
    settings.mkdir(parents=True)
    if how == "settings-file":
        (settings / "keyringrc.cfg").write_text(
            f"[backend]\ndefault-keyring=evil.Keyring\nkeyring-path={foreign}\n", encoding="utf-8"
        )
    environment = {
        "variable": {"PYTHON_KEYRING_BACKEND": "evil.Keyring", "PYTHONPATH": str(foreign)},
        "null": {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"},
        "settings-file": {},
        "properties": {"KEYRING_PROPERTY_APPID": "evil", "KEYCHAIN_PATH": str(foreign)},
    }[how]
    with fake_endpoint(Answer(), title="") as server:
        data_dir.mkdir(mode=0o700)
        note_keyring(data_dir, server.url)
        asked = hearth(
            *("ask", "Well?", "--data-dir", str(data_dir)),
            **({"XDG_CONFIG_HOME": str(tmp_path / "config")} | environment),
            DBUS_SESSION_BUS_ADDRESS=f"unix:path={tmp_path}/nobody",
        )
        assert asked.returncode == 0, asked.stderr
        assert "keyring does not give out the API key" in asked.stderr
        assert not (tmp_path / "loaded").exists()
        assert "planted" not in str(server.chats[-1].headers)


# Rows 50 to 52: the file, what is no key, and a key that was removed


def keep_in_file(data_dir: Path, url: str, key: str, *, mode: int = 0o600) -> Path:
    """A profile with a key in its file, as another program or a hand may have left it."""
    data_dir.mkdir(mode=0o700, exist_ok=True)
    (data_dir / "settings.json").write_text(json.dumps({"endpoint": url}), encoding="utf-8")
    path = data_dir / "keys.json"
    path.write_text(json.dumps({url.removesuffix("/v1"): key}), encoding="utf-8")
    path.chmod(mode)
    return path


def test_row_50_a_file_that_lay_open_is_closed_and_its_key_used(tmp_path: Path) -> None:
    with fake_endpoint(Answer(("Yes.",)), key=CANARY, title="") as server:
        path = keep_in_file(tmp_path / "data", server.url, CANARY, mode=0o666)
        (tmp_path / "data").chmod(0o777)
        asked = hearth("ask", "Well?", "--data-dir", str(tmp_path / "data"))

    assert (asked.returncode, asked.stdout) == (0, "Yes.\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.browser
def test_row_50_a_link_in_the_file_s_place_is_not_followed(page: Page, serve: Serve, tmp_path: Path) -> None:
    with fake_endpoint(Answer(), title="") as server:
        path = keep_in_file(tmp_path / "data", server.url, "sk-planted-by-somebody")
        path.rename(tmp_path / "theirs")
        path.symlink_to(tmp_path / "theirs")
        before = (tmp_path / "theirs").read_bytes()
        assert hearth("ask", "Well?", "--data-dir", str(path.parent)).returncode == 0
        assert "planted" not in str(server.chats[-1].headers)

        served = serve()
        open_settings(page, served)
        save_key(page, server.url, place="In a file that only you can read")
    assert (tmp_path / "theirs").read_bytes() == before
    assert not path.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert CANARY in path.read_text(encoding="utf-8")


NO_KEYS = ["a\nb", f"{CANARY}\r\nX-Evil: 1", 'a"b', "a'b", "schlüssel", "a b", "x" * 10_000, "\x1b[2J", "sk-\u202eabc"]


@pytest.mark.parametrize("key", NO_KEYS)
def test_row_51_what_is_no_key_is_refused_with_a_sentence_and_sent_nowhere(tmp_path: Path, key: str) -> None:
    with fake_endpoint(title="") as server:
        words = ("ask", "Well?", "--data-dir", str(tmp_path))
        told = hearth(*words, "--endpoint", server.url, HEARTH_API_KEY=key)
        assert told.returncode == 1
        assert "key" in told.stderr
        assert "Traceback" not in told.stderr
        assert server.requests == []


@pytest.mark.parametrize("key", NO_KEYS)
def test_row_51_a_file_with_what_is_no_key_makes_no_header(tmp_path: Path, key: str) -> None:
    with fake_endpoint(Answer(("Yes.",)), title="") as server:
        keep_in_file(tmp_path, server.url, key)
        told = hearth("ask", "Well?", "--data-dir", str(tmp_path))

        assert (told.returncode, told.stdout) == (0, "Yes.\n"), told.stderr
        assert not [name for name in server.requests[-1].headers if "evil" in name]
        assert key not in str(server.requests[-1].headers)
    assert "the key file holds what is no key" in (tmp_path / "logs" / "hearth.log").read_text(encoding="utf-8")


@pytest.mark.browser
def test_row_51_the_form_says_what_is_wrong_with_a_key_and_keeps_the_old_one(page: Page, serve: Serve) -> None:
    with fake_endpoint(Answer(), key=CANARY, title="") as server:
        served = serve()
        open_settings(page, served)
        save_key(page, server.url, place="In a file that only you can read")
        for key in ('a"b', "schlüssel", "a b", "x" * 10_000):
            page.fill("#settings-api-key input", key)
            page.click("#settings-save")
            expect(page.locator("#settings-result .hearth-bad")).to_contain_text("key")
            assert CANARY in (served.data_dir / "keys.json").read_text(encoding="utf-8")
        assert hearth("ask", "Well?", "--data-dir", str(served.data_dir)).returncode == 0


@pytest.mark.browser
@pytest.mark.parametrize("place", ["In a file that only you can read", "Nowhere: forget it"])
def test_row_52_a_key_that_was_removed_is_gone_and_the_next_call_says_so(page: Page, serve: Serve, place: str) -> None:
    with fake_endpoint(Answer(("Yes.",)), key=CANARY) as server:
        served = serve()
        open_settings(page, served)
        save_key(page, server.url, place=place)
        ask(page, "With it?")
        expect(page.locator("#chat-settled")).to_contain_text("Yes.")
        page.click("#tab-settings-button")
        page.click("#settings-remove-key")
        expect(page.locator("#settings-result")).to_contain_text("The key is gone.")
        expect(page.locator("#settings-key-line")).to_contain_text("No key")
        assert_nowhere(served)
        assert not (served.data_dir / "keys.json").exists()

        ask(page, "And without?")
        expect(page.locator("#chat-settled .hearth-failure")).to_contain_text("API key")
    assert CANARY not in str(server.requests[-1].headers)
    assert CANARY not in served.log.read_text(encoding="utf-8")


def ask(page: Page, question: str) -> None:
    page.click("#tab-chat-button")
    page.locator("#chat-input textarea").fill(question)
    page.locator("#chat-input textarea").press("Enter")


def note_keyring(data_dir: Path, url: str) -> None:
    """A profile that knows of a key in the keyring."""
    handle = os.open(data_dir / "keys.json", os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(handle, json.dumps({url.removesuffix("/v1"): None}).encode())
    os.close(handle)
    (data_dir / "settings.json").write_text(json.dumps({"endpoint": url}), encoding="utf-8")


def put_into_keyring(data_dir: Path, url: str, desktop: dict[str, str]) -> None:
    data_dir.mkdir(mode=0o700)
    note_keyring(data_dir, url)
    script = "import sys; from assistant.keyrings import SystemKeyring as K; K().write(sys.argv[1], sys.argv[2])"
    entry = f"{url.removesuffix('/v1')} in {data_dir}"
    subprocess.run([sys.executable, "-c", script, entry, CANARY], env=os.environ | desktop, check=True, timeout=20)


@contextmanager
def deaf_bus(path: Path) -> Iterator[dict[str, str]]:
    """A session bus that lets everybody in, takes every call, and never answers one."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)
        held: list[socket.socket] = []

        def let_in(caller: socket.socket) -> None:
            while words := caller.recv(4096):
                if b"AUTH" in words:
                    caller.sendall(b"OK 0123456789abcdef0123456789abcdef\r\n")
                elif b"NEGOTIATE" in words:
                    caller.sendall(b"AGREE_UNIX_FD\r\n")

        def take() -> None:
            while True:
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    return
                threading.Thread(target=let_in, args=held[-1:], daemon=True).start()

        threading.Thread(target=take, daemon=True).start()
        try:
            yield {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={path}"}
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for connection in held:
                connection.close()


def _body(answer: object) -> str:
    try:
        return answer.text()  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001  # a stream or a redirect has no body to read
        return ""


def test_row_52_a_key_that_a_kill_left_in_half_a_write_is_gone_at_the_next_start(serve: Serve, tmp_path: Path) -> None:
    """Whole files are written beside their place first: a kill before the rename leaves one."""
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    for name in (".keys.json.a1b2c3d4", ".settings.json.x_y_z_12"):
        (data_dir / name).write_text(CANARY, encoding="utf-8")
    (data_dir / ".keys.json.of-the-person").write_text("theirs", encoding="utf-8")
    served = serve(data_dir=data_dir)
    assert_nowhere(served)
    assert (data_dir / ".keys.json.of-the-person").exists()
