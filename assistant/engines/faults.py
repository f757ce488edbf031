"""Which of our errors a fault at an endpoint is. Pure.

What the server wrote decides, and never becomes part of a sentence: it may echo the key or the chat.
"""

from __future__ import annotations

import errno
import json
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from assistant.errors import (
    Busy,
    ContextFull,
    EngineError,
    Interrupted,
    ModelMissing,
    NotCompatible,
    Unreachable,
    WrongKey,
)


class Refused(Exception):  # named as a fact, like our errors
    """The endpoint answered a request with an HTTP error. `body` is for reading by this module only."""

    def __init__(self, status: int, body: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True)
class Asked:
    """What was asked of whom, for the sentences: the address, the model's id, whether a key and pictures went along."""

    url: str
    model: str
    has_key: bool
    has_pictures: bool = False


_CONTEXT = re.compile(
    r"exceeds? the available context size|exceed_context_size|context_length_exceeded|maximum context length|"
    r"context (length|window|size)[^.]{0,40}(exceed|overflow|full|too (small|short))|"
    r"(exceed|overflow|larger than|longer than|greater than|more than)[^.]{0,40}context (length|window|size)|"
    r"prompt (is )?too long|input (is )?too (long|large)|input length and|too many (input )?tokens|"
    r"(exceed|overflow)[^.]{0,40}context limit|"  # Anthropic's, through a gateway
    r"context the overflows|longer than the maximum model length|"  # LM Studio's words, and vLLM's
    r"(token count|tokens)[^.]{0,40}exceeds? the (maximum|configured limit)|"  # Gemini's, newer OpenAI models'
    r"`?inputs`?\s*(tokens)?\s*(\+ `?max_new_tokens`?)? must (be|have less)|"  # TGI's
    r"ContextWindowExceeded|prompt exceeds max|context shift|"  # LiteLLM's, KoboldCpp's, llama.cpp's advice
    r"context length is only|cannot be greater than max_model_len|"  # vLLM's since 0.14
    r"n_keep[^.]{0,30}>=? n_ctx|(reached|mid-generation) context (length|overflow)|"  # LM Studio's since 0.4
    r"request too large[^}]{0,200}tokens",  # a limit by the minute: no later moment makes room for it
    re.IGNORECASE,
)
_USED = re.compile(
    r"request \((\d+) tokens\)|n_prompt_tokens\W+(\d+)|(?:resulted in|requested|contains)[^\d.]{0,40}(\d+)|"
    r"request has (\d+) input tokens|too long: (\d+) tokens|requested tokens \((\d+)\)|token count \((\d+)\)|"
    r"context limit: (\d+) \+ (\d+)|given: (\d+) `?inputs`? tokens and (\d+)|first (\d+) tokens when|"
    r"\((?:total )?length (\d+)\)|passed (\d+) input tokens|n_keep\W+(\d+)|input \((\d+) tokens\)",
    re.IGNORECASE,
)
_FITS = re.compile(
    r"context size \((\d+)|n_ctx\W+(\d+)|maximum context length (?:is|of) (\d+)|"
    r"context (?:length|window)[^\d.]{0,20}(\d+)|tokens > (\d+) maximum|maximum model length of (\d+)|"
    r"context limit: \d+ \+ \d+ > (\d+)|number of tokens allowed \((\d+)\)|must be <= (\d+)|"
    r"configured limit of (\d+)|max_model_len[^\d.]{0,20}(\d+)|with (\d+) maximum context length",
    re.IGNORECASE,
)
# Of an overflow, how much the prompt alone takes; and what says that only the longest answer is beyond the server.
_PROMPT = re.compile(
    r"\((\d+) (?:in the messages|of text input)|passed (\d+) input tokens|request has (\d+) input tokens|"
    r"context limit: (\d+) \+|given: (\d+) `?inputs`? tokens and",
    re.IGNORECASE,
)
_LONGEST_ANSWER = re.compile(
    r"max_(completion_)?tokens\W{0,3} (is|are) too large|max_(completion_)?tokens\W+\d+ cannot be greater",
    re.IGNORECASE,
)
_MODEL = re.compile(
    # Names of models have dots in them: "llama3.2" not found.
    r"model_not_found|model[^{}\n]{0,200}?(not found|does not exist|not exist|is not available|not loaded|unknown)|"
    r"(unknown|invalid|no such|no) model|no models loaded|not a valid model",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"(invalid|incorrect|missing|wrong|no)[^.]{0,20}(api|auth|bearer|access)[ _-]?(key|token|header)?\b|"
    r"api key not (valid|found)|authentication_error|no_db_connection",  # LiteLLM looks for a key that it does not know
    re.IGNORECASE,
)
_NO_CHAT = re.compile(r"unexpected endpoint or method", re.IGNORECASE)  # LM Studio, with status 200
_MEMORY = re.compile(
    r"(system|available|enough|insufficient|out of|free) (v?ram|memory)|failed to allocate", re.IGNORECASE
)
_NEEDS_TLS = re.compile(r"HTTP request (was sent )?to an? HTTPS (server|port)", re.IGNORECASE)
_QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|billing|credit", re.IGNORECASE)
# Of llama.cpp, vLLM, OpenAI, OpenRouter, LM Studio, Ollama, DeepSeek, Groq, Mistral. Not of a picture that is broken.
_NO_PICTURES = re.compile(
    r"(image|vision|multi-?modal|picture)[^.{}]{0,60}(not support|n.t support|not (a|enabled)|unsupported|disabled)|"
    r"(not support|n.t support|unsupported|no endpoints found that support|not a|missing data required for|at most 0)"
    r"[^.{}]{0,40}(image|vision|multi-?modal)|image_url.{0,60}(only supported|expected `?text)|mmproj|"
    r"unknown variant `?image_url|content[^.{}]{0,20} must be a string|invalid content type",
    re.IGNORECASE,
)
_FIELD = re.compile(
    r"(unknown|unrecognized|unexpected|extra|unsupported|additional|invalid)[^.]{0,40}(field|argument|param|propert|input|key)",
    re.IGNORECASE,
)

_TOOLS = re.compile(
    r"does not support (tools?|function)|tools? (param|is|are|call)[^.]{0,40}(requires?|not|un)|requires? --?-?jinja|"
    r"tool[_ ]choice|--enable-auto-tool-choice|tool-call-parser|function.?call(ing|s)?[^.]{0,40}(not|un)support|"
    r"No endpoints found that support tool use|UnsupportedParamsError[^}]{0,200}tool|"  # OpenRouter's, LiteLLM's
    r"unsupported[^.]{0,60}\btools?\b|"
    r"\btools?\b[^.]{0,60}(not (supported|permitted|allowed|implemented)|unsupported|extra)|"
    r"(unknown|unrecognized|unexpected|extra|additional)[^.]{0,60}\btools\b|"
    r"roles? must alternate|(only|unknown|unsupported|unexpected)[^.]{0,40}\broles?\b|"  # templates, of a tool's result
    r"(jinja|template)[^.]{0,80}\btools?\b",
    re.IGNORECASE,
)


def from_refusal(refused: Refused, asked: Asked) -> EngineError:
    """The error for an answer with an HTTP error status."""
    text = readable(refused.body)
    if (error := _by_words(text, asked, status=refused.status)) is not None:
        return error
    match refused.status:
        case 401 | 403 | 407:
            return WrongKey("engine-key-refused" if asked.has_key else "engine-key-wanted", url=asked.url)
        case 404 | 405 | 410 | 501:
            return NotCompatible("engine-no-chat-here", url=asked.url)
        case 402:
            return Busy("engine-quota", url=asked.url)
        case 408 | 504:
            return Interrupted("engine-silent", url=asked.url)
        case 413:
            return ContextFull("engine-context-full")
        case 429 | 503 | 529:
            return _busy(refused, asked)
        case status if status >= 500:
            return Interrupted("engine-server-fault", url=asked.url, status=status)
        case status:
            return NotCompatible("engine-refused", url=asked.url, status=status)


def from_error_event(error: object, asked: Asked) -> EngineError:
    """The error for an object `{"error": ...}` inside a stream or in place of an answer."""
    fields = cast("Mapping[str, Any]", error) if isinstance(error, dict) else {}
    code = fields.get("code")
    text = readable(json.dumps(error))
    if isinstance(code, int) and 400 <= code < 600:
        return from_refusal(Refused(code, text), asked)
    return _by_words(text, asked, status=0) or Interrupted("engine-server-fault-in-stream", url=asked.url)


def from_connection(fault: BaseException, asked: Asked, *, has_begun: bool = False) -> EngineError:
    """The error for a connection that could not be made, or that broke (`has_begun`: in the middle of an answer)."""
    if has_begun:
        return Interrupted("engine-cut", url=asked.url)
    causes = list(_causes(fault))
    names = {type(cause).__name__ for cause in causes}
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return Unreachable("engine-certificate", url=asked.url)
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return Unreachable("engine-not-tls", url=asked.url)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Unreachable("engine-unknown-host", url=asked.url)
    if names & {"InvalidURL", "UnsupportedProtocol", "LocalProtocolError"}:
        return Unreachable("engine-address", url=asked.url)
    if names & {"ConnectTimeout"}:
        return Unreachable("engine-no-reply", url=asked.url)
    if names & {"ProxyError"}:
        return Unreachable("engine-proxy", url=asked.url)
    if names & {"TimeoutException", "ReadTimeout", "WriteTimeout", "PoolTimeout", "TimeoutError"}:
        return Interrupted("engine-silent", url=asked.url)
    if any(isinstance(cause, OSError) and cause.errno in _NO_ROUTE for cause in causes):
        return Unreachable("engine-no-route", url=asked.url)
    if "ConnectError" in names or any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return Unreachable("engine-refused-connection", url=asked.url)
    if "RemoteProtocolError" in names and not any("disconnected" in str(cause) for cause in causes):
        return NotCompatible("engine-not-http", url=asked.url)
    return Interrupted("engine-closed", url=asked.url)


def is_worth_a_retry(refused: Refused) -> bool:
    """Whether the same request may succeed a little later."""
    is_passing = not (_QUOTA.search(refused.body) or _CONTEXT.search(refused.body))
    return refused.status in (429, 503, 529) and is_passing


def refuses_tools(request: Mapping[str, Any], refused: Refused, error: EngineError) -> bool:
    """Whether this server, or its model's template, knows no tools. `error` is what the refusal is otherwise."""
    if "tools" not in request or isinstance(error, ContextFull | ModelMissing | WrongKey):
        return False
    return refused.status in (400, 404, 422, 500, 501) and bool(_TOOLS.search(readable(refused.body)))


def refuses_schema(request: Mapping[str, Any], error: EngineError) -> bool:
    """Whether a refusal without a reason that we know is likely one of an answer by a schema."""
    return "response_format" in request and error.key in ("engine-refused", "engine-server-fault")


def adapted(request: Mapping[str, Any], refused: Refused) -> dict[str, Any] | None:
    """The request without what this server does not know; None where nothing can be left out."""
    if refused.status not in (400, 422):
        return None
    text = refused.body
    if "max_tokens" in request and "max_completion_tokens" in text:  # OpenAI's reasoning models want the new name
        renamed = {name: value for name, value in request.items() if name != "max_tokens"}
        return renamed | {"max_completion_tokens": request["max_tokens"]}
    for field in ("max_tokens", "max_completion_tokens"):
        if field in request and _is_about_longest_answer(text):  # "at most" is what was asked for: it may be less
            return {name: value for name, value in request.items() if name != field}
    for field, holder in (("chat_template_kwargs", "extra_body"), ("reasoning_effort", "reasoning_effort")):
        if holder in request and field in text:
            return {name: value for name, value in request.items() if name != holder}
    names_it = "stream_options" in text or "include_usage" in text
    if "stream_options" in request and (names_it or _FIELD.search(text)):
        return {name: value for name, value in request.items() if name != "stream_options"}
    return None


def _is_about_longest_answer(text: str) -> bool:
    """Whether the server would take the prompt, and refuses only how long its answer might get."""
    prompt, fits = _PROMPT.search(text), _FITS.search(text)
    if prompt and fits:
        return _total(prompt) < _total(fits)
    return bool(_LONGEST_ANSWER.search(text))


def readable(body: str) -> str:
    """A fault's own words without the server's echo of the request, which FastAPI puts under "input"."""
    try:
        return json.dumps(_without_input(json.loads(body)))
    except (ValueError, RecursionError):
        return body


_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.ENETDOWN, errno.EHOSTDOWN})


def _by_words(text: str, asked: Asked, *, status: int) -> EngineError | None:
    """What the fault's words say, where they are clearer than the status."""
    if status in (401, 407):
        return None
    if _CONTEXT.search(text):
        return _context_full(text) if status != 429 else ContextFull("engine-context-full")
    if asked.has_pictures and status not in (403, 429, 503) and _NO_PICTURES.search(text):
        return NotCompatible("engine-pictures-refused", model=asked.model)
    if _NEEDS_TLS.search(text):
        return Unreachable("engine-needs-tls", url=asked.url)
    if status not in (429, 503) and _MEMORY.search(text):
        return ModelMissing("engine-memory", model=asked.model)
    if status in (0, 400, 404, 422, 500) and _MODEL.search(text):
        return ModelMissing("engine-model-unknown", model=asked.model, url=asked.url)
    if status in (0, 400) and _KEY.search(text):
        return WrongKey("engine-key-refused" if asked.has_key else "engine-key-wanted", url=asked.url)
    if _NO_CHAT.search(text):
        return NotCompatible("engine-no-chat-here", url=asked.url)
    if status in (400, 422) and "temperature" in text:
        return NotCompatible("engine-temperature", model=asked.model)
    return None


def _context_full(text: str) -> ContextFull:
    """With the two numbers where the text holds them: what was asked and what fits."""
    used, fits = _USED.search(text), _FITS.search(text)
    if used is None or fits is None:
        return ContextFull("engine-context-full")
    tokens, limit = (_total(found) for found in (used, fits))
    return ContextFull("engine-context-full-by", tokens=tokens, limit=limit)


def context_named_in(text: str) -> int | None:
    """The size of the context that a refusal names; None where it is about something else."""
    found = _FITS.search(text)
    return _total(found) if found and _CONTEXT.search(text) else None


def _total(found: re.Match[str]) -> int:
    """The number that was found; of two, what they make together: a prompt and the room for its answer."""
    return sum(int(number) for number in found.groups() if number)


def _busy(refused: Refused, asked: Asked) -> Busy:
    if refused.status == 503 and "loading model" in refused.body.lower():
        return Busy("engine-loading", url=asked.url)
    if _QUOTA.search(refused.body):
        return Busy("engine-quota", url=asked.url)
    if refused.retry_after_seconds is not None:
        return Busy("engine-busy-for", url=asked.url, seconds=max(1, round(refused.retry_after_seconds)))
    return Busy("engine-busy", url=asked.url)


def _causes(fault: BaseException) -> Iterator[BaseException]:
    """The fault, what caused it, and the members of groups: a failed connect is one group per address tried."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [fault]
    while waiting:
        cause = waiting.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__]
        if isinstance(cause, BaseExceptionGroup):
            waiting.extend(cast("BaseExceptionGroup[BaseException]", cause).exceptions)


def _without_input(value: object) -> object:
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {name: _without_input(item) for name, item in fields.items() if name != "input"}
    return [_without_input(item) for item in cast("list[object]", value)] if isinstance(value, list) else value
