"""A visitor of a process of its own, for guard.py: does what each line of its input says, and tells what it got."""

from __future__ import annotations

import http.client
import itertools
import json
import re
import sys

FILES = 60  # about as many as a browser asks for when the page loads
numbers = itertools.count()


class Visitor:
    """One connection that is kept, as a browser keeps it."""

    def __init__(self, port: int, code_path: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {
            "User-Agent": "Mozilla/5.0",
            "Accept": "*/*",
            "Accept-Language": "en",
            "Sec-Fetch-Mode": "cors",
        }
        self._headers |= {"Sec-Fetch-Site": "same-origin", "Referer": f"http://127.0.0.1:{port}/"}
        self._cookie = self._ask(code_path)[1].partition(";")[0]
        page = self._ask("/", cookie=self._cookie)[0].decode()
        self._config = json.JSONDecoder().raw_decode(page, page.index("window.gradio_config = ") + 23)[0]
        links = re.findall(r'(?:href|src)="\.?/?((?:assets|static|theme)[^"]+)"', page)
        self._assets = list(dict.fromkeys("/" + link for link in links))
        start = next(path for path in self._assets if path.endswith(".js"))
        folder, named = start.rpartition("/")[0], re.findall(rb'"\./([\w.-]+\.(?:js|css))"', self._ask(start)[0])
        self._assets += [f"{folder}/{name.decode()}" for name in dict.fromkeys(named)][:FILES]

    def page(self, *, is_bare: bool) -> str:
        """The page, what it links to, and what its script asks for first."""
        session = f"page{next(numbers)}"
        total = sum(len(self._ask(path, is_bare=is_bare)[0]) for path in ["/", *self._assets, "/gradio_api/app_id"])
        loads = [it["id"] for it in self._config["dependencies"] if "load" in [event for _, event in it["targets"]]]
        for function in loads:
            self._join(function, [None] * self._inputs(function), session, is_bare=is_bare)
        total += sum(map(len, self._stream(session, len(loads), is_bare=is_bare)))
        return f"{len(self._assets) + 2} files, {total // 1000} kB"

    def stream(self, *, is_bare: bool) -> str:
        """A new chat, a question, and its whole answer as the feed tells it."""
        session = f"stream{next(numbers)}"
        self._join(self._function("new-chat"), [None, ""], session, is_bare=is_bare)
        shown = b"".join(self._stream(session, 1, is_bare=is_bare)).decode()
        chat = re.findall(r"hearth-chat-(\w+)", shown)[-1]
        self._join(self._function("chat-send"), [None, "Tell me."], session, is_bare=is_bare)
        self._send(f"/feed/{chat}/-", None, is_bare=is_bare)
        answer = self._connection.getresponse()
        frames: list[bytes] = []
        while line := answer.readline():
            frames += [line] if line.strip() else []
            if b"word1999" in line and b'"live": null' in line:
                break
        self._connection.close()
        assert b"word1999" in frames[-1]
        return f"{len(frames)} lines, {sum(map(len, frames)) // 1000} kB"

    def _function(self, button: str) -> int:
        component = next(it["id"] for it in self._config["components"] if it["props"].get("elem_id") == button)
        return next(it["id"] for it in self._config["dependencies"] if [component, "click"] in it["targets"])

    def _inputs(self, function: int) -> int:
        return len(next(it["inputs"] for it in self._config["dependencies"] if it["id"] == function))

    def _join(self, function: int, data: list[str | None], session: str, *, is_bare: bool) -> None:
        fields = {"data": data, "fn_index": function, "session_hash": session, "event_data": None, "trigger_id": None}
        self._ask("/gradio_api/queue/join", body=json.dumps(fields), is_bare=is_bare)

    def _stream(self, session: str, endings: int, *, is_bare: bool) -> list[bytes]:
        """What comes until so many calls have ended. Hearth keeps the stream open for the page's next ones."""
        self._send(f"/gradio_api/queue/data?session_hash={session}", None, is_bare=is_bare)
        answer = self._connection.getresponse()
        lines: list[bytes] = []
        while endings and (line := answer.readline()):
            lines += [line] if line.strip() else []
            endings -= b'"process_completed"' in line
        self._connection.close()
        assert not endings, lines[-1:]
        return lines

    def _ask(
        self, path: str, *, body: str | None = None, is_bare: bool = False, cookie: str | None = None
    ) -> tuple[bytes, str]:
        if cookie:
            self._headers["Cookie"] = cookie
        self._send(path, body, is_bare=is_bare)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status in (200, 303), (path, answer.status, content[:200])
        return content, answer.getheader("Set-Cookie") or ""

    def _send(self, path: str, body: str | None, *, is_bare: bool) -> None:
        headers = self._headers | ({"X-Bare": "1"} if is_bare else {})
        kind = {"Content-Type": "application/json"} if body else {}
        self._connection.request("POST" if body else "GET", path, body=body, headers=headers | kind)


def main() -> None:
    visitor = Visitor(int(sys.argv[1]), sys.argv[2])
    for line in sys.stdin:
        what, how = line.split()
        said = visitor.page(is_bare=how == "bare") if what == "page" else visitor.stream(is_bare=how == "bare")
        print(said, flush=True)


if __name__ == "__main__":
    main()
