"""What time it is."""

from __future__ import annotations

from datetime import datetime


def now() -> str:
    """The date and time of day where the user is, with the weekday."""
    return datetime.now().astimezone().strftime("%A, %Y-%m-%d %H:%M:%S %z")
