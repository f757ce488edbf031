"""Which of the build machine's libraries may go into the bundle: those whose licence was read, and no GPL."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

# What PyInstaller finds outside Python's packages. Read from Debian's copyright files on 2026-11-23.
SYSTEM_LIBRARIES: tuple[tuple[str, str], ...] = (
    (r"libpython3", "PSF"),
    (r"lib(ssl|crypto)\.so\.3", "Apache-2.0"),
    (r"libsqlite3", "public domain"),
    (r"libffi", "MIT"),
    (r"libz\.so", "zlib"),
    (r"libbz2", "bzip2"),
    (r"liblzma", "public domain (the library; its command line tools are GPL)"),
    (r"liblz4", "BSD-2-Clause (the library; its command line tools are GPL)"),
    (r"libzstd", "BSD-3-Clause (or GPL-2, at our choice)"),
    (r"libuuid", "BSD-3-Clause (the library; other parts of util-linux are GPL)"),
    (r"libbrotli(common|dec)", "MIT"),
    (r"libpng16", "libpng"),
    (r"libpcre2-8", "BSD-3-Clause"),
    (r"libgomp", "GPL-3 with the GCC runtime library exception"),
    (r"libg(lib|thread)-2\.0", "LGPL-2.1-or-later"),
    (r"lib(gcrypt|gpg-error)", "LGPL-2.1-or-later"),
    (r"libkeyutils", "LGPL-2.0-or-later"),
    (r"libdbus-1", "AFL-2.1 (or GPL-2, at our choice)"),
    (r"libcap\.so", "BSD-3-Clause (or GPL-2, at our choice)"),
    (r"lib(bsd|md)\.so", "BSD"),
    (r"lib(com_err|gssapi_krb5|k5crypto|krb5|krb5support)\.so", "MIT"),
    (r"lib(nss3|nssutil3|nssckbi|smime3|softokn3|freebl3|freeblpriv3|nspr4|plc4|plds4)\.so", "MPL-2.0"),
    (r"libX(au|composite|damage|dmcp|ext|fixes|randr|render|tst)\.so", "MIT"),
    (r"libxcb-", "MIT"),
    (r"libxkb(common|common-x11|file)\.so", "MIT"),
    (r"libncursesw?|libtinfow?|libpanelw?", "MIT"),
)


def check(binaries: Iterable[tuple[str, str, str]]) -> None:
    """Ends the build where a library of the system comes in that nobody has read the licence of."""
    if sys.platform != "linux":
        return
    unread = sorted(
        name
        for name, source, kind in binaries
        if kind == "BINARY" and "site-packages" not in source and "/" not in name and licence_of(name) is None
    )
    if unread:
        cure = "then name them in build/licences.py or cut them in build/cuts.py"
        raise SystemExit(f"Read the licences of {', '.join(unread)}; {cure}.")


def licence_of(library: str) -> str | None:
    """The licence of a library of the system; None where it is not known."""
    return next((licence for pattern, licence in SYSTEM_LIBRARIES if re.match(pattern, library)), None)
