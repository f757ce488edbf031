"""Tries an endpoint out, step by step, and says in words what was found: what the Settings tab's Test shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from time import monotonic

from assistant.egress import Egress
from assistant.engines import Engine, GenerationOptions
from assistant.engines.abilities import Abilities
from assistant.engines.access import Access
from assistant.engines.address import normalise_endpoint
from assistant.engines.endpoint import EndpointEngine
from assistant.engines.limits import Limits
from assistant.errors import HearthError, ModelMissing, NotCompatible, SettingsError, Unreachable, WrongKey
from assistant.events import ReasoningDelta, TextDelta, UsageReported
from assistant.i18n import Translator
from assistant.messages import user

__all__ = ["Findings", "normalise_endpoint", "probe"]

EngineAt = Callable[[str, str], EndpointEngine]  # from an address and a model's id, as a test asks
PROBE_LIMITS = Limits(connect_seconds=5, first_byte_seconds=60, stall_seconds=20, list_seconds=10, retries=0)
_QUESTION, _ANSWER_TOKENS = "Reply with the word OK.", 8
_NAMES_SHOWN = 8
_WORDS_OF_A_PIECE = 3


@dataclass(frozen=True)
class Findings:
    """What a test found. None stands for "not found out": a wrong address tells nothing about the key."""

    url: str  # empty for the built-in engine
    has_key: bool = False
    is_reached: bool = False
    is_key_accepted: bool | None = None
    models: tuple[str, ...] = ()
    model: str = ""
    is_model_there: bool | None = None
    first_token_seconds: float | None = None
    tokens_per_second: float | None = None
    is_streamed: bool | None = None
    has_thoughts: bool | None = None
    has_usage: bool | None = None
    abilities: Abilities | None = None
    suggested_url: str = ""
    error: HearthError | None = None

    @property
    def ok(self) -> bool:
        """Whether an answer came."""
        return self.error is None

    def sentences(self, t: Translator) -> list[str]:
        """What was found, for a person."""
        if self.error is None and not self.url:
            return [self._speed_sentence(t)]
        if self.error is None:
            return [t("probe.reached", url=self.url), self._key_sentence(t), self._speed_sentence(t)]
        if self.suggested_url:
            return [self.error.message_in(t), t("probe.suggestion", url=self.suggested_url)]
        found = [t("probe.reached", url=self.url)] if self.is_reached else []
        if self.is_key_accepted:
            found.append(self._key_sentence(t))
        names = [self._names_sentence(t)] if self.is_model_there is False and self.models else []
        return [*found, self.error.message_in(t), *names, *filter(None, [self.error.hint_in(t)])]

    def _key_sentence(self, t: Translator) -> str:
        return t("probe.key-accepted") if self.has_key else t("probe.key-not-needed")

    def _speed_sentence(self, t: Translator) -> str:
        if self.first_token_seconds is None:
            return t("probe.answered", model=self.model)
        seconds = f"{self.first_token_seconds:.1f}"
        if self.tokens_per_second is None:
            return t("probe.answered-after", model=self.model, seconds=seconds)
        return t("probe.answered-at", model=self.model, seconds=seconds, rate=f"{self.tokens_per_second:.0f}")

    def _names_sentence(self, t: Translator) -> str:
        names = ", ".join(self.models[:_NAMES_SHOWN])
        more = len(self.models) - _NAMES_SHOWN
        return t("probe.models-more", names=names, count=more) if more > 0 else t("probe.models", names=names)


async def probe(
    url: str,
    *,
    access: Access | None = None,
    model: str | None = None,
    limits: Limits = PROBE_LIMITS,
    egress: Egress | None = None,
) -> Findings:
    """Lists the models and asks for a very short answer. What goes wrong is in the findings, never raised."""
    findings = Findings(url.strip(), has_key=bool(access and access.api_key), model=(model or "").strip())
    try:
        findings = replace(findings, url=normalise_endpoint(url))
    except SettingsError as error:
        return replace(findings, error=error)

    def engine_at(address: str, name: str) -> EndpointEngine:
        return EndpointEngine(address, model=name, access=access, limits=limits, egress=egress)

    engine = engine_at(findings.url, findings.model)
    try:
        return await _looked_at(engine, findings, engine_at=engine_at)
    except HearthError as error:
        return replace(findings, error=error)
    finally:
        await engine.aclose()


async def probe_engine(engine: Engine) -> Findings:
    """Asks an engine that is ours for a very short answer. What goes wrong is in the findings, never raised."""
    try:
        models = tuple(await engine.models())
    except HearthError as error:
        return Findings("", error=error)
    return await _answered(engine, Findings("", models=models, model=engine.identity.model))


async def tried_out(engine: Engine, findings: Findings) -> Findings:
    """The findings of an answer, and with them what the model can do. What fails has not been found out."""
    try:
        abilities = await engine.abilities()
    except HearthError:
        abilities = Abilities()
    shown = {
        "streams": findings.is_streamed,
        "reasons": findings.has_thoughts,
        "counts_tokens": findings.has_usage,
    }
    return replace(findings, abilities=replace(abilities, **shown))


async def _looked_at(engine: EndpointEngine, findings: Findings, *, engine_at: EngineAt) -> Findings:
    try:
        models = await engine.models()
    except NotCompatible as error:
        if (suggested := await _with_v1(findings.url, engine_at=engine_at)) or not findings.model:
            return replace(findings, error=error, suggested_url=suggested)
        models: list[str] = []  # a gateway need not list its models; the answer decides
    except HearthError as error:
        return _failed(findings, error)
    findings = replace(findings, is_reached=True, models=tuple(models))
    if models and findings.model and not is_listed(findings.model, models):
        missing = ModelMissing("engine-model-unknown", model=findings.model, url=findings.url)
        return _failed(replace(findings, is_key_accepted=True), missing)
    return await _answered(engine, findings)


async def _answered(engine: Engine, findings: Findings) -> Findings:
    began, first, rate, words, has_thoughts, has_usage = monotonic(), None, None, [], False, False
    try:
        options = GenerationOptions(max_tokens=_ANSWER_TOKENS)
        async with aclosing(engine.stream([user(_QUESTION)], options)) as events:
            async for event in events:
                match event:
                    case TextDelta() | ReasoningDelta():
                        first = first or monotonic() - began
                        words.append(event.text)
                        has_thoughts = has_thoughts or isinstance(event, ReasoningDelta)
                    case UsageReported():
                        rate = event.tokens_per_second
                        has_usage = event.completion_tokens is not None
                    case _:
                        pass
    except HearthError as error:
        return _failed(findings, error)
    return replace(
        findings,
        is_reached=True,
        is_key_accepted=True,
        is_model_there=True,
        model=engine.identity.model,
        first_token_seconds=first,
        tokens_per_second=rate,
        is_streamed=_is_streamed(words),
        has_thoughts=has_thoughts if words else None,
        has_usage=has_usage,
    )


def _is_streamed(words: Sequence[str]) -> bool | None:
    """Whether an answer came piece by piece; one piece of a word or two tells nothing."""
    if len(words) > 1:
        return True
    return False if len(" ".join(words).split()) > _WORDS_OF_A_PIECE else None


def _failed(findings: Findings, error: HearthError) -> Findings:
    match error:
        case Unreachable():
            return replace(findings, error=error, is_reached=False)
        case WrongKey():
            return replace(findings, error=error, is_reached=True, is_key_accepted=False)
        case ModelMissing():
            return replace(findings, error=error, is_reached=True, is_model_there=False)
        case _:
            return replace(findings, error=error)


async def _with_v1(url: str, *, engine_at: EngineAt) -> str:
    """The address with /v1 behind it, where a chat server answers there; else empty."""
    if url.endswith("/v1"):
        return ""
    engine = engine_at(f"{url}/v1", "")
    try:
        await engine.models()
    except WrongKey:
        return f"{url}/v1"
    except HearthError:
        return ""
    finally:
        await engine.aclose()
    return f"{url}/v1"


def is_listed(model: str, models: Sequence[str]) -> bool:
    """Whether a server that lists `models` has `model`; Ollama takes a name without its tag as ":latest"."""
    return model in models or f"{model}:latest" in models
