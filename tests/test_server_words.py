"""What the Servers page says of a server: others chose the words, and none of them is more than words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assistant.i18n import ENGLISH as t
from assistant.servers import Change, View
from assistant.tools.mcp.launch import Launch
from assistant.tools.mcp.offers import Offered
from assistant.ui.server_words import about, line

HOSTILE = "<img src=x onerror=y> $x$ **b** [a](javascript:b)\u202e\u200b\U000e0041\r\nnext"
PLAIN = View(
    Launch("demo", "npx", ("-y", "x")),
    is_allowed=True,
    state="stopped",
    tools={},
    change=None,
    fault=None,
    server="",
    doing=(),
    key_place=None,
)


def test_hostile_words_are_shown_and_do_nothing() -> None:
    launch = Launch("demo", HOSTILE, (HOSTILE,), folder=HOSTILE, secrets={HOSTILE: "hidden-value"})
    change = Change((HOSTILE,), (HOSTILE,), (HOSTILE,))
    tools = {HOSTILE: Offered(HOSTILE, HOSTILE, "{}")}
    said = about(
        replace(PLAIN, launch=launch, change=change, tools=tools, server=HOSTILE, doing=(HOSTILE,), is_allowed=False), t
    )

    assert "<img" not in said
    assert "$" not in said
    assert not {"\u202e", "\u200b", "\U000e0041", "\r"} & set(said)
    assert said.count("\\u202e\\u200b") >= 8
    assert "hidden-value" not in said


def test_arguments_can_be_told_from_one_another() -> None:
    one = about(replace(PLAIN, launch=Launch("demo", "run", ("a b", ""))), t)
    two = about(replace(PLAIN, launch=Launch("demo", "run", ("a", "b"))), t)

    assert "run &#x27;a b&#x27; &#x27;&#x27;" in one
    assert "run a b<" in two


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"is_allowed": False}, "waits for your word"),
        ({"change": Change((), (), ())}, "tools have changed"),
        ({"state": "running"}, "runs"),
        ({"state": "failed"}, "failed"),
        ({}, "starts when it is needed"),
    ],
)
def test_each_server_says_how_it_stands(changes: dict[str, object], words: str) -> None:
    assert words in line(replace(PLAIN, **changes), t)


def test_a_key_in_a_command_is_warned_of() -> None:
    assert "looks like a key" in about(replace(PLAIN, launch=Launch("d", "x", ("--api-key=sk-0123456789abcdef",))), t)
    assert "looks like a key" not in about(PLAIN, t)
