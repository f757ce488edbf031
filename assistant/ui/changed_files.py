"""What an answer did to files, below it: how many, which, and the link that takes it back."""

from __future__ import annotations

from assistant.i18n import Translator
from assistant.ui.links import as_html, link
from assistant.undo import Step, what_became
from assistant.visible import visible


def changed_files(step: Step, t: Translator) -> str:
    """One quiet line as HTML; the files stand in its fold."""
    count = len(step.files)
    words = t("changes.count", count=count)
    if step.is_undone:
        words = t("changes.undone", changes=words)
    files = "".join(
        f"<li><span>{as_html(visible(file.path))}</span> {as_html(t(f'changes.{what_became(file)}'))}</li>"
        for file in step.files
    )
    verb = "redo-files" if step.is_undone else "undo-files"
    about = t("changes.redo.about") if step.is_undone else t("changes.undo.about")
    turn = link(verb, step.answer_id, t("changes.redo") if step.is_undone else t("changes.undo"), title=about)
    fold = f"<details><summary>{as_html(words)}</summary><ul>{files}</ul></details>"
    return f'<div class="hearth-changes">{fold}{turn}</div>'
