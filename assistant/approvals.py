"""What tools may do in one chat: which its model is offered, which calls wait for the person, and what they decided.

The messages are the only state of a turn that waits: its chat ends in calls without a result. A decision is bound to
what the card showed, by a mark: the tool as it is, the arguments, and what the call would do. Whatever of these has
changed since, nothing runs, and the card is shown anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from assistant.calls import NO_TOOLS, AllowedBy, Decision, ToolRun, TurnTools, denied
from assistant.context import Branch
from assistant.database import Database
from assistant.engines import Engine
from assistant.errors import HearthError, StoreError, ToolError
from assistant.messages import Message, ToolCall, ToolOffer, unanswered
from assistant.records import StoredMessage, new_message
from assistant.tool_log import ToolLog
from assistant.tool_rules import ToolRules, fingerprint
from assistant.tools.hands import Hands
from assistant.tools.tool import Arguments, Preview, Tool
from assistant.tools.toolbox import Toolbox
from assistant.undo import Undo

log = logging.getLogger(__name__)

Verdict = Literal["once", "chat", "deny"]
Offering = Literal["all", "few", "none"]
"""What a model is told of by itself: every tool; those that never ask and those that the person has brought, for one
that is lost among many; or none."""

PREVIEW_SECONDS = 20.0
MORE_ASKED = "They asked something else instead."


@dataclass(frozen=True)
class Toolkit:
    """What all chats share. `fits` says what a model can handle; `hands` makes the surroundings of a call from the
    database of its chat, the ids of the chat and of the answer (its first message), and what was said;
    `undo` takes back what answers of such a database did to files."""

    toolbox: Toolbox
    rules: ToolRules
    fits: Callable[[Engine], Offering]
    hands: Callable[[Database, str, str, tuple[Message, ...]], Hands]
    undo: Callable[[Database], Undo] | None = None


@dataclass(frozen=True)
class Question:
    """A call that waits, as the person is asked about it. `tool` is None, or `problem` says why, where it cannot run;
    `is_for_chat` is whether it may be allowed for the rest of the chat; `decided` is what was said already, while other
    calls of the same step wait."""

    call: ToolCall
    tool: Tool | None
    preview: Preview | None
    problem: HearthError | None
    mark: str
    is_for_chat: bool
    decided: Decision | None


class Approvals:
    """Of one chat, on one event loop. Without a toolkit there are no tools."""

    def __init__(self, chat: str, database: Database, toolkit: Toolkit | None) -> None:
        self._chat, self._database, self._toolkit = chat, database, toolkit
        self._kept = kept = ToolLog(database)
        self._allowed = kept.allowed_in(chat) if toolkit else frozenset[str]()
        self._switch = kept.switch_of(chat) if toolkit else None
        self._decisions: dict[str, Decision] = {}  # until all that wait are decided about

    def is_on(self, engine: Engine) -> bool:
        """Whether the model of this chat is told of tools: as the person said of this chat, else of the model, else as
        it fits."""
        return self._offering(engine) != "none"

    def offers(self, engine: Engine) -> tuple[ToolOffer, ...]:
        """What the model of this chat is told of."""
        offering = self._offering(engine)
        if offering == "none":
            return ()
        return tuple(
            one.offer
            for one in self._usable()
            if offering == "all" or one.approval == "never" or one.origin.kind != "built-in"
        )

    def _offering(self, engine: Engine) -> Offering:
        if self._toolkit is None:
            return "none"
        said = self._switch if self._switch is not None else self._toolkit.rules.are_offered(_model_of(engine))
        if said is None:
            return self._toolkit.fits(engine)
        return "all" if said else "none"

    async def switch(self, engine: Engine, *, is_on: bool) -> None:
        """Switches tools on or off in this chat, and in those to come with this model. Raises StoreError or
        SettingsError where that is not kept; it holds for this chat all the same."""
        self._switch = is_on
        if self._toolkit is not None:
            self._toolkit.rules.offer(_model_of(engine), is_on=is_on)
        await asyncio.to_thread(self._kept.switch, self._chat, is_on=is_on)

    def waiting(self, branch: Branch) -> tuple[ToolCall, ...]:
        """The calls that the end of the chat waits with. What was brought in from elsewhere never waits."""
        if self._toolkit is None or not branch or branch[-1].status != "complete" or branch[-1].origin is not None:
            return ()
        return unanswered([item.message for item in branch])

    def in_turn(self, engine: Engine, answer: str, *, is_resumed: bool = False) -> TurnTools:
        """What a turn may use that makes this answer; one that is resumed, with what has been decided. That counts for
        this turn alone."""
        if self._toolkit is None:
            return NO_TOOLS
        decisions, self._decisions = (self._decisions if is_resumed else {}), {}
        usable = () if self._switch is False and not decisions else self._usable()
        hands = partial(self._hands, answer)
        return TurnTools(usable, self.offers(engine), hands, self._allowed_by, decisions, self._heard)

    async def question(self, branch: Branch, call_id: str) -> Question | None:
        """What the person is asked about a call that waits; None for any other."""
        call = next((one for one in self.waiting(branch) if one.id == call_id), None)
        if call is None:
            return None
        tool, preview, problem = None, None, None
        try:
            tool, arguments = TurnTools(self._usable()).checked(call)
            preview = await self._preview(tool, arguments, branch)
        except HearthError as error:
            problem = error
        is_for_chat = tool is not None and not tool.asks_each_time
        mark = _mark(call, tool, preview, problem)
        decided = self._decisions.get(call_id)
        if decided is not None and decided.is_allowed and decided.mark != mark:
            decided = None  # it was said about something else
        return Question(call, tool, preview, problem, mark, is_for_chat, decided)

    async def decide(
        self, branch: Callable[[], Branch], call_id: str, verdict: Verdict, *, mark: str = "", word: str = ""
    ) -> bool:
        """Takes what the person said about a call that waits; whether that was taken. What is allowed is what the mark
        was made for: what would do anything else by now is not, and neither is a call that was allowed before it."""
        if not await self._taken(branch, call_id, verdict, mark=mark, word=word):
            return False
        for other, decision in list(self._decisions.items()):
            asked = await self.question(branch(), other) if decision.is_allowed and other != call_id else None
            if asked is not None and asked.decided is None and self._decisions.get(other) is decision:
                del self._decisions[other]
        return True

    async def _taken(
        self, branch: Callable[[], Branch], call_id: str, verdict: Verdict, *, mark: str, word: str
    ) -> bool:
        if verdict == "deny":
            if not any(call.id == call_id for call in self.waiting(branch())):
                return False
            self._decisions[call_id] = Decision(is_allowed=False, word=word)
            return True
        asked = await self.question(branch(), call_id)
        if asked is None or asked.tool is None or asked.mark != mark or (verdict == "chat" and not asked.is_for_chat):
            return False
        if verdict == "chat":
            await self._allow_in_chat(asked.tool)
        if not any(call.id == call_id for call in self.waiting(branch())):  # somebody was quicker
            return False
        by = "chat" if verdict == "chat" else "once"
        self._decisions[call_id] = Decision(is_allowed=True, word=word, by=by, mark=mark)
        return True

    def are_complete(self, branch: Branch) -> bool:
        """Whether something was decided about every call that waits, so that the turn can go on."""
        waiting = self.waiting(branch)
        undecided = [call for call in waiting if call.id not in self._decisions]
        tools = TurnTools(self._usable())
        return bool(waiting) and all(
            (tool := tools.named(call.name)) is not None and self._allowed_by(tool) for call in undecided
        )

    def passed_over(self, branch: Branch) -> tuple[StoredMessage, ...]:
        """The rows that a question leaves behind which is asked while calls wait: they are denied."""
        self._decisions = {}
        rows: list[StoredMessage] = []
        for call in self.waiting(branch):
            parent = rows[-1].id if rows else branch[-1].id
            rows.append(new_message(parent, Message("tool", (denied(call, MORE_ASKED),))))
        return tuple(rows)

    def _usable(self) -> tuple[Tool, ...]:
        assert self._toolkit is not None  # noqa: S101  # for the type checker: only then it is used
        return tuple(one for one in self._toolkit.toolbox.tools() if self._toolkit.rules.of(one) != "off")

    def _hands(self, answer: str, messages: Sequence[Message]) -> Hands:
        assert self._toolkit is not None  # noqa: S101
        return self._toolkit.hands(self._database, self._chat, answer, tuple(messages))

    def _allowed_by(self, tool: Tool) -> AllowedBy | None:
        assert self._toolkit is not None  # noqa: S101
        if self._toolkit.rules.of(tool) == "allow":
            return "itself" if tool.approval == "never" else "rule"
        return "chat" if fingerprint(tool) in self._allowed and not tool.asks_each_time else None

    async def _allow_in_chat(self, tool: Tool) -> None:
        self._allowed |= {fingerprint(tool)}
        try:
            await asyncio.to_thread(self._kept.allow_in, self._chat, [fingerprint(tool)])
        except StoreError as error:
            log.warning("what was allowed in a chat could not be saved: %s", error)  # it holds until Hearth ends

    async def _heard(self, run: ToolRun) -> None:
        log.info("tool %s (%s %s): %s", run.tool.name, run.tool.origin.kind, run.tool.origin.name, run.outcome)
        try:
            await asyncio.to_thread(self._kept.put, self._chat, run)
        except StoreError as error:
            log.warning("a run of a tool could not be logged: %s", error)

    async def _preview(self, tool: Tool, arguments: Arguments, branch: Branch) -> Preview | None:
        if tool.preview is None:
            return None
        try:
            async with asyncio.timeout(PREVIEW_SECONDS):
                return await tool.preview(arguments, self._hands(branch[-1].id, [item.message for item in branch]))
        except ToolError:
            raise
        except Exception as error:  # noqa: BLE001  # a border: whoever wrote the tool, the card is shown
            log.warning("the preview of %s failed: %s", tool.name, type(error).__name__)
            raise ToolError("tool-no-preview") from None


def unattended(toolkit: Toolkit, engine: Engine, hands: Callable[[Sequence[Message]], Hands]) -> TurnTools:
    """What a turn may use while nobody is there to be asked: what never asks, where the person's rule lets it run."""
    tools = tuple(
        one for one in toolkit.toolbox.tools() if one.approval == "never" and toolkit.rules.of(one) == "allow"
    )
    offered = tuple(one.offer for one in tools) if toolkit.fits(engine) != "none" else ()
    return TurnTools(tools, offered, hands, lambda _: "itself")


def _model_of(engine: Engine) -> str:
    who = engine.identity
    return f"{who.model} {'' if who.kind == 'embedded' else who.url}".strip()


def _mark(call: ToolCall, tool: Tool | None, preview: Preview | None, problem: HearthError | None) -> str:
    shown: Mapping[str, object] = {
        "call": [call.id, call.name, call.arguments],
        "tool": fingerprint(tool) if tool else "",
        "preview": repr(preview),
        "problem": problem.message if problem else "",
    }
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()
