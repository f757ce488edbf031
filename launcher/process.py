"""What has to be so before anything heavy is imported: environment, umask, and a private working directory."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)

PREFIX = "hearth-"
LOCK = "lock"
FILES = 8192  # the server's connections, and room beside them

# Whoever sets these could change what is served, whom we trust, what is loaded or what is reported home.
_HOSTILE_PREFIXES = (
    "GRADIO_",
    "UVICORN_",
    "HF_",
    "HUGGING",
    "PYWEBVIEW_",
    "WEBVIEW2_",
    "QTWEBENGINE",
    "OPENAI_",
    "OAUTH_",
    "OTEL_",
    "FASTAPI_",
    "SPACE",
    "KAGGLE_",
    "OPENSSL_",  # its settings load code
    "GGML_",
    "LLAMA_",
    "KEYRING_",
    "PYTHON_KEYRING_",
)
_HOSTILE_NAMES = (
    "FORWARDED_ALLOW_IPS",
    "HEARTH_API_KEY",
    "SYSTEM",
    "KEYCHAIN_PATH",
    "MPLBACKEND",
    "WEB_CONCURRENCY",
    # Whom we trust is the system's list, and nobody listens in: the company's gateway is in that list too.
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSLKEYLOGFILE",
    "FORCE_QT_API",
    "QML_IMPORT_PATH",
    "QML2_IMPORT_PATH",
    "QT_PLUGIN_PATH",  # another Qt's plugins keep ours from starting
    "QT_QPA_PLATFORM_PLUGIN_PATH",
)
_OURS = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_SSR_MODE": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
# Where other programs keep their models: kept under another name, for nobody but `assistant/library/elsewhere.py`.
_PLACES = ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
_PLACE_PREFIX = "HEARTH_PLACE_"
_ONLY_FOR_US = ("TMPDIR", "TEMP", "TMP", "QT_API", "QT_STYLE_OVERRIDE", "MESA_SHADER_CACHE_DIR")


class PrivateFolder:
    """This process's own folder for everything temporary: 0700, the working directory below it, removed at the end.

    A lock in it says that its process lives; folders of dead ones are removed by the next start.
    """

    def __init__(self) -> None:
        parent = Path(tempfile.gettempdir())
        _remove_dead(parent)
        self.path, self._lock = _claimed(parent)
        for name in ("work", "tmp", "uploads"):
            (self.path / name).mkdir(mode=0o700)

    def enter(self) -> None:
        """Makes it the place where this process and its libraries work. An empty working directory matters: Gradio
        may serve files from it, and Python and dotenv readers load what lies there."""
        os.chdir(self.path / "work")
        tempfile.tempdir = str(self.path / "tmp")
        os.environ["TMPDIR"] = os.environ["TEMP"] = os.environ["TMP"] = tempfile.tempdir
        os.environ["GRADIO_TEMP_DIR"] = str(self.path / "uploads")

    def remove(self) -> None:
        """Removes it with everything in it; may be repeated."""
        os.chdir(self.path.anchor)  # Windows cannot remove the folder that it stands in
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def clean_environment() -> None:
    """Takes out what could turn Hearth into something else, and switches every library's reporting off."""
    for name in _PLACES:
        if place := os.environ.get(name):
            os.environ[_PLACE_PREFIX + name] = place
    for name in list(os.environ):
        if name.startswith(_HOSTILE_PREFIXES) or name in _HOSTILE_NAMES:
            del os.environ[name]
    os.environ.update(_OURS)
    os.umask(0o077)


def raise_file_limit() -> None:
    """Lets this process hold as many files and sockets as the system allows, up to FILES. Windows has no such limit."""
    if os.name != "posix":
        return
    import resource  # late: Windows has none

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # macOS may allow less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def outside_environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Our environment as another program of the person's should see it: without what we set for ourselves."""
    outside = {
        name: value
        for name, value in ours.items()
        if name not in _OURS and name not in _ONLY_FOR_US and not name.startswith((*_HOSTILE_PREFIXES, _PLACE_PREFIX))
    }
    if getattr(sys, "frozen", False):  # PyInstaller's own libraries are not for others
        outside.pop("LD_LIBRARY_PATH", None)
    if before := outside.pop("LD_LIBRARY_PATH_ORIG", ""):
        outside["LD_LIBRARY_PATH"] = before
    return outside


def forget_foreign_modules() -> None:
    """Takes the directory that Hearth was started in, and those that PYTHONPATH names, off the import path, unless
    Hearth itself lies there."""
    house = Path(__file__).resolve().parent.parent
    named = [entry for entry in os.environ.pop("PYTHONPATH", "").split(os.pathsep) if entry]
    if house in map(_place, named):
        os.environ["PYTHONPATH"] = str(house)  # the engine's child finds it this way
    foreign = {Path.cwd(), *map(_place, named)} - {house}
    sys.path[:] = [entry for entry in sys.path if _place(entry) not in foreign]


def _place(entry: str) -> Path:
    return Path(entry).resolve()  # the empty entry is the working directory


def _claimed(parent: Path) -> tuple[Path, FileLock]:
    """A new folder and the lock held in it. Another start that sweeps just now may take one that is not locked yet."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        lock = FileLock(path / LOCK, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except (Timeout, FileNotFoundError):
            continue
        if (path / LOCK).exists():
            return path, lock


def _remove_dead(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            if folder.is_symlink() or not (folder / LOCK).is_file() or _is_foreign(folder):
                continue
            with FileLock(folder / LOCK).acquire(blocking=False):
                shutil.rmtree(folder, ignore_errors=True)
        except (Timeout, OSError):
            continue  # its process lives, or it is not ours to touch


def _is_foreign(folder: Path) -> bool:
    return hasattr(os, "getuid") and folder.stat().st_uid != os.getuid()
