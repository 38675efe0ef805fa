"""A small worker on the real bus: activates calls when the doorbell rings, folds with the real `decide`, commits.

Replaces `workers/` in tests of the gateway and the ingress. Its carrier does what the test sets: it accepts every dial,
refuses it, or never answers; each utterance is heard at once; `hear` makes the caller speak.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from redis.asyncio import Redis

from voicecall.bus.lease import RedisLeases
from voicecall.bus.log import RedisCallLog
from voicecall.bus.membership import Membership
from voicecall.bus.nodes import NodeChannel
from voicecall.call import effects as do
from voicecall.call import events as e
from voicecall.call.decide import decide
from voicecall.call.ids import CallId, LegId, NodeId, Seq, StreamId
from voicecall.call.state import Call, Phase, RequestResult
from voicecall.errors import BusUnavailable, Fenced
from voicecall.ports import Commit, Lease, Record

__all__ = ["QueueDoorbell", "SmallWorker", "idle_node", "small_worker"]


class QueueDoorbell:
    """A doorbell that rings in this process."""

    def __init__(self) -> None:
        self.rung: list[CallId] = []
        self.rang = asyncio.Event()
        self.queue: asyncio.Queue[CallId] = asyncio.Queue()

    async def ring(self, call: CallId) -> None:
        self.rung.append(call)
        self.rang.set()
        self.queue.put_nowait(call)


@dataclass(slots=True)
class _Owned:
    lease: Lease
    call: Call | None
    applied: int
    nudged: asyncio.Event = field(default_factory=asyncio.Event)


class SmallWorker:
    """`dial`: "answer", "ring", "refuse" or "silence". `speech`: "heard" or "endless". `dialled`: its calls."""

    def __init__(self, redis: Redis, doorbell: QueueDoorbell) -> None:
        self.dial = "answer"
        self.speech = "heard"
        self.dialled: list[CallId] = []
        self.digits: list[str] = []
        self.log = RedisCallLog(redis)
        self._leases = RedisLeases(redis, ttl_s=30.0)
        self._doorbell = doorbell
        self._membership = Membership(redis)
        self.registered = asyncio.Event()
        self._node = NodeId("worker-small")
        self._owned: dict[CallId, _Owned] = {}
        self._channel = NodeChannel(redis, self._node, on_records=self._on_nudge, on_gap=self._on_gap)

    async def hear(self, call: CallId, text: str) -> None:
        """The caller speaks."""
        await self.log.post(call, (e.SpeechStarted(), e.Heard(text=text)))

    async def answer(self, call: CallId) -> None:
        """The callee answers a call that rings, and the carrier opens its stream."""
        stream = e.StreamOpened(stream=StreamId(f"MZ{call}"), ingress=NodeId("ingress-small"), leg=_leg(call))
        await self.log.post(call, (e.Answered(leg=_leg(call)), stream))

    async def hang_up(self, call: CallId) -> None:
        """The caller hangs up."""
        await self.log.post(call, (e.HungUp(leg=_leg(call), reason=e.EndReason.HANGUP_USER),))

    async def reaches(self, call: CallId, *phases: Phase) -> None:
        """Return when the call is in one of these phases; the timeout of the test is the limit."""
        while await self.log.phase(call) not in phases:  # noqa: ASYNC110  another task commits it
            await asyncio.sleep(0.002)

    async def asks(self, call: CallId) -> None:
        """Return when the prompt of a `continue` was spoken and the caller's transcript is awaited."""
        while (state := await self.log.read(call)) is None or state.pending_continue is None or state.is_speaking:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.002)

    async def replies(self, call: CallId, text: str) -> None:
        """The agent gives the reply that is due; return when it was heard."""
        while (state := await self.log.read(call)) is None or not state.reply_due:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.002)
        await self.log.post(call, (e.AgentSaid(turn=state.turn, text=text), e.AgentDone(turn=state.turn)))
        while (state := await self.log.read(call)) is None or state.reply_due or state.is_speaking:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.002)

    async def calls_tool(self, call: CallId, name: str, arguments: str) -> None:
        """The agent answers the newest turn with this call of a tool; return when it is open."""
        state = await self.log.read(call)
        request = e.ToolRequest(id="t1", name=name, arguments=arguments)
        await self.log.post(call, (e.AgentDone(turn=state.turn if state else 0, calls=(request,)),))
        while (state := await self.log.read(call)) is None or not state.tools.uses:  # noqa: ASYNC110  as above
            await asyncio.sleep(0.002)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._channel.run())
            await self._channel.ready()
            group.create_task(_stay_present(self._membership, self._node, self.registered))
            while True:
                call = await self._doorbell.queue.get()
                if call not in self._owned:
                    ingest = await self._leases.acquire(call, self._node)
                    if ingest is not None:
                        owned = _Owned(ingest.lease, ingest.call, int(ingest.applied))
                        self._owned[call] = owned
                        group.create_task(self._live(call, owned))

    async def let_go(self) -> None:
        """Release every call, as a worker that stops does."""
        with contextlib.suppress(BusUnavailable):  # the test may have stopped its Redis
            for owned in self._owned.values():
                await self._leases.release(owned.lease)

    async def _live(self, call: CallId, owned: _Owned) -> None:
        while True:
            owned.nudged.clear()  # before the log is read: a nudge that arrives meanwhile is not missed
            records = await self.log.history(call, Seq(owned.applied))
            if not records:
                await owned.nudged.wait()
                continue
            await self._step(call, owned, records)

    async def _step(self, call: CallId, owned: _Owned, records: tuple[Record, ...]) -> None:
        state, wanted = owned.call, []
        for record in records:
            state, effects = decide(state, record.event, call)
            wanted += effects
        if state is None:
            owned.applied = int(records[-1].seq)
            return
        answers = tuple(
            RequestResult(request=w.request, ok=w.ok, text=w.text) for w in wanted if isinstance(w, do.Resolve)
        )
        step = Commit(lease=owned.lease, call=state, applied=records[-1].seq, own=(), fresh=records, resolved=answers)
        with contextlib.suppress(Fenced):
            committed = await self.log.commit(step)
            if committed.missing:
                return  # the log has grown: read and decide again
            owned.call, owned.applied = state, int(committed.applied)
            await self._carry_out(call, wanted)

    async def _carry_out(self, call: CallId, wanted: list[do.Effect]) -> None:
        for effect in wanted:
            events = self._outcome(call, effect)
            if events:
                await self.log.post(call, events)

    def _outcome(self, call: CallId, effect: do.Effect) -> tuple[e.Event, ...]:
        leg = _leg(call)
        match effect:
            case do.Dial():
                return self._dial(call, leg)
            case do.Speak(utterance=no):
                began = (e.PlaybackBegan(utterance=no),)
                done = e.PlaybackDone(utterance=no, heard_ms=100, total_ms=100, complete=True)
                return (*began, done) if self.speech == "heard" else began
            case do.SendDigits(digits=digits):
                self.digits.append(digits)
                return (e.CommandDone(effect=effect.id),)
            case do.HangUp():
                return (e.CommandDone(effect=effect.id),)
            case _:
                return ()

    def _dial(self, call: CallId, leg: LegId) -> tuple[e.Event, ...]:
        if self.dial == "silence":
            return ()
        self.dialled.append(call)
        if self.dial == "refuse":
            return (e.DialRefused(code="21211", message="Invalid 'To' Phone Number"),)
        taken: tuple[e.Event, ...] = (e.Dialled(leg=leg), e.Ringing(leg=leg))
        if self.dial == "ring":
            return taken
        stream = e.StreamOpened(stream=StreamId(f"MZ{call}"), ingress=NodeId("ingress-small"), leg=leg)
        return (*taken, e.Answered(leg=leg), stream)

    def _on_nudge(self, call: CallId, _records: tuple[Record, ...]) -> None:
        if call in self._owned:
            self._owned[call].nudged.set()

    def _on_gap(self) -> None:
        for owned in self._owned.values():
            owned.nudged.set()


@contextlib.asynccontextmanager
async def small_worker(redis: Redis, doorbell: QueueDoorbell) -> AsyncIterator[SmallWorker]:
    worker = SmallWorker(redis, doorbell)
    running = asyncio.create_task(worker.run())
    try:
        await worker.registered.wait()
        yield worker
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await worker.let_go()


@contextlib.asynccontextmanager
async def idle_node(redis: Redis) -> AsyncIterator[None]:
    """A worker that is present and takes no call, as one that is full."""
    node = NodeId("worker-idle")
    channel = NodeChannel(redis, node, on_records=lambda _call, _records: None, on_gap=lambda: None)
    registered = asyncio.Event()
    running = asyncio.create_task(channel.run())
    polling = asyncio.create_task(_stay_present(Membership(redis), node, registered))
    try:
        await channel.ready()
        await registered.wait()
        yield
    finally:
        running.cancel()
        polling.cancel()
        await asyncio.gather(running, polling, return_exceptions=True)


async def _stay_present(membership: Membership, node: NodeId, registered: asyncio.Event) -> None:
    while True:
        with contextlib.suppress(BusUnavailable):  # the test may have stopped its Redis
            await membership.poll(node)
            registered.set()
        await asyncio.sleep(1.0)


def _leg(call: CallId) -> LegId:
    return LegId(f"CA{call.replace('-', '')}")
