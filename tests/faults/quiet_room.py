"""A room without a way out in which every attempt to leave is heard: run by test_silence.py, as root, in namespaces.

    unshare --net --mount --pid --fork --kill-child --mount-proc python -m tests.faults.quiet_room FOLDER

The way to everywhere leads through a card that ends in the room, so that what would leave is seen. A name server lies
that way, and a proxy on loopback is named by all proxy variables. What is heard is printed as JSON, after a person's
first minutes with the window: it opens, is asked, answers, a setting is changed, it is closed; and after the commands
that look at it, keep and move its chats.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(HOUSE / "build"))  # a folder of scripts, which find one another this way too

import story  # noqa: E402
from person import eventually, keep_displays_apart, screen  # noqa: E402
from stage import stage_for  # noqa: E402

CARD, END = "quiet0", "quiet1"
OURS, GATEWAY = ("10.77.0.2", "fd77::2"), ("10.77.0.1", "fd77::1")
ALL_FRAMES, IP4, IP6 = 0x0003, 0x0800, 0x86DD
KERNELS_OWN = (0, 58)  # hop-by-hop options and ICMP of IPv6: the card says hello to its neighbours
HEAD = 14  # bytes before the packet


class Ear:
    """Hears what would leave through the card, and what asks the proxy."""

    def __init__(self) -> None:
        self.packets: list[str] = []
        self.proxied: list[str] = []
        self._card = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_FRAMES))
        self._card.bind((CARD, 0))
        self._proxy = socket.create_server(("127.0.0.1", 0))
        self.proxy = f"http://127.0.0.1:{self._proxy.getsockname()[1]}"
        for listen in (self._listen_at_card, self._listen_at_proxy):
            threading.Thread(target=listen, daemon=True).start()

    def _listen_at_card(self) -> None:
        while True:
            packet = self._card.recv(65535)
            (kind,) = struct.unpack("!H", packet[12:HEAD])
            packet = packet[HEAD:]
            if kind == IP4:
                self.packets.append(f"{ip_address(packet[16:20])} {packet[20:]!r}"[:200])
            elif kind == IP6 and packet[6] not in KERNELS_OWN:
                self.packets.append(f"{ip_address(packet[24:40])} {packet[40:]!r}"[:200])

    def _listen_at_proxy(self) -> None:
        while True:
            visitor, _ = self._proxy.accept()
            with visitor, suppress(OSError):
                visitor.settimeout(5)
                self.proxied.append(repr(visitor.recv(4096))[:200])


def furnish(folder: Path) -> None:
    """Lays the network out. It is this process's alone, and goes with it."""
    card = [
        "link set lo up",
        f"link add {CARD} type veth peer name {END}",
        f"link set {END} up",
        f"link set {CARD} up",
        f"addr add {OURS[0]}/24 dev {CARD}",
        f"-6 addr add {OURS[1]}/64 dev {CARD} nodad",
        *(f"neigh add {address} lladdr 02:00:00:00:00:01 dev {CARD}" for address in GATEWAY),
        f"route add default via {GATEWAY[0]}",
        f"-6 route add default via {GATEWAY[1]}",
    ]
    for words in card:
        subprocess.run(["ip", *words.split()], check=True)
    resolver = folder / "resolv.conf"
    resolver.write_text(f"nameserver {GATEWAY[0]}\noptions timeout:1 attempts:1\n", encoding="utf-8")
    subprocess.run(["mount", "--bind", str(resolver), "/etc/resolv.conf"], check=True)
    keep_displays_apart()


def hears(ear: Ear) -> bool:
    """Whether the room is fit: a look-up, a connection and a request through the proxy are heard. Then it forgets."""
    with suppress(OSError):
        socket.getaddrinfo("hearing.example", 443)
    for address in ("192.0.2.1", "2001:db8::1"):
        with suppress(OSError):
            socket.create_connection((address, 443), timeout=0.3)
    with suppress(OSError):
        proxy = urllib.request.ProxyHandler({"http": ear.proxy})
        urllib.request.build_opener(proxy).open("http://hearing.example/", timeout=2)
    time.sleep(0.5)
    heard = " ".join(ear.packets)
    wanted = (f"{GATEWAY[0]} ", "hearing", "192.0.2.1 ", "2001:db8::1 ")
    is_fit = all(words in heard for words in wanted) and "hearing.example" in " ".join(ear.proxied)
    ear.packets.clear()
    ear.proxied.clear()
    return is_fit


def live(folder: Path, ear: Ear) -> list[str]:
    """The first minutes with the window, from the checkout. Gives what Hearth's own seal refused meanwhile."""
    names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    variables = dict.fromkeys(names, ear.proxy) | {"PATH": os.environ["PATH"], "PYTHONPATH": str(HOUSE)}
    with screen() as person:
        command = [sys.executable, "-P", "-m", "launcher"]
        stage = stage_for(command, folder / "home", display=person.display).with_variables(**variables)
        with story.opened(stage, person, said=folder / "said") as (process, _):
            answer = story.is_asked(stage, person)
            story.page_shows(person, *story.words_of(answer))
            story.changes_a_setting(stage, person)
            story.closes(process, person)
        for words in (
            ["doctor"],
            ["backup"],
            ["export", str(folder / "chats.json")],
            ["import", str(folder / "chats.json")],
        ):
            told = stage.run(*words)
            assert told.returncode == 0, told.stdout + told.stderr
    log = (stage.data_dir / "logs" / "hearth.log").read_text(encoding="utf-8")
    return [line for line in log.splitlines() if "assistant.egress" in line]


def main() -> None:
    folder = Path(sys.argv[1])
    furnish(folder)
    ear = Ear()
    is_fit = eventually(lambda: hears(ear), within_seconds=10)
    refused = live(folder, ear)
    print(json.dumps({"hears": is_fit, "refused": refused, "packets": ear.packets, "proxied": ear.proxied}))


if __name__ == "__main__":
    main()
