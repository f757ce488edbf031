"""Chats as one page that needs nothing else: to read anywhere, to print, to keep. No script runs, nothing loads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from html import escape

from markdown_it import MarkdownIt

from assistant.exchange.markdown import words_of
from assistant.messages import Attachment
from assistant.records import StoredConversation, StoredMessage

_STYLE = """
:root { color-scheme: light dark; }
body { max-width: 46em; margin: 2em auto; padding: 0 1em; font: 16px/1.6 system-ui, sans-serif;
  color: light-dark(#292524, #ece8e3); background: light-dark(#fdfcfa, #1b1917); overflow-wrap: anywhere; }
h1 { font-size: 1.5em; line-height: 1.25; } h1:not(:first-of-type) { margin-top: 3em; }
article { margin: 1.25em 0; } article > h2 { margin: 0; font-size: .8em; font-weight: 600; opacity: .75; }
article.user > div { white-space: pre-wrap; padding: .5em 1em; border-radius: 12px;
  background: light-dark(#f4f1ec, #2b2825); }
img { max-width: 100%; max-height: 30em; margin: .5em .5em 0 0; border-radius: 8px; }
pre, table { overflow-x: auto; } pre { padding: .75em 1em; border-radius: 8px; font-size: .875em;
  background: light-dark(#f4f1ec, #2b2825); } blockquote { margin-left: 0; padding-left: 1em; opacity: .75;
  border-left: 3px solid; } table { border-collapse: collapse; } td, th { padding: .25em .75em; border: 1px solid; }
nav a { display: block; color: inherit; }
@media print { body { max-width: none; margin: 0; color: #000; background: #fff; } h1 { break-before: page; }
  h1:first-of-type { break-before: auto; } nav { display: none; } pre { white-space: pre-wrap; } }
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write_page(
    title: str,
    chats: Iterator[tuple[StoredConversation, Sequence[StoredMessage]]],
    *,
    names: dict[str, str],
    show: Callable[[Attachment], str | None],
) -> Iterator[str]:
    """The page, piece by piece: each chat as it is shown. `names` says who speaks, by role, in the page's language;
    `show` gives a picture as an address that holds it."""
    yield (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n"
    )
    # html=False shows tags as text; an image becomes a link, which loads nothing.
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    for conversation, branch in chats:
        yield f"<h1>{escape(conversation.title)}</h1>\n"
        for item in branch:
            role = item.message.role
            if role == "system":
                continue
            pictures = {file: address for file in item.message.pictures if (address := show(file))}
            drawn = "".join(f'<img src="{url}" alt="{escape(file.name)}">' for file, url in pictures.items())
            said = words_of(replace(item.message, parts=tuple(p for p in item.message.parts if p not in pictures)))
            shown = escape(said) if role == "user" else str(markdown.render(said))
            when = item.created_at.astimezone().strftime("%Y-%m-%d %H:%M")
            model = f" · {escape(item.model)}" if item.model else ""
            head = f"<h2>{escape(names[role])}{model} · {when}</h2>"
            yield f'<article class="{role}">{head}{drawn}<div>{shown}</div></article>\n'
    yield "</body></html>\n"
