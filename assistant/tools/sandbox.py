"""Where programs of a model run: pydantic-monty, a Python of its own in a child, without files, network or system.

The child is a program of its own (`monty`), told what to compute over a pipe. It holds itself to the limits; where it
does not, it is ended from here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic_monty import Monty, MontyCrashedError, MontyError, MontyRuntimeError, MontySyntaxError, ResourceLimits

from assistant.errors import ToolError

MOST_OUTPUT = 20_000
_BYTES = 256_000_000
_LONGEST_ERROR = 2000


@dataclass
class _Output:
    """What a program prints, up to a length; the rest is dropped as it comes."""

    parts: list[str] = field(default_factory=list)
    length: int = 0

    def take(self, stream: Literal["stdout", "stderr"], text: str) -> None:
        del stream
        if self.length < MOST_OUTPUT:
            self.parts.append(text[: MOST_OUTPUT - self.length])
        self.length += len(text)

    def text(self) -> str:
        left = self.length - MOST_OUTPUT
        return "".join(self.parts) + (f"\n... and {left:,} more characters\n" if left > 0 else "")


def run(code: str, inputs: Mapping[str, Any], *, seconds: float, before: str = "") -> tuple[str, Any]:
    """What a program prints after `before`, and the value of its last line. Blocks. Raises ToolError."""
    limits: ResourceLimits = {"max_feed_duration_secs": seconds, "max_memory": _BYTES, "max_recursion_depth": 500}
    output = _Output()
    try:
        with (
            Monty(binary_path=_worker(), min_processes=1, max_processes=1, request_timeout=seconds + 2) as pool,
            pool.checkout(script_name="program.py", limits=limits, os_policy={"sleep": "zero"}) as session,
        ):
            if before:
                session.feed_run(before)
            value = session.feed_run(code, inputs=dict(inputs), print_callback=output.take)
    except (MontyRuntimeError, MontySyntaxError) as error:
        if before:
            raise ToolError("tool-sum", why=error.display("type-msg")) from None
        raise ToolError("tool-code", why=_why(error), printed=output.text()[-_LONGEST_ERROR:]) from None
    except MontyCrashedError:
        raise ToolError("tool-code-crashed", seconds=int(seconds)) from None
    except (MontyError, ValueError) as error:  # a value that cannot be brought over: of 5,000 digits, or a function
        raise ToolError("tool-code-value", why=str(error)[:_LONGEST_ERROR]) from None
    except OSError as error:
        raise ToolError("tool-code-missing", reason=error.strerror or "?") from error
    return output.text(), value


def _why(error: MontyRuntimeError | MontySyntaxError) -> str:
    """Its traceback, or, for one of many lines, how that ends."""
    told = error.display().strip()
    return told if len(told) <= _LONGEST_ERROR else f"...{told[-_LONGEST_ERROR:]}"


def _worker() -> Path | None:
    """The worker in Hearth's executable, where build/hearth.spec puts it; None leaves it to pydantic-monty to find."""
    folder: str | None = getattr(sys, "_MEIPASS", None)
    return Path(folder, "bin", "monty.exe" if sys.platform == "win32" else "monty") if folder else None
