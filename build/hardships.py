"""The other commands of a bundle, and what may be wrong around it: each check returns what it saw, or raises."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

from stage import Stage

TRACE = "Traceback (most recent call last)"
SENTENCE = re.compile(r"[A-Z][^\n]*[.!]")


def asks(stage: Stage) -> str:
    told = stage.run("ask", "Name three colours.")
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip(), told.stderr
    assert not told.stderr, told.stderr
    return repr(told.stdout.strip()[:60])


def examines(stage: Stage) -> str:
    told = stage.run("doctor", "--json")
    report = json.loads(told.stdout)
    assert told.returncode == 0, told.stdout
    assert report["ok"], told.stdout
    bad = [check for check in report["checks"] if not check["ok"] and check["name"] != "disk"]
    assert not bad, bad
    told = stage.run("doctor")
    assert told.stdout.startswith(f"Hearth {report['version']}\n"), told.stdout
    return str(report["version"])


def serves(stage: Stage, **variables: str) -> str:
    """The address answers 303 and the page that it leads to is Hearth's; SIGTERM ends it with 0."""
    said = stage.home.parent / "served"
    process = stage.with_variables(**variables).start("serve", said=said)
    try:
        address = _first_line(said, process)
        browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor())
        with browser.open(address, timeout=20) as answer:
            page = answer.read().decode("utf-8")
        assert "Hearth" in page, page[:500]
        assert "gradio" in page, page[:500]
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=20)
    assert code == 0, code
    return "page of " + str(len(page)) + " characters"


def withstands(stage: Stage, folder: Path) -> str:
    """Started in a folder, and with an environment, that would turn a careless program into something else."""
    trap = folder / "trap"
    trap.mkdir()
    shout = "raise SystemExit('the trap was loaded')\n"
    for name in ("gradio", "openai", "assistant", "launcher", "json", "sitecustomize", "usercustomize"):
        (trap / f"{name}.py").write_text(shout, encoding="utf-8")
    (trap / ".env").write_text("GRADIO_SERVER_NAME=0.0.0.0\nOPENAI_API_KEY=trap\n", encoding="utf-8")
    for name in ("libpython3.11.so.1.0", "libssl.so.3", "libsqlite3.so.0", "libQt6Core.so.6", "libffi.so.8"):
        (trap / name).write_bytes(b"no library")
    hostile = {
        "PYTHONPATH": str(trap),
        "PYTHONHOME": str(trap),
        "PYTHONSTARTUP": str(trap / "gradio.py"),
        "LD_LIBRARY_PATH": str(trap),
        "QT_PLUGIN_PATH": str(trap),
        "GRADIO_SERVER_NAME": "0.0.0.0",
        "GRADIO_ROOT_PATH": "/trap",
        "GRADIO_SHARE": "True",
        "GRADIO_ALLOWED_PATHS": "/",
        "OPENAI_API_KEY": "trap",
        "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
        "ALL_PROXY": "http://127.0.0.1:1",
    }
    trapped = Stage(stage.command, stage.home, stage.display, hostile, folder=trap)
    told = asks(trapped)
    serves(trapped)
    version = trapped.run("--version")
    assert version.returncode == 0, version.stderr
    probe = trapped.run("probe-window")
    assert probe.returncode == 0, probe.stderr
    return f"ask said {told}"


def misses_library(stage: Stage, bundle: Path, folder: Path) -> str:
    """A library of the bundle, then one of the system, is not there: a sentence names it. There is no browser here."""
    said = []
    for library in ("libxcb-cursor.so.0", "libEGL.so.1"):
        ours = sorted(bundle.rglob(library))
        for path in ours:
            path.rename(path.with_suffix(".aside"))
        try:
            command = (*_without(library, folder), *stage.command)
            hidden = Stage(command, stage.home, stage.display, {"PATH": str(_only_ldd(folder))})
            said.append(_sentence(hidden.run(timeout_seconds=60), library.split(".")[0].lower()))
        finally:
            for path in ours:
                path.with_suffix(".aside").rename(path)
    return "; ".join(said)


def _only_ldd(folder: Path) -> Path:
    """A place for PATH with the program that knows which libraries are missing, and with no browser."""
    place = folder / "bin"
    place.mkdir(exist_ok=True)
    if not (place / "ldd").exists():
        (place / "ldd").symlink_to("/usr/bin/ldd")
    return place


def _without(library: str, folder: Path) -> tuple[str, ...]:
    """The beginning of a command line that runs the rest where the system has no such library."""
    system = Path("/usr/lib/x86_64-linux-gnu")
    layers = folder / f"without {library}"
    for name in ("upper", "work"):
        (layers / name).mkdir(parents=True)
    options = f"lowerdir={system},upperdir={layers}/upper,workdir={layers}/work"
    hide = f'/bin/mount -t overlay overlay -o "{options}" {system} && /bin/rm -f {system}/{library}* && exec "$@"'
    return ("/usr/bin/unshare", "--mount", "/bin/sh", "-c", hide, "sh")


def has_no_display(stage: Stage) -> str:
    return _sentence(Stage(stage.command, stage.home).run(timeout_seconds=60))


def has_full_disk(stage: Stage) -> str:
    """The home is a disk that is full. A command may work without writing; where it ends, it ends in a sentence."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(stage.home)], check=True)
    try:
        filler = stage.home / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        told = stage.run("serve", timeout_seconds=60)
        return _sentence(told)
    finally:
        subprocess.run(["umount", str(stage.home)], check=True)


def _sentence(told: subprocess.CompletedProcess[str], *words: str) -> str:
    """What it said: exit code 1, a sentence on standard error, no traceback."""
    assert told.returncode == 1, (told.returncode, told.stdout, told.stderr)
    assert TRACE not in told.stderr, told.stderr
    assert SENTENCE.search(told.stderr), told.stderr
    for word in words:
        assert word in told.stderr, told.stderr
    return repr(told.stderr.strip().splitlines()[-1])


def _first_line(said: Path, process: subprocess.Popen[str]) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        lines = said.read_text(encoding="utf-8").splitlines()
        found = [line for line in lines if line.startswith("http://127.0.0.1:")]
        if found:
            return found[0]
        time.sleep(0.1)
    raise AssertionError(f"no address, but: {said.read_text(encoding='utf-8')}")
