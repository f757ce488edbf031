"""Rows 13 to 18 of the faults: files that may not be read, fetched or left behind."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

from tests.conftest import eventually
from tests.faults.siege import END, FILE, FORM, JSON, UPLOAD, Answer, Besieged, part

MEGABYTE = 1_000_000
HANGS_SECONDS = 5
PAGE = b"<!doctype html><script>alert(1)</script>"
DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'


def upload(hearth: Besieged, *parts: bytes) -> tuple[int, list[str]]:
    answer = hearth.ask(UPLOAD, method="POST", headers=FORM, body=b"".join(parts) + END)
    return answer.status, json.loads(answer.body) if answer.status == 200 else []


@contextmanager
def sink() -> Iterator[tuple[int, list[bytes]]]:
    """A port on which nothing may ever arrive, and what did."""
    hits: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            with suppress(OSError):
                while True:
                    visitor, _ = server.accept()
                    visitor.settimeout(1)
                    hits.append(visitor.recv(1000))
                    visitor.close()

        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1], hits


# Rows 13 to 15: which files


def spellings(path: str) -> Iterator[str]:
    """One path as many readers would understand it."""
    yield quote(path)
    yield quote(path, safe="")
    yield quote(quote(path, safe=""), safe="")
    yield "".join(f"%{byte:02x}" for byte in path.encode())
    yield quote("/." + path)
    yield quote("/" * 3 + path)
    yield quote(path.replace("/", "\\"))
    yield quote(path) + "%00.png"
    yield quote(path) + "?download=1"
    yield quote(path) + "/."
    yield "file://" + quote(path)


ELSEWHERE = [
    *("/etc/passwd", "/proc/self/environ", "/proc/self/mem", "/proc/self/cwd/x", "/proc/self/fd/0", "/dev/zero"),
    *("/dev/stdin", "/dev/tty", "../../../../../../etc/passwd", "..\\..\\x", "....//....//etc/passwd", "~/.bashrc"),
    *("C:\\Windows\\win.ini", "c:/windows/win.ini", "\\\\127.0.0.1\\share\\x", "//127.0.0.1/share/x", "\\\\?\\C:\\x"),
    *("CON", "NUL", "file.txt::$DATA", "", ".", "/", "assets/app.css", "launcher/__main__.py"),
]


def own_files(hearth: Besieged) -> list[str]:
    """What Hearth itself keeps: row 14."""
    data = hearth.served.data_dir
    names = ["settings.json", "hearth.db", "hearth.db-wal", "logs/hearth.log", "attachments/a.png", "instance.json"]
    names += [
        "keys.json",
        "backups/a.db",
        "hearth.db.corrupt-1",
        "settings.json.corrupt-1",
        "models/a.gguf",
        "tools/a.py",
    ]
    for name in names:
        if not (data / name).exists():
            (data / name).parent.mkdir(exist_ok=True)
            (data / name).write_bytes(b"Hearth's own")
    inside = [hearth.private / "lock", hearth.uploads, hearth.private / "work"]
    return [*(str(data / name) for name in names), *map(str, inside), f"{hearth.uploads}/../lock"]


@pytest.mark.parametrize("cookie", [True, False])
def test_rows_13_and_14_no_file_of_elsewhere_is_read_by_any_route(hearth: Besieged, *, cookie: bool) -> None:
    routes = (FILE, "/gradio_api/file/", "/file=", "/file/", "/static/", "/assets/", "/gradio_api/stream/", "/")
    expected = (400, 403, 404, 414) if cookie else (401,)
    for path in [*ELSEWHERE, *own_files(hearth)]:
        for route, spelled in itertools.product(routes, dict.fromkeys(spellings(path))):
            target = (route + spelled).replace(" ", "%20")
            if target.partition("?")[0].replace("%2e", ".").replace("%2f", "/").strip("/.") == "":
                continue  # another spelling of the page itself
            for _ in range(3):  # a busy machine may be late once, but what hangs fails at its first time
                began = time.monotonic()
                answer = hearth.ask(target, cookie=cookie, timeout_seconds=HANGS_SECONDS)
                seconds = time.monotonic() - began
                if seconds < 1:
                    break
            assert answer.status in expected, target
            assert len(answer.body) < 200
            assert seconds < 1, target


def test_row_15_a_planted_link_pipe_or_folder_is_not_followed(hearth: Besieged) -> None:
    _, [path] = upload(hearth, part("picture.png", b"picture", kind="image/png"))
    folder = Path(path).parent
    (hearth.uploads / "link").symlink_to("/etc/passwd")
    (folder / "data").symlink_to(hearth.served.data_dir)
    (folder / "loop").symlink_to(folder / "loop")
    subprocess.run(["mkfifo", str(folder / "pipe")], check=True, timeout=5)
    try:
        planted = [hearth.uploads / "link", folder / "data" / "hearth.db", folder / "loop", folder / "pipe", folder]
        for place in planted:
            began = time.monotonic()
            assert hearth.ask(FILE + str(place)).status == 403, place
            named = {"path": str(place), "meta": {"_type": "gradio.FileData"}}
            function = hearth.function("chat-send", "click")
            assert hearth.join(function, [None, named], "planted").status == 400
            assert time.monotonic() - began < 1
        assert hearth.ask(FILE + path).body == b"picture"
    finally:
        for place in (hearth.uploads / "link", folder / "data", folder / "loop", folder / "pipe"):
            place.unlink(missing_ok=True)


def test_row_16_no_route_makes_hearth_fetch(hearth: Besieged) -> None:
    with sink() as (port, hits):
        urls = [f"http://127.0.0.1:{port}/x", f"//127.0.0.1:{port}/x", f"HTTP://127.0.0.1:{port}/x"]
        urls += [f"http:\\\\127.0.0.1:{port}\\x", f" http://127.0.0.1:{port}/x", f"ftp://127.0.0.1:{port}/x"]
        routes = (FILE, "/gradio_api/proxy=", "/proxy=", "/gradio_api/stream/", "/gradio_api/file/", "/file=")
        for route, url in itertools.product(routes, urls):
            for spelled in (quote(url, safe=":/"), quote(url, safe="")):
                assert hearth.ask(route + spelled).status in (400, 403, 404)
        _, [path] = upload(hearth, part("a.png", b"x"))
        meta = {"_type": "gradio.FileData"}
        function = hearth.function("chat-send", "click")
        for url in [*urls, "file:///etc/passwd", "data:text/html,x"]:
            forged = [
                {"path": url, "meta": meta}, {"path": path, "url": url, "meta": meta}, {"path": None, "url": url},
                {"url": url, "meta": meta}, {"path": url}, {"url": url, "orig_name": "x"}, {"path": "", "url": url},
                {"path": [url], "meta": meta}, {"path": {"path": url}}, {"video": {"path": url, "meta": meta}},
            ]  # fmt: skip
            for file in forged:
                for data in ([None, file], [file, ""], [None, {"text": "", "files": [file]}], file):
                    assert hearth.join(function, data, "forged").status == 400, file
        time.sleep(0.5)
        assert hits == []


# Rows 17 and 18: what is brought in


@pytest.mark.parametrize(
    ("name", "kind", "content"),
    [
        ("a.html", "text/html", PAGE),
        ("a.html", "image/png", PAGE),
        ("a.htm", "", PAGE),
        ("a.xhtml", "application/xhtml+xml", PAGE),
        ("a.svg", "image/svg+xml", DRAWING),
        ("a.SVG", "image/png", DRAWING),
        ("a.svgz", "image/svg+xml", DRAWING),
        ("a.xml", "text/xml", DRAWING),
        ("a.js", "text/javascript", b"alert(1)"),
        ("a.mjs", "image/png", b"alert(1)"),
        ("a.css", "text/css", b"* { background: url(http://evil.example) }"),
        ("a.pdf", "application/pdf", b"%PDF-1.4"),
        ("a.png.html", "image/png", PAGE),
        ("a.hta", "image/png", PAGE),
        ("noending", "text/html", PAGE),
        ("a.png", "text/html", PAGE),
        ("a.mp4", "text/html", PAGE),
    ],
)
def test_row_17_what_was_uploaded_is_never_a_page(hearth: Besieged, name: str, kind: str, content: bytes) -> None:
    status, [path] = upload(hearth, part(name, content, kind=kind))
    answer = hearth.ask(FILE + quote(path))

    assert (status, answer.status, answer.body) == (200, 200, content)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; sandbox")
    shown = answer.headers["Content-Type"]
    if shown != "application/octet-stream":
        assert name in ("a.png", "a.mp4")
        assert shown in ("image/png", "video/mp4")
    else:
        assert answer.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("kind", ["json", "md", "html"])
def test_row_17_what_is_taken_out_is_downloaded_and_never_a_page(hearth: Besieged, kind: str) -> None:
    """A model's words are in it, and a title of somebody's choice is its name."""
    title = 'a\r\nX-Evil: 1\u202e/../<script>";é.html'
    session, chat = f"export-{kind}", hearth.chats[0][1]
    form = [None, title, "", kind]
    for verb in ("rename", "export"):
        hearth.result("command", "submit", [None, f"{verb}/{chat}/1", ""], session)
        one = hearth.result("chat-form-save", "click", form, session)
    every = hearth.result("export-all", "click", [kind], session)
    given = [
        it["value"] for it in one["data"] + every["data"] if isinstance(it, dict) and isinstance(it.get("value"), dict)
    ]
    paths = [file["path"] for file in given]
    assert len(paths) == 2
    assert Path(paths[0]).name.isprintable()
    for path in paths:
        assert hearth.uploads in Path(path).parents
        answer = hearth.ask(FILE + quote(path))
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/octet-stream")
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; sandbox")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "X-Evil" not in answer.headers
        assert b"question" in answer.body or path.endswith(".zip")
        assert hearth.ask(FILE + quote(path), cookie=False).status == 401
        assert hearth.ask(FILE + quote(path), headers={"Sec-Fetch-Site": "same-site"}).status == 403


def attach(hearth: Besieged, chat: str, name: str, content: bytes, **headers: str) -> Answer:
    head = json.dumps({"chat": chat, "name": name}).encode() + b"\n"
    kind = {"Content-Type": "application/octet-stream"}
    return hearth.ask("/pictures", method="POST", headers=kind | headers, body=head + content)


def picture() -> bytes:
    file = BytesIO()
    Image.new("RGB", (30, 20), "red").save(file, "PNG")
    return file.getvalue()


def attached(hearth: Besieged) -> list[Path]:
    """The files in chats' folders; another test leaves one beside them."""
    return [path for path in (hearth.served.data_dir / "attachments").glob("*/*") if path.is_file()]


def test_row_17_an_attached_picture_is_served_as_a_picture_and_to_this_window_only(hearth: Besieged) -> None:
    chat = hearth.chats[0][1]
    answer = attach(hearth, chat, "../../<b>evil\u202e.html", picture() + PAGE)
    told = json.loads(answer.body)

    assert (answer.status, told["name"]) == (200, "<b>evil\\u202e.html")
    [path] = attached(hearth)
    assert (path.stat().st_mode & 0o777, path.suffix, PAGE in path.read_bytes()) == (0o600, ".png", False)
    shown = hearth.ask(f"/attached/{told['id']}")
    assert (shown.status, shown.headers["Content-Type"], shown.body) == (200, "image/png", path.read_bytes())
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert shown.headers["Content-Security-Policy"].startswith("default-src 'none'; sandbox")
    assert shown.headers["Cache-Control"] == "no-store"
    assert hearth.ask(f"/attached/{told['id']}", cookie=False).status == 401
    assert hearth.ask(f"/attached/{told['id']}", headers={"Sec-Fetch-Site": "cross-site"}).status == 403
    # A file of the folder that is no picture is no answer either, however it came there.
    path.write_bytes(PAGE)
    assert hearth.ask(f"/attached/{told['id']}").status == 404
    path.write_bytes(picture())
    for other in ("hearth.db", "../hearth.db", "..%2fhearth.db", f"{chat}/..%2f..%2fhearth.db", f"{chat}/state.json"):
        assert hearth.ask(f"/attached/{other}").status == 404
    body = json.dumps({"chat": chat, "id": "../../hearth.db"}).encode()
    assert hearth.ask("/pictures/remove", method="POST", headers=JSON, body=body).status == 200
    assert (hearth.served.data_dir / "hearth.db").exists()
    body = json.dumps({"chat": chat, "id": told["id"]}).encode()
    assert hearth.ask("/pictures/remove", method="POST", headers=JSON, body=body).status == 200
    assert attached(hearth) == []


def test_row_17_what_is_no_picture_or_comes_from_elsewhere_is_not_attached(hearth: Besieged) -> None:
    chat = hearth.chats[0][1]
    for content in (PAGE, DRAWING, b"", b"\x89PNG\r\n\x1a\n" + PAGE):
        answer = attach(hearth, chat, "a.png", content)
        assert (answer.status, answer.headers["Content-Type"]) == (409, "application/json")
        assert "a.png" in json.loads(answer.body)["error"]
    assert attach(hearth, "0" * 32, "a.png", picture()).status == 404
    assert attach(hearth, chat, "a.png", picture(), Origin="http://127.0.0.1:1").status == 403
    assert attach(hearth, chat, "a.png", picture(), **{"Content-Type": "text/plain"}).status == 415
    kind = {"Content-Type": "application/octet-stream"}
    assert hearth.ask("/pictures", method="POST", headers=kind, body=b"x").status == 400
    assert attached(hearth) == []


def test_row_18_a_picture_over_the_limit_is_refused_at_the_door(hearth: Besieged) -> None:
    answer = attach(hearth, hearth.chats[0][1], "a.png", bytes(21 * MEGABYTE))

    assert (answer.status, answer.headers["Connection"]) == (413, "close")
    assert attached(hearth) == []


HOSTILE_NAMES = [
    *("../../escaped.txt", "..\\..\\escaped.txt", "/etc/escaped.txt", "C:\\escaped.txt", "...", "..", ".", "", " "),
    *("a\x00.png", "a" * 300 + ".png", "CON", "nul.txt", "a:b", "<script>.html", "a%2f..%2fb", "\u202egnp.exe"),
    *("'\"; drop", "$(touch x)", "-rf", "a\tb", "\udcff.png", "state.json", "~", "%00"),
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_row_17_a_hostile_name_stays_in_its_folder(hearth: Besieged, name: str) -> None:
    before = {path for path in hearth.private.rglob("*") if hearth.uploads not in path.parents}
    status, paths = upload(hearth, part(name.replace('"', '\\"'), b"<b>x</b>"))

    assert status in (200, 400, 413, 500)
    for path in paths:
        assert Path(path).parent.parent == hearth.uploads
        shown = hearth.ask(FILE + quote(path)).headers["Content-Type"]
        assert shown in ("application/octet-stream", "text/plain; charset=utf-8", "image/png")
    assert {path for path in hearth.private.rglob("*") if hearth.uploads not in path.parents} == before
    assert_nothing_left_over(hearth)


def assert_nothing_left_over(hearth: Besieged) -> None:
    """Whatever arrived whole lies in a folder of its own; nothing else is left."""
    assert eventually(lambda: not [path for path in hearth.uploads.iterdir() if not path.is_dir()], within_seconds=15)
    assert list((hearth.private / "tmp").iterdir()) == []


def begin(hearth: Besieged, length: int | None) -> socket.socket:
    """An upload whose head has been sent."""
    plug = hearth.plug()
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    head = "POST {} HTTP/1.1\r\nHost: {{host}}\r\nCookie: {{cookie}}\r\nContent-Type: {}\r\n{}\r\n\r\n"
    plug.sendall(hearth.filled(head.format(UPLOAD, FORM["Content-Type"], size)))
    return plug


@pytest.mark.parametrize("how", ["closed", "reset", "cut short"])
def test_row_18_an_upload_that_breaks_off_leaves_nothing(hearth: Besieged, how: str) -> None:
    for _ in range(3):
        plug = begin(hearth, 10 * MEGABYTE)
        plug.sendall(part("a.bin", bytes(3 * MEGABYTE)))
        plug.sendall(part("b.bin", bytes(MEGABYTE))[: MEGABYTE // 2])
        assert eventually(lambda: any(path.is_file() for path in hearth.uploads.iterdir())), "it is under way"
        if how == "reset":
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        elif how == "cut short":
            plug.shutdown(socket.SHUT_WR)
        plug.close()
    assert_nothing_left_over(hearth)


def test_row_18_a_form_that_ends_without_its_end_leaves_nothing(hearth: Besieged) -> None:
    answer = hearth.ask(UPLOAD, method="POST", headers=FORM, body=part("a.bin", b"x" * 1000))

    assert answer.status in (200, 400, 500)
    assert_nothing_left_over(hearth)


@pytest.mark.parametrize(
    "body",
    [
        part("a", b"x", field="other") + END,
        b'--edge\r\nContent-Disposition: form-data; name="files"\r\n\r\nno file\r\n' + part("a", b"x") + END,
        b'--edge\r\nContent-Disposition: form-data; filename="a"\r\n\r\nx\r\n' + END,
        b"--edge\r\nX: " + b"a" * 20_000 + b"\r\n\r\nx\r\n" + END,
        b"--edge\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(5000)) + b"\r\nx\r\n" + END,
        b"no form at all",
        b"",
    ],
)
def test_row_18_a_form_that_is_none_leaves_nothing(hearth: Besieged, body: bytes) -> None:
    answer = hearth.ask(UPLOAD, method="POST", headers=FORM, body=body)

    assert answer.status in (200, 400, 413, 500)
    assert b"Traceback" not in answer.body
    assert_nothing_left_over(hearth)


def test_row_18_thousands_of_parts_are_refused_in_little_memory(hearth: Besieged) -> None:
    before = hearth.memory_megabytes()
    many = [part(f"{number}.txt", b"x") for number in range(5000)]
    fields = [f'--edge\r\nContent-Disposition: form-data; name="f{n}"\r\n\r\nx\r\n'.encode() for n in range(50_000)]

    assert upload(hearth, *many)[0] in (400, 413)
    assert upload(hearth, *fields)[0] in (400, 413)
    assert hearth.memory_megabytes() - before < 100
    assert hearth.process.num_fds() < 200
    assert_nothing_left_over(hearth)


@pytest.mark.parametrize("is_declared", [True, False])
def test_row_18_an_upload_over_the_limit_is_refused_and_leaves_nothing(hearth: Besieged, *, is_declared: bool) -> None:
    before = hearth.memory_megabytes()
    whole = part("big.bin", b"")[:-2]
    if is_declared:
        answer = hearth.ask(UPLOAD, method="POST", headers=FORM | {"Content-Length": "200200000"}, body=whole)
        status = answer.status
        assert answer.headers["Connection"] == "close"
    else:
        plug, piece = begin(hearth, None), bytes(MEGABYTE)
        with suppress(ConnectionError):
            plug.sendall(f"{len(whole):x}\r\n".encode() + whole + b"\r\n")
            for _ in range(205):
                plug.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        status = int(plug.recv(4096).split(b" ", 2)[1])
        plug.close()
    assert status == 413
    assert hearth.memory_megabytes() - before < 100
    assert_nothing_left_over(hearth)


def test_what_is_no_form_is_not_taken(hearth: Besieged) -> None:
    for headers in (JSON, {"Content-Type": "multipart/mixed; boundary=edge"}, {"Content-Type": "text/plain"}):
        assert hearth.ask(UPLOAD, method="POST", headers=headers, body=part("a", b"x") + END).status == 415
    assert_nothing_left_over(hearth)
