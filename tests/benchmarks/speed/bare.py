"""A bare pywebview window, the least that shows a page: of one colour, at once or after so many seconds.

python -m tests.benchmarks.speed.bare COLOUR [SECONDS]
"""

from __future__ import annotations

import os
import sys
import time

os.environ["QT_API"] = "pyside6"

import webview

PAGE = """<!doctype html><title>bare</title><body style="background: #fdfcfa">
<script>setTimeout(() => { document.body.style.background = "%s"; }, %d);</script></body>"""


def main() -> None:
    colour, seconds = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    if sys.platform == "linux" and os.geteuid() == 0:
        os.environ["QTWEBENGINE_DISABLE_SANDBOX"] = "1"
    page = PAGE % (colour, seconds * 1000)
    webview.create_window("bare", html=page, width=1200, height=800)
    print(time.time(), flush=True)
    webview.start(gui="qt" if sys.platform == "linux" else None)


if __name__ == "__main__":
    main()
