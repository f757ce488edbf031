"""A visitor of a process of its own, for guard.py: does what each line of its input says, and tells what it got. Pages
are loaded by a real Chromium, answers are read by an HTTP client that does nothing else."""

from __future__ import annotations

import http.client
import itertools
import json
import re
import sys

from playwright.sync_api import Browser

from tests.benchmarks.speed.browser import chromium

REST_MS = 500  # what a page asks for once it can be used
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
        self._address = f"http://127.0.0.1:{port}/"

    def page(self, browser: Browser, *, is_bare: bool) -> str:
        """The page in a browser that has nothing of it yet, until its composer is there and it has asked for all."""
        name, _, value = self._cookie.partition("=")
        with browser.new_context(extra_http_headers={"X-Bare": "1"} if is_bare else {}) as context:
            context.add_cookies([{"name": name, "value": value, "url": self._address}])
            asked: list[str] = []
            context.on("request", lambda request: asked.append(request.url))
            page = context.new_page()
            page.goto(self._address)
            page.locator("#chat-input textarea").wait_for()
            page.wait_for_timeout(REST_MS)
        return f"{len(asked)} requests"

    def stream(self, *, is_bare: bool) -> str:
        """A new chat, a question, and its whole answer as the feed tells it."""
        self._connection.close()  # the server has hung up on one that rested
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
    with chromium() as browser:
        for line in sys.stdin:
            what, how = line.split()
            is_bare = how == "bare"
            print(
                visitor.page(browser, is_bare=is_bare) if what == "page" else visitor.stream(is_bare=is_bare),
                flush=True,
            )


if __name__ == "__main__":
    main()
