"""What is not seen, or would be obeyed, has a mark in its place."""

from __future__ import annotations

import pytest

from assistant.visible import harmless, visible


@pytest.mark.parametrize(
    ("odd", "shown"),
    [
        ("\x1b[2J", "\\u001b[2J"),
        ("\x9b2J", "\\u009b2J"),
        ("a\nb\rc\td", "a\\u000ab\\u000dc\\u0009d"),
        ("\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066"),
        ("a\u200bb\ufeff\u00ad", "a\\u200bb\\ufeff\\u00ad"),
        ("\u2028\u2029\x85", "\\u2028\\u2029\\u0085"),
        ("\U000e0041\U000e007f", "\\U000e0041\\U000e007f"),
        ("\ud800\x00", "\\ud800\\u0000"),
    ],
)
def test_what_is_not_seen_is_shown_as_its_code(odd: str, shown: str) -> None:
    assert visible(odd) == shown
    assert visible(f"before {odd} after").isprintable()


def test_words_stay() -> None:
    words = "Größe 10 µm, 東京, שלום, «so», 😀"

    assert visible(words) == words
    assert harmless(words + "\n\tand a family: 👨‍👩‍👧") == words + "\n\tand a family: 👨‍👩‍👧"


@pytest.mark.parametrize("order", ["\x1b]52;c;aGk=\x07", "\x1b[2J", "\x9b2J", "\r", "\b\b", "\x0e", "\x7f", "\x85"])
def test_a_terminal_gets_no_orders(order: str) -> None:
    assert not [one for one in harmless(order) if not one.isprintable()]
