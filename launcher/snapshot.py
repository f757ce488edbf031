"""`hearth backup`: a snapshot of the chats, beside a running Hearth too. Gradio is never loaded here."""

from __future__ import annotations

from assistant import create_app
from launcher.options import OK, Options
from launcher.process import PrivateFolder


def back_up(options: Options, _: PrivateFolder) -> int:
    """Prints the path of a new snapshot."""
    app = create_app(options.profile, **options.choices)
    app.seal_process()
    print(app.back_up(), flush=True)
    return OK
