"""How requests get in at a server: the key, headers of the person's own, and the proxy on the way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from assistant.errors import SettingsError
from assistant.redaction import conceal

KEY_MARK = "{key}"
MOST_HEADERS = 20
LONGEST_HEADER = 2000
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")  # a token of RFC 9110, section 5.6.2
# What the client sets itself, and what would change where a request goes or how its body is read.
_OURS = (
    *("host", "connection", "content-length", "content-type", "transfer-encoding", "accept", "accept-encoding", "te"),
    *("trailer", "upgrade", "expect", "keep-alive", "proxy-authorization", "proxy-connection", "forwarded", "via"),
)


@dataclass(frozen=True)
class Access:
    """What is sent along to one endpoint and to no other. `headers` are pairs of a name and a value; KEY_MARK in a
    value stands for the key, which is then sent nowhere else. An empty `proxy` is the environment's."""

    api_key: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    proxy: str = ""

    def sent_headers(self) -> dict[str, str]:
        """The headers of a request, by their names in small letters."""
        key = self.api_key or ""
        own = {name.lower(): value.replace(KEY_MARK, key) for name, value in self.headers}
        if not key or any(KEY_MARK in value for _, value in self.headers):
            return own
        return {"authorization": f"Bearer {key}"} | own

    def hides(self, text: str) -> bool:
        """Whether a text holds the key: servers echo it, and what they say is shown and kept."""
        return self.api_key is not None and self.api_key in text


KEYLESS = Access()


def headers_from(text: str) -> tuple[tuple[str, str], ...]:
    """Headers as they are typed, one "Name: value" in each line. Raises SettingsError where one cannot be sent."""
    headers: list[tuple[str, str]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not _NAME.fullmatch(name):
            raise SettingsError("headers.form", line=line[:60])
        if name.lower() in _OURS:
            raise SettingsError("headers.ours", name=name)
        if not value or len(value) > LONGEST_HEADER or not all(" " <= character <= "~" for character in value):
            raise SettingsError("headers.value", name=name)
        if conceal(line) != line:  # settings are no place for it
            raise SettingsError("headers.secret", name=name)
        if name.lower() in {given.lower() for given, _ in headers}:
            raise SettingsError("headers.twice", name=name)
        headers.append((name, value))
    if len(headers) > MOST_HEADERS:
        raise SettingsError("headers.many", count=MOST_HEADERS)
    return tuple(headers)


def headers_as_text(headers: tuple[tuple[str, str], ...]) -> str:
    """What `headers_from` takes."""
    return "\n".join(f"{name}: {value}" for name, value in headers)


def check_proxy(text: str) -> str:
    """The address of a proxy, `http://host:port`, or nothing. Raises SettingsError where it cannot be one."""
    address = text.strip().rstrip("/")
    if not address:
        return ""
    try:
        parts = urlsplit(address)
        is_sound = bool(parts.hostname) and (parts.port or 0) >= 0 and parts.path == parts.query == parts.fragment == ""
    except ValueError:
        is_sound = False
        parts = urlsplit("")
    if not is_sound or parts.scheme not in ("http", "https") or not address.isascii() or not address.isprintable():
        raise SettingsError("proxy.form")
    if parts.username is not None or parts.password is not None:
        raise SettingsError("proxy.secret")
    return address
