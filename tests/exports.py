"""Exports as other programs write them: small, and with everything in them that theirs have."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

PICTURE = b"\x89PNG\r\n\x1a\n not really"


def node(name: str, parent: str | None, children: list[str], message: dict[str, Any] | None) -> dict[str, Any]:
    return {"id": name, "message": message and {"id": name, **message}, "parent": parent, "children": children}


def said(role: str, content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "author": {"role": role, "name": more.pop("name", None), "metadata": {}},
        "create_time": more.pop("create_time", 1_700_000_000.5),
        "content": content,
        "status": "finished_successfully",
        "end_turn": True,
        "weight": 1.0,
        "metadata": more.pop("metadata", {}),
        "recipient": more.pop("recipient", "all"),
    }


def words(*parts: str) -> dict[str, Any]:
    return {"content_type": "text", "parts": list(parts)}


def chatgpt_chat() -> dict[str, Any]:
    """Two branches below the first question, a tool that is called and answers, thoughts, code, a picture."""
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "sediment://file_0001", "width": 1, "height": 1}
    nodes = [
        node("client-created-root", None, ["hidden"], None),
        node(
            "hidden",
            "client-created-root",
            ["instructions"],
            said("system", words(""), metadata={"is_visually_hidden_from_conversation": True}),
        ),
        node(
            "instructions",
            "hidden",
            ["q1"],
            said(
                "user",
                {"content_type": "user_editable_context", "user_profile": "I like herons.", "user_instructions": ""},
                metadata={"is_visually_hidden_from_conversation": True},
            ),
        ),
        node(
            "q1",
            "instructions",
            ["a1", "a2"],
            said("user", {"content_type": "multimodal_text", "parts": [picture, "What is this?"]}),
        ),
        node("a1", "q1", ["q2"], said("assistant", words("A heron."), metadata={"model_slug": "gpt-4o"})),
        node("q2", "a1", [], said("user", words("Thanks! 🪶"))),
        node(
            "a2",
            "q1",
            ["thoughts"],
            said(
                "assistant",
                {"content_type": "code", "language": "python", "text": "print(1 + 1)"},
                recipient="python",
                metadata={"model_slug": "o3"},
            ),
        ),
        node(
            "thoughts",
            "a2",
            ["tool"],
            said("assistant", {"content_type": "thoughts", "thoughts": [{"summary": "Adding", "content": "1 and 1"}]}),
        ),
        node(
            "tool",
            "thoughts",
            ["code"],
            said("tool", {"content_type": "execution_output", "text": "2"}, name="python"),
        ),
        node("code", "tool", ["odd"], said("assistant", words("It is:\n```python\n2\n```"))),
        node("odd", "code", [], said("assistant", {"content_type": "from_the_future", "secret": ["kept", 1]})),
    ]
    return {
        "title": "A heron, twice",
        "create_time": 1_700_000_000.0,
        "update_time": 1_700_000_100.0,
        "mapping": {item["id"]: item for item in nodes},
        "current_node": "odd",
        "conversation_id": "conv-1",
        "is_archived": False,
        "is_starred": True,
        "id": "conv-1",
    }


def chatgpt_zip(path: Path, *chats: dict[str, Any], name: str = "conversations.json") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, json.dumps(list(chats) or [chatgpt_chat()]))
        file.writestr("user.json", json.dumps({"id": "user-1", "email": "somebody@example.com"}))
        file.writestr("chat.html", "<html></html>")
        file.writestr("file_0001-heron.png", PICTURE)
    return path


def claude_chat() -> dict[str, Any]:
    first = "00000000-0000-4000-8000-000000000000"
    return {
        "uuid": "c-1",
        "name": "Rivers",
        "created_at": "2026-01-02T03:04:05.678901Z",
        "updated_at": "2026-01-02T03:05:05Z",
        "account": {"uuid": "u"},
        "chat_messages": [
            {
                "uuid": "m-1",
                "text": "Longest river?",
                "content": [{"type": "text", "text": "Longest river?"}],
                "sender": "human",
                "created_at": "2026-01-02T03:04:05Z",
                "attachments": [{"file_name": "map.txt", "file_type": "txt", "extracted_content": "Nile, Amazon"}],
                "files": [],
                "parent_message_uuid": first,
            },
            {
                "uuid": "m-2",
                "content": [
                    {"type": "thinking", "thinking": "Let me look."},
                    {"type": "tool_use", "id": "t-1", "name": "search", "input": {"q": "rivers"}},
                    {"type": "tool_result", "tool_use_id": "t-1", "content": [{"type": "text", "text": "Nile"}]},
                    {"type": "text", "text": "The Nile."},
                ],
                "sender": "assistant",
                "created_at": "2026-01-02T03:04:10Z",
                "parent_message_uuid": "m-1",
            },
            {
                "uuid": "m-3",
                "content": [{"type": "text", "text": "The Amazon."}],
                "sender": "assistant",
                "created_at": "2026-01-02T03:05:00Z",
                "parent_message_uuid": "m-1",
            },
        ],
    }


def open_webui_chat() -> dict[str, Any]:
    messages = {
        "1": {
            "id": "1",
            "parentId": None,
            "childrenIds": ["2", "3"],
            "role": "user",
            "content": "Hi",
            "timestamp": 17e8,
        },
        "2": {
            "id": "2",
            "parentId": "1",
            "role": "assistant",
            "content": "Hello.",
            "model": "llama3",
            "timestamp": 17e8,
        },
        "3": {
            "id": "3",
            "parentId": "1",
            "role": "assistant",
            "content": "Good day.",
            "model": "phi",
            "timestamp": 17e8,
        },
    }
    return {
        "id": "ow-1",
        "title": "Greetings",
        "chat": {"title": "Greetings", "history": {"messages": messages, "currentId": "3"}},
        "created_at": 1_700_000_000,
        "updated_at": 1_700_000_001,
        "archived": True,
        "pinned": False,
    }
