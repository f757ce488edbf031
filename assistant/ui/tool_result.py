"""What a tool gave, as the page shows it, and a person's source with every hidden character marked. Pure.

Nothing of it leads anywhere or reaches out of its place: links that are commands do nothing in `.hearth-tool-output`
(commands.js), and styles.css gives that place its borders.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from assistant.i18n import Translator
from assistant.tools.own.process import Shown
from assistant.ui.links import as_html
from assistant.visible import visible

LONGEST_SHOWN = 200_000
MOST_ROWS = 200
MOST_BLOCKS = 100
_BASE64 = re.compile(r"[A-Za-z0-9+/=]*")


def source(text: str) -> str:
    """A file's text with the numbers of its lines; what nobody would see is shown as its code."""
    lines = [_seen(line) for line in text.removesuffix("\n").split("\n")]
    numbers = "&#10;".join(str(number) for number in range(1, len(lines) + 1))
    return (
        f'<div class="hearth-source" tabindex="0"><pre class="hearth-lines" aria-hidden="true">{numbers}</pre>'
        f'<pre><code class="hearth-python">{_pre(chr(10).join(lines))}</code></pre></div>'
    )


def output(shown: Sequence[Shown], printed: str, t: Translator) -> str:
    """What a call has given and printed so far: of very many things the last."""
    blocks = ["<p>…</p>"] if len(shown) > MOST_BLOCKS else []
    blocks += [_block(one, t) for one in shown[-MOST_BLOCKS:]]
    if printed.strip():
        blocks.append(f'<p class="hearth-small">{as_html(t("tools.printed"))}</p>{_text(printed, "hearth-printed")}')
    return "\n\n".join(blocks)


def plain(text: str) -> str:
    """Text as it is."""
    return _text(text, "hearth-given")


def said(words: str, mood: str, *, code: str = "") -> str:
    """A sentence about what became of something, and a line of the person's file."""
    line = f"<pre><code>{_pre(_seen(code))}</code></pre>" if code else ""
    return f'<div class="hearth-result hearth-{mood}" role="status"><p>{as_html(visible(words))}</p>{line}</div>'


def _block(one: Shown, t: Translator) -> str:
    match one.kind:
        case "markdown":
            return _text(one.text, "hearth-markdown")  # tooltab.js makes of it what markup.js makes of an answer
        case "table":
            return _table(one, t)
        case "image":
            if not _BASE64.fullmatch(one.data) or not one.mime:
                return ""
            return f'<p><img src="data:{one.mime};base64,{one.data}" alt="{as_html(t("tools.picture"))}"></p>'
        case "json":
            return f'<pre><code class="hearth-json">{_pre(one.text[:LONGEST_SHOWN])}</code></pre>'
        case "text":
            return plain(one.text)


def _table(one: Shown, t: Translator) -> str:
    head = "".join(f'<th scope="col">{as_html(name)}</th>' for name in one.columns)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in one.rows[:MOST_ROWS])
    count = max(one.count, len(one.rows))
    more = f"<p>{as_html(t('tools.more-rows', count=count, shown=MOST_ROWS))}</p>" if count > MOST_ROWS else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="hearth-table" tabindex="0">{table}</div>{more}'


def _cell(value: object) -> str:
    return f"<td>{as_html('' if value is None else str(value))}</td>"


def _text(text: str, classes: str) -> str:
    return f'<pre class="{classes}">{_pre(text[:LONGEST_SHOWN])}</pre>'


def _pre(text: str) -> str:
    """Text as HTML on one line, so that Markdown finds nothing in it to read."""
    return escape(text).replace("$", "&#36;").replace("\r", "").replace("\n", "&#10;")


def _seen(line: str) -> str:
    """A line with the codes of what is not seen; the tabs stay."""
    return "\t".join(visible(part) for part in line.split("\t"))
