"""What the words of a question suggest to a model too small to choose a tool: the right one, or none."""

from __future__ import annotations

import pytest

from assistant.engines.narrowing import narrowed
from assistant.engines.suggestions import suggested
from assistant.engines.sums import sums_in
from assistant.messages import ToolOffer
from assistant.tools.builtin import BUILTIN_TOOLS
from tests.benchmarks.tool_tasks import OFFERS, ORDINARY, TASKS

OFFERED = tuple(tool.offer for tool in BUILTIN_TOOLS)


def name_of(question: str) -> str | None:
    found = suggested(question, OFFERED)
    return found.name if found else None


@pytest.mark.parametrize(
    ("question", "expression"),
    [
        ("what is 7 x 8", "7 * 8"),
        ("6*7", "6*7"),
        ("Whats 15% of 80?", "15 / 100 * 80"),
        ("how much is 19.99 times 3", "19.99 * 3"),
        ("What's the sum of 14 and 29?", "14 + 29"),
        ("12 + 13 + 14", "12 + 13 + 14"),
        ("What is 2 to the power of 10?", "2 ** 10"),
        ("(4+5)/3", "(4+5)/3"),
        ("How much is 1,250 minus 375?", "1250 - 375"),
        ("subtract 5 from 20", "20 - 5"),
        ("what is half of 50", "50 / 2"),
        ("What is 100-1?", "100-1"),
        ("How much is 45 divided by 9 plus 3?", "45 / 9 + 3"),
    ],
)
def test_a_sum_in_figures_or_words_suggests_calculate(question: str, expression: str):
    assert name_of(question) == "calculate"
    assert sums_in(question) == [expression]


@pytest.mark.parametrize(
    ("question", "tool"),
    [
        ("What time is it now?", "now"),
        ("Read notes.txt please", "read_file"),
        ("Search the web for Python 3.14", "web_search"),
        ("List the files in my workspace", "list_files"),
        ("Fetch https://example.org/page", "fetch_page"),
        ("What do you remember about me?", "recall"),
        ("Remember that I like jazz.", "remember"),
        ("Move a.txt to b.txt", "move_file"),
    ],
)
def test_the_words_of_a_wish_suggest_its_tool(question: str, tool: str):
    assert name_of(question) == tool


@pytest.mark.parametrize(
    "question",
    [
        *ORDINARY,
        "Who won the 2018 world cup?",
        "What are files in a computer?",
        "What does Python do?",
        "Forget it.",
        "I remember my childhood",
        "In 1914-1918 who fought?",
        "The score was 3-2, who won?",
        "My phone number is 555-1234",
        "24/7 support means what?",
        "What's the date of Christmas?",
        "How many days are in a year?",
        "Find a rhyme for orange",
        "10 tips for better sleep",
        "My code has a bug in line 3",
        "",
    ],
)
def test_an_ordinary_question_suggests_none(question: str):
    assert name_of(question) is None


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.question)
def test_the_tasks_of_the_benchmark_suggest_their_tools(task):
    found = suggested(task.question, OFFERS)
    assert found is not None
    assert found.name == task.tool


def test_arguments_are_held_to_what_the_question_holds():
    offer = ToolOffer(
        "book_table",
        "Books a table in a restaurant.",
        {
            "type": "object",
            "properties": {
                "people": {"type": "integer"},
                "place": {"type": "string", "enum": ["inside", "outside"]},
                "name": {"type": "string"},
                "remark": {"type": "string", "default": ""},
            },
            "required": ["people", "place", "name"],
        },
    )
    schema = narrowed(offer, "Book a table outside for 4 people as 'Ann Lee'.")
    assert schema["properties"] == {
        "people": {"enum": [4]},
        "place": {"enum": ["outside"]},
        "name": {"enum": ["Ann Lee"]},
    }
    assert schema["required"] == ["people", "place", "name"]
