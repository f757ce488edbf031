"""What the benchmark of tool calls asks for: fifty tasks for nine tools, and twenty questions for none."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from assistant.messages import ToolOffer

Fits = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Task:
    """A question, the tool that is right for it, and whether arguments are; None where many are."""

    question: str
    tool: str
    fits: Fits | None = None


def _offer(name: str, description: str, **parameters: Mapping[str, Any]) -> ToolOffer:
    schema = {
        "type": "object",
        "properties": dict(parameters),
        "required": list(parameters),
        "additionalProperties": False,
    }
    return ToolOffer(name, description, schema)


OFFERS: tuple[ToolOffer, ...] = (
    _offer(
        "calculate",
        "Computes an arithmetic expression exactly, such as 2 * (3 + 4).",
        expression={"type": "string", "description": "The expression, with + - * / and parentheses."},
    ),
    _offer("now", "The date and time of day where the user is, with the weekday."),
    _offer(
        "get_weather",
        "The weather and temperature in a city today.",
        city={"type": "string", "description": "Name of the city."},
    ),
    _offer(
        "set_timer",
        "Starts a timer that rings after some minutes.",
        minutes={"type": "integer", "minimum": 1, "description": "How many minutes."},
    ),
    _offer(
        "translate",
        "Translates a text into another language.",
        text={"type": "string", "description": "The text to translate."},
        language={"type": "string", "enum": ["French", "German", "Spanish", "Italian", "Japanese"]},
    ),
    _offer(
        "web_search",
        "Searches the web and gives the first results.",
        query={"type": "string", "description": "What to search for."},
    ),
    _offer(
        "read_file",
        "Reads a text file of the workspace.",
        path={"type": "string", "description": "Path of the file, such as notes/today.txt."},
    ),
    _offer(
        "convert_length",
        "Converts a length between units.",
        value={"type": "number"},
        from_unit={"type": "string", "enum": ["meters", "kilometers", "miles", "feet", "inches"]},
        to_unit={"type": "string", "enum": ["meters", "kilometers", "miles", "feet", "inches"]},
    ),
    _offer(
        "remember",
        "Keeps a note about the user for later chats.",
        note={"type": "string", "description": "What to remember, in a sentence."},
    ),
)


def _equals(value: float) -> Fits:
    def fits(arguments: Mapping[str, Any]) -> bool:
        try:
            return abs(value_of(str(arguments.get("expression"))) - value) < 1e-9
        except (ValueError, SyntaxError, ZeroDivisionError, OverflowError):
            return False

    return fits


def _is(**wanted: object) -> Fits:
    def plain(value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    return lambda arguments: all(plain(arguments.get(name)) == plain(value) for name, value in wanted.items())


def _says(name: str, *words: str) -> Fits:
    return lambda arguments: all(word in str(arguments.get(name)).lower() for word in words)


_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
}


def value_of(expression: str) -> float:
    """What an expression of numbers comes to. Raises ValueError and SyntaxError for anything else."""

    def value(node: ast.expr) -> float:
        match node:
            case ast.Constant(value=int() | float() as number):
                return number
            case ast.BinOp(left, op, right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](value(left), value(right))
            case ast.UnaryOp(op, operand) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](value(operand))
            case _:
                raise ValueError(ast.dump(node))

    return value(ast.parse(expression.strip(), mode="eval").body)


SUMS: tuple[Task, ...] = (
    Task("What is 17 times 23?", "calculate", _equals(391)),
    Task("How much is 128 plus 256?", "calculate", _equals(384)),
    Task("What is 1000 minus 37?", "calculate", _equals(963)),
    Task("Calculate 144 divided by 12.", "calculate", _equals(12)),
    Task("What's 45 + 67?", "calculate", _equals(112)),
    Task("Compute 9 * 8 * 7.", "calculate", _equals(504)),
    Task("What is 3.5 times 4?", "calculate", _equals(14)),
    Task("What is 99 - 45?", "calculate", _equals(54)),
    Task("How much is 12 times 12?", "calculate", _equals(144)),
    Task("Please add 365 and 24.", "calculate", _equals(389)),
    Task("What is (2 + 3) * 7?", "calculate", _equals(35)),
    Task("What is 81 divided by 9?", "calculate", _equals(9)),
    Task("Multiply 25 by 16.", "calculate", _equals(400)),
    Task("What do you get if you subtract 18 from 50?", "calculate", _equals(32)),
    Task("2345 + 5432 = ?", "calculate", _equals(7777)),
)
TASKS: tuple[Task, ...] = (
    *SUMS,
    Task("What time is it?", "now"),
    Task("Which day of the week is it today?", "now"),
    Task("What is today's date?", "now"),
    Task("Tell me the current time, please.", "now"),
    Task("What is the weather in Paris?", "get_weather", _is(city="Paris")),
    Task("How is the weather in Tokyo today?", "get_weather", _is(city="Tokyo")),
    Task("Is it raining in London right now?", "get_weather", _is(city="London")),
    Task("What's the temperature in Madrid?", "get_weather", _is(city="Madrid")),
    Task("Will I need a coat in Oslo today? Check the weather.", "get_weather", _is(city="Oslo")),
    Task("Set a timer for 10 minutes.", "set_timer", _is(minutes=10)),
    Task("Start a timer of 25 minutes, please.", "set_timer", _is(minutes=25)),
    Task("Ring me in 5 minutes.", "set_timer", _is(minutes=5)),
    Task("I need a 3 minute timer for my tea.", "set_timer", _is(minutes=3)),
    Task("Translate 'good morning' into French.", "translate", _is(text="good morning", language="French")),
    Task("How do you say 'thank you' in Japanese?", "translate", _is(text="thank you", language="Japanese")),
    Task("Translate this into German: The train is late.", "translate", _is(language="German")),
    Task("Please translate 'I love you' to Spanish.", "translate", _is(text="I love you", language="Spanish")),
    Task("What is 'water' in Italian? Translate it.", "translate", _is(text="water", language="Italian")),
    Task("Search the web for the best pizza in Naples.", "web_search", _says("query", "pizza", "naples")),
    Task("Look up the population of Iceland on the web.", "web_search", _says("query", "iceland")),
    Task("Find the latest news about Mars online.", "web_search", _says("query", "mars")),
    Task("Do a web search for cheap flights to Rome.", "web_search", _says("query", "rome")),
    Task("Google the opening hours of the Louvre.", "web_search", _says("query", "louvre")),
    Task("Read the file notes.txt.", "read_file", _is(path="notes.txt")),
    Task("What is in the file report/2024.md?", "read_file", _is(path="report/2024.md")),
    Task("Open todo.txt and tell me what it says.", "read_file", _is(path="todo.txt")),
    Task("Show me the contents of data/prices.csv.", "read_file", _is(path="data/prices.csv")),
    Task("Convert 5 miles to kilometers.", "convert_length", _is(value=5, from_unit="miles", to_unit="kilometers")),
    Task("How many feet are 12 meters?", "convert_length", _is(value=12, from_unit="meters", to_unit="feet")),
    Task("Convert 30 inches into feet.", "convert_length", _is(value=30, from_unit="inches", to_unit="feet")),
    Task("What is 42 kilometers in miles?", "convert_length", _is(value=42, from_unit="kilometers", to_unit="miles")),
    Task("Remember that my name is Anna.", "remember", _says("note", "anna")),
    Task("Please remember that I am allergic to nuts.", "remember", _says("note", "nuts")),
    Task("Keep a note that my birthday is on May 4.", "remember", _says("note", "may")),
    Task("Note for later: I prefer tea.", "remember", _says("note", "tea")),
)
ORDINARY: tuple[str, ...] = (
    "Hello, how are you?",
    "What is the capital of France?",
    "Tell me a joke.",
    "Write a short poem about the sea.",
    "Who wrote Romeo and Juliet?",
    "Explain gravity in simple words.",
    "Give me three ideas for dinner.",
    "Why is the sky blue?",
    "What is a good name for a cat?",
    "Thank you very much!",
    "How do plants grow?",
    "Write a polite e-mail to my landlord about a broken window.",
    "What is the difference between a lake and a sea?",
    "List five animals that live in Africa.",
    "Summarise the story of Cinderella.",
    "How do I learn to play the guitar?",
    "Was the Second World War over in 1945?",
    "What does photosynthesis mean?",
    "Tell me a story about a dragon and three knights.",
    "Should I drink more water?",
)
