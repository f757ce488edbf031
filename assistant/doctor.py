"""What is wrong with this Hearth and how to mend it: looks at data, disk, engine, endpoints and libraries."""

from __future__ import annotations

import asyncio
import json
import logging
import platform
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from time import monotonic

from assistant.egress import Egress, is_loopback
from assistant.engines import Engine, EngineIdentity, GenerationOptions
from assistant.engines.access import Access
from assistant.engines.neighbours import USUAL_PORTS, Neighbour, look, neighbours
from assistant.errors import HearthError
from assistant.events import ReasoningDelta, TextDelta
from assistant.i18n import ENGLISH, Translator
from assistant.messages import user
from assistant.paths import Profile
from assistant.visible import visible

log = logging.getLogger(__name__)

LEAST_FREE_MB = 500
_LIBRARIES = ("gradio", "openai", "xllamacpp", "pywebview", "pydantic", "uvicorn")
_ENGINE_SECONDS = 150
_ENDPOINT_SECONDS = 4


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was found, and what mends it (empty where nothing is wrong)."""

    name: str
    ok: bool
    detail: str
    cure: str = ""


@dataclass(frozen=True)
class Report:
    """What was found. `ok`: an answer can be had. Holds no key and no word of a chat."""

    ok: bool
    version: str
    engine: EngineIdentity
    endpoints: tuple[Neighbour, ...]
    checks: tuple[Check, ...]

    def as_json(self) -> str:
        """The report for programs; its shape is part of what others rely on."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2)

    def as_text(self, t: Translator = ENGLISH) -> str:
        """The report for a person, a line for each finding."""
        lines = [f"Hearth {self.version}", t("doctor.good" if self.ok else "doctor.bad"), ""]
        for check in self.checks:
            lines.append(f"{'✓' if check.ok else '✗'} {t(f'doctor.{check.name}')}: {check.detail}")
            lines.extend([f"    {check.cure}"] if check.cure else [])
        if self.endpoints:
            lines += ["", t("doctor.endpoints")]
            lines += [
                f"  {seen.url} ({seen.kind}): {visible(', '.join(seen.models)) or '-'}" for seen in self.endpoints
            ]
        return "\n".join(lines)


async def examine(
    profile: Profile,
    engine: Engine,
    *,
    endpoints: Sequence[str] = (),
    access_for: Callable[[str], Access] = lambda _url: Access(),
    ports: Sequence[int] = USUAL_PORTS,
    t: Translator = ENGLISH,
    egress: Egress | None = None,
    notice: HearthError | None = None,
) -> Report:
    """Looks at everything, and asks the engine for one token. `endpoints` are the configured ones; `access_for`
    gives the key of one; `notice` says what is wrong with the settings. Never raises: what is wrong is a check in the
    report."""
    data = await _safely("data", asyncio.to_thread(_check_data, profile, t=t), t=t)
    disk, answer, configured, local, libraries, logs = await asyncio.gather(
        _safely("disk", asyncio.to_thread(_check_disk, profile, t=t), t=t),
        _safely("engine", _check_engine(engine, t=t), t=t),
        asyncio.gather(
            *(look(url, access=access_for(url), seconds=_ENDPOINT_SECONDS, egress=egress) for url in endpoints)
        ),
        neighbours(ports, egress=egress),
        _safely("libraries", asyncio.to_thread(_check_libraries), t=t),
        _safely("log", asyncio.to_thread(_check_log, profile, t=t), t=t),
    )
    answers = dict(zip(endpoints, configured, strict=True))
    asked = engine.identity
    if answer.ok and asked.url in answers and answers[asked.url] is None:  # it need not list its models
        answers[asked.url] = Neighbour(asked.url, "unknown", (asked.model,))
    settings = [Check("settings", ok=False, detail=notice.message_in(t), cure=notice.hint_in(t))] if notice else []
    return Report(
        ok=answer.ok,
        version=installed("hearth-assistant"),
        engine=engine.identity,
        endpoints=_listed(answers, local),
        checks=(
            data,
            *settings,
            disk,
            answer,
            *(_check_endpoint(url, answers[url], t=t) for url in answers),
            libraries,
            logs,
        ),
    )


def installed(distribution: str) -> str:
    """The version of an installed distribution; "?" where it is not there."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "?"


async def _safely(name: str, checking: Awaitable[Check], *, t: Translator) -> Check:
    """A border: a check that fails in a way nobody thought of must not cost the others."""
    try:
        return await checking
    except HearthError as error:
        return Check(name, ok=False, detail=error.message_in(t), cure=error.hint_in(t))
    except OSError as error:
        return Check(name, ok=False, detail=error.strerror or type(error).__name__, cure=t("doctor.cure-log"))
    except Exception as error:
        log.exception("the check %s failed", name)
        return Check(name, ok=False, detail=type(error).__name__, cure=t("doctor.cure-log"))


def _check_data(profile: Profile, *, t: Translator) -> Check:
    try:
        profile.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=profile.data_dir) as file:
            file.write(b"hearth")
    except OSError as error:
        detail = t("doctor.data-unwritable", path=profile.data_dir, reason=error.strerror or "?")
        return Check("data", ok=False, detail=detail, cure=t("doctor.data-cure"))
    return Check("data", ok=True, detail=str(profile.data_dir))


def _check_disk(profile: Profile, *, t: Translator) -> Check:
    free_mb = shutil.disk_usage(profile.data_dir).free // 1024**2
    ok = free_mb >= LEAST_FREE_MB
    cure = "" if ok else t("doctor.disk-cure", least=LEAST_FREE_MB)
    return Check("disk", ok=ok, detail=t("doctor.disk-free", megabytes=free_mb), cure=cure)


async def _check_engine(engine: Engine, *, t: Translator) -> Check:
    began = monotonic()
    try:
        async with asyncio.timeout(_ENGINE_SECONDS):
            await engine.start()
            async with aclosing(engine.stream([user("Hi")], GenerationOptions(max_tokens=1))) as events:
                async for event in events:
                    if isinstance(event, TextDelta | ReasoningDelta):
                        break
    except TimeoutError:
        return Check("engine", ok=False, detail=t("doctor.engine-slow"), cure=t("doctor.cure-log"))
    seconds = f"{monotonic() - began:.1f}"
    return Check("engine", ok=True, detail=t("doctor.engine-answers", model=engine.identity.model, seconds=seconds))


def _listed(configured: Mapping[str, Neighbour | None], local: Sequence[Neighbour]) -> tuple[Neighbour, ...]:
    """All configured endpoints, whether they answer or not, and then the other servers on this machine."""
    taken = {_place(url) for url in configured}
    known = [seen or Neighbour(url, "unknown", ()) for url, seen in configured.items()]
    return (*known, *(seen for seen in local if _place(seen.url) not in taken))


def _place(url: str) -> str:
    """An address with every name of this machine spelled one way."""
    scheme, _, rest = url.partition("://")
    host, colon, tail = rest.partition(":")
    return f"{scheme}://{'127.0.0.1' if is_loopback(host) else host}{colon}{tail}"


def _check_endpoint(url: str, seen: Neighbour | None, *, t: Translator) -> Check:
    if seen is None:
        return Check("endpoint", ok=False, detail=t("doctor.endpoint-silent", url=url), cure=t("doctor.endpoint-cure"))
    return Check("endpoint", ok=True, detail=t("doctor.endpoint-answers", url=url, count=len(seen.models)))


def _check_libraries() -> Check:
    versions: Mapping[str, str] = {name: installed(name) for name in _LIBRARIES}
    listed = ", ".join(f"{name} {number}" for name, number in versions.items())
    return Check("libraries", ok="?" not in versions.values(), detail=f"Python {platform.python_version()}, {listed}")


def _check_log(profile: Profile, *, t: Translator) -> Check:
    path = profile.log_file
    detail = str(path) if path.exists() else t("doctor.log-none", path=path)
    return Check("log", ok=True, detail=detail)
