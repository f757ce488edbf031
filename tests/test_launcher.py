"""The `hearth` command as a person or a script meets it."""

from __future__ import annotations

import io
import json
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from assistant.database import Database
from assistant.paths import Profile
from assistant.store import Store
from launcher.instance import Instance
from launcher.output import Both
from tests.conftest import Served, eventually, hearth, hearth_command
from tests.fake_endpoint import fake_endpoint
from tests.fake_steps import Answer, Cut, Silence

Serve = Callable[..., Served]


def visit(address: str) -> int:
    host, _, path = address.removeprefix("http://").partition("/")
    connection = HTTPConnection(host, timeout=10)
    connection.request("GET", f"/{path}")
    status = connection.getresponse().status
    connection.close()
    return status


def test_ask_prints_the_answer_and_nothing_else(tmp_path: Path) -> None:
    with fake_endpoint(Answer(("Red, ", "green."))) as server:
        ended = hearth("ask", "Name two colours.", "--data-dir", str(tmp_path), "--endpoint", server.url)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("Red, green.\n", "", 0)


def test_ask_answers_offline_with_the_starter_model(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"max_tokens": 60}', encoding="utf-8")
    ended = hearth("ask", "Name three colours.", "--data-dir", str(tmp_path), timeout_seconds=100)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip()  # what a model this small says is its own affair
    assert ended.stderr == ""


def test_ask_keeps_what_had_come_and_says_why_it_ended(tmp_path: Path) -> None:
    with fake_endpoint(Cut(after=("Red, ",))) as server:
        ended = hearth("ask", "Name two colours.", "--data-dir", str(tmp_path), "--endpoint", server.url)
    assert (ended.returncode, ended.stdout.strip()) == (1, "Red,")
    assert "broke off" in ended.stderr


def test_ask_reads_a_question_from_standard_input(tmp_path: Path) -> None:
    with fake_endpoint(Answer(("Yes.",))) as server:
        command = hearth_command("ask", "-", "--data-dir", str(tmp_path), "--endpoint", server.url)
        ended = subprocess.run(command, input="Is it?", capture_output=True, text=True, timeout=60, check=False)
        assert server.chats[0].body["messages"][-1]["content"] == "Is it?"
    assert ended.stdout == "Yes.\n"


def test_an_interrupted_ask_ends_quietly(tmp_path: Path) -> None:
    with fake_endpoint(Silence(after=("Red",))) as server:
        command = hearth_command("ask", "Name two colours.", "--data-dir", str(tmp_path), "--endpoint", server.url)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.read(3) == "Red"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    assert (process.returncode, said) == (130, "")


def test_a_key_from_the_environment_is_used_and_never_saved(tmp_path: Path) -> None:
    with fake_endpoint(Answer(("Yes.",)), key="sk-CANARY") as server:
        ended = hearth(
            "ask", "Is it?", "--data-dir", str(tmp_path), "--endpoint", server.url, HEARTH_API_KEY="sk-CANARY"
        )
    assert ended.stdout == "Yes.\n"
    found = [path for path in tmp_path.rglob("*") if path.is_file() and b"CANARY" in path.read_bytes()]
    assert found == []


@pytest.mark.parametrize("where", ["before", "after"])
def test_options_may_stand_before_and_after_the_command(tmp_path: Path, where: str) -> None:
    with fake_endpoint(Answer(("Yes.",)), models=("one", "two")) as server:
        options = ["--data-dir", str(tmp_path / "data"), "--endpoint", server.url, "--model", "two"]
        words = [*options, "ask", "Is it?"] if where == "before" else ["ask", *options, "Is it?"]
        assert hearth(*words).stdout == "Yes.\n"
        assert server.chats[0].body["model"] == "two"
    assert (tmp_path / "data" / "logs" / "hearth.log").is_file()


def test_the_data_dir_may_come_from_the_environment(tmp_path: Path) -> None:
    with fake_endpoint(Answer(("Yes.",))) as server:
        hearth("ask", "Is it?", "--endpoint", server.url, HEARTH_DATA_DIR=str(tmp_path / "mine"))
    assert (tmp_path / "mine" / "logs" / "hearth.log").is_file()


@pytest.mark.parametrize(
    "words",
    [
        ["--endpoint", "ftp://x", "ask", "Hi"],
        ["--endpoint", "http://user:secret@127.0.0.1/v1", "ask", "Hi"],
        ["--model", "big", "ask", "Hi"],
        ["--data-dir", "/dev/null/x", "ask", "Hi"],
        ["--endpoint", "http://127.0.0.1:9/v1", "ask", "Hi"],
    ],
)
def test_a_fault_is_a_sentence_and_exit_code_1(tmp_path: Path, words: list[str]) -> None:
    ended = hearth(*words, HEARTH_DATA_DIR=str(tmp_path))
    assert (ended.returncode, ended.stdout.strip()) == (1, "")
    assert ended.stderr.strip().endswith(".")
    assert "Traceback" not in ended.stderr
    assert "secret" not in ended.stderr


@pytest.mark.parametrize("words", [["nonsense"], ["ask"], ["serve", "--nonsense"], ["--dat", "x", "doctor"]])
def test_wrong_usage_is_exit_code_2(words: list[str]) -> None:
    ended = hearth(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "usage" in ended.stderr


def test_doctor_reports_as_text_and_as_json(tmp_path: Path) -> None:
    with fake_endpoint(*[Answer(("Yes.",))] * 2) as server:
        text = hearth("doctor", "--data-dir", str(tmp_path), "--endpoint", server.url)
        report = json.loads(hearth("doctor", "--json", "--data-dir", str(tmp_path), "--endpoint", server.url).stdout)
    assert text.returncode == 0, text.stdout
    assert set(report) == {"ok", "version", "engine", "endpoints", "checks"}
    assert report["engine"]["url"] == server.url
    assert {"url": server.url, "kind": report["endpoints"][0]["kind"], "models": ["fake"]} in report["endpoints"]


def test_a_doctor_who_finds_no_answer_exits_with_1(tmp_path: Path) -> None:
    ended = hearth("doctor", "--data-dir", str(tmp_path), "--endpoint", "http://127.0.0.1:9/v1")
    assert ended.returncode == 1
    assert "http://127.0.0.1:9/v1" in ended.stdout


def test_serve_prints_an_address_that_works_once(serve: Serve) -> None:
    served = serve()
    assert served.address.startswith("http://127.0.0.1:")
    assert visit(served.address) == 303
    assert visit(served.address) == 403


def test_a_second_serve_prints_a_fresh_address_of_the_first(serve: Serve) -> None:
    served = serve()
    fresh = served.fresh_address()
    assert fresh != served.address
    assert fresh.split("/open")[0] == served.address.split("/open")[0]
    assert visit(fresh) == 303


def test_two_serves_at_once_become_one(serve: Serve) -> None:
    first, second = serve(), serve()
    ports = {address.split("/")[2] for address in (first.address, second.address)}
    assert len(ports) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_with_0_and_leaves_nothing_behind(serve: Serve, number: signal.Signals) -> None:
    served = serve()
    family = [psutil.Process(served.process.pid), *psutil.Process(served.process.pid).children(recursive=True)]
    private = Path(family[0].cwd()).parent
    served.process.send_signal(number)
    assert served.process.wait(timeout=5) == 0
    assert eventually(lambda: not any(member.is_running() for member in family), within_seconds=5)
    assert not private.exists()


def test_a_running_answer_is_saved_when_hearth_is_terminated(serve: Serve) -> None:
    # What a window shows at the next start: see tests/browser. Here: the end does not wait for the answer.
    served = serve()
    began = time.monotonic()
    assert served.stop() == 0
    assert time.monotonic() - began < 5


def test_the_next_start_removes_what_a_killed_one_left(serve: Serve, tmp_path: Path) -> None:
    served = serve()
    private = Path(psutil.Process(served.process.pid).cwd()).parent
    served.process.kill()
    served.process.wait()
    assert private.exists()
    serve()
    assert not private.exists()


def test_everything_hearth_writes_is_private(serve: Serve) -> None:
    served = serve()
    for path in [served.data_dir, *served.data_dir.rglob("*")]:
        with suppress(FileNotFoundError):  # some come and go
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_only_loopback_is_listened_on(serve: Serve) -> None:
    served = serve()
    process = psutil.Process(served.process.pid)
    assert eventually(lambda: bool(process.children(recursive=True)), within_seconds=20)
    for member in [process, *process.children(recursive=True)]:
        for connection in member.net_connections("inet"):
            assert connection.status != psutil.CONN_LISTEN or connection.laddr.ip == "127.0.0.1"


def test_a_hostile_environment_changes_nothing(serve: Serve, tmp_path: Path) -> None:
    hostile = {
        "GRADIO_SERVER_NAME": "0.0.0.0",
        "GRADIO_ROOT_PATH": "http://evil.example",
        "GRADIO_ALLOWED_PATHS": "/",
        "GRADIO_SHARE": "True",
        "UVICORN_HOST": "0.0.0.0",
        "FORWARDED_ALLOW_IPS": "*",
    }
    served = serve(**hostile)
    assert visit(served.address) == 303
    environment = psutil.Process(served.process.pid)
    listening = [c.laddr.ip for c in environment.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert set(listening) == {"127.0.0.1"}


def test_the_one_time_code_is_in_no_log(serve: Serve) -> None:
    served = serve()
    visit(served.address)
    code = served.address.split("code=")[1]
    served.stop()
    assert code not in served.log.read_text(encoding="utf-8")


def newer_database(data_dir: Path) -> None:
    data_dir.mkdir(exist_ok=True)
    with closing(sqlite3.connect(data_dir / "hearth.db")) as db:
        db.execute("PRAGMA user_version = 99")


def test_a_newer_database_ends_serve_with_a_sentence(tmp_path: Path) -> None:
    newer_database(tmp_path)
    ended = hearth("serve", "--data-dir", str(tmp_path))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "newer Hearth" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_serve_starts_beside_a_damaged_database_that_was_set_aside(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "hearth.db").write_bytes(b"garbage" * 1000)
    served = serve(data_dir=tmp_path)
    assert visit(served.address) == 303
    assert [path.read_bytes() for path in tmp_path.glob("hearth.db.corrupt-*")] == [b"garbage" * 1000]


def test_ask_and_doctor_work_beside_a_running_hearth(serve: Serve) -> None:
    served = serve()
    with fake_endpoint(Answer(("Yes.",))) as server:
        ended = hearth("ask", "Is it?", "--data-dir", str(served.data_dir), "--endpoint", server.url)
    assert ended.stdout == "Yes.\n"


LEAN = "from launcher.lean_import import spare_gradio_its_rest as spare; spare(); spare(); import gradio, sys;"


def test_gradio_s_import_is_spared_its_stubs_and_the_name_is_still_there() -> None:
    assert told(LEAN + "import gradio.component_meta as m; print(m.create_or_modify_pyi.__name__)") == "<lambda>"


def test_gradio_s_import_leaves_pandas_alone_until_it_is_used() -> None:
    used = "import pandas; print(pandas.DataFrame([[1, 2]]).shape, 'pandas.core' in sys.modules)"
    assert told(LEAN + "print('pandas.core' in sys.modules);" + used) == "False\n(1, 2) True"


def test_gradio_s_import_leaves_mcp_alone_and_it_is_there_for_us() -> None:
    ours = (
        "import assistant.ui.servers_page, assistant.app; print({'mcp', 'mcp_types', 'jsonschema'} & set(sys.modules));"
    )
    assert told(LEAN + ours + "import mcp; print(mcp.__name__)") == "set()\nmcp"


def test_the_window_s_import_gets_qt_s_own_names_and_leaves_the_others_alone() -> None:
    lean = "from launcher.qt_guard import qt; from PySide6 import QtGui, QtWebEngineCore;"
    names = "qt.QAction is QtGui.QAction, qt.QWebPage is QtWebEngineCore.QWebEnginePage, qt.is_webengine"
    assert told(f"{lean} print({names})") == "True True True"
    assert told("import launcher.qt_guard, sys; print(hasattr(sys.modules['qtpy.QtCore'], 'Missing'))") == "False"


def told(script: str) -> str:
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return ended.stdout.strip()


@pytest.mark.parametrize("question", ["", "  ", "-"])
def test_no_question_is_told_in_a_sentence(tmp_path: Path, question: str) -> None:
    ended = hearth("ask", question, "--data-dir", str(tmp_path))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "no question" in ended.stderr


def test_bytes_that_are_no_text_are_a_question_all_the_same(tmp_path: Path) -> None:
    with fake_endpoint(Answer(("Yes.",))) as server:
        command = hearth_command("ask", "-", "--data-dir", str(tmp_path), "--endpoint", server.url)
        ended = subprocess.run(command, input=b"Is it \xff?", capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (0, b"Yes.\n")


@pytest.mark.parametrize("words", [["ask", "Is it?"], ["doctor"]])
def test_a_reader_that_has_enough_is_no_fault(tmp_path: Path, words: list[str]) -> None:
    with fake_endpoint(Answer(("Yes.",) * 20)) as server:
        process = subprocess.Popen(
            hearth_command(*words, "--data-dir", str(tmp_path), "--endpoint", server.url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        assert (process.wait(timeout=60), said) == (0, "")
        process.stderr.close()


@pytest.mark.parametrize("command", ["ask", "doctor", "backup", "import", "export"])
def test_only_what_shows_a_page_loads_gradio_or_the_window(tmp_path: Path, command: str) -> None:
    steps = [Answer(("Yes.",))] if command in ("ask", "doctor") else []
    with fake_endpoint(*steps) as server:
        words = [
            command,
            *(["Is it?"] if command == "ask" else []),
            *([str(tmp_path / "chats.json")] if command in ("import", "export") else []),
            "--data-dir",
            str(tmp_path),
            "--endpoint",
            server.url,
        ]
        script = (
            "import sys; from launcher.__main__ import main; main(sys.argv[1:]);"
            "print({'gradio', 'webview', 'PySide6', 'uvicorn'} & set(sys.modules), file=sys.stderr)"
        )
        ended = subprocess.run(
            [sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=60, check=True
        )
    assert ended.stderr.splitlines()[-1] == "set()"


@pytest.mark.parametrize(("command", "reply"), [("serve", {"address": "http://a"}), ("window", {"shown": True})])
def test_a_second_start_loads_nothing_before_the_first_has_answered(
    tmp_path: Path, command: str, reply: dict[str, object]
) -> None:
    profile = Profile(tmp_path / "data")
    profile.create()
    first = Instance(profile)
    assert first.claim()
    first.answer(tmp_path, lambda _: reply)
    script = (
        "import sys; from launcher.__main__ import main; code = main(sys.argv[1:]);"
        "heavy = {'gradio', 'webview', 'PySide6', 'uvicorn', 'openai', 'pydantic', 'sqlite3', 'asyncio'};"
        "print(code, heavy & set(sys.modules), file=sys.stderr)"
    )
    words = [*(["serve"] if command == "serve" else []), "--data-dir", str(profile.data_dir)]
    try:
        ended = subprocess.run(
            [sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=60, check=True
        )
    finally:
        first.release()
    assert ended.stderr.splitlines()[-1] == "0 set()"
    assert ended.stdout.strip() == reply.get("address", "")


def test_a_stream_that_is_open_does_not_delay_the_end(serve: Serve, tmp_path: Path) -> None:
    profile = Profile(tmp_path / "data")
    profile.create()
    store = Store(Database(profile.database))
    chat = store.add_conversation()
    store.close()
    served = serve()
    host, _, path = served.address.removeprefix("http://").partition("/")
    connection = HTTPConnection(host, timeout=10)
    connection.request("GET", f"/{path}")
    cookie = connection.getresponse().headers["Set-Cookie"].split(";")[0]
    stream = HTTPConnection(host, timeout=10)
    stream.request("GET", f"/feed/{chat.id}/-", headers={"Cookie": cookie})
    answer = stream.getresponse()
    assert answer.status == 200
    began = time.monotonic()
    assert served.stop() == 0
    assert time.monotonic() - began < 5
    stream.close()
    connection.close()


def test_what_a_windows_command_prints_goes_to_its_stream_and_to_the_log(tmp_path: Path) -> None:
    stream, silent = io.StringIO(), tmp_path / "output.log"
    with silent.open("w", encoding="utf-8") as log:
        print("seen", file=Both(stream, log), flush=True)
        print("not seen: there is no terminal", file=Both(None, log), flush=True)

    assert stream.getvalue() == "seen\n"
    assert silent.read_text(encoding="utf-8") == "seen\nnot seen: there is no terminal\n"


def test_two_signals_at_once_end_serve_as_one_does(serve: Serve) -> None:
    served = serve()
    served.process.send_signal(signal.SIGTERM)
    served.process.send_signal(signal.SIGINT)
    served.process.send_signal(signal.SIGTERM)

    assert served.process.wait(timeout=10) == 0


def test_a_saved_address_that_is_none_can_be_mended_where_it_was_entered(serve: Serve, tmp_path: Path) -> None:
    bad = {"version": 1, "endpoint": "http://user:pw@127.0.0.1:9911/v1"}
    (tmp_path / "settings.json").write_text(json.dumps(bad), encoding="utf-8")
    served = serve(data_dir=tmp_path)

    assert visit(served.address) == 303
    report = hearth("doctor", "--json", "--data-dir", str(tmp_path))
    checks = {check["name"]: check for check in json.loads(report.stdout)["checks"]}
    assert "user name or password" in checks["settings"]["detail"]
    assert "pw" not in report.stdout.replace("password", "")


def test_settings_that_were_set_aside_are_told_until_there_are_new_ones(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"version": 1, "endp', encoding="utf-8")
    for _ in range(2):
        with fake_endpoint(Answer(("Red",))) as server:
            ended = hearth("ask", "Hi", "--data-dir", str(tmp_path), "--endpoint", server.url)
        assert (ended.stdout, ended.returncode) == ("Red\n", 0)
        assert "settings.json.corrupt-" in ended.stderr
    assert len(list(tmp_path.glob("settings.json.corrupt-*"))) == 1


def test_the_starter_model_may_be_asked_for_by_its_name(tmp_path: Path) -> None:
    report = hearth("doctor", "--json", "--data-dir", str(tmp_path), "--model", "SmolLM2-135M-Instruct")

    assert report.returncode == 0, report.stderr
    assert json.loads(report.stdout)["engine"]["model"] == "SmolLM2-135M-Instruct"


def test_ask_prints_nothing_where_no_word_came(tmp_path: Path) -> None:
    ended = hearth("ask", "Hi", "--data-dir", str(tmp_path), "--endpoint", "http://127.0.0.1:9/v1", "--model", "m")

    assert (ended.stdout, ended.returncode) == ("", 1)
    assert "Nothing answers" in ended.stderr


def test_doctor_reports_whatever_the_proxy_variables_say(tmp_path: Path) -> None:
    words = ("doctor", "--json", "--data-dir", str(tmp_path), "--endpoint", "https://llm.invalid/v1")
    report = hearth(*words, ALL_PROXY="socks5://127.0.0.1:9", all_proxy="socks5://127.0.0.1:9")

    assert report.returncode == 1
    assert json.loads(report.stdout)["ok"] is False
