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
from assistant.records import StoredMessage
from assistant.ui.render import Bubble, Section, bubbles, render, render_live, render_stand_in
from assistant.ui.weight import is_heavy
from assistant.undo import Step

SCREENFUL = 12
ABOVE_A_TARGET = 4
NAMED_BY = 200  # characters: shorter texts are quickly weighed
WHOLE = "all"  # in the place of a message: from the first on

Frame = dict[str, Any]
"""JSON for transcript.js; what did not change is left out.

    order   keys of all cards that are shown, from the first to the last
    cards   those of them that the page does not have as they now are
    more    whether earlier ones can be asked for
    live    null when nothing runs, else {"begins": whether what the page has of an answer is void,
            "sections": [[index, kind, title, is_open, words to add], ...]}; of a "tool", the words in place of those
            it had
"""


@dataclass(frozen=True)
class View:
    """A chat at one moment; see Conversation."""

    settled: tuple[StoredMessage, ...]
    siblings: Mapping[str, tuple[str, ...]]
    live: Answer | None
    waiting: frozenset[str] = frozenset()  # the calls that the person is asked about
    changed: Mapping[str, Step] = field(default_factory=dict[str, Step])  # by the first message of an answer


class Transcript:
    """A page's copy of a chat. It begins with the last bubbles, with one a little above the message `down_to`, or for
    WHOLE with the first, and from then on holds all that come."""

    def __init__(self, t: Translator, *, down_to: str = "") -> None:
        self._t = t
        self._down_to = down_to
        self._settled: object = None
        self._siblings: object = None
        self._changed: Mapping[str, Step] = {}
        self._wanted = 0  # how many bubbles more, above the first
        self._cards: dict[str, tuple[Bubble, tuple[str, ...], bool, frozenset[str], Step | None]] = {}
        self._live: tuple[Section, ...] | None = None
        self._answer: Answer | None = None
        self._weighed: dict[str, tuple[int, bool]] = {}  # by how a text begins: how long it was, whether it was heavy

    def widen(self) -> None:
        """Shows more of what came earlier from the next frame on: the more, the more there is already."""
        self._wanted = max(SCREENFUL, len(self._cards))

    def frame(self, view: View) -> Frame:
        """What the page lacks of `view`; it is taken as given."""
        frame: Frame = {}
        has_moved = view.settled is not self._settled or view.siblings is not self._siblings
        has_moved = has_moved or view.changed != self._changed
        if has_moved or self._wanted:
            frame |= self._moved(view)
        if view.live is None:
            if self._answer is not None or has_moved:  # one may have come and gone between two frames
                frame["live"] = None
            self._answer, self._live, self._weighed = None, None, {}
        elif view.live is not self._answer:
            frame |= self._grown(view.live, begins=has_moved or self._live is None)
            self._answer = view.live
        self._settled, self._siblings, self._changed = view.settled, view.siblings, view.changed
        return frame

    def _moved(self, view: View) -> Frame:
        said = bubbles(view.settled)
        window = said[self._first_of(said) :]
        known, self._cards = self._cards, {}
        new: list[dict[str, Any]] = []
        hidden, covered = unsent(view.settled), covered_count(view.settled)
        boundary = view.settled[covered - 1] if covered else None
        for bubble in window:
            key, versions, is_sent = bubble[0].id, view.siblings.get(bubble[0].id, ()), bubble[0].id not in hidden
            waiting = view.waiting if bubble is window[-1] else frozenset[str]()
            step = next((view.changed[item.id] for item in bubble if item.id in view.changed), None)
            shown = self._cards[key] = (bubble, versions, is_sent, waiting, step)
            if known.get(key) != shown:
                card = render(bubble, self._t, siblings=versions, is_sent=is_sent, waiting=waiting, step=step)
                new.append(asdict(card))
            if boundary is not None and boundary.id == bubble[-1].id:
                note = render_stand_in(view.settled[:covered], self._t)
                shown = self._cards[note.key] = ((boundary,), (), False, frozenset(), None)
                if known.get(note.key) != shown:
                    new.append(asdict(note))
        return {"order": list(self._cards), "cards": new, "more": len(said) > len(window)}

    def _first_of(self, said: list[Bubble]) -> int:
        """The place of the first bubble that is shown."""
        first = next(iter(self._cards), None)
        place = next((i for i, it in enumerate(said) if it[0].id == first), max(0, len(said) - SCREENFUL))
        if self._down_to:
            target = next((i for i, it in enumerate(said) if any(m.id == self._down_to for m in it)), place)
            place = 0 if self._down_to == WHOLE else min(place, target - ABOVE_A_TARGET)
        place, self._wanted, self._down_to = max(0, place - self._wanted), 0, ""
        return place

    def _grown(self, answer: Answer, *, begins: bool) -> Frame:
        sections = render_live(answer, self._t, is_heavy=self._is_heavy)
        had = self._live or ()
        begins = begins or len(had) > len(sections) or any(map(_is_other, had, sections))
        had = () if begins else had
        added: list[list[Any]] = []
        for index, section in enumerate(sections):
            old = had[index] if index < len(had) else None
            if section != old:
                grows = old is not None and section.kind != "tool"  # the state of a tool is told anew
                words = section.text[len(old.text) :] if old and grows else section.text
                added.append([index, section.kind, section.title, section.is_open, words])
        self._live = sections
        return {"live": {"begins": begins, "sections": added}} if added or begins else {}

    def _is_heavy(self, text: str) -> bool:
        """Weighed anew when it has doubled: to weigh a long text takes longer than to add a word to it."""
        length, found = self._weighed.get(text[:NAMED_BY], (0, False))
        if not found and len(text) >= 2 * length:
            length, found = self._weighed[text[:NAMED_BY]] = (len(text), is_heavy(text))
        return found


def _is_other(had: Section, now: Section) -> bool:
    """Whether a section is not merely longer than it was, or a tool further on."""
    return had.kind != now.kind or (now.kind != "tool" and not now.text.startswith(had.text))
