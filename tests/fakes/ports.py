"""In-memory implementations of every port a call uses: log with optimistic commits and fencing, leases, services.

A test scripts what carrier, STT, TTS and agent do; the contracts of the ports hold.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

from actors.context import ActorContext, Decide
from actors.lease_guard import LeaseGuard
from voicecall.call.decide import decide
from voicecall.call.events import Event, Failover, Heard, OnMachine, Takeover
from voicecall.call.ids import E164, CallId, EffectId, Epoch, LegId, NodeId, Seq, StreamId
from voicecall.call.state import Call, RequestResult
from voicecall.errors import BusUnavailable, Fenced, ServiceError
from voicecall.ports import (
    Address,
    CallerAudio,
    Clear,
    Commit,
    Committed,
    EndCall,
    Finish,
    Ingest,
    Lease,
    LegReport,
    MediaItem,
    PartialTranscript,
    Play,
    Ports,
    Posted,
    Question,
    Record,
    SttEvent,
)

__all__ = [
    "HERE",
    "InMemoryBus",
    "ManualClock",
    "ScriptedAgent",
    "ScriptedCarrier",
    "ScriptedStt",
    "ScriptedTts",
    "Stage",
    "eventually",
]

HERE = Address(webhook_url="https://calls.example/voice/webhook", stream_url="wss://calls.example/voice/stream")


async def eventually(holds: Callable[[], object]) -> None:
    """Let the loop run until `holds()`; the timeout of the test is the limit."""
    while not holds():  # noqa: ASYNC110  the states that are waited for are written by many tasks
        await asyncio.sleep(0.001)


class ManualClock:
    """A clock that shows what the test sets."""

    def __init__(self, at: float = 1_000.0) -> None:
        self.at = at

    def now(self) -> float:
        return self.at


@dataclass
class _StoredCall:
    """What the bus stores of one call."""

    log: list[Event] = field(default_factory=list)
    snapshot: Call | None = None
    applied: int = 0
    epoch: int = 0
    owner: NodeId | None = None
    handed: int = 0  # the epoch of the newest owner that handed the call over
    step: object = None
    claims: dict[EffectId, int] = field(default_factory=dict)
    seen: dict[str, bytes | None] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return self.snapshot is not None and self.snapshot.is_over


class InMemoryBus:
    """CallLog, Leases, Doorbell, MediaBus and DeadLetterStore over one dictionary, under the same contracts."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.calls: defaultdict[CallId, _StoredCall] = defaultdict(_StoredCall)
        self.commits: list[Commit] = []
        self.answers: list[RequestResult] = []
        self.sent: list[tuple[NodeId, MediaItem]] = []
        self.rung: list[CallId] = []
        self.dead_letters: list[tuple[Seq | None, Event, str]] = []
        self.released: list[Lease] = []
        self.dead: set[NodeId] = set()  # nodes whose calls may be stolen
        self.down = False  # Redis does not answer
        self.drop_replies = 0  # so many commits succeed, but their answers are lost
        self.before_commit: Callable[[], None] = lambda: None  # called while a commit is in flight
        self.answers_commits = asyncio.Event()  # while it is not set, commits are in flight
        self.answers_commits.set()
        self.nudge: Callable[[CallId, tuple[Record, ...]], bool] = lambda _call, _records: False

    # --- CallLog ---

    def put(self, call: CallId, *events: Event) -> tuple[Record, ...]:
        """Append to the log without a nudge, as if the nudge was lost."""
        stored = self.calls[call]
        first = len(stored.log) + 1
        stamped = [replace(event, at=event.at or self.clock.now()) for event in events]
        stored.log += stamped
        return tuple(Record(seq=Seq(first + n), event=event) for n, event in enumerate(stamped))

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
        del stream_token, reconnects
        self._check_up()
        stored = self.calls[call]
        owner, over = stored.owner, stored.is_over
        if request_key is not None and request_key in stored.seen:
            heard = owner is not None and self.nudge(call, ())
            return Posted(seqs=(), replay=True, answer=stored.seen[request_key], owner=owner, nudged=heard, over=over)
        if request_key is not None:
            stored.seen[request_key] = answer
        records = self.put(call, *(replace(event, at=self.clock.now()) for event in events))
        return Posted(
            seqs=tuple(record.seq for record in records),
            owner=owner,
            nudged=bool(records) and owner is not None and self.nudge(call, records),
            over=over,
        )

    async def commit(self, commit: Commit) -> Committed:
        await asyncio.sleep(0)
        await self.answers_commits.wait()
        self._check_up()
        before, self.before_commit = self.before_commit, lambda: None
        before()
        stored = self.calls[commit.lease.call]
        if stored.epoch != commit.lease.epoch:
            raise Fenced(f"epoch is {stored.epoch}")
        if stored.step == commit:
            return Committed(applied=Seq(stored.applied))
        if len(stored.log) < commit.applied:
            raise Fenced("the log is shorter than what was applied")
        if len(stored.log) > commit.applied:
            return Committed(applied=commit.applied, missing=self._since(commit.lease.call, commit.applied))
        stored.log += [replace(event, at=event.at or self.clock.now()) for event in commit.own]
        stored.snapshot, stored.applied, stored.step = commit.call, len(stored.log), commit
        if stored.is_over:
            stored.owner = None
        self.commits.append(commit)
        self.answers += commit.resolved
        if self.drop_replies:
            self.drop_replies -= 1
            raise BusUnavailable("the reply was lost")
        return Committed(applied=Seq(stored.applied))

    async def read(self, call: CallId) -> Call | None:
        self._check_up()
        return self.calls[call].snapshot

    async def history(self, call: CallId, after: Seq | None = None) -> tuple[Record, ...]:
        await asyncio.sleep(0)
        self._check_up()
        return self._since(call, after or Seq(0))

    def _since(self, call: CallId, after: int) -> tuple[Record, ...]:
        log = self.calls[call].log
        return tuple(Record(seq=Seq(n), event=log[n - 1]) for n in range(after + 1, len(log) + 1))

    # --- Leases ---

    async def acquire(self, call: CallId, node: NodeId) -> Ingest | None:
        self._check_up()
        stored = self.calls[call]
        if stored.is_over or not (stored.log or stored.epoch):
            return None
        if stored.owner is not None and (stored.owner == node or stored.owner not in self.dead):
            return None
        return self.seize(call, node)

    def seize(self, call: CallId, node: NodeId) -> Ingest:
        """Take the lease from its owner, as from a dead node."""
        stored = self.calls[call]
        cause = Takeover.HANDED_OVER if stored.handed and stored.handed == stored.epoch else Takeover.LAPSED
        if stored.owner is not None:
            cause = Takeover.DIED
        stored.epoch += 1
        stored.owner = node
        return Ingest(
            lease=Lease(call=call, node=node, epoch=Epoch(stored.epoch)),
            call=stored.snapshot,
            applied=Seq(stored.applied),
            rest=self._since(call, stored.applied),
            cause=cause,
        )

    async def renew(self, leases: tuple[Lease, ...]) -> tuple[Lease, ...]:
        self._check_up()
        return tuple(lease for lease in leases if not self._renew(lease))

    def _renew(self, lease: Lease) -> bool:
        stored = self.calls[lease.call]
        if stored.is_over or stored.epoch != lease.epoch:
            return False
        stored.owner = lease.node
        return True

    async def release(self, lease: Lease, *, handed_over: bool = False) -> None:
        self._check_up()
        stored = self.calls[lease.call]
        if stored.epoch == lease.epoch:
            stored.owner = None
            stored.handed = lease.epoch if handed_over else stored.handed
            self.released.append(lease)

    async def claim(self, lease: Lease, effect: EffectId) -> bool:
        await asyncio.sleep(0)
        self._check_up()
        stored = self.calls[lease.call]
        if stored.epoch != lease.epoch or effect in stored.claims:
            return False
        stored.claims[effect] = lease.epoch
        return True

    # --- Doorbell, MediaBus, DeadLetters ---

    async def ring(self, call: CallId) -> None:
        self._check_up()
        self.rung.append(call)

    def send(self, to: NodeId, item: MediaItem) -> None:
        self.sent.append((to, item))

    async def set_aside_event(self, call: CallId, event: Event, *, seq: Seq | None, reason: str) -> None:
        del call
        self._check_up()
        self.dead_letters.append((seq, event, reason))

    def items(self, kind: type[MediaItem]) -> list[MediaItem]:
        return [item for _, item in self.sent if isinstance(item, kind)]

    def _check_up(self) -> None:
        if self.down:
            raise BusUnavailable("down")


class ScriptedCarrier:
    """A carrier with a ledger. `outcomes[name]` holds the results of the next commands of that name."""

    dial_names_request = False

    def __init__(self) -> None:
        self.ledger: list[tuple[str, ...]] = []
        self.outcomes: defaultdict[str, list[object]] = defaultdict(list)
        self.gates: dict[str, asyncio.Event] = {}  # a command of this name is answered when its gate is set

    async def dial(
        self,
        *,
        call: CallId,
        effect: EffectId,
        to: E164,
        from_: E164,
        ring_timeout_s: float,
        time_limit_s: int,
        on_machine: OnMachine | None = None,
    ) -> LegId:
        del from_, ring_timeout_s, time_limit_s, on_machine
        result = await self._act("dial", call, effect, to)
        return LegId(str(result or "leg-1"))

    async def find(self, *, call: CallId, to: E164, from_: E164, since: float) -> LegReport:
        del from_, since
        found = await self._act("find", call, to)
        assert isinstance(found, LegReport)
        return found

    async def look_up(self, leg: LegId) -> LegReport:
        found = await self._act("look_up", leg)
        assert isinstance(found, LegReport)
        return found

    async def hang_up(self, leg: LegId) -> None:
        await self._act("hang_up", leg)

    async def transfer(
        self, leg: LegId, *, to: str, from_: str, ring_timeout_s: float, call: CallId, effect: EffectId
    ) -> None:
        del call, ring_timeout_s
        await self._act("transfer", leg, to, from_, effect)

    async def send_digits(self, leg: LegId, digits: str, *, call: CallId, effect: EffectId) -> bool:
        """The outcome False means that a webhook reports the result."""
        del call, effect
        return await self._act("send_digits", leg, digits) is not False

    async def say(
        self, leg: LegId, text: str, *, call: CallId, utterance: int, token: str, listens: bool
    ) -> float | None:
        del call
        seconds = await self._act("say", leg, text, str(utterance), token, str(listens))
        return seconds if isinstance(seconds, float) else None

    def did(self, name: str) -> int:
        return sum(1 for entry in self.ledger if entry[0] == name)

    async def _act(self, name: str, *facts: str) -> object:
        self.ledger.append((name, *facts))
        if name in self.gates:
            await self.gates[name].wait()
        outcome = self.outcomes[name].pop(0) if self.outcomes[name] else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class ScriptedStt:
    """STT whose events come from the test: `say` reports what the service would have recognised."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.finds_likely_ends = False
        self.sessions: list[ScriptedSttSession] = []

    async def open(
        self,
        call: CallId,
        on_event: Callable[[SttEvent], None],
        on_partial: Callable[[PartialTranscript], None] | None = None,
        *,
        likely_ends: bool = False,
    ) -> "ScriptedSttSession":
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        del likely_ends
        session = ScriptedSttSession(call, on_event, on_partial)
        self.sessions.append(session)
        return session

    def say(self, *events: SttEvent) -> None:
        for event in events:
            self.sessions[-1].on_event(event)

    def hear(self, text: str) -> None:
        self.say(Heard(text=text))

    def say_partly(self, text: str, *, is_likely_end: bool = False, is_stable: bool = False) -> None:
        """What the service would have recognised of an utterance that is not over, where that is wanted."""
        on_partial = self.sessions[-1].on_partial
        if on_partial is not None:
            on_partial(PartialTranscript(text=text, is_likely_end=is_likely_end, is_stable=is_stable))

    async def close(self) -> None:
        for session in self.sessions:
            await session.close()


class ScriptedSttSession:
    ends_at_pauses = True

    def __init__(
        self,
        call: CallId,
        on_event: Callable[[SttEvent], None],
        on_partial: Callable[[PartialTranscript], None] | None,
    ) -> None:
        self.call = call
        self.on_event = on_event
        self.on_partial = on_partial
        self.audio = b""
        self.closed = False
        self.feed_failure: Exception | None = None

    def feed(self, mulaw: bytes) -> None:
        if self.feed_failure is not None:
            raise self.feed_failure
        self.audio += mulaw

    async def close(self) -> None:
        self.closed = True


class ScriptedTts:
    """TTS whose audio is the letters of the text, `per_letter` bytes each.

    `failures`: text -> exception to raise; `gates`: text -> event that is waited for before any audio.
    """

    def __init__(self, *, per_letter: int = 1, chunk: int = 1_000_000) -> None:
        self.per_letter = per_letter
        self.chunk = chunk
        self.failures: dict[str, Exception] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.fail_after: int | None = None  # bytes given before the failure
        self.latency_s = 0.0
        self.failover: Failover | None = None
        self.made = 0
        self.warmed = 0
        self.spoken: list[str] = []
        self.abandoned: list[str] = []

    def warm(self) -> None:
        self.warmed += 1

    async def speak(self, text: str) -> AsyncIterator[bytes | Failover]:
        self.spoken.append(text)
        await asyncio.sleep(self.latency_s)
        audio = b"".join(bytes([letter]) * self.per_letter for letter in text.encode())
        if text in self.gates:
            await self.gates[text].wait()
        failure = self.failures.get(text)
        if failure is not None:
            audio = audio[: self.fail_after or 0]
        done = False
        try:
            if self.failover is not None:
                yield self.failover
            for start in range(0, len(audio), self.chunk):
                self.made += len(audio[start : start + self.chunk])
                yield audio[start : start + self.chunk]
            done = True
        finally:
            if not done:
                self.abandoned.append(text)
        if failure is not None:
            raise failure

    async def close(self) -> None:
        self.failures.clear()


class ScriptedAgent:
    """Replies with the next script: pieces of text, exceptions to raise, and events to wait for."""

    def __init__(self) -> None:
        self.scripts: list[list[str | EndCall | Exception | asyncio.Event]] = []
        self.questions: list[Question] = []
        self.cancelled = 0
        self.is_discardable = False
        self.warmed = 0

    def warm(self) -> None:
        self.warmed += 1

    async def reply(self, question: Question) -> AsyncIterator[str | EndCall]:
        self.questions.append(question)
        script = self.scripts.pop(0) if self.scripts else [f"You said {question.history[-1].text}."]
        done = False
        try:
            for piece in script:
                if isinstance(piece, asyncio.Event):
                    await piece.wait()
                elif isinstance(piece, Exception):
                    raise piece
                else:
                    yield piece
            done = True
        finally:
            if not done:
                self.cancelled += 1

    async def close(self) -> None:
        self.scripts.clear()


class Stage:
    """The context of one node, and its ports for a test to script and inspect."""

    def __init__(self, *, bus: InMemoryBus | None = None, node: str = "worker-1", decide: Decide = decide) -> None:
        self.clock = bus.clock if bus is not None else ManualClock()
        self.bus = bus or InMemoryBus(self.clock)
        self.node = NodeId(node)
        self.carrier = ScriptedCarrier()
        self.stt = ScriptedStt()
        self.tts = ScriptedTts()
        self.agent = ScriptedAgent()
        self.monotonic = 0.0
        self.lease_guard = LeaseGuard(monotonic=lambda: self.monotonic)
        self.context = ActorContext(
            node=self.node,
            decide=decide,
            ports=Ports(
                controls={"mock": self.carrier},
                stt=self.stt,
                tts=self.tts,
                agent=self.agent,
                public_address=HERE,
            ),
            log=self.bus,
            leases=self.bus,
            clock=self.clock,
            media=self.bus,
            doorbell=self.bus,
            dead_letters=self.bus,
            lease_guard=self.lease_guard,
            apology=lambda _language: b"sorry",
        )

    def spoken(self) -> bytes:
        """All audio that was sent to an ingress."""
        return b"".join(item.mulaw for item in self.bus.items(Play) if isinstance(item, Play))

    def finished(self) -> list[int]:
        return [item.utterance for item in self.bus.items(Finish) if isinstance(item, Finish)]

    def cleared(self) -> int:
        return len(self.bus.items(Clear))

    def caller_audio(self, call: CallId, stream: str, first: int, mulaw: bytes) -> CallerAudio:
        return CallerAudio(call=call, stream=StreamId(stream), first=first, mulaw=mulaw)


def service_down() -> ServiceError:
    return ServiceError("scripted", "down")
