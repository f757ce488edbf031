"""Servers that tests start, ask and kill, on ports of this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from assistant.paths import starter_model

MODEL = "desk-model"
CONTEXT_TOKENS = 1024
LLAMA_CPP = """
import sys, time, xllamacpp
model, port, name, tokens, *keys = sys.argv[1:]
params = xllamacpp.CommonParams()
params.model.path, params.port, params.hostnames = model, int(port), ["127.0.0.1"]
params.n_ctx, params.n_parallel, params.model_alias, params.api_keys = int(tokens), 1, {name}, keys
params.use_jinja = True
server = xllamacpp.Server(params)
while True:
    time.sleep(3600)
"""


class Machine:
    """A server in a process of its own. `asked` is a path that answers 200 as soon as it is ready."""

    def __init__(
        self, command: Sequence[str], *, port: int, asked: str, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.port, self._command, self._asked = port, command, asked
        self._log, self._environment = log, environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self, *, within_seconds: float = 90) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment
            )
        deadline = time.monotonic() + within_seconds
        while not self._answers():
            told = self._log.read_text(encoding="utf-8", errors="replace")[-3000:]
            assert self._process.poll() is None, f"{self._command[0]} ended by itself:\n{told}"
            assert time.monotonic() < deadline, f"{self._command[0]} does not get ready:\n{told}"
            time.sleep(0.2)

    def kill(self) -> None:
        """As kill -9 does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def is_answering(self) -> bool:
        """Whether llama.cpp's server is in the middle of an answer."""
        return self._process is not None and any(
            slot["is_processing"] for slot in json.loads(self._got("/slots") or b"[]")
        )

    def _answers(self) -> bool:
        return self._got(self._asked) is not None

    def _got(self, path: str) -> bytes | None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()
        return body if response.status == 200 else None


@contextmanager
def running(machine: Machine) -> Iterator[Machine]:
    try:
        machine.start()
        yield machine
    finally:
        machine.kill()


def llama_cpp(folder: Path, *keys: str, tokens: int = CONTEXT_TOKENS) -> Machine:
    """llama.cpp's own server with the starter model."""
    port = free_port()
    command = [sys.executable, "-c", LLAMA_CPP, str(starter_model()), str(port), MODEL, str(tokens), *keys]
    return Machine(command, port=port, asked="/health", log=folder / f"llama-cpp-{port}.log")


def llama_cpp_python(folder: Path, python: Path) -> Machine:
    """The server of llama-cpp-python, of another hand than llama.cpp's own."""
    port = free_port()
    given = {"model": starter_model(), "model_alias": MODEL, "n_ctx": CONTEXT_TOKENS, "host": "127.0.0.1", "port": port}
    arguments = [str(part) for name, value in given.items() for part in (f"--{name}", value)]
    command = [str(python), "-m", "llama_cpp.server", *arguments]
    return Machine(command, port=port, asked="/v1/models", log=folder / f"llama-cpp-python-{port}.log")


def litellm(folder: Path, python: Path, *, configuration: str, key: str) -> Machine:
    """LiteLLM's proxy, which here reaches nothing but this machine."""
    port = free_port()
    (folder / "litellm.yaml").write_text(configuration, encoding="utf-8")
    arguments = ["--config", str(folder / "litellm.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("LITELLM_", "OPENAI_"))},
        "LITELLM_MASTER_KEY": key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches a list of prices
        "LITELLM_TELEMETRY": "False",
        "HTTP_PROXY": "http://127.0.0.1:9",  # what tries to leave this machine fails
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
    }
    return Machine(
        [str(python.with_name("litellm")), *arguments],
        port=port,
        asked="/health/readiness",
        log=folder / "litellm.log",
        environment=environment,
    )


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
