"""The composition root: builds settings, store, engine and conversations, and hands out the guarded page."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.approvals import unattended
from assistant.attachments import Attachments
from assistant.backup import Backups
from assistant.caretaker import Caretaker
from assistant.configuration import BuiltIn, Configuration, Target, ThisRun
from assistant.conversations import Conversations
from assistant.database import Database
from assistant.doctor import Report, examine
from assistant.egress import Egress, seal_process
from assistant.engines import Engine, GenerationOptions
from assistant.engines.address import normalise_endpoint
from assistant.engines.embedded import EmbeddedEngine, model_id
from assistant.engines.endpoint import EndpointEngine
from assistant.engines.gguf import read_model
from assistant.engines.machine import Machine
from assistant.engines.neighbours import Neighbourhood
from assistant.engines.probe import Findings, probe, probe_engine, tried_out
from assistant.engines.process import memory_needed, order_for
from assistant.errors import EngineError, HearthError, ModelMissing, StartError, StoreError
from assistant.events import Event, ModelLoading
from assistant.exchange.exporter import Exporter, ExportFormat
from assistant.exchange.importer import Importer, ImportReport, Told
from assistant.i18n import ENGLISH, Translator
from assistant.keyrings import SystemKeyring
from assistant.keys import Keys
from assistant.known_models import KnownModels
from assistant.library import elsewhere
from assistant.library.downloads import Downloads
from assistant.library.shelf import Library, Model
from assistant.messages import Attachment, Message, Text, user
from assistant.paths import Profile, starter_model
from assistant.pick import Pick
from assistant.pictures import data_url
from assistant.redaction import conceal
from assistant.rescue import open_chats
from assistant.running import EngineChoice
from assistant.settings import EngineSetup, SettingsFile
from assistant.store import Store
from assistant.tool_log import ToolLog
from assistant.turn import run_turn
from assistant.workshop import Workshop

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from assistant.guard import Guard
    from assistant.ui.engine_page import Estimate

log = logging.getLogger(__name__)

LOG_BYTES = 40_000  # of the engine's log, shown on its page


class App:
    """One Hearth on one profile. Use from one event loop."""

    def __init__(self, profile: Profile, configuration: Configuration, *, keys: Keys) -> None:
        self.profile = profile
        self.keys_to_hide = keys.seen  # for the log
        self._configuration = configuration
        self._egress = Egress(is_offline=lambda: configuration.settings.offline)
        self._neighbourhood = Neighbourhood(self._egress)
        self._tested = KnownModels(profile.tested_file)
        self._library = library_of(profile)
        self._workshop = Workshop(profile, configuration, keys=keys, egress=self._egress)
        self.open_folder: Callable[[Path], None] | None = None  # where there is a desktop
        self._engines: dict[Target | BuiltIn, Engine] = {}
        self._engine_log_file = profile.log_file.with_name("engine.log")
        self._guard: Guard | None = None
        self._files: tuple[Attachments, ...] = ()  # of chats that are kept, and of private ones

    def asgi(self, port: int) -> ASGIApp:
        """The page behind the guard, for a server that listens on 127.0.0.1:`port`. Imports Gradio: takes a second, so
        call it in a thread. The built-in engine loads its model meanwhile. The page's lifespan waits for it, and at its
        end saves running answers and ends everything, so that `uvicorn.Config(app.asgi(port), lifespan="on")` is all a
        server needs. Raises StoreError, StartError."""
        self._make_folders()
        self.profile.forget_unfinished()
        try:
            self._load_model()
            return self._page(port)
        except BaseException:
            asyncio.run(self.aclose())
            raise

    def _page(self, port: int) -> Guard:
        is_ending = threading.Event()
        backups = Backups(self.profile.database, self.profile.backups, is_ending=is_ending.is_set)
        opened = open_chats(self.profile.database, backups)  # first: what is wrong with the data is told at once
        attachments = Attachments(self.profile.attachments)
        store = Store(opened.database, attachments)
        caretaker = Caretaker(opened, backups, is_ending=is_ending)
        # late: `ask` and `doctor` never load Gradio
        from assistant.guard import Guard
        from assistant.ui.check import TargetCheck
        from assistant.ui.engine_page import EngineDesk
        from assistant.ui.languages import Pages
        from assistant.ui.models_tab import Models
        from assistant.ui.page import build_page, upload_folder
        from assistant.ui.parts import Parts
        from assistant.ui.reach_page import Reach
        from assistant.ui.tools_tab import Tools

        private = Store(Database(None))
        self._files = (attachments, private.attachments)
        downloads = Downloads(self._library, self._egress)
        conversations = Conversations(store, private=private, choose=self._choose, toolkit=self._workshop.toolkit)

        @asynccontextmanager
        async def lifespan(_: object) -> AsyncGenerator[None]:
            warming = asyncio.create_task(self._warm_up())
            try:
                await conversations.erase_deleted()
                caretaker.start()
                await asyncio.to_thread(downloads.load)
                yield
                await asyncio.to_thread(caretaker.stop)
            finally:
                warming.cancel()
                await asyncio.wait({warming})
                await downloads.aclose()
                await conversations.aclose()
                await self.aclose()
                store.close()
                private.close()

        async def speak() -> str:
            await pages.speak(self._configuration.language)
            return pages.language

        check = TargetCheck(test=self._test, models=self._models, tested=self._tested.get)
        parts = Parts(
            conversations,
            self._configuration,
            check=check,
            notice=lambda: self.notice,
            speak=speak,
            visits=self._egress.visits,
            loading=self._loading,
            neighbourhood=self._neighbourhood,
            models=Models(self._library, downloads, use=self._use_model),
            desk=EngineDesk(estimate=self._estimate, run=self._set_up_engine, log=self._engine_log),
            caretaker=caretaker,
            importer=Importer(store, attachments),
            exporter=Exporter(store, attachments, self._t),
            servers=self._workshop.servers,
            tools=Tools(
                self._workshop.toolbox,
                self._workshop.rules,
                self._workshop.own,
                hands=self._workshop.hands,
                runs=ToolLog(opened.database).runs,
                open_folder=self.open_folder,
            ),
            reach=Reach(self._workshop.notes, lambda: self._workshop.folder, self.profile.data_dir),
        )
        pages = Pages(lambda code: build_page(parts, Translator(code)), self._configuration.language, lifespan=lifespan)
        self._guard = Guard(pages, port=port, uploads=upload_folder())
        return self._guard

    def one_time_address(self) -> str:
        """A fresh `http://127.0.0.1:PORT/open?code=...`, after `asgi`. Safe from any thread."""
        if self._guard is None:
            raise RuntimeError("asgi() comes first")
        return self._guard.one_time_address()

    def seal_process(self) -> None:
        """From now on this process connects to nothing but what this app has a reason for. There is no way back: for a
        process that is Hearth's own, and before it loads anything heavy."""
        seal_process(self._egress)

    async def ask(self, question: str) -> AsyncGenerator[Event]:
        """Answers one question outside any chat; nothing of it is saved. Nobody is asked, so tools that ask are not
        there. Raises StartError."""
        self._make_folders()
        choice = self._choose()
        prompt = choice.settings.system_prompt.strip()
        messages = [*([Message("system", (Text(prompt),))] if prompt else []), user(question)]
        options = GenerationOptions(choice.settings.temperature, choice.settings.max_tokens)
        tools = unattended(self._workshop.toolkit, choice.engine, self._workshop.hands)
        async with aclosing(run_turn(messages, choice.engine, options=options, tools=tools)) as events:
            async for event in events:
                yield event

    def import_chats(self, paths: Sequence[Path], told: Told) -> ImportReport:
        """Brings chats in, beside a running Hearth too. Raises StoreError, StartError."""
        with self._chats_beside() as store:
            return Importer(store, Attachments(self.profile.attachments)).bring_in(paths, told)

    def export_chats(self, path: Path | None) -> int:
        """Writes all chats into a file, in the format that its suffix says, else as JSON; to standard output for None.
        Gives how many there are. Raises StoreError, StartError."""
        with self._chats_beside() as store:
            exporter = Exporter(store, Attachments(self.profile.attachments), self._t)
            if path is None:
                return exporter.write_to(sys.stdout.buffer, "json")
            kinds: dict[str, ExportFormat] = {".html": "html", ".htm": "html", ".md": "md", ".zip": "md"}
            return exporter.write_all(path, kinds.get(path.suffix.lower(), "json"))

    @contextmanager
    def _chats_beside(self) -> Generator[Store]:
        self._make_folders()
        backups = Backups(self.profile.database, self.profile.backups)
        store = Store(Database(self.profile.database, is_owner=False, before_migration=backups.take))
        try:
            yield store
        finally:
            store.close()

    def back_up(self) -> Path:
        """Makes a snapshot of the chats and gives its path, beside a running Hearth too: nothing of its own is
        touched. Raises StoreError, StartError."""
        self._make_folders()
        backups = Backups(self.profile.database, self.profile.backups)
        snapshot = backups.take()
        try:
            backups.rotate()
        except StoreError as error:
            log.warning("the older snapshots stay as they are: %s", error)
        return snapshot.path

    @property
    def notice(self) -> HearthError | None:
        """What to tell about the settings and the tools' files as they were found; None when they are in order."""
        return self._configuration.notice or self._workshop.notice

    @property
    def _t(self) -> Translator:
        return Translator(self._configuration.language)

    async def examine(self, t: Translator = ENGLISH) -> Report:
        """What `hearth doctor` reports. Never raises; whatever is wrong is a check in the report."""
        target = self._configuration.target
        notice = self._configuration.notice
        saved = "" if notice else self._configuration.settings.endpoint
        others = [] if notice else [each.endpoint for each in self._configuration.connections]
        configured = [address for address in dict.fromkeys((target.endpoint, saved, *others)) if address]
        return await examine(
            self.profile,
            self._engine(target),
            endpoints=configured,
            access_for=self._configuration.access_for,
            egress=self._egress,
            notice=self.notice,
            t=t,
        )

    async def aclose(self) -> None:
        """Ends all engines and MCP servers; for callers that used `ask` or `examine` without a server."""
        engines, self._engines = list(self._engines.values()), {}
        await asyncio.gather(self._workshop.servers.aclose(), *(engine.aclose() for engine in engines))

    def _make_folders(self) -> None:
        try:
            self.profile.create()
        except OSError as error:
            reason = error.strerror or "?"
            raise StartError("data-dir", path=self.profile.data_dir, reason=reason) from error

    def _choose(self, pick: Pick | None = None) -> EngineChoice:
        target = self._configuration.target_of(pick)
        asked = Pick(target.endpoint, target.model)
        return EngineChoice(self._engine(target), self._configuration.settings_for(target), asked)

    def _engine(self, target: Target) -> Engine:
        """The engine for a target, each built once: going back to one finds it warm."""
        if not target.endpoint:
            return self._built_in(self._configuration.built_in)
        if target not in self._engines:
            engine = EndpointEngine(
                target.endpoint, model=target.model, access=target.access, egress=self._egress, show=self._show
            )
            if known := self._tested.get(target.endpoint, target.model):
                engine.told(known.abilities)
            self._engines[target] = engine
        return self._engines[target]

    def _loading(self) -> ModelLoading | None:
        """How far a model of the built-in engine has come into the memory; None when none is on its way."""
        engines = [engine for engine in self._engines.values() if isinstance(engine, EmbeddedEngine)]
        return next((loading for engine in engines if (loading := engine.loading) is not None), None)

    def _show(self, file: Attachment) -> str | None:
        """A picture as a request carries it; None where it is gone."""
        content = next((found for files in self._files if (found := files.read(file)) is not None), None)
        return None if content is None else data_url(content)

    def _built_in(self, chosen: BuiltIn) -> Engine:
        """The built-in engine with a model. Where its file is gone it says so; another model never takes its place."""
        if chosen not in self._engines:
            path = self._library.path_of(chosen.ref)
            self._engines[chosen] = EmbeddedEngine(
                path,
                name=chosen.name,
                setup=chosen.setup,
                log_file=self._engine_log_file,
                egress=self._egress,
                show=self._show,
            )
        return self._engines[chosen]

    async def _use_model(self, model: Model) -> None:
        """Answers come from this model once it is loaded. Raises HearthError, and then everything is as it was."""
        chosen = BuiltIn(model.ref, model.name if model.ref else "", self._configuration.settings.engine)
        await self._load_instead(chosen, lambda: self._configuration.use_built_in(chosen))

    async def _set_up_engine(self, setup: EngineSetup) -> None:
        """The built-in engine runs its model like this once it is loaded so. Raises HearthError, and then everything is
        as it was."""
        chosen = replace(self._configuration.built_in, setup=setup)
        await self._load_instead(chosen, lambda: self._configuration.set_up(setup))

    async def _load_instead(self, chosen: BuiltIn, keep: Callable[[], None]) -> None:
        """Loads a model; the child with the last one ends first, for there may not be memory for both."""
        others = [key for key in self._engines if isinstance(key, BuiltIn) and key != chosen]
        await asyncio.gather(*(self._engines.pop(key).aclose() for key in others))
        try:
            await self._built_in(chosen).start()
            keep()
        except BaseException:
            if chosen != self._configuration.built_in and chosen in self._engines:
                await self._engines.pop(chosen).aclose()
            raise

    def _estimate(self, setup: EngineSetup) -> Estimate:
        """What the built-in engine's model would take. Raises ModelMissing."""
        from assistant.ui.engine_page import Estimate  # late: see `_page`

        chosen, machine = self._configuration.built_in, Machine.this()
        path = self._library.path_of(chosen.ref)
        if path is None:
            raise ModelMissing("engine-no-starter-model")
        header = read_model(path)
        order = order_for(path, header, setup, model_id=chosen.name or model_id(path), cores=machine.cores)
        return Estimate(order.model_id, order.context_tokens, memory_needed(header, order), machine.most_bytes)

    def _engine_log(self) -> str:
        """The last lines that the built-in engine wrote."""
        try:
            with self._engine_log_file.open("rb") as file:
                file.seek(-min(LOG_BYTES, file.seek(0, os.SEEK_END)), os.SEEK_END)
                return conceal(file.read().decode("utf-8", "replace"), self.keys_to_hide())
        except OSError:
            return ""

    async def _test(self, target: Target) -> AsyncGenerator[Findings]:
        """What the Settings tab's Test shows of an address that need not be saved yet: first whether it answers, then
        what its model can do."""
        if target.endpoint:
            found = await probe(target.endpoint, access=target.access, model=target.model, egress=self._egress)
            engine = EndpointEngine(found.url, model=found.model, access=target.access, egress=self._egress)
        else:
            engine = self._engine(target)
            found = await probe_engine(engine)
        yield found
        if not found.ok:
            return
        try:
            found = await tried_out(engine, found)
        finally:
            if target.endpoint:
                await engine.aclose()
        if found.abilities is not None:
            await asyncio.to_thread(self._tested.put, target.endpoint, found.model, found.abilities)
            if isinstance(used := self._engines.get(target), EndpointEngine):
                used.told(found.abilities)
        yield found

    async def _models(self, target: Target) -> list[str]:
        """What the model can be chosen from; empty where the address does not answer."""
        if not target.endpoint:
            return []
        engine = EndpointEngine(target.endpoint, access=target.access, egress=self._egress)
        try:
            return await engine.models()
        except EngineError:
            return []
        finally:
            await engine.aclose()

    def _load_model(self) -> None:
        engine = self._choose().engine
        if isinstance(engine, EmbeddedEngine):
            with suppress(EngineError):  # told by `_warm_up`, or by the answer to the first question
                engine.load()

    async def _warm_up(self) -> None:
        """Beside the first page's load, which that makes a little longer: the first question is not kept waiting."""
        try:
            await self._choose().engine.start()
        except EngineError as error:
            log.warning("the engine is not ready: %s", error)  # the first question tries again, and says why
        if not self._configuration.target.endpoint:
            await self._neighbourhood.look()  # something better may run here; the page offers it


def build_app(profile: Profile, *, endpoint: str | None, model: str | None, api_key: str | None) -> App:
    """See `assistant.create_app`."""
    keys = Keys(profile.keys_file, SystemKeyring())
    keys.prepare()
    this_run = ThisRun(normalise_endpoint(endpoint) if endpoint else None, model or None)
    configuration = Configuration(SettingsFile(profile.settings_file), keys, this_run=this_run)
    target = configuration.target
    if model and not target.endpoint:
        configuration.this_run = replace(this_run, built_in=_named(model, library_of(profile)))
    if api_key and target.endpoint:
        keys.put_for_session(target.endpoint, api_key)  # bound to this endpoint: it goes to no other
    return App(profile, configuration, keys=keys)


def library_of(profile: Profile) -> Library:
    """The models that this person has: in the profile, and in the places of other programs."""
    look = partial(elsewhere.look, Path.home(), os.environ)
    return Library(profile.models, starter_model(), look=look, machine=Machine.this())


def _named(model: str, library: Library) -> BuiltIn:
    """The model of the library with this name or file name. Raises StartError where there is none."""
    starter = starter_model()
    if starter and model == model_id(starter):
        return BuiltIn()
    found = library.named(model)
    if found is None:
        raise StartError("model-without-endpoint", model=model)
    return BuiltIn(found.ref, found.name)
