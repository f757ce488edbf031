"""The process between Hearth and an MCP server: it starts the server, and ends it when Hearth ends, however that ends.

Protocol: one JSON line on standard input (see `Order`), answered by one on standard output, {"pid": 1234} or
{"fault": "why"}. From then on what comes in goes to the server, and the server writes to our standard output itself.
When our input ends, so does the server, with everything that it started. What it says on its standard error goes to
ours, a log that is kept small. Needs nothing of Hearth but this file, and little of Python: it is started often.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, cast

LOG_BYTES = 200_000
HIDDEN = b"[hidden]"
_LINE_BYTES = 8192
_MARK = "MCP_KEEPER"  # in the environment of all that a server starts, however far away it moves
_MOST_ROUNDS = 20  # of looking for what is left, which may start others meanwhile
_END_SECONDS = 1.0  # for each of: its input ends, it is asked to end


@dataclass(frozen=True)
class Order:
    """What to run, with exactly this environment. `secrets` are kept out of the log."""

    command: list[str]
    environment: dict[str, str]
    folder: str
    secrets: list[str]


def main() -> None:
    """Runs until the server ends or our standard input does; then nothing of the server is left."""
    line = sys.stdin.buffer.raw.readline()  # type: ignore[attr-defined]  # unbuffered: the rest is the server's
    if not line:
        return
    order = Order(**json.loads(line))
    for name in ("SIGINT", "SIGHUP"):  # for Hearth, which then ends us
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    try:
        server = _start(order)
    except (OSError, ValueError) as error:
        _say({"fault": getattr(error, "strerror", None) or str(error)})
        return
    _say({"pid": server.pid})
    threading.Thread(target=_log, args=(server, order.secrets), daemon=True).start()
    threading.Thread(target=_end_with_server, args=(server,), daemon=True).start()
    _relay(server)
    _end(server)
    os._exit(server.returncode or 0)


def _say(answer: dict[str, object]) -> None:
    os.write(1, (json.dumps(answer) + "\n").encode())


def _start(order: Order) -> subprocess.Popen[bytes]:
    new_group = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "CREATE_NO_WINDOW", 0)
    return subprocess.Popen(
        order.command,
        env=order.environment | {_MARK: str(os.getpid())},
        cwd=order.folder or None,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=os.name == "posix",
        creationflags=new_group,
        bufsize=0,
    )


def _relay(server: subprocess.Popen[bytes]) -> None:
    """Hands on what comes in, until there is no more; a server that has ended takes none."""
    into = cast("IO[bytes]", server.stdin)
    try:
        while block := os.read(0, 65536):
            rest = memoryview(block)
            while rest:
                rest = rest[into.write(rest) :]
    except OSError:
        while os.read(0, 65536):  # it closed its input and lives on: until Hearth ends it
            pass
    with suppress(OSError):
        into.close()


def _log(server: subprocess.Popen[bytes], secrets: list[str]) -> None:
    """Copies the server's words; when they are too many, only the last of them stay."""
    hidden = sorted((each.encode() for each in secrets if len(each) >= 4), key=len, reverse=True)
    said = cast("IO[bytes]", server.stderr)
    buffered = os.fdopen(os.dup(said.fileno()), "rb")
    written = LOG_BYTES  # the file may hold something already
    while line := buffered.readline(_LINE_BYTES):
        for each in hidden:
            line = line.replace(each, HIDDEN)
        written += len(line)
        if written > LOG_BYTES:
            written = len(line) + _make_room()
        with suppress(OSError):  # a full disk: the words are lost, the server is not
            os.write(2, line)


def _make_room() -> int:
    """Cuts the log down to its last half. Gives its size."""
    try:
        size = os.fstat(2).st_size
        if size <= LOG_BYTES // 2:
            return size
        os.lseek(2, size - LOG_BYTES // 2, os.SEEK_SET)
        kept = os.read(2, LOG_BYTES // 2).partition(b"\n")[2]
        os.ftruncate(2, 0)
        return os.write(2, kept)
    except OSError:
        return 0


def _end_with_server(server: subprocess.Popen[bytes]) -> None:
    """A server that ends by itself may leave children behind."""
    code = server.wait()
    _kill(server, "SIGKILL")
    _end_marked()
    os._exit(code if code >= 0 else 128 - code)


def _end(server: subprocess.Popen[bytes]) -> None:
    """Its input has ended; who is still there is asked to end, and then ended."""
    for stronger in ("SIGTERM", "SIGKILL"):
        try:
            server.wait(_END_SECONDS)
            break
        except subprocess.TimeoutExpired:
            _kill(server, stronger)
    _kill(server, "SIGKILL")  # what it started and left behind
    _end_marked()


def _end_marked() -> None:
    """Ends what has left the server's group, as browsers do. Only Linux tells of which server a process is."""
    mark = f"{_MARK}={os.getpid()}".encode()
    for _ in range(_MOST_ROUNDS):
        left = [process for process in _processes() if mark in _environment(process).split(b"\0")]
        for process in left:
            with suppress(OSError):
                os.kill(process, signal.SIGKILL)
        if not left:
            return


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208  # see above: little of Python
    except OSError:
        return []


def _environment(process: int) -> bytes:
    """What a process was started with; nothing of one that is gone, or another's."""
    try:
        with open(f"/proc/{process}/environ", "rb") as environment:  # noqa: PTH123
            return environment.read()
    except OSError:
        return b""


def _kill(server: subprocess.Popen[bytes], how: str) -> None:
    if os.name == "posix":
        with suppress(OSError):
            os.killpg(server.pid, getattr(signal, how))
        return
    if server.poll() is None:
        kill_tree = ["taskkill", "/T", "/F", "/PID", str(server.pid)]
        subprocess.run(kill_tree, capture_output=True, check=False, timeout=5)


if __name__ == "__main__":
    main()
