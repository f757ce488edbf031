"""One besieged Hearth for each file of attacks, looked at after every one of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fake_steps import Answer as Words
from tests.faults.siege import Besieged, besieged

LONG = Words([f"word{number} " for number in range(3000)], rate_per_second=60)  # longer than any attack


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    """One for all tests of a file: a start takes seconds."""
    with besieged(tmp_path_factory.mktemp("besieged") / "data", LONG) as hearth:
        yield hearth


@pytest.fixture
def hearth(standing: Besieged) -> Iterator[Besieged]:
    """The standing one. After the attack it answers, the three chats are intact, the key is in no answer and no log."""
    yield standing
    standing.assert_unharmed()
