"""What can be done with a message, as the row of links below it: pure functions from values to HTML."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.i18n import Translator
from assistant.records import StoredMessage
from assistant.ui.links import as_html, link

ENDED_EARLY = ("stopped", "interrupted", "cut", "failed")


def question_actions(item: StoredMessage, siblings: tuple[str, ...], t: Translator) -> str:
    """For a question: its versions, editing, and what is behind "More"."""
    return _row(
        [item],
        _versions(item, siblings, t) + link("edit", item.id, t("message.edit"), title=t("message.edit.about")),
        _more(item, t),
    )


def answer_actions(said: Sequence[StoredMessage], siblings: tuple[str, ...], t: Translator) -> str:
    """For an answer, which may be several messages with tool calls between them."""
    first, last = said[0], said[-1]
    shown = _versions(first, siblings, t) + link("retry", last.id, t("message.retry"), title=t("message.retry.about"))
    if last.status in ENDED_EARLY and last.message.role == "assistant" and last.message.text:
        shown += link("continue", last.id, t("message.continue"), title=t("message.continue.about"))
    return _row(said, shown, _more(last, t, erase=first))


def _row(items: Sequence[StoredMessage], shown: str, more: str) -> str:
    """The links; the classes say which messages they belong to, for a jump to find the place."""
    places = " ".join(f"hearth-of-{item.id}" for item in items)
    return f'<div class="hearth-actions {places}">{shown}{more}</div>'


def _versions(item: StoredMessage, siblings: tuple[str, ...], t: Translator) -> str:
    """Arrows "2 / 3" between the messages that stand in one place."""
    if item.id not in siblings:
        return ""
    place = siblings.index(item.id)
    count = t("message.version", number=place + 1, count=len(siblings))
    back = link("show", siblings[place - 1], "‹", title=t("message.previous")) if place else "<span>‹</span>"
    onward = (
        link("show", siblings[place + 1], "›", title=t("message.next"))
        if place + 1 < len(siblings)
        else "<span>›</span>"
    )
    return f'<span class="hearth-versions">{back}<span>{as_html(count)}</span>{onward}</span>'


def _more(item: StoredMessage, t: Translator, *, erase: StoredMessage | None = None) -> str:
    other = link("other", item.id, t("message.other"), title=t("message.other.about")) if erase else ""
    links = [
        other,
        link("branch", item.id, t("message.branch"), title=t("message.branch.about")),
        link("split", item.id, t("message.split"), title=t("message.split.about")),
        link("erase", (erase or item).id, t("message.erase"), classes="hearth-bad"),
    ]
    menu = f'<div class="hearth-menu">{"".join(links)}</div>'
    return f'<details class="hearth-more"><summary title="{as_html(t("more"))}">⋯</summary>{menu}</details>'
