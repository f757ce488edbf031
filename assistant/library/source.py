"""Where a model may be fetched from: what a person may type, and where a server may send us on. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from assistant.egress import is_loopback
from assistant.engines.gguf import part_names
from assistant.errors import LibraryError
from assistant.library.shelf import is_file_name

HUGGING_FACE = "https://huggingface.co"
_LONGEST = 2000
_SHORT_HOSTS = ("huggingface.co/", "www.huggingface.co/", "hf.co/")
_CHECKSUM = re.compile(r"sha256=([0-9a-fA-F]{64})")


@dataclass(frozen=True)
class Source:
    """One file: its address, the name that it gets here, and its SHA-256 where the person gave it."""

    url: str
    name: str
    sha256: str = ""


def sources(text: str, *, hub: str = HUGGING_FACE) -> list[Source]:
    """The files of the model that `text` names: `owner/repo/file.gguf` of Hugging Face (`hub`), or an address, at whose
    end `#sha256=...` may stand. More than one for a model in parts. Raises LibraryError."""
    typed = text.strip()
    if not typed or len(typed) > _LONGEST or re.search(r"[\s\x00-\x1f\x7f\\]", typed):
        raise LibraryError("download-address")
    if "://" not in typed:
        typed = _on_hub(typed, hub)
    try:
        parts = urlsplit(typed)
        _ = parts.port
    except ValueError:
        raise LibraryError("download-address") from None
    checksum = _CHECKSUM.fullmatch(parts.fragment)
    if parts.fragment and not checksum:
        raise LibraryError("download-address")
    path = parts.path
    if typed.startswith((f"{hub}/", f"{HUGGING_FACE}/")):  # the page about a file is copied as often as its address
        path = re.sub(r"^(/[^/]+/[^/]+)/blob/", r"\1/resolve/", path)
    folder, _, last = path.rpartition("/")
    name = unquote(last)
    check_hop(typed)
    if not is_file_name(name):
        raise LibraryError("download-no-file")
    names = part_names(name)
    if len(names) == 1:
        address = urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))
        return [Source(address, name, checksum[1].lower() if checksum else "")]
    addresses = (urlunsplit((parts.scheme, parts.netloc, f"{folder}/{quote(each)}", parts.query, "")) for each in names)
    return [Source(address, each) for address, each in zip(addresses, names, strict=True)]


def _on_hub(typed: str, hub: str) -> str:
    for host in _SHORT_HOSTS:
        if typed.lower().startswith(host):
            return f"{hub}/{typed[len(host) :]}"
    whole, _, fragment = typed.partition("#")
    steps = whole.strip("/").split("/")
    if len(steps) < 3 or not all(re.fullmatch(r"[\w.+-]+", step) and step.strip(".") for step in steps):
        raise LibraryError("download-address")
    tail = f"#{fragment}" if fragment else ""
    return f"{hub}/{steps[0]}/{steps[1]}/resolve/main/{'/'.join(steps[2:])}{tail}"


def hop(url: str, location: str) -> str:
    """Where a server at `url` sends us on to. Raises LibraryError where we do not go."""
    try:
        target = urljoin(url, location).partition("#")[0]
        urlsplit(target)
    except ValueError:
        raise LibraryError("download-redirect") from None
    check_hop(target, comes_from=url)
    return target


def check_hop(url: str, *, comes_from: str = "") -> None:
    """Raises LibraryError for an address that nothing is fetched from.

    Plain http can be read and changed on its way, so it is for this machine and the private network alone: there the
    person knows who answers, and home servers rarely have certificates. A server outside may not send us in there, nor
    from https to http. A name or password in an address would end up in lists and logs.
    """
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or ""), parts.port
    except ValueError:
        raise LibraryError("download-address") from None
    if parts.scheme not in ("http", "https") or not host:
        raise LibraryError("download-redirect" if comes_from else "download-address")
    if "@" in parts.netloc:
        raise LibraryError("download-redirect" if comes_from else "download-credentials")
    if not comes_from:
        if parts.scheme == "http" and not is_near(host):
            raise LibraryError("download-plain-http")
        return
    before = urlsplit(comes_from)
    is_let_down = before.scheme == "https" and parts.scheme == "http"
    is_led_inside = is_near(host) and not is_near(before.hostname or "")
    if is_let_down or is_led_inside or (parts.scheme == "http" and not is_near(host)):
        raise LibraryError("download-redirect")


def is_near(host: str) -> bool:
    """Whether a host is this machine or one of the private network, by its address or by a name without a domain."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        name = host.lower().rstrip(".")
        return is_loopback(name) or "." not in name or name.endswith(".local")
    return address.is_private and not address.is_link_local and not address.is_unspecified
