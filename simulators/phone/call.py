"""One call as every carrier knows it: parties, status, times, billing, and who ended it.

A final status never changes, and each status is reported once. The names of the statuses are the simulators' own
(`queued initiated ringing in-progress`, and the final ones); each carrier translates them.
"""

import asyncio
import time
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from simulators.phone.line import Line
from simulators.phone.persona import Persona
from simulators.phone.services import Services
from simulators.tones import decode_all

__all__ = ["FINAL", "Call", "Collector", "MediaStream", "Party"]

FINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
Party = Literal["callee", "api", "twiml", "xml", "reply", "time-limit", "carrier", "error", "sim"]
"""Who ended a call. Not every carrier reports it; the ledger does."""


class Collector(Protocol):
    """Receives what the callee says and presses while a verb collects input."""

    def speech_began(self) -> None: ...
    def speech(self, text: str) -> None: ...
    def digit(self, digit: str) -> None: ...


class MediaStream(Protocol):
    """A media stream of the call, open or past."""

    def dtmf(self, digit: str) -> None: ...
    def cut(self, *, clean: bool) -> None: ...
    @property
    def sid(self) -> str: ...
    def report(self) -> dict[str, Any]: ...
    def arrivals(self) -> list[float]: ...


@dataclass(eq=False, kw_only=True)
class Call:
    """A leg between the customer and one remote party. `from_` and `to` are as the customer sees them."""

    exchange: Services
    direction: str
    from_: str
    to: str
    persona: Persona
    ring_timeout_s: float = 60.0
    time_limit_s: float = 14_400.0
    sid: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "queued"
    created_at: float = field(default_factory=time.time)
    started_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    ended_by: Party | None = None
    answered_by: str | None = None
    beeped_ms: int | None = None
    """When the callee's beep ended, in ms since answer: a machine records from there on."""
    queue_ms: int = 0
    line: Line | None = None
    collector: Collector | None = None
    stream: MediaStream | None = None
    streams: list[MediaStream] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    verbs: list[dict[str, Any]] = field(default_factory=list)
    """What the customer ordered: verb or command, text, time. A Say or speak here was spoken natively."""
    spoken: list[dict[str, Any]] = field(default_factory=list)
    """What the callee said, with times in ms since answer."""
    understood: list[dict[str, Any]] = field(default_factory=list)
    """What the callee heard, as it was heard."""
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._beat = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: asyncio.Task[None] | None = None
        self._actor: asyncio.Task[None] | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._heard: tuple[int, list[dict[str, Any]]] = (0, [])

    @property
    def over(self) -> bool:
        return self.status in FINAL

    @property
    def duration_s(self) -> int:
        """Whole seconds from answer to end (or now), at least 1; 0 without an answer."""
        if self.answered_at is None:
            return 0
        return max(1, round((self.ended_at or time.time()) - self.answered_at))

    def note(self, kind: str, **facts: Any) -> None:
        """Write a ledger line about this call."""
        self.exchange.ledger.write(kind, call_sid=self.sid, **facts)

    # --- status

    def enter(self, status: str) -> None:
        """Enter a status and report it. A final status stays."""
        if self.over:
            return
        self.status = status
        self.history.append({"status": status, "at": time.time()})
        self.note("call", status=status, direction=self.direction, to=self.to, **{"from": self.from_})
        self.report_status()

    def report_status(self) -> None:
        """Report the status just entered, if the carrier reports it."""

    def start_line(self) -> Line:
        """Answer: the line opens; billing and the time limit start."""
        self.line = Line()
        self._beat, first = self.exchange.ticker.join(self.line.tick)
        self.line.starts(first)
        self.answered_at = time.time()
        self.limit(self.time_limit_s)
        self.enter("in-progress")
        return self.line

    def limit(self, seconds: float) -> None:
        """End the call this long after answer, regardless of its activity."""
        self.time_limit_s = seconds
        if self._limit is not None:
            self._limit.cancel()
        if self.answered_at is not None:
            left = max(0.0, self.answered_at + seconds - time.time())
            self._limit = asyncio.get_running_loop().call_later(left, self.end, "completed", "time-limit")

    def end(self, status: str, by: Party) -> None:
        """End the call and cancel all its work. Only the first end counts."""
        if self.over:
            return
        self.ended_at = time.time()
        self.ended_by = by
        self.exchange.ticker.leave(self._beat)
        if self.line is not None:
            self.line.hang_up()
        if self._limit is not None:
            self._limit.cancel()
        this = asyncio.current_task()
        for task in [task for task in self._tasks if task is not this]:
            task.cancel()
        self.enter(status)
        self.closed.set()

    # --- work

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start work that ends with the call."""
        task = self.exchange.tasks.spawn(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def act(self, work: Coroutine[Any, Any, None]) -> None:
        """Replace the callee's script from now on."""
        if self._actor is not None:
            self._actor.cancel()
        self._actor = self.spawn(work)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Replace the call's current activity."""
        if self._runner is not None:
            self._runner.cancel()
        self._runner = self.spawn(work)

    # --- reporting

    def heard(self) -> list[dict[str, Any]]:
        """The utterances the callee heard, decoded from the audio: times in ms since answer, and epoch seconds."""
        line = self.line
        if line is None:
            return []
        if self.exchange.spoken is not None:
            return self.understood
        if self._heard[0] != line.ticks:
            found = decode_all(line.heard.mulaw(line.ticks))
            self._heard = (
                line.ticks,
                [
                    {
                        "text": utterance.text,
                        "complete": utterance.complete,
                        "start_ms": utterance.start_ms,
                        "end_ms": utterance.end_ms,
                        "start_at": line.answered_at + utterance.start_ms / 1000,
                        "end_at": line.answered_at + utterance.end_ms / 1000,
                    }
                    for utterance in found
                ],
            )
        return self._heard[1]

    def report(self, *, heard: bool = True) -> dict[str, Any]:
        """Everything known about the call. Decoding what was heard costs CPU; `heard=False` leaves it out."""
        facts: dict[str, Any] = {
            "sid": self.sid,
            "direction": self.direction,
            "from": self.from_,
            "to": self.to,
            "status": self.status,
            "history": self.history,
            "created_at": self.created_at,
            "answered_at": self.answered_at,
            "ended_at": self.ended_at,
            "billed_seconds": self.duration_s,
            "ended_by": self.ended_by,
            "answered_by": self.answered_by,
            "beeped_ms": self.beeped_ms,
            "time_limit_s": self.time_limit_s,
            "verbs": self.verbs,
            "said": self.spoken,
            "streams": [stream.report() for stream in self.streams],
        }
        if heard:
            facts["heard"] = self.heard()
        return facts
