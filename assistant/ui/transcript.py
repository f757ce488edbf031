"""What one page has been given of its chat, and what it still lacks: the difference between the two, frame by frame.

The page holds cards by key and the running answer as sections that only grow (`render`), so that a frame carries what
is new and nothing else, however long the chat and the answer are. Pure: it knows no page and no server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from assistant.answer import Answer
from assistant.context import covered_count, unsent
from assistant.i18n import Translator
from assistant.pick import Pick
from assistant.records import StoredMessage
from assistant.running import Column
from assistant.ui.growing import Growing
from assistant.ui.names import NameOf
from assistant.ui.render import Beside, Bubble, Card, bubbles, render, render_stand_in
from assistant.undo import Step

SCREENFUL = 12
ABOVE_A_TARGET = 4
WHOLE = "all"  # in the place of a message: from the first on

Frame = dict[str, Any]
"""JSON for transcript.js; what did not change is left out.

    order   keys of all cards that are shown, from the first to the last
    cards   those of them that the page does not have as they now are
    more    whether earlier ones can be asked for
    live    null when nothing runs, else {"begins": whether what the page has of an answer is void,
            "sections": [[index, kind, title, is_open, words to add], ...]}; of a "tool", the words in place of those
            it had. {"columns": [such, such]} for two side by side, each also with "who" answers and, once it has
            ended, its "foot"
"""


@dataclass(frozen=True)
class View:
    """A chat at one moment; see Conversation."""

    settled: tuple[StoredMessage, ...]
    siblings: Mapping[str, tuple[str, ...]]
    live: Answer | None
    waiting: frozenset[str] = frozenset()  # the calls that the person is asked about
    changed: Mapping[str, Step] = field(default_factory=dict[str, Step])  # by the first message of an answer
    columns: tuple[Column, ...] = ()

    @property
    def resting(self) -> tuple[Column, ...]:
        """Two answers that have ended and stand side by side."""
        return self.columns if self.live is None else ()


@dataclass(frozen=True)
class _Shown:
    """What a card is made of."""

    bubble: Bubble
    versions: tuple[str, ...] = ()
    is_sent: bool = True
    waiting: frozenset[str] = frozenset()
    step: Step | None = None
    beside: Beside | None = None

    def rendered(self, t: Translator) -> Card:
        return render(
            self.bubble,
            t,
            siblings=self.versions,
            is_sent=self.is_sent,
            waiting=self.waiting,
            step=self.step,
            beside=self.beside,
        )


def _own_name(pick: Pick) -> str:
    return pick.model


class Transcript:
    """A page's copy of a chat. It begins with the last bubbles, with one a little above the message `down_to`, or for
    WHOLE with the first, and from then on holds all that come."""

    def __init__(self, t: Translator, *, down_to: str = "", name_of: NameOf = _own_name) -> None:
        self._t, self._name_of = t, name_of
        self._down_to = down_to
        self._settled: object = None
        self._siblings: object = None
        self._changed: Mapping[str, Step] = {}
        self._wanted = 0  # how many bubbles more, above the first
        self._resting: tuple[Column, ...] = ()
        self._cards: dict[str, _Shown] = {}
        self._growing: list[Growing] = []  # one for each answer that runs

    def widen(self) -> None:
        """Shows more of what came earlier from the next frame on: the more, the more there is already."""
        self._wanted = max(SCREENFUL, len(self._cards))

    def frame(self, view: View) -> Frame:
        """What the page lacks of `view`; it is taken as given."""
        frame: Frame = {}
        has_moved = view.settled is not self._settled or view.siblings is not self._siblings
        has_moved = has_moved or view.changed != self._changed or view.resting != self._resting
        if has_moved or self._wanted:
            frame |= self._moved(view)
        if view.live is None:
            if self._growing or has_moved:  # one may have come and gone between two frames
                frame["live"] = None
            self._growing = []
        else:
            frame |= self._grown(view, view.live, begins=has_moved)
        self._settled, self._siblings, self._changed = view.settled, view.siblings, view.changed
        self._resting = view.resting
        return frame

    def _moved(self, view: View) -> Frame:
        said = bubbles(view.settled)
        window = said[self._first_of(said) :]
        known, self._cards = self._cards, {}
        new: list[dict[str, Any]] = []
        hidden, covered = unsent(view.settled), covered_count(view.settled)
        boundary = view.settled[covered - 1] if covered else None
        for bubble in window:
            versions, is_sent = view.siblings.get(bubble[0].id, ()), bubble[0].id not in hidden
            waiting = view.waiting if bubble is window[-1] else frozenset[str]()
            step = next((view.changed[item.id] for item in bubble if item.id in view.changed), None)
            alone = [_Shown(bubble, versions, is_sent, waiting, step)]
            for shown in self._beside(view.resting, versions) if view.resting and bubble is window[-1] else alone:
                key = shown.bubble[0].id
                self._cards[key] = shown
                if known.get(key) != shown:
                    new.append(asdict(shown.rendered(self._t)))
            if boundary is not None and boundary.id == bubble[-1].id:
                note = render_stand_in(view.settled[:covered], self._t)
                shown = self._cards[note.key] = _Shown((boundary,), is_sent=False)
                if known.get(note.key) != shown:
                    new.append(asdict(note))
        return {"order": list(self._cards), "cards": new, "more": len(said) > len(window)}

    def _beside(self, columns: tuple[Column, ...], versions: tuple[str, ...]) -> list[_Shown]:
        """Two answers in the place of the one that the chat goes on with."""
        return [
            _Shown(column.rows, versions, beside=Beside(self._name_of(column.asked), column.goes_on))
            for column in columns
        ]

    def _first_of(self, said: list[Bubble]) -> int:
        """The place of the first bubble that is shown."""
        first = next(iter(self._cards), None)
        place = next((i for i, it in enumerate(said) if it[0].id == first), max(0, len(said) - SCREENFUL))
        if self._down_to:
            target = next((i for i, it in enumerate(said) if any(m.id == self._down_to for m in it)), place)
            place = 0 if self._down_to == WHOLE else min(place, target - ABOVE_A_TARGET)
        place, self._wanted, self._down_to = max(0, place - self._wanted), 0, ""
        return place

    def _grown(self, view: View, live: Answer, *, begins: bool) -> Frame:
        count = max(1, len(view.columns))
        if len(self._growing) != count:
            begins, self._growing = True, [Growing(self._t) for _ in range(count)]
        if not view.columns:
            part = self._growing[0].grown(live, begins=begins)
            return {"live": part} if part else {}
        both = zip(self._growing, view.columns, strict=True)
        parts = [growing.grown_beside(column, self._name_of, begins=begins) for growing, column in both]
        return {"live": {"columns": parts}} if any(parts) else {}
