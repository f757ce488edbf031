"""What is so before anything heavy is imported. Each in a process of its own, since it changes the process."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from launcher.process import outside_environment

HOUSE = Path(__file__).resolve().parent.parent


def run(script: str, *, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(HOUSE)} | environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_hostile_variables_are_gone_and_reporting_is_off() -> None:
    names = (
        "GRADIO_SHARE GRADIO_ROOT_PATH GRADIO_ANALYTICS_ENABLED UVICORN_HOST FORWARDED_ALLOW_IPS HF_ENDPOINT "
        "OPENAI_BASE_URL QTWEBENGINE_REMOTE_DEBUGGING QTWEBENGINE_CHROMIUM_FLAGS HEARTH_API_KEY QT_PLUGIN_PATH "
        "WEBVIEW2_ADDITIONAL_BROWSER_ARGUMENTS PYWEBVIEW_GUI SPACES_ZERO_GPU QTWEBENGINEPROCESS_PATH SSL_CERT_FILE "
        "SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE SSLKEYLOGFILE OPENSSL_CONF GGML_BACKEND_PATH FORCE_QT_API"
    )
    hostile = dict.fromkeys(names.split(), "evil")
    script = (
        "import os, json; from launcher.process import clean_environment as c; c(); print(json.dumps(dict(os.environ)))"
    )
    left = json.loads(run(script, **hostile, PATH_OF_MINE="kept").stdout)
    assert "evil" not in left.values()
    assert left["PATH_OF_MINE"] == "kept"
    assert (left["GRADIO_ANALYTICS_ENABLED"], left["HF_HUB_OFFLINE"], left["DO_NOT_TRACK"]) == ("False", "1", "1")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such limit")
def test_there_is_room_for_many_connections_where_the_system_allows_it() -> None:
    script = (
        "import resource as r; h = r.getrlimit(r.RLIMIT_NOFILE)[1]; r.setrlimit(r.RLIMIT_NOFILE, (256, h));"
        "from launcher.process import FILES, raise_file_limit as f; f();"
        "print(r.getrlimit(r.RLIMIT_NOFILE)[0] == (FILES if h == r.RLIM_INFINITY else min(FILES, h)))"
    )
    assert run(script).stdout.strip() == "True"


def test_modules_that_pythonpath_names_are_not_imported(tmp_path: Path) -> None:
    (tmp_path / "gradio.py").write_text("print('planted')", encoding="utf-8")
    script = (
        "import os; from launcher.process import forget_foreign_modules as f; f(); import importlib.util as u;"
        "print(u.find_spec('gradio').origin, os.environ['PYTHONPATH'])"
    )
    found = run(script, PYTHONPATH=os.pathsep.join([str(tmp_path), str(HOUSE)])).stdout
    assert str(tmp_path) not in found
    assert found.strip().endswith(str(HOUSE)), "the engine's child finds Hearth this way"


def test_programs_of_the_person_s_get_nothing_of_our_environment() -> None:
    ours = {
        "TMPDIR": "/private",
        "QTWEBENGINE_DISABLE_SANDBOX": "1",
        "GRADIO_TEMP_DIR": "/private",
        "HF_HUB_OFFLINE": "1",
    }
    assert outside_environment(ours | {"DISPLAY": ":0"}) == {"DISPLAY": ":0"}


def test_new_files_are_private() -> None:
    script = "import os; from launcher.process import clean_environment as c; c(); print(oct(os.umask(0)))"
    assert run(script, TMPDIR=tempfile.gettempdir()).stdout.strip() == "0o77"


def test_the_private_folder_is_empty_ours_alone_and_where_temporary_files_go(tmp_path: Path) -> None:
    script = (
        "import os, tempfile, json; from launcher.process import PrivateFolder as P; p = P(); p.enter();"
        "print(json.dumps([str(p.path), os.getcwd(), os.listdir('.'), tempfile.mkdtemp(), os.environ['TMPDIR'],"
        "os.environ['GRADIO_TEMP_DIR'], os.stat(p.path).st_mode])); p.remove()"
    )
    path, here, within, made, *named, mode = json.loads(run(script, TMPDIR=str(tmp_path)).stdout)
    assert Path(path).parent == tmp_path
    assert within == []
    assert all(Path(place).is_relative_to(path) for place in (here, made, *named))
    assert stat.S_IMODE(mode) == 0o700
    assert list(tmp_path.iterdir()) == [], "it is removed at the end"


def test_folders_of_the_dead_are_removed_and_those_of_the_living_are_not(tmp_path: Path) -> None:
    script = (
        "import os, subprocess, sys; from launcher.process import PrivateFolder as P; p = P();"
        "subprocess.run([sys.executable, '-c', 'from launcher.process import PrivateFolder as P; import os; P();"
        " os._exit(9)']); P(); print(p.path.exists(), len(os.listdir(p.path.parent)))"
    )
    assert run(script, TMPDIR=str(tmp_path)).stdout.split() == ["True", "2"]


def test_what_only_looks_like_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "hearth-notes").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "lock").touch()
    (tmp_path / "hearth-link").symlink_to(tmp_path / "elsewhere")
    run("from launcher.process import PrivateFolder as P; P().remove()", TMPDIR=str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"hearth-notes", "elsewhere", "hearth-link"}


def test_many_starts_at_once_take_nothing_from_each_other(tmp_path: Path) -> None:
    script = (
        "from launcher.process import PrivateFolder as P\nfor _ in range(40):\n    p = P()\n"
        "    assert (p.path / 'work').is_dir() and (p.path / 'lock').is_file()\n    p.remove()"
    )
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", script], env=os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(HOUSE)}
        )
        for _ in range(4)
    ]
    assert [start.wait(timeout=60) for start in starts] == [0] * 4


def test_modules_in_the_folder_hearth_was_started_in_are_not_imported(tmp_path: Path) -> None:
    (tmp_path / "gradio.py").write_text("print('mine')", encoding="utf-8")
    script = (
        "import sys; from launcher.process import forget_foreign_modules as f; f(); import importlib.util as u;"
        "print(u.find_spec('gradio').origin)"
    )
    assert str(tmp_path) not in run(script, cwd=tmp_path).stdout


def test_a_log_that_cannot_be_written_goes_to_standard_error_and_stops_nothing() -> None:
    script = (
        "import logging; from pathlib import Path; from launcher.journal import open_journal as o;"
        "o(Path('/dev/null/x/hearth.log'), is_debug=False); logging.getLogger('hearth').info('still heard')"
    )
    assert "still heard" in run(script).stderr


def test_what_no_one_catches_is_in_the_log(tmp_path: Path) -> None:
    script = (
        "import threading, warnings; from pathlib import Path; from launcher.journal import open_journal as o;"
        f"o(Path({str(tmp_path / 'hearth.log')!r}), is_debug=False);"
        "t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join(); warnings.warn('careful')"
    )
    assert run(script).stderr == ""
    log = (tmp_path / "hearth.log").read_text(encoding="utf-8")
    assert "ZeroDivisionError" in log
    assert "careful" in log
    assert stat.S_IMODE((tmp_path / "hearth.log").stat().st_mode) == 0o600
