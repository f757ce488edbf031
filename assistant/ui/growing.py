"""A page's copy of an answer that runs: what it has of it, and so what is new. Pure, as `transcript` is."""

from __future__ import annotations

from typing import Any

from assistant.answer import Answer
from assistant.i18n import Translator
from assistant.running import Column
from assistant.ui.names import NameOf
from assistant.ui.render import Section, render_ended, render_live
from assistant.ui.weight import is_heavy

NAMED_BY = 200  # characters: shorter texts are quickly weighed

Part = dict[str, Any]
"""What is new of one answer; see transcript.Frame."""


class Growing:
    """One answer, from its first word to its end."""

    def __init__(self, t: Translator) -> None:
        self._t = t
        self._answer: Answer | None = None
        self._sections: tuple[Section, ...] | None = None
        self._weighed: dict[str, tuple[int, bool]] = {}  # by how a text begins: how long it was, whether it was heavy
        self._who, self._is_over = "", False

    def grown(self, answer: Answer, *, begins: bool) -> Part:
        """What the page lacks of the answer, which is taken as given; empty where it lacks nothing. `begins` says that
        what the page has is void."""
        if answer is self._answer:
            return {}
        self._answer = answer
        if begins:
            self._weighed = {}
        return self._lacking(render_live(answer, self._t, is_heavy=self._is_heavy), begins=begins)

    def grown_beside(self, column: Column, name_of: NameOf, *, begins: bool) -> Part:
        """The same of one of two answers. The page is also told whose it is and, once it has ended, how."""
        if begins:
            self._who, self._answer, self._is_over = "", None, False
        part: Part = {}
        if column.is_over and not self._is_over:
            self._is_over = True
            sections, foot = render_ended(column.rows, self._t)
            part = self._lacking(sections, begins=begins) or {"begins": False, "sections": []}
            part["foot"] = foot
        elif not column.is_over:
            part = self.grown(column.answer, begins=begins)
        if (who := name_of(column.asked)) != self._who:
            self._who = who
            part = (part or {"begins": False, "sections": []}) | {"who": who}
        return part

    def _lacking(self, sections: tuple[Section, ...], *, begins: bool) -> Part:
        had = self._sections or ()
        begins = begins or self._sections is None or len(had) > len(sections) or any(map(_is_other, had, sections))
        had = () if begins else had
        added: list[list[Any]] = []
        for index, section in enumerate(sections):
            old = had[index] if index < len(had) else None
            if section != old:
                grows = old is not None and section.kind != "tool"  # the state of a tool is told anew
                words = section.text[len(old.text) :] if old and grows else section.text
                added.append([index, section.kind, section.title, section.is_open, words])
        self._sections = sections
        return {"begins": begins, "sections": added} if added or begins else {}

    def _is_heavy(self, text: str) -> bool:
        """Weighed anew when it has doubled: to weigh a long text takes longer than to add a word to it."""
        length, found = self._weighed.get(text[:NAMED_BY], (0, False))
        if not found and len(text) >= 2 * length:
            length, found = self._weighed[text[:NAMED_BY]] = (len(text), is_heavy(text))
        return found


def _is_other(had: Section, now: Section) -> bool:
    """Whether a section is not merely longer than it was, or a tool further on."""
    return had.kind != now.kind or (now.kind != "tool" and not now.text.startswith(had.text))
