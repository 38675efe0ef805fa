"""Faults on demand: rules that delay, refuse, cut off or hang a response, a stated number of times.

Shared by the simulators of speech and models; each passes its own subclass of `Do` where it can fail in more ways. A
rule is `{"where": "speech", "match": "regex", "skip": 0, "times": 2, "do": {"status": 429, "retry_after_s": 1}}`;
without `times` it holds until it is replaced, and with a `name` it is counted by itself. Knows HTTP; does not know what
a response contains.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Generic, TypeVar

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from simulators.wrong_audio import Disguise

__all__ = [
    "CLIENT_GONE",
    "GARBAGE",
    "Do",
    "ListenDo",
    "Pattern",
    "Rule",
    "Rules",
    "cut_off",
    "hang",
    "in_place_of_answer",
    "send_all",
]

CLIENT_GONE = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
"""Raised by a write after the client has disconnected; aiohttp's own reset error is a ConnectionResetError."""


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as fault:
        raise ValueError(f"not a regular expression: {fault}") from fault
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]
"""A regular expression, searched for (not anchored)."""


class Do(BaseModel):
    """How one response fails. The default does nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    delay_ms: float = Field(default=0, ge=0)
    """Milliseconds to wait before answering: before the status line, or before the first audio."""
    status: int | None = Field(default=None, ge=400, le=599)
    retry_after_s: int | None = Field(default=None, ge=0)
    hang: bool = False
    """Accept the request and never answer it."""
    chunk_bytes: int | None = Field(default=None, ge=1)
    per_chunk_ms: float = Field(default=0, ge=0)
    cut_after_bytes: int | None = Field(default=None, ge=0)
    """Reset the connection after that many bytes of the body."""
    disguise: Disguise | None = None
    """speech: send this in place of what was requested."""


class ListenDo(Do):
    """How one socket of speech recognition, or one transcript of it, fails besides. `words`: while a turn lasts."""

    mute: bool = False
    """socket: say nothing any more once it is ready. words: from now on."""
    garbage: bool = False
    """socket: send nonsense before everything else. words: now."""
    drop: bool = False
    """words: reset the socket now."""
    endless: bool = False
    """words: report what was recognised of this turn again and again, and never its end."""
    drop_after_ms: int | None = Field(default=None, ge=1)
    """socket: reset it when that much audio has come."""
    duplicate: bool = False
    """transcript: send it twice."""


GARBAGE = ("not json", "[1, 2]", '"text"', "null", '{"type": 7, "message_type": []}', "{}")
"""Messages that no client may stumble over."""

D = TypeVar("D", bound=Do)


class Rule(BaseModel, Generic[D]):
    """Where a fault applies, to which requests, and how often."""

    model_config = ConfigDict(extra="forbid")

    where: str
    name: str = ""
    """Counted under it too, so that one of several rules of a place can be shown to have struck."""
    match: Pattern = ""
    skip: int = Field(default=0, ge=0)
    """The number of matching requests to leave unharmed first."""
    times: int | None = Field(default=None, ge=1)
    do: D


class Rules(Generic[D]):
    """The rules in force, oldest first; the first that matches applies. `struck` counts the faults by place."""

    def __init__(self, well: D) -> None:
        self._well = well
        self._rules: list[Rule[D]] = []
        self.struck: Counter[str] = Counter()

    def replace(self, rules: Iterable[Rule[D]]) -> None:
        """Replace all rules."""
        self._rules = [rule.model_copy() for rule in rules]
        self.struck.clear()

    def take(self, where: str, subject: str = "") -> D:
        """The fault for this response; counts against the rule's `times`. Without a matching rule: no fault."""
        for rule in self._rules:
            if rule.where != where or not re.search(rule.match, subject):
                continue
            if rule.skip:
                rule.skip -= 1
                continue
            if rule.times is not None:
                rule.times -= 1
                if not rule.times:
                    self._rules.remove(rule)
            self.struck[where] += 1
            if rule.name:
                self.struck[rule.name] += 1
            return rule.do
        return self._well

    def has(self, where: str) -> bool:
        """Whether there is a rule for this place: what costs time is then done for it."""
        return any(rule.where == where for rule in self._rules)


async def hang(request: web.Request) -> None:
    """Send nothing until the client disconnects."""
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110  no event says it
        await asyncio.sleep(0.05)


async def in_place_of_answer(
    request: web.Request,
    line: dict[str, Any],
    do: Do,
    refuse: Callable[[int, int | None], web.Response],
    *,
    waits: bool = True,
) -> web.Response | None:
    """What the script has a request meet instead of its answer: silence to its end, or a refusal; None for neither.

    `waits`: the script's delay passes before an answer too; False where `send_all` waits.
    """
    if do.hang:
        line["outcome"] = "hung"
        await hang(request)
        return web.Response()
    if waits or do.status is not None:
        await asyncio.sleep(do.delay_ms / 1000)
    return None if do.status is None else refuse(do.status, do.retry_after_s)


async def cut_off(request: web.Request) -> None:
    """Drop the connection without the closing chunk, as a crashed server does. What was written before arrives."""
    transport = request.transport
    if transport is None:
        return
    # An abort throws away what the socket has not taken yet.
    while transport.get_write_buffer_size() and not transport.is_closing():  # noqa: ASYNC110  no event says it
        await asyncio.sleep(0)
    transport.abort()


async def send_all(
    request: web.Request,
    response: web.StreamResponse,
    body: bytes,
    do: Do,
    chunk_bytes: int,
    *,
    on_first: Callable[[], object] | None = None,
) -> int:
    """Stream `body` as `do` says, after the headers of `response`. Returns the bytes sent; may raise CLIENT_GONE.

    `on_first` is called when the first of them are written.
    """
    await asyncio.sleep(do.delay_ms / 1000)
    end = len(body) if do.cut_after_bytes is None else min(len(body), do.cut_after_bytes)
    step = do.chunk_bytes or chunk_bytes
    for at in range(0, end, step):
        if at and do.per_chunk_ms:
            await asyncio.sleep(do.per_chunk_ms / 1000)
        await response.write(body[at : min(at + step, end)])
        if not at and on_first is not None:
            on_first()
    if do.cut_after_bytes is not None:
        await cut_off(request)
    else:
        await response.write_eof()
    return end
