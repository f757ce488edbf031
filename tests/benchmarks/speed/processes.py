"""Processes: started and ended, and what a tree of them has used."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress

import psutil


def module_command(module: str, *arguments: str) -> list[str]:
    """What runs a module of ours in a process of its own."""
    return [sys.executable, "-m", module, *arguments]


def launched(command: list[str], **environment: str) -> subprocess.Popen[str]:
    """Starts a process; what it prints can be read. `environment` stands beside ours."""
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # compile once
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=ours | environment,
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


def threads(processes: list[psutil.Process]) -> int:
    return sum(process.num_threads() for process in processes)


def descriptors(processes: list[psutil.Process]) -> int:
    """Open files, connections and pipes; on Windows, handles."""
    return sum(process.num_handles() if os.name == "nt" else process.num_fds() for process in processes)
