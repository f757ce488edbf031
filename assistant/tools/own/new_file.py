"""A commented example to begin one's own function with."""

from __future__ import annotations

from pathlib import Path

from assistant.errors import ToolError

_MOST = 1000
EXAMPLE = '''"""My own functions: each typed function here becomes a form in Hearth, and a tool for the model.

Change this file as you like and save it. Hearth shows it to you and runs nothing of it before you press Allow; after
each change it asks again.
"""

from typing import Annotated, Literal


def split_the_bill(
    total: float,
    people: Annotated[int, "how many share it"] = 2,
    tip_percent: float = 10.0,
    round_to: Literal["cent", "full"] = "cent",
) -> list[dict]:
    """Says what each person pays.

    This text is the help above the form, and what the model knows of the function. The types make the fields: str, int,
    float, bool, Literal and Enum (choices), date, datetime, list, Path, PIL.Image.Image. A default makes one optional.
    """
    share = total * (1 + tip_percent / 100) / people
    each = round(share, 2 if round_to == "cent" else 0)
    # A list of dicts is shown as a table, a str as text (or Markdown), a Pillow image as a picture, the rest as JSON.
    # A function that yields shows each piece as it comes. What you print is shown too.
    return [{"person": number + 1, "pays": each} for number in range(people)]
'''


def write_example(folder: Path) -> Path:
    """Writes the example under a name that is free, and gives its path. Raises ToolError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(1, _MOST):
            path = folder / ("my_function.py" if number == 1 else f"my_function_{number}.py")
            try:
                with path.open("x", encoding="utf-8") as file:  # never over one that is there
                    file.write(EXAMPLE)
            except FileExistsError:
                continue
            return path
    except OSError as error:
        raise ToolError("own-unwritable", path=folder, why=error.strerror or "?") from error
    raise ToolError("own-unwritable", path=folder, why="too many examples")
