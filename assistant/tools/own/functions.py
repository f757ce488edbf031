"""The person's own functions as tools: what lies in their folder, what of it is allowed, and how a call goes."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from assistant.errors import ToolError
from assistant.tools.hands import Hands
from assistant.tools.own.allowed import Allowance, Allowed, Function, LeftOut
from assistant.tools.own.arguments import checked
from assistant.tools.own.process import Fault, Printed, Said, Shown, run
from assistant.tools.own.source import Outline, Source, outline, read, sources
from assistant.tools.tool import Arguments, Origin, Tool

DESCRIBE_SECONDS = 20.0
CALL_SECONDS = 120.0
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LONGEST_ABOUT = 4000
MOST_SHOWN = 32_000_000
"""Of all that one call gives, in characters."""
_PIECE = 1000  # for each piece, however small


@dataclass(frozen=True)
class OwnFile:
    """A file of functions as it stands. `tools` are those of an allowed one, by its function's name; `was_allowed` says
    that it has changed since it was."""

    source: Source
    outline: Outline
    is_allowed: bool = False
    was_allowed: bool = False
    tools: Mapping[str, Tool] = field(default_factory=dict[str, Tool])
    left_out: tuple[LeftOut, ...] = ()

    @property
    def name(self) -> str:
        return self.source.name


@dataclass(frozen=True)
class Outcome:
    """What a call has given so far, and what it has printed."""

    shown: tuple[Shown, ...] = ()
    printed: str = ""
    is_done: bool = False


class OwnFunctions:
    """The folder's functions. `taken` are the names of Hearth's own tools, which no function gets."""

    def __init__(
        self,
        folder: Path,
        *,
        workspace: Callable[[], Path],
        allowed: Allowed,
        taken: Callable[[], Collection[str]] = tuple,
        describe_seconds: float = DESCRIBE_SECONDS,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        self.folder = folder
        self._workspace, self._allowed, self._taken = workspace, allowed, taken
        self._describe_seconds, self._call_seconds = describe_seconds, call_seconds

    def files(self) -> list[OwnFile]:
        """Every file as it is now. Reads the disk and runs nothing."""
        names = set(self._taken())
        found: list[OwnFile] = []
        for source in sources(self.folder):
            was = self._allowed.knows(source.path.name)
            allowance = self._allowed.get(source.path.name, source.digest)
            if allowance is None:
                found.append(OwnFile(source, outline(source.text), was_allowed=was))
                continue
            tools, left_out = self._tools(source, allowance, names)
            file = OwnFile(source, outline(source.text), is_allowed=True, tools=tools)
            found.append(replace(file, left_out=(*allowance.left_out, *left_out)))
        return found

    def tools(self) -> tuple[Tool, ...]:
        """The tools of all allowed files."""
        return tuple(tool for file in self.files() for tool in file.tools.values())

    async def allow(self, name: str, digest: str) -> None:
        """Allows the file's content with this digest, which the person has seen, and finds out what is in it: this is
        the first time that it runs. Raises ToolError, and then it is not allowed."""
        source = read(self.folder / f"{name}.py")
        if source.fault is not None:
            raise source.fault
        if not digest or source.digest != digest:
            raise ToolError("own-changed", name=source.path.name)
        printed, order = Printed(), {"path": str(source.path), "source": source.text}
        said = Said()
        async with aclosing(
            run(order, workspace=self._workspace(), timeout_seconds=self._describe_seconds, printed=printed)
        ) as answers:
            async for one in answers:
                said = one
        if said.fault is not None:
            raise _told(said.fault, source.path.name)
        functions = [Function.model_validate(each) for each in said.functions or ()]
        left_out = [LeftOut.model_validate(each) for each in said.left_out]
        if not functions and not left_out:
            raise ToolError("own-empty", name=source.path.name)
        self._allowed.put(source.path.name, Allowance(digest=digest, functions=functions, left_out=left_out))

    def forbid(self, name: str) -> None:
        """Takes back what was allowed of a file."""
        self._allowed.remove(f"{name}.py")

    async def call(self, file: str, function: str, digest: str, arguments: Arguments) -> AsyncGenerator[Outcome]:
        """Calls a function of the content that was allowed; gives what it has shown so far, each time that is more.
        Raises ToolError."""
        source = read(self.folder / file)
        if source.digest != digest or self._allowed.get(file, digest) is None:
            raise ToolError("own-changed", name=file)
        printed, order = Printed(), {"path": str(source.path), "source": source.text}
        order |= {"function": function, "arguments": dict(arguments)}
        shown: tuple[Shown, ...] = ()
        weight = 0
        async with aclosing(
            run(order, workspace=self._workspace(), timeout_seconds=self._call_seconds, printed=printed)
        ) as answers:
            async for said in answers:
                if said.fault is not None:
                    yield Outcome(shown, printed.text)
                    raise _told(said.fault, file)
                for one in said.piece or said.shown or ():
                    before, shown = shown, joined(shown, one)
                    weight += _weight(shown[-1]) - (_weight(before[-1]) if before and len(before) == len(shown) else 0)
                    if weight > MOST_SHOWN:  # a generator without an end
                        yield Outcome(before, printed.text)
                        raise ToolError("own-too-much", most=f"{MOST_SHOWN // 1_000_000} MB")
                yield Outcome(shown, printed.text, is_done=said.piece is None)

    def _tools(
        self, source: Source, allowance: Allowance, names: set[str]
    ) -> tuple[dict[str, Tool], tuple[LeftOut, ...]]:
        """The tools of a file under names that are free, and what has no free name. Adds to `names`."""
        tools: dict[str, Tool] = {}
        left_out: list[LeftOut] = []
        for function in allowance.functions:
            wanted = (function.name, f"{source.name}_{function.name}", f"own_{function.name}")
            name = next((each for each in wanted if each not in names and _NAME.fullmatch(each)), None)
            if name is None:
                left_out.append(LeftOut(name=function.name, why="there is another tool of this name"))
                continue
            names.add(name)
            tools[function.name] = self._tool(name, source, function)
        return tools, tuple(left_out)

    def _tool(self, name: str, source: Source, function: Function) -> Tool:
        about = function.about or f"A function of the user's own, {function.name} in {source.path.name}."
        return Tool(
            name=name,
            description=about[:_LONGEST_ABOUT],
            parameters=function.parameters,
            check=partial(checked, function.parameters),
            run=partial(self._run, source.path.name, function.name, source.digest),
            origin=Origin("own", source.path.name),
            risk="own",
            timeout_seconds=self._call_seconds,
        )

    async def _run(self, file: str, function: str, digest: str, arguments: Arguments, _: Hands) -> str:
        """A call for the model: it reads what the function gave, or printed if it gave nothing."""
        outcome = Outcome()
        async with aclosing(self.call(file, function, digest, arguments)) as outcomes:
            async for each in outcomes:
                outcome = each
        return "\n\n".join(map(words_of, outcome.shown)) or outcome.printed.strip() or "It is done."


def _weight(shown: Shown) -> int:
    """About how much memory and page it takes."""
    return _PIECE + len(shown.text) + len(shown.data) + sum(len(str(cell)) for row in shown.rows for cell in row)


def joined(shown: tuple[Shown, ...], piece: Shown) -> tuple[Shown, ...]:
    """What a generator has given, with one more piece: a text that goes on from the last one takes its place."""
    if shown and piece.kind in ("text", "markdown") and shown[-1].kind in ("text", "markdown"):
        last = shown[-1].text
        text = piece.text if piece.text.startswith(last) else f"{last}\n{piece.text}"
        return (*shown[:-1], piece.model_copy(update={"text": text}))
    return (*shown, piece)


def words_of(shown: Shown) -> str:
    """What a model reads of it."""
    match shown.kind:
        case "table":
            rows = [dict(zip(shown.columns, row, strict=False)) for row in shown.rows]
            more = f"\n({shown.count} rows, of which these are the first)" if shown.count > len(rows) else ""
            return json.dumps(rows, ensure_ascii=False) + more
        case "image":
            return "(a picture, which the user can see when they run the tool by hand)"
        case _:
            return shown.text


def _told(fault: Fault, file: str) -> ToolError:
    if fault.kind == "arguments":
        return ToolError("tool-arguments", why=fault.what)
    if not fault.line:
        return ToolError("own-raised", name=file, what=fault.what)
    return ToolError("own-raised-at", name=file, line=fault.line, what=fault.what, code=fault.code)
