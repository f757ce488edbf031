"""A program for the window tests: shows one page of the test's own in Hearth's window, and prints what it says.

`python -P -m tests.desktop.stage SCRIPT`: SCRIPT runs in the page, where `say(text)` prints a line here.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from launcher.window import Window

PAGE = """<!doctype html><title>stage</title><script>
const say = (text) => fetch("/say", {{method: "POST", body: String(text)}});
const follow = (href, more) => {{
  const link = document.body.appendChild(document.createElement("a"));
  Object.assign(link, {{href, ...more}}).click();
}};
addEventListener("load", () => {{ {script} }});
</script><body></body>"""


class Stage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"a,b\n1,2\n" if self.path.startswith("/file") else PAGE.format(script=sys.argv[1]).encode()
        self.send_response(401 if self.path == "/locked" else 200)
        if self.path.startswith("/file"):
            self.send_header("Content-Disposition", 'attachment; filename="report.csv"')
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        print(self.rfile.read(int(self.headers["Content-Length"])).decode(), flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it
        pass


def main() -> None:
    if os.geteuid() == 0:
        os.environ["QTWEBENGINE_DISABLE_SANDBOX"] = "1"
    os.chdir(tempfile.mkdtemp())
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    window = Window(
        log_file=Path("none.log"),
        on_try_again=lambda: None,
        on_locked=lambda: print("locked", flush=True),
        is_debug=False,
    )
    window.show(lambda: window.open(f"http://127.0.0.1:{server.server_port}/"), on_destroyed=lambda: os._exit(0))
    os._exit(0)


if __name__ == "__main__":
    main()
