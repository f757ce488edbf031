"""`hearth` whose window loses its cookies and loads its page again when it is sent SIGUSR1; for test_window.py."""

from __future__ import annotations

import signal
import sys

from launcher.__main__ import main


def forget(*_: object) -> None:
    """In the main thread, Qt's own."""
    from webview.platforms import qt  # late: the launcher chooses the back end

    for view in qt.BrowserView.instances.values():
        page = view.webview.page()
        page.profile().cookieStore().deleteAllCookies()
        page.triggerAction(page.WebAction.Reload)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, forget)
    sys.exit(main())
