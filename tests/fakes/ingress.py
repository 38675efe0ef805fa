"""What the ingress needs of the bus, in memory: a log that detects replays and keeps tokens, call slots, a doorbell and
a media bus that record what they get. They keep the promises of the Redis versions.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from voicecall.call.events import Event
from voicecall.call.ids import CallId, LegId, NodeId, Seq, StreamId
from voicecall.call.state import Call, Phase
from voicecall.errors import BusUnavailable
from voicecall.ports import CallerAudio, MediaItem, Posted

__all__ = ["DirectMedia", "InMemoryLog", "Places", "Presence", "RecordingDoorbell"]


@dataclass
class InMemoryLog:
    """A `IngressLog`. Set `down` for an outage, `owner` for the node that owns all calls, `hold` to make posts wait."""

    owner: NodeId | None = None
    nudged: bool = True
    down: bool = False
    hold: asyncio.Event | None = None
    holding: int = 0
    phases: dict[CallId, Phase] = field(default_factory=dict)
    calls: dict[CallId, Call] = field(default_factory=dict)
    legs: dict[LegId, CallId] = field(default_factory=dict)
    events: dict[CallId, list[Event]] = field(default_factory=lambda: defaultdict(list))
    seen: dict[tuple[CallId, str], bytes | None] = field(default_factory=dict)
    tokens: set[tuple[CallId, str]] = field(default_factory=set)
    series: dict[CallId, tuple[str, int]] = field(default_factory=dict)
    posts: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def post(
        self,
        call: CallId,
        events: tuple[Event, ...],
        *,
        request_key: str | None = None,
        answer: bytes | None = None,
        stream_token: str | None = None,
        reconnects: bool = False,
    ) -> Posted:
        if self.hold is not None:
            self.holding += 1
            await self.hold.wait()
        self._reach()
        self.posts += 1
        over = call in self.phases and self.phases[call].is_over
        if request_key is not None:
            if (call, request_key) in self.seen:
                first = self.seen[call, request_key]
                nudged = self.owner is not None and self.nudged
                return Posted(seqs=(), replay=True, answer=first, owner=self.owner, nudged=nudged, over=over)
            self.seen[call, request_key] = answer
        if stream_token is not None:
            self.tokens.add((call, stream_token))
            if reconnects:
                self.series[call] = (stream_token, 0)
        self.events[call].extend(events)
        async with self.changed:
            self.changed.notify_all()
        last = len(self.events[call])
        seqs = tuple(Seq(last - len(events) + place + 1) for place in range(len(events)))
        nudged = self.owner is not None and self.nudged and bool(events)
        return Posted(seqs=seqs, owner=self.owner, nudged=nudged, over=over)

    async def phase(self, call: CallId) -> Phase | None:
        self._reach()
        return self.phases.get(call)

    async def read(self, call: CallId) -> Call | None:
        self._reach()
        return self.calls.get(call)

    async def find_call(self, carrier: str, leg: LegId) -> CallId | None:
        self._reach()
        assert carrier
        return self.legs.get(leg)

    async def consume_token(self, call: CallId, token: str, number: int = 0, *, again: bool = False) -> bool:
        self._reach()
        if number or again:
            newest, last = self.series.get(call, ("", 0))
            over = call in self.phases and self.phases[call].is_over
            if over or token != newest or number < last or (number == last and not again):
                return False
            self.series[call] = (token, number)
            return True
        if (call, token) not in self.tokens:
            return False
        self.tokens.remove((call, token))
        return True

    async def until(self, call: CallId, kind: type[Event], count: int = 1) -> list[Event]:
        """Wait for the `count`-th event of a kind; returns all of that kind."""

        def found() -> list[Event]:
            return [event for event in self.events[call] if isinstance(event, kind)]

        async with self.changed:
            await self.changed.wait_for(lambda: len(found()) >= count)
        return found()

    def _reach(self) -> None:
        if self.down:
            raise BusUnavailable("Redis does not answer: down")


@dataclass
class Places:
    taken: set[CallId] = field(default_factory=set)

    async def reserve(self, call: CallId, *, limit: int, inbound: bool = False) -> bool:
        assert inbound  # an ingress places no calls
        if call not in self.taken and len(self.taken) >= limit:
            return False
        self.taken.add(call)
        return True

    async def forget(self, call: CallId) -> None:
        self.taken.discard(call)


@dataclass
class Presence:
    """Whether workers run: set `present`."""

    present: bool = True

    async def is_any_present(self) -> bool:
        return self.present


class RecordingDoorbell:
    """A doorbell. `down`: the queue does not answer."""

    def __init__(self) -> None:
        self.rung: list[CallId] = []
        self.down = False
        self.attempts: asyncio.Queue[CallId] = asyncio.Queue()

    async def ring(self, call: CallId) -> None:
        self.attempts.put_nowait(call)
        if self.down:
            raise BusUnavailable("the job queue does not answer")
        self.rung.append(call)


class DirectMedia:
    """A media bus in one process: what is sent can be awaited at once."""

    def __init__(self) -> None:
        self.sent: list[tuple[NodeId, MediaItem]] = []
        self.arrived: asyncio.Queue[tuple[NodeId, MediaItem]] = asyncio.Queue()

    def send(self, to: NodeId, item: MediaItem) -> None:
        self.sent.append((to, item))
        self.arrived.put_nowait((to, item))

    def send_audio(self, to: NodeId, call: CallId, stream: StreamId, first: int, mulaw: bytes) -> None:
        self.send(to, CallerAudio(call, stream, first, mulaw))
