"""The side bar's lists as HTML: pure functions from what the catalogue found to text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from html import escape
from itertools import groupby

from assistant.catalogue import Found
from assistant.conversations import Listed, Overview
from assistant.i18n import Translator
from assistant.records import StoredConversation
from assistant.ui.links import as_html, link

MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)


def render_overview(
    overview: Overview, t: Translator, *, current: str, open_folders: frozenset[str], today: date
) -> str:
    """Private chats, pinned ones, folders, then the others by day."""
    more = link("more", "chats", t("sidebar.more"), classes="hearth-wide")
    parts = [
        _group(t("sidebar.private"), overview.private.chats, t, current=current, is_private=True),
        more if overview.private.has_more else "",
        _group(t("sidebar.pinned"), overview.pinned.chats, t, current=current),
        more if overview.pinned.has_more else "",
    ]
    for name, size in overview.folders.items():
        inside = overview.opened.get(name, Listed())
        parts.append(_folder(name, size, inside.chats, t, current=current, is_open=name in open_folders))
        parts.append(more if inside.has_more else "")
    for day, chats in groupby(overview.chats.chats, key=lambda chat: day_words(chat.updated_at, today, t)):
        parts.append(_group(day, list(chats), t, current=current))
    parts.append(more if overview.chats.has_more else "")
    return _list(parts) or _empty(t("sidebar.empty"))


def render_archived(archived: Listed, t: Translator, *, current: str) -> str:
    """The chats that were put away, and the way back."""
    back = link("archived", "close", t("sidebar.back"), classes="hearth-wide")
    rows = _group(t("sidebar.archived"), archived.chats, t, current=current) or _empty(t("sidebar.archived.empty"))
    more = link("more", "chats", t("sidebar.more"), classes="hearth-wide") if archived.has_more else ""
    return _list([back, rows, more])


def render_found(found: Sequence[Found], t: Translator, *, current: str) -> str:
    """What a search brought: each chat's title, and below it the sentence that matches."""
    if not found:
        return _empty(t("sidebar.nothing"))
    rows: list[str] = []
    for item in found:
        title = item.title or t("sidebar.untitled")
        is_current = " hearth-current" if item.conversation_id == current else ""
        if not item.message_id:
            rows.append(f'<div class="hearth-hit{is_current}">{link("open", item.conversation_id, title)}</div>')
            continue
        rows.append(
            f'<div class="hearth-hit{is_current}">'
            f'<a class="hearth-do" href="#hearth/jump/{item.conversation_id}.{item.message_id}">'
            f"<b>{as_html(title)}</b><span>{_marked(item.excerpt)}</span></a></div>"
        )
    return _list([f"<h3>{as_html(t('sidebar.found'))}</h3>", *rows])


def title_of(chat: StoredConversation, t: Translator) -> str:
    """A chat's title, or what stands for one that has none yet."""
    draft = " ".join(chat.draft.split())[:60]
    return chat.title or (t("sidebar.draft", words=draft) if draft else t("sidebar.untitled"))


def day_words(moment: datetime, today: date, t: Translator) -> str:
    """When that was, as people say it: today, yesterday, the week, the month, the month's name."""
    day = moment.astimezone().date()
    if day >= today:
        return t("day.today")
    if day == today - timedelta(days=1):
        return t("day.yesterday")
    if day > today - timedelta(days=7):
        return t("day.week")
    if day > today - timedelta(days=30):
        return t("day.month")
    return t("day.named-month", month=t(f"month.{MONTHS[day.month - 1]}"), year=day.year)


def _group(
    title: str, chats: Sequence[StoredConversation], t: Translator, *, current: str, is_private: bool = False
) -> str:
    if not chats:
        return ""
    rows = "".join(_row(chat, t, is_current=chat.id == current, is_private=is_private) for chat in chats)
    return f"<h3>{as_html(title)}</h3>{rows}"


def _folder(
    name: str, size: int, chats: Sequence[StoredConversation], t: Translator, *, current: str, is_open: bool
) -> str:
    """A folder; its chats are asked for when it is opened."""
    mark = "▾" if is_open else "▸"
    head = link("folder", name, f"{mark} {name} ({size})", classes="hearth-folder")
    rows = "".join(_row(chat, t, is_current=chat.id == current) for chat in chats) if is_open else ""
    return f'{head}<div class="hearth-inside">{rows}</div>'


def _row(chat: StoredConversation, t: Translator, *, is_current: bool, is_private: bool = False) -> str:
    title = title_of(chat, t)
    name = link("open", chat.id, title, title=title)
    menu = _menu(chat, t, is_private=is_private)
    return f'<div class="hearth-row{" hearth-current" if is_current else ""}">{name}{menu}</div>'


def _menu(chat: StoredConversation, t: Translator, *, is_private: bool) -> str:
    pin = ("unpin", t("sidebar.unpin")) if chat.is_pinned else ("pin", t("sidebar.pin"))
    archive = ("unarchive", t("sidebar.unarchive")) if chat.is_archived else ("archive", t("sidebar.archive"))
    verbs = [
        ("rename", t("sidebar.rename")),
        pin,
        ("move", t("sidebar.move")),
        archive,
        ("export", t("sidebar.export")),
        ("print", t("sidebar.print")),
    ]
    links = [link(verb, chat.id, words) for verb, words in verbs if not is_private or verb in ("rename", "print")]
    links.append(link("delete", chat.id, t("sidebar.delete"), classes="hearth-bad"))
    tip = as_html(t("sidebar.menu", title=title_of(chat, t)))
    return (
        f'<details class="hearth-more"><summary title="{tip}">⋯</summary>'
        f'<div class="hearth-menu">{"".join(links)}</div></details>'
    )


def _marked(excerpt: str) -> str:
    """The sentence with its hits marked."""
    text = escape(" ".join(re.sub(r"[*`#]+", "", excerpt).split())).replace("$", "&#36;")
    return text.replace("\x02", "<mark>").replace("\x03", "</mark>")


def _list(parts: Iterable[str]) -> str:
    """One line: a blank one would end the HTML for Markdown."""
    inside = "".join(part for part in parts if part)
    return f'<div class="hearth-list">{inside}</div>' if inside else ""


def _empty(words: str) -> str:
    return f'<div class="hearth-list"><p class="hearth-none">{as_html(words)}</p></div>'
