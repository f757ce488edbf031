"""Processes: started and ended, and what a tree of them has used."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

import psutil


def module_command(module: str, *arguments: str) -> list[str]:
    """What runs a module of ours in a process of its own."""
    return [sys.executable, "-m", module, *arguments]


def launched(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def ended(process: subprocess.Popen[str]) -> None:
    """Ends a process as a service manager would, and at last the hard way."""
    process.terminate()
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def tree(pid: int) -> list[psutil.Process]:
    """A process with all that come from it."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def processor_seconds(processes: list[psutil.Process]) -> float:
    """The time of all processors that these, and children of theirs that have ended, have used."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
    return total


def megabytes(processes: list[psutil.Process]) -> float:
    """Memory as PSS: what is shared with others counts in part. RSS where the system does not tell."""
    total = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            memory = process.memory_full_info()
            total += getattr(memory, "pss", memory.rss)
    return total / 1e6
