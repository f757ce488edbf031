"""The scripted model, in a process of its own: says the same to every question, and tells when it did.

Its standard output is its address, then for each answer the moments as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from queue import Queue

from tests.benchmarks.speed import text
from tests.benchmarks.speed.processes import ended, launched, module_command
from tests.fake_endpoint import FakeEndpoint
from tests.fake_steps import Answer, Moments


class Endpoint:
    """The process, from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._lines = process.stdout
        self.url = self._lines.readline().strip()
        self._moments: Queue[Moments] = Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def moments(self, timeout_seconds: float) -> Moments:
        """Waits for the end of the next answer. Raises queue.Empty."""
        return self._moments.get(timeout=timeout_seconds)

    def _listen(self) -> None:
        for line in self._lines:
            self._moments.put(Moments(**json.loads(line)))


@contextmanager
def scripted(count: int, rate_per_second: float, reasoning: int = 0) -> Iterator[Endpoint]:
    """An endpoint whose answers have so many tokens, after so many of reasoning."""
    process = launched(
        module_command("tests.benchmarks.speed.endpoint", str(count), str(rate_per_second), str(reasoning))
    )
    try:
        yield Endpoint(process)
    finally:
        ended(process)


def main() -> None:
    count, rate, reasoning = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    thought = text.tokens(reasoning, last="so.") if reasoning else []
    said = text.tokens(count, first="Thus") if reasoning else text.tokens(count)
    answer = Answer(said, rate, thought, usage=(7, count + reasoning), hear=_tell)
    endpoint = FakeEndpoint(None, free=answer)
    print(endpoint.url, flush=True)
    threading.Event().wait()


def _tell(moments: Moments) -> None:
    print(json.dumps(asdict(moments)), flush=True)


if __name__ == "__main__":
    main()
