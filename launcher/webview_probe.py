"""Can this machine show the window? Tried in a child process, since a missing library can abort instead of raise."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from assistant.errors import StartError

PROBE_SECONDS = 30
_NOT_FOUND = re.compile(r"(lib[\w+.-]+\.so[.\d]*)")
# Debian's package for each library that Qt's wheels expect of the system.
PACKAGES = {
    "libnss3.so": "libnss3",
    "libnssutil3.so": "libnss3",
    "libsmime3.so": "libnss3",
    "libnspr4.so": "libnspr4",
    "libplc4.so": "libnspr4",
    "libplds4.so": "libnspr4",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxcb-dri3.so.0": "libxcb-dri3-0",
    "libxcb.so.1": "libxcb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxkbfile.so.1": "libxkbfile1",
    "libxshmfence.so.1": "libxshmfence1",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libX11.so.6": "libx11-6",
    "libXcomposite.so.1": "libxcomposite1",
    "libXdamage.so.1": "libxdamage1",
    "libXext.so.6": "libxext6",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libXrandr.so.2": "libxrandr2",
    "libXrender.so.1": "libxrender1",
    "libXtst.so.6": "libxtst6",
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libGLX.so.0": "libglx0",
    "libOpenGL.so.0": "libopengl0",
    "libgbm.so.1": "libgbm1",
    "libdrm.so.2": "libdrm2",
    "libasound.so.2": "libasound2",
    "libdbus-1.so.3": "libdbus-1-3",
    "libexpat.so.1": "libexpat1",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libgobject-2.0.so.0": "libglib2.0-0",
    "libgio-2.0.so.0": "libglib2.0-0",
    "libudev.so.1": "libudev1",
    "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6",
    "libzstd.so.1": "libzstd1",
    "libbrotlicommon.so.1": "libbrotli1",
    "libbrotlidec.so.1": "libbrotli1",
    "libgssapi_krb5.so.2": "libgssapi-krb5-2",
    "libxcb-glx.so.0": "libxcb-glx0",
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
    "libwayland-egl.so.1": "libwayland-egl1",
    "libz.so.1": "zlib1g",
}
# Renamed for 64-bit times in Debian 13 and Ubuntu 24.04, where apt no longer finds libasound2 by its old name.
RENAMED = ("libasound2", "libglib2.0-0")


def check_window(command: list[str], *, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Runs `command` (this program with "probe-window"), does `meanwhile` in that time, and raises StartError where no
    window can be shown: "start-no-display" without a display, "start-display-refused" where it cannot be used, else
    "start-no-web-view" with the packages that are missing."""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise StartError("start-no-display")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as tried:
        meanwhile()
        try:
            _, said = tried.communicate(timeout=PROBE_SECONDS)
        except subprocess.TimeoutExpired as error:
            tried.kill()
            raise StartError("start-web-view-hangs") from error
    if tried.returncode == 0:
        return
    missing = _NOT_FOUND.findall(said) if "cannot open shared object" in said else []
    packages = packages_of([*missing, *_missing_libraries()])
    if packages:
        raise StartError("start-no-web-view", packages=" ".join(packages))
    if "could not connect to display" in said or "Failed to create wl_display" in said:
        raise StartError("start-display-refused", display=os.environ.get("DISPLAY", ""))
    last = (said.strip().splitlines() or ["?"])[-1]
    raise StartError("start-web-view-fails", reason=last[:300])


def probe() -> int:
    """The child's part: loads everything that the window will, as far as the first event loop."""
    os.environ["QT_API"] = "pyside6"
    from PySide6.QtWebEngineWidgets import QWebEngineView
    from PySide6.QtWidgets import QApplication

    application = QApplication(["hearth"])
    return 0 if application and QWebEngineView else 1


def packages_of(libraries: list[str], *, glibc: tuple[int, ...] | None = None) -> list[str]:
    """Debian's packages for library files, without doubles; an unknown library stands for itself. The age of the
    system is told by its `glibc`, this machine's unless given, since derived systems count otherwise."""
    names = dict.fromkeys(PACKAGES.get(name, PACKAGES.get(_unversioned(name), name)) for name in libraries)
    is_renamed = (glibc or _glibc()) >= (2, 39)
    return [f"{name}t64" if is_renamed and name in RENAMED else name for name in names]


def _glibc() -> tuple[int, ...]:
    version = platform.libc_ver()[1]
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def _unversioned(name: str) -> str:
    return name.split(".so", maxsplit=1)[0] + ".so"


def _missing_libraries() -> list[str]:
    """The libraries that the window's own ones miss, as the system's loader sees it; none where it cannot be asked."""
    import PySide6  # late: only a machine that cannot show the window needs it

    folder = Path(next(iter(PySide6.__path__)))
    wanted = [
        *folder.glob("Qt/lib/libQt6WebEngineCore.so*"),
        *folder.glob("Qt/plugins/platforms/libqxcb.so"),
        *folder.glob("QtWebEngineWidgets*.so"),
        *folder.glob("Qt/libexec/QtWebEngineProcess"),
        *Path(sys.prefix).glob("_internal/PySide6/Qt/lib/libQt6WebEngineCore.so*"),
    ]
    try:
        seen = subprocess.run(
            ["ldd", *map(str, wanted)], capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    ours = {path.name for path in folder.rglob("*.so*")}
    names = [line.split("=>")[0].strip() for line in seen.splitlines() if "not found" in line]
    return [name for name in names if name not in ours]
