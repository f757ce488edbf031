"""Models, downloads and recommendations as lists in HTML. Pure. Names come from files and servers: all is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from assistant.engines.gguf import Header
from assistant.engines.machine import Fit
from assistant.errors import HearthError
from assistant.i18n import Translator
from assistant.library.downloads import Progress
from assistant.library.recommended import Recommended
from assistant.library.shelf import Library, Model
from assistant.ui.links import as_html, link
from assistant.visible import visible

_LONGEST_NAME = 120


def in_use(model: Model | None, library: Library, t: Translator, *, endpoint: str) -> str:
    """What answers with the built-in engine; where an endpoint answers instead, that too."""
    instead = f"<p>{_text(t('models.endpoint-answers', endpoint=endpoint))}</p>" if endpoint else ""
    if model is None:
        return f"{instead}<p>{_text(t('models.no-starter'))}</p>"
    actions = [link("model-use", model.ref, t("models.use"))] if endpoint and model.can_chat else []
    return f"{instead}{_list([_row(model, library, t, actions=actions)])}"


def here(models: Sequence[Model], library: Library, t: Translator, *, used: str) -> str:
    """What lies in the folder, and the starter, but for `used`, the one in use."""
    rows: list[str] = []
    for model in models:
        if model.ref == used:
            continue
        actions = [_use(model, t("models.use"))] if model.can_chat else []
        if model.ref:
            actions.append(_delete(model, t))
        rows.append(_row(model, library, t, actions=actions))
    return _list(rows) or f"<p>{_text(t('models.none-here'))}</p>"


def elsewhere(models: Sequence[Model], library: Library, t: Translator, *, used: str) -> str:
    """What other programs have, but for `used`, the one in use."""
    rows = [
        _row(model, library, t, actions=[_use(model, t("models.use-in-place"))])
        for model in models
        if model.ref != used
    ]
    return _list(rows) or f"<p>{_text(t('models.none-elsewhere'))}</p>"


def recommendations(models: Sequence[Recommended], library: Library, t: Translator, *, taken: set[str]) -> str:
    """The short list. `taken` are the file names that are here or on their way."""
    rows: list[str] = []
    for model in models:
        facts = t(
            "models.facts-recommended",
            size=size(model.file_bytes),
            memory=size(model.memory_bytes),
            licence=model.licence,
            repo=model.repo,
        )
        fit = model.fit(library.machine)
        is_taken = model.file in taken
        get = link("model-get", model.address, t("models.download"), title=model.file)
        mark = t("models.taken") if is_taken else ""
        about = t(f"models.good-for.{model.good_for}")
        rows.append(_item(model.name, [about, facts], actions=[] if is_taken else [get], marks=_marks(fit, t, mark)))
    return _list(rows)


def downloads(views: Sequence[Progress], t: Translator) -> str:
    """What is on its way, with a bar; empty where nothing is."""
    heading = f"<h2>{_text(t('models.downloads'))}</h2>" if views else ""
    return heading + _list([_download(view, t) for view in views])


def _download(view: Progress, t: Translator) -> str:
    bar = ""
    if view.state != "done":
        known = f' max="{view.total_bytes}" value="{view.received_bytes}"' if view.total_bytes else ""
        bar = f'<progress{known} aria-label="{_text(view.name)}"></progress>'
    lines = [_standing(view, t)]
    if view.fault is not None:
        lines.append(f"{view.fault.message_in(t)} {view.fault.hint_in(t)}")
    elif view.state == "running" and view.note:
        lines.append(t(f"models.note.{view.note}"))
    match view.state:
        case "running":
            verbs = (("model-pause", "models.pause"), ("model-cancel", "models.cancel"))
        case "done":
            verbs = (("model-use", "models.use"), ("model-cancel", "models.close"))
        case "paused":
            verbs = (("model-resume", "models.resume"), ("model-cancel", "models.cancel"))
        case "failed":
            verbs = (("model-resume", "models.try-again"), ("model-cancel", "models.cancel"))
    actions = [link(verb, view.name, t(key), title=visible(view.name)) for verb, key in verbs]
    return _item(view.name, lines, actions=actions, more=bar, is_bad=view.fault is not None)


def _standing(view: Progress, t: Translator) -> str:
    host = urlsplit(view.host_url).hostname or "?"
    if view.state == "done":
        return t("models.downloaded", size=size(view.received_bytes))
    so_far = size(view.received_bytes)
    words = [t("models.of", done=so_far, total=size(view.total_bytes)) if view.total_bytes else so_far]
    if view.parts > 1:
        words.append(t("models.part", part=view.part, parts=view.parts))
    if view.state == "paused":
        words.append(t("models.paused"))
    if view.bytes_per_second:
        words.append(t("models.speed", size=size(view.bytes_per_second)))
    if view.seconds_left is not None and view.bytes_per_second:
        words.append(t("models.left", time=_duration(view.seconds_left, t)))
    return " · ".join([*words, t("models.from", host=host)])


def _row(model: Model, library: Library, t: Translator, *, actions: Sequence[str]) -> str:
    lines: list[str] = []
    fit: Fit | None = None
    if model.header is not None:
        lines.append(facts(model.header, t))
        fit = library.fit(model.header) if model.can_chat else None
        if not model.can_chat:
            lines.append(t(f"models.is-{model.header.kind}"))
        elif not model.header.has_template:
            lines.append(t("models.no-template"))
    if model.fault is not None:
        lines.append(_said(model.fault, t))
    if not model.ref:
        lines.append(t("models.starter"))
    elif model.program:
        lines.append(t("models.in-program", program=model.program, path=model.path))
    elif model.is_link:
        lines.append(t("models.link-to", path=model.path.resolve()))
    marks = _marks(fit, t)
    return _item(model.name, lines, actions=actions, marks=marks, is_bad=model.fault is not None)


def _said(fault: HearthError, t: Translator) -> str:
    return f"{fault.message_in(t)} {fault.hint_in(t)}"


def facts(header: Header, t: Translator) -> str:
    """Size, family and so on, as far as the file says."""
    words = [
        size(header.file_bytes),
        t("models.weights", count=_count(header.parameters)) if header.parameters else "",
        header.family,
        header.quantisation,
        t("models.context", count=header.context_tokens) if header.context_tokens else "",
        header.licence or t("models.no-licence"),
        t("models.parts", count=header.parts) if header.parts > 1 else "",
    ]
    return " · ".join(word for word in words if word)


def _use(model: Model, words: str) -> str:
    return link("model-use", model.ref, words, title=visible(model.name))


def _delete(model: Model, t: Translator) -> str:
    """Asks first, in its place: a model of gigabytes takes long to come back."""
    question = t("models.delete-link" if model.is_link else "models.delete-question")
    return (
        f'<details class="hearth-more hearth-model-delete"><summary>{_text(t("models.delete"))}</summary>'
        f"<span>{_text(question)}</span>{link('model-delete', model.ref, t('models.delete-now'), classes='hearth-bad')}"
        "</details>"
    )


def _marks(fit: Fit | None, t: Translator, mark: str = "") -> str:
    marks = f'<span class="hearth-mark">{_text(mark)}</span>' if mark else ""
    if fit is not None:
        marks += f'<span class="hearth-mark hearth-fit-{fit}">{_text(t(f"models.fit.{fit}"))}</span>'
    return marks


def _item(
    name: str, lines: Sequence[str], *, actions: Sequence[str], marks: str = "", more: str = "", is_bad: bool = False
) -> str:
    said = "".join(f'<p class="hearth-model-line">{_text(line)}</p>' for line in lines if line)
    bad = " hearth-model-bad" if is_bad else ""
    return (
        f'<li class="hearth-model{bad}"><div class="hearth-model-words">'
        f'<p class="hearth-model-name"><strong>{_text(name[:_LONGEST_NAME])}</strong> {marks}</p>{said}{more}</div>'
        f'<div class="hearth-model-do">{"".join(actions)}</div></li>'
    )


def _list(rows: Sequence[str]) -> str:
    return f'<ul class="hearth-models">{"".join(rows)}</ul>' if rows else ""


def _text(words: str) -> str:
    return as_html(visible(words))


def size(count: int) -> str:
    """Bytes for people, as shops and systems count them."""
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB"
    if count < 10_000_000:
        return f"{count / 1_000_000:.1f} MB"
    return f"{count / 1_000_000:.0f} MB" if count < 1_000_000_000 else f"{count / 1_000_000_000:.1f} GB"


def _count(parameters: int) -> str:
    if parameters < 1_000_000:
        return f"{parameters:,}"
    return f"{parameters / 1e6:.0f}M" if parameters < 1_000_000_000 else f"{parameters / 1e9:.1f}B"


def _duration(seconds: int, t: Translator) -> str:
    if seconds < 60:
        return t("models.seconds", count=seconds)
    if seconds < 3600:
        return t("models.minutes", count=-(-seconds // 60))
    return t("models.hours", hours=seconds // 3600, minutes=seconds % 3600 // 60)
