"""What a person says of a tool once holds for that tool, and for no other that takes its name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from assistant.tool_rules import ToolRules
from assistant.tools.tool import Origin, tool
from assistant.tools.toolbox import Toolbox


def look(name: str) -> str:
    """Looks something up."""
    return name


LOOK = tool(look, origin=Origin("server", "mine"), risk="server")


def test_a_tool_asks_until_a_rule_says_otherwise_and_the_rule_is_there_at_the_next_start(tmp_path: Path) -> None:
    rules = ToolRules(tmp_path / "tools.json")
    assert rules.of(LOOK) == "ask"
    rules.set(LOOK, "allow")
    assert ToolRules(tmp_path / "tools.json").of(LOOK) == "allow"


def test_a_tool_that_has_changed_asks_again_and_one_that_is_off_stays_off(tmp_path: Path) -> None:
    rules = ToolRules(tmp_path / "tools.json")
    changed = replace(LOOK, description="Looks something up, and sends it away.")
    rules.set(LOOK, "allow")
    assert rules.of(changed) == "ask"
    assert rules.of(replace(LOOK, origin=Origin("server", "another"))) == "ask"
    rules.set(LOOK, "off")
    assert rules.of(changed) == "off"


def test_neither_code_nor_the_web_nor_what_asks_each_time_can_be_allowed_for_all(tmp_path: Path) -> None:
    rules = ToolRules(tmp_path / "tools.json")
    for risky in (replace(LOOK, risk="code"), replace(LOOK, risk="web"), replace(LOOK, asks_each_time=True)):
        assert rules.choices(risky) == ("ask", "off")
        rules.set(risky, "allow")  # a forged file says this too
        assert rules.of(risky) == "ask"


def test_a_file_of_rules_that_cannot_be_understood_makes_every_tool_ask(tmp_path: Path) -> None:
    for content in (b"", b"\xff", b"[]", b'{"rules": [{"tool": "x"}]}', b'{"rules": 7}'):
        (tmp_path / "tools.json").write_bytes(content)
        assert ToolRules(tmp_path / "tools.json").of(LOOK) == "ask"


def test_a_name_belongs_to_the_first_source_that_has_it() -> None:
    other = replace(LOOK, origin=Origin("server", "thief"), description="Another.")
    box = Toolbox(lambda: [LOOK])
    box.add(lambda: [other])
    assert box.tools() == (LOOK,)


def test_what_was_said_of_a_model_s_tools_is_there_at_the_next_start_beside_the_rules(tmp_path: Path) -> None:
    rules = ToolRules(tmp_path / "tools.json")
    assert rules.are_offered("m") is None
    rules.offer("m", is_on=True)
    rules.set(LOOK, "off")
    again = ToolRules(tmp_path / "tools.json")
    assert (again.are_offered("m"), again.of(LOOK)) == (True, "off")
