"""Addresses of endpoints: what a person may type, spelled one way. Pure."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from assistant.egress import is_loopback
from assistant.errors import SettingsError

_LONGEST = 2000
_PASTED_TAILS = ("/chat/completions", "/completions", "/models", "/chat")
_HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?")


def normalise_endpoint(text: str) -> str:
    """The base address in `text`, spelled one way: without the trailing slash and without a pasted /chat/completions.

    An address without a scheme gets http:// where it is on this machine or a private network, else https://. Raises
    SettingsError where it is no web address, or holds more than an address: a password, a query.
    """
    typed = text.strip()
    if not typed:
        raise SettingsError("engine-address-empty")
    if len(typed) > _LONGEST:
        raise SettingsError("engine-address-host")
    if re.search(r"[\s\x00-\x1f\x7f]", typed):
        raise SettingsError("engine-address-spaces")
    try:
        parts = urlsplit(typed if "://" in typed else f"{_scheme_for(typed)}://{typed}")
        port = parts.port
    except ValueError:
        raise SettingsError("engine-address-port") from None
    _check(parts)
    host = _host(parts.hostname or "")
    path = parts.path.rstrip("/")
    for tail in _PASTED_TAILS:
        path = path.removesuffix(tail).rstrip("/")
    if re.search(r"[\\<>\"{}|^`]", path):
        raise SettingsError("engine-address-host")
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{path}"


def _scheme_for(typed: str) -> str:
    host = urlsplit(f"//{typed}").hostname or ""
    try:
        return "http" if ip_address(host).is_private else "https"
    except ValueError:
        return "http" if is_loopback(host) or "." not in host else "https"


def _check(parts: SplitResult) -> None:
    if parts.scheme not in ("http", "https"):
        raise SettingsError("engine-address-scheme")
    if "@" in parts.netloc:  # a password in an address ends up in every log
        raise SettingsError("engine-address-credentials")
    if parts.query or parts.fragment:
        raise SettingsError("engine-address-extra")
    if not parts.hostname:
        raise SettingsError("engine-address-host")
    if parts.port == 0:
        raise SettingsError("engine-address-port")


def _host(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        pass
    else:
        return f"[{address}]" if address.version == 6 else str(address)
    try:
        name = host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise SettingsError("engine-address-host") from None
    if not _HOST_NAME.fullmatch(name):
        raise SettingsError("engine-address-host")
    return name
