"""MCP servers: as JSON names them, where their programs are, what arguments are held to; and over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from assistant.egress import Egress
from assistant.errors import HearthError, SettingsError, ToolError
from assistant.tools.mcp.launch import Launch, checked
from assistant.tools.mcp.offers import checked as arguments_of
from assistant.tools.mcp.paste import servers_in
from assistant.tools.mcp.programs import Surroundings, find, login_path
from assistant.tools.mcp.session import Session, Surround

FILES = {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-filesystem", "/tmp"], "env": {"A": "1"}}
WEB = {"url": "https://example.org/mcp", "headers": {"Authorization": "Bearer x"}}


# Pasted


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"mcpServers": {"files": FILES, "web": WEB}}),
        json.dumps({"servers": {"files": FILES | {"type": "stdio"}, "web": WEB | {"type": "http"}}, "inputs": []}),
        json.dumps({"mcp": {"servers": {"files": FILES, "web": WEB}}}),
        json.dumps({"files": FILES, "web": WEB}),
        '"mcpServers": ' + json.dumps({"files": FILES, "web": WEB}),
        "```json\n" + json.dumps({"mcpServers": {"files": FILES, "web": WEB}}, indent=1) + "\n```",
        "// mine\n" + json.dumps({"mcpServers": {"files": FILES, "web": WEB}})[:-2] + ", /* no more */ }, }",
        "Add this:\n\n```jsonc\n" + json.dumps({"mcpServers": {"files": FILES, "web": WEB}}) + "\n```\n\nand restart.",
        "\ufeff" + json.dumps({"mcpServers": {"files": FILES, "web": WEB}}).replace("{", "{\u00a0"),
        '"mcpServers": ' + json.dumps({"files": FILES, "web": WEB}) + ",",
        json.dumps({"mcpServers": [{"name": "files"} | FILES, {"name": "web"} | WEB]}),
        json.dumps({"context_servers": {"files": {"command": {"path": "npx"} | FILES}, "web": WEB}}).replace(
            '"command": "npx", ', ""
        ),
        json.dumps({"mcp": {"files": {"command": ["npx", *FILES["args"]], "environment": {"A": "1"}}, "web": WEB}}),
    ],
)
def test_what_the_page_of_a_server_shows_is_understood(text: str) -> None:
    files, web = servers_in(text)

    assert files == Launch("files", "npx", tuple(FILES["args"]), secrets={"A": "1"})
    assert web == Launch("web", url="https://example.org/mcp", secrets={"Authorization": "Bearer x"})


def test_a_single_server_gets_the_name_of_its_program() -> None:
    assert [launch.name for launch in servers_in(json.dumps({"command": "/usr/bin/uvx", "args": ["x"]}))] == ["uvx"]
    assert [launch.name for launch in servers_in(json.dumps({"My files & more": FILES}))] == ["My_files_more"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", "mcp-paste"),
        ("npx -y something", "mcp-paste"),
        ("[" * 100_000, "mcp-paste"),
        ("{}", "mcp-paste"),
        ('{"mcpServers": {"a": {"args": []}}}', "mcp-paste-entry"),
        ('{"mcpServers": {"a": {"url": "https://x/sse", "type": "sse"}}}', "mcp-paste-sse"),
        ('{"servers": {"a": {"command": "x", "env": {"K": "${input:key}"}}}}', "mcp-paste-open"),
        ('{"servers": {"a": {"command": "x", "args": ["<your key>"]}}}', "mcp-paste-open"),
        ('{"servers": {"a": {"url": "file:///etc/passwd"}}}', "mcp-address"),
        ('{"servers": {"a": {"url": "https://user:pw@host/mcp"}}}', "mcp-address"),
        ('{"servers": {"a": {"url": "https://h/mcp", "headers": {"A": "x\\r\\nB: y"}}}}', "mcp-header"),
        ('{"servers": {"a": {"command": "x", "env": {"A=B": "y"}}}}', "mcp-variable"),
        ('{"servers": {"a": {"command": "x\\u0000y"}}}', "mcp-nul"),
        ('{"servers": {"my a": {"command": "x"}, "My_A": {"command": "y"}}}', "mcp-name-taken"),
    ],
)
def test_what_is_no_server_is_refused_with_a_sentence(text: str, key: str) -> None:
    with pytest.raises(SettingsError) as refused:
        servers_in(text)

    assert refused.value.key == key
    assert refused.value.message


@pytest.mark.parametrize("name", ["", "a b", "a__b", "a_", "_a", "ä", "x" * 31])
def test_a_name_that_tools_could_be_taken_for_is_refused(name: str) -> None:
    with pytest.raises(SettingsError):
        checked(Launch(name, "npx"))


@pytest.mark.parametrize(
    "other",
    [
        Launch("a", "npx", ("y",), "/f", secrets={"K": "1"}),
        Launch("a", "npm", ("x",), "/f", secrets={"K": "1"}),
        Launch("a", "npx", ("x",), "/g", secrets={"K": "1"}),
        Launch("a", "npx", ("x",), "/f", secrets={"LD_PRELOAD": "1"}),
        Launch("a", url="https://example.org"),
    ],
)
def test_another_command_is_another_thing_to_allow(other: Launch) -> None:
    one = Launch("a", "npx", ("x",), "/f", secrets={"K": "1"})

    assert other.fingerprint != one.fingerprint
    assert Launch("b", "npx", ("x",), "/f", secrets={"K": "2"}).fingerprint == one.fingerprint


# Programs


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("place", [".local/bin", ".cargo/bin", ".nvm/versions/node/v20.1.0/bin", ".volta/bin"])
def test_a_program_is_found_where_installers_put_it(tmp_path: Path, place: str) -> None:
    there = program(tmp_path / place / "hearth-npx")
    found = find("hearth-npx", Surroundings(tmp_path, {"PATH": "/usr/bin"}))

    assert found.path == str(there)
    assert found.search_path.split(os.pathsep)[0] == str(there.parent)  # it may start others that lie beside it


def test_the_newest_node_is_taken(tmp_path: Path) -> None:
    for number in ("v9.9.0", "v22.3.1", "v18.0.0"):
        program(tmp_path / f".nvm/versions/node/{number}/bin/hearth-npx")

    assert "v22.3.1" in find("hearth-npx", Surroundings(tmp_path, {})).path


@pytest.mark.skipif(os.name != "posix", reason="login shells")
def test_the_login_shell_knows_where_a_program_is(tmp_path: Path) -> None:
    there = program(tmp_path / "odd place" / "hearth-tool")
    (tmp_path / ".bash_profile").write_text(f'echo hello\nexport PATH="{there.parent}:$PATH"\n')
    around = Surroundings(tmp_path, {"SHELL": "/bin/bash", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})

    assert find("hearth-tool", around).path == str(there)


@pytest.mark.skipif(os.name != "posix", reason="login shells")
def test_a_login_shell_that_fails_costs_nothing(tmp_path: Path) -> None:
    assert login_path({"SHELL": str(program(tmp_path / "shell")), "HOME": str(tmp_path)}) == ""
    assert login_path({"SHELL": "relative"}) == ""


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("npx-of-nowhere", "whole path"),
        ("/nowhere/npx", "Node.js"),
        ("/nowhere/uvx", "docs.astral.sh/uv"),
        ("/nowhere/docker", "Docker"),
        ("/nowhere/python3", "python.org"),
    ],
)
def test_what_is_not_found_is_said_with_how_to_get_it(tmp_path: Path, command: str, word: str) -> None:
    with pytest.raises(ToolError) as missing:
        find(command, Surroundings(tmp_path, {}))

    assert command in missing.value.message
    assert word in missing.value.hint


# Arguments


def test_arguments_are_held_to_the_schema_of_the_server() -> None:
    schema = {
        "type": "object",
        "properties": {"town": {"type": "string"}, "days": {"$ref": "#/$defs/days"}},
        "required": ["town"],
        "$defs": {"days": {"type": "integer", "maximum": 7}},
    }

    assert arguments_of('{"town": "Ulm", "days": 3}', schema) == {"town": "Ulm", "days": 3}
    for text, word in [
        ("{}", "'town' is a required property"),
        ('{"town": "Ulm", "days": 8}', "days: 8 is greater than"),
        ("[]", "object"),
        ("{", "double quotes"),
        ('{"town": "\\ud800"}', "surrogates"),
    ]:
        with pytest.raises(ToolError) as unfit:
            arguments_of(text, schema)
        assert word in unfit.value.message


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema"}}},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "(a+)+$"}}},
        {"type": "object", "patternProperties": {"(a+)+$": {"type": "integer"}}, "additionalProperties": False},
    ],
)
def test_a_schema_that_cannot_be_used_leaves_it_to_the_server(schema: dict[str, Any]) -> None:
    assert arguments_of(json.dumps({"a": "a" * 40 + "!"}), schema) == {"a": "a" * 40 + "!"}


# Over HTTP


class Scripted(BaseHTTPRequestHandler):
    """An MCP server over streamable HTTP, without sessions. Its path says how it misbehaves."""

    seen: list[dict[str, str]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        if self.path != "/mcp":
            self.send_response(int(self.path[1:]))
            self.send_header("location", "http://127.0.0.1:9/mcp")
            self.send_header("content-length", "0")
            self.end_headers()
            return
        match body["method"]:
            case "initialize":
                about = {"name": "over-http", "version": "2"}
                version = body["params"]["protocolVersion"]
                result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
            case "tools/list":
                result = {"tools": [{"name": "add", "inputSchema": {"type": "object"}}]}
            case "tools/call":
                result = {"content": [{"type": "text", "text": str(sum(body["params"]["arguments"].values()))}]}
            case _:
                result = None
        answer = {"jsonrpc": "2.0", "id": body.get("id")}
        answer |= {"result": result} if result else {"error": {"code": -32601, "message": "no"}}
        words = json.dumps(answer).encode() if "id" in body else b""
        self.send_response(200 if words else 202)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def do_GET(self) -> None:
        self.send_response(405)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture
def http_server() -> Iterator[str]:
    Scripted.seen = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Scripted) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def session(url: str, egress: Egress, folder: Path) -> Session:
    launch = Launch("web", url=url, secrets={"Authorization": "Bearer canary"})
    around = Surround(egress, folder / "log", lambda _: pytest.fail("no program"), start_seconds=20)
    return Session(launch, around, on_tools=lambda _: None)


def test_a_server_over_http_is_called_through_the_way_out(tmp_path: Path, http_server: str) -> None:
    egress = Egress(is_offline=lambda: True)  # which lets out what stays on this machine

    async def run() -> None:
        web = session(f"{http_server}/mcp", egress, tmp_path)
        try:
            assert await web.call("add", {"a": 1, "b": 2}) == "3"
            assert web.server == "over-http 2"
        finally:
            await web.stop()

    asyncio.run(run())
    assert {visit.reason for visit in egress.visits()} == {"server"}
    assert all(visit.is_allowed and visit.sent_bytes for visit in egress.visits() if visit.received_bytes > 200)
    assert {seen["authorization"] for seen in Scripted.seen} == {"Bearer canary"}
    assert {seen["user-agent"] for seen in Scripted.seen} == {"Hearth"}


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/401", "mcp-refused-key"),
        ("/403", "mcp-refused-key"),
        ("/500", "mcp-status"),
        ("/404", "mcp-status"),
        ("/307", "mcp-status"),
    ],
)
def test_an_address_that_does_not_do_is_told(tmp_path: Path, http_server: str, path: str, key: str) -> None:
    async def run() -> None:
        web = session(f"{http_server}{path}", Egress(), tmp_path)
        with pytest.raises(HearthError) as fault:
            await web.started()
        assert fault.value.key == key
        assert web.state == "failed"
        await web.stop()

    asyncio.run(run())


def test_nobody_at_the_address_and_offline_are_told(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/mcp"

    async def fault_of(url: str, egress: Egress) -> str:
        web = session(url, egress, tmp_path)
        with pytest.raises(HearthError) as fault:
            await web.started()
        await web.stop()
        return fault.value.key

    assert asyncio.run(fault_of(nobody, Egress())) == "mcp-unreachable"
    assert asyncio.run(fault_of("https://example.org/mcp", Egress(is_offline=lambda: True))) == "offline"
