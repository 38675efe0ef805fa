"""Two nodes on one real Redis: a call is active on one of them, and on the other when that one is dead."""

import asyncio
import secrets
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from dramatiq.brokers.stub import StubBroker
from redis.asyncio import Redis

from tests.fakes.keys import keys
from tests.fakes.ports import HERE, ScriptedAgent, ScriptedCarrier, ScriptedStt, ScriptedTts, eventually
from tests.fakes.redis_server import RedisServer
from voicecall.aio import end
from voicecall.bus.connection import connect
from voicecall.bus.doorbell import QUEUE
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.bus.media.bus import RedisMediaBus
from voicecall.call.events import (
    Answered,
    DtmfReceived,
    EndReason,
    Event,
    Heard,
    HungUp,
    Mode,
    Placed,
    PlaybackBegan,
    PlaybackDone,
    Reactivated,
    StreamOpened,
)
from voicecall.call.ids import E164, CallId, LegId, NodeId, RequestId, StreamId
from voicecall.call.state import Call, Phase
from voicecall.ports import Attach, MediaItem, Play, Ports
from workers.archive_sweeper import AFTER_QUEUE
from workers.node import Node
from workers.supervisor import ActivationResult

CALL = CallId("11111111-2222-4333-8444-555555555555")
LEG = LegId("leg-1")
INGRESS = NodeId("ingress-1")
PLACED = Placed(
    carrier="mock",
    from_=E164("+15550001"),
    to=E164("+15550002"),
    mode=Mode.CONVERSATION,
    message="Hello there.",
    request=RequestId("r-placed"),
)


@dataclass
class Worker:
    """A node and its scripted ports."""

    node: Node
    broker: StubBroker
    carrier: ScriptedCarrier
    stt: ScriptedStt
    tts: ScriptedTts
    agent: ScriptedAgent

    @property
    def calls(self) -> int:
        return self.node.parts.supervisor.calls

    def rung(self) -> int:
        return self.broker.queues[QUEUE].qsize()


class StackHarness:
    """One Redis, its log, the media bus of an ingress, and any number of workers."""

    def __init__(self, url: str, redis: Redis) -> None:
        self.url = url
        self.redis = redis
        self.log = RedisCallLog(redis)
        self.live = LiveCalls(redis)
        self.ingress = RedisMediaBus(redis, INGRESS)
        self.at_ingress: list[MediaItem] = []
        self.workers: list[Worker] = []

    async def worker(self, *, slots: int = 10, hand_over_timeout_s: float = 0.1) -> Worker:
        broker = StubBroker(middleware=[])
        broker.declare_queue(QUEUE)
        broker.declare_queue(AFTER_QUEUE)
        carrier, stt, tts, agent = ScriptedCarrier(), ScriptedStt(), ScriptedTts(per_letter=100), ScriptedAgent()

        @asynccontextmanager
        async def ports() -> AsyncIterator[Ports]:
            yield Ports(controls={"mock": carrier}, stt=stt, tts=tts, agent=agent, public_address=HERE)

        name = NodeId(f"worker-{secrets.token_hex(6)}")
        node = Node(
            name,
            self.url,
            broker,
            ports,
            apology=lambda _language: b"sorry",
            slots=slots,
            hand_over_timeout_s=hand_over_timeout_s,
        )
        await node.start()
        self.workers.append(Worker(node, broker, carrier, stt, tts, agent))
        return self.workers[-1]

    async def post(self, *events: Event) -> None:
        await self.log.post(CALL, events)

    async def call(self) -> Call:
        call = await self.log.read(CALL)
        assert call is not None
        return call

    async def until(self, holds: Callable[[Call], object]) -> Call:
        while True:
            call = await self.log.read(CALL)
            if call is not None and holds(call):
                return call
            await asyncio.sleep(0.002)

    async def talking(self, worker: Worker) -> None:
        """Give `worker` a call that was answered and greeted, in the phase LISTENING."""
        await self.post(PLACED)
        assert await worker.node.activate(CALL) is ActivationResult.HERE
        await self.until(lambda call: call.leg)
        await self.post(Answered(leg=LEG), StreamOpened(stream=StreamId("s-1"), ingress=INGRESS, leg=LEG))
        await eventually(lambda: self.heard() == "Hello there.")
        await self.post(
            PlaybackBegan(utterance=1), PlaybackDone(utterance=1, heard_ms=900, total_ms=900, complete=True)
        )
        await self.until(lambda call: call.phase is Phase.LISTENING)
        await eventually(lambda: worker.stt.sessions)

    async def take_over(self, worker: Worker) -> None:
        """Ring until the call is active here: for two seconds after its start, Redis counts no node as dead."""
        while await worker.node.activate(CALL) is not ActivationResult.HERE:  # noqa: ASYNC110  Redis has to be polled
            await asyncio.sleep(0.01)

    def heard(self) -> str:
        """The letters of all audio that reached the ingress."""
        return b"".join(item.mulaw for item in self.at_ingress if isinstance(item, Play)).decode()[::100]

    async def events(self, kind: type[Event]) -> list[Event]:
        return [record.event for record in await self.log.history(CALL) if isinstance(record.event, kind)]


@pytest.fixture
async def stack(server: RedisServer) -> AsyncIterator[StackHarness]:
    redis = connect(server.url)
    flushed: Awaitable[object] = redis.flushall()
    await flushed
    stack = StackHarness(server.url, redis)
    listening = asyncio.create_task(stack.ingress.run(stack.at_ingress.append))
    await stack.ingress.ready()
    yield stack
    for worker in stack.workers:
        await worker.node.stop()
    await end(listening)
    await redis.aclose()


async def simulate_death(worker: Worker, stack: StackHarness) -> None:
    """Make the node appear dead to Redis: its channel has no listener, its leases are not renewed."""
    await asyncio.to_thread(worker.node.parts.lease_renewer.stop)
    for task in tuple(worker.node._background.tasks):
        if task.get_name() in {"channel", "sweeper"}:
            await end(task)
    channel = keys.node(worker.node.id)
    while (await stack.redis.pubsub_numsub(channel))[0][1]:  # noqa: ASYNC110  Redis has to be polled
        await asyncio.sleep(0.002)


async def test_any_number_of_rings_makes_one_activation(stack: StackHarness) -> None:
    """A ring is idempotent, on one node and on many."""
    one, two = await stack.worker(), await stack.worker()
    await stack.post(PLACED)

    await asyncio.gather(*(worker.node.activate(CALL) for worker in (one, two, one, two)))
    await stack.until(lambda call: call.leg)

    assert one.calls + two.calls == 1
    assert one.carrier.did("dial") + two.carrier.did("dial") == 1


async def test_a_conversation_runs_over_the_real_bus(stack: StackHarness) -> None:
    """Nudges, commits and media: a question and its reply."""
    worker = await stack.worker()
    await stack.talking(worker)
    worker.agent.scripts.append(["It is noon."])

    worker.stt.say(Heard(text="What time is it?"))
    await eventually(lambda: stack.heard() == "Hello there.It is noon.")

    attach = next(item for item in stack.at_ingress if isinstance(item, Attach))
    assert (attach.node, attach.epoch, attach.stream) == (worker.node.id, 1, "s-1")


async def test_the_call_of_a_dead_node_continues_on_another(stack: StackHarness) -> None:
    """Long before the lease ends the sweeper of the other node sees the lost subscription and rings."""
    one, two = await stack.worker(), await stack.worker()
    await stack.talking(one)
    two.agent.scripts.append(["It is noon."])

    await simulate_death(one, stack)
    await eventually(two.rung)
    await stack.take_over(two)
    call = await stack.until(lambda call: call.reactivations == 1)

    assert [event.epoch for event in await stack.events(Reactivated) if isinstance(event, Reactivated)] == [2]
    assert call.phase is Phase.LISTENING
    await eventually(lambda: two.stt.sessions)
    two.stt.say(Heard(text="What time is it?"))
    await eventually(lambda: stack.heard().endswith("It is noon."))


async def test_the_old_owner_is_fenced_and_changes_nothing(stack: StackHarness) -> None:
    """It does not know of the takeover yet: its next commit is refused, and its activation ends."""
    one, two = await stack.worker(), await stack.worker()
    await stack.talking(one)
    await simulate_death(one, stack)
    await stack.take_over(two)
    await stack.until(lambda call: call.reactivations == 1)

    one.stt.say(Heard(text="Am I still here?"))
    await eventually(lambda: one.calls == 0)

    assert one.agent.questions == []
    assert (await stack.call()).turn == 0
    assert one.stt.sessions[0].closed


async def test_a_lost_lease_is_reported_by_the_renewal(stack: StackHarness) -> None:
    """A stale owner that has nothing to commit stops within about a second."""
    one = await stack.worker()
    await stack.talking(one)

    await stack.redis.hincrby(keys.state(CALL), "epoch", 1)
    await stack.redis.set(keys.lease(CALL), f"2 worker-{'0' * 12}", px=60_000)

    await eventually(lambda: one.calls == 0)
    assert one.stt.sessions[0].closed


async def test_leases_outlive_a_busy_event_loop(stack: StackHarness) -> None:
    """The renewer has its own thread: the lease is extended while the loop is blocked."""
    one = await stack.worker()
    await stack.talking(one)
    lease = keys.lease(CALL)
    await stack.redis.pexpire(lease, 2_000)

    seen: list[int] = []

    def wait_for_renewal() -> None:
        while not seen or seen[-1] < 2_500:
            seen.append(asyncio.run(_pttl(stack.url, lease)))

    thread = threading.Thread(target=wait_for_renewal)
    thread.start()
    thread.join()  # blocks the loop of this node and of this test

    assert seen[-1] > 2_500
    assert one.calls == 1


async def _pttl(url: str, key: str) -> int:
    redis = connect(url)
    try:
        return int(await redis.pttl(key))
    finally:
        await redis.aclose()


async def test_a_node_that_stops_hands_its_calls_over(stack: StackHarness) -> None:
    """Between turns it releases at once and rings; the next owner continues under the next epoch."""
    one, two = await stack.worker(), await stack.worker()
    await stack.talking(one)

    await one.node.stop()
    stack.workers.remove(one)

    assert one.rung() == 1
    assert await two.node.activate(CALL) is ActivationResult.HERE
    await stack.until(lambda call: call.reactivations == 1)
    assert [event.epoch for event in await stack.events(Reactivated) if isinstance(event, Reactivated)] == [2]


async def test_a_node_that_is_full_or_stopping_declines(stack: StackHarness) -> None:
    """So that the ring is passed on to another node."""
    full = await stack.worker(slots=1)
    await stack.talking(full)
    other = CallId("99999999-2222-4333-8444-555555555555")
    await stack.log.post(other, (PLACED,))

    assert await full.node.activate(other) is ActivationResult.DECLINED

    full.node.parts.supervisor._slots = 5
    full.node.parts.supervisor._stopping = True
    assert await full.node.activate(other) is ActivationResult.DECLINED


async def test_a_call_that_is_over_leaves_only_its_archive_job(stack: StackHarness) -> None:
    """Its lease and its slot among the live calls end with its last commit; the rest is a job."""
    worker = await stack.worker()
    await stack.talking(worker)

    await stack.post(HungUp(leg=LEG, reason=EndReason.HANGUP_USER))
    await eventually(lambda: worker.calls == 0 and worker.broker.queues[AFTER_QUEUE].qsize())

    assert await stack.live.count() == 0
    assert await stack.redis.exists(keys.lease(CALL)) == 0
    assert await worker.node.activate(CALL) is ActivationResult.ELSEWHERE


async def test_a_live_call_without_an_owner_is_found(stack: StackHarness) -> None:
    """Its ring was lost: the sweeper rings again."""
    worker = await stack.worker()
    await stack.post(PLACED)
    await stack.redis.zadd(keys.calls_live, {CALL: 0})

    await eventually(worker.rung)


async def test_an_event_of_a_call_that_was_never_placed_leaves_no_live_call(stack: StackHarness) -> None:
    """The sweepers must not find it again and again."""
    worker = await stack.worker()
    await stack.post(DtmfReceived(digits="1"))
    assert await stack.live.count() == 1

    await worker.node.activate(CALL)
    await eventually(lambda: worker.calls == 0)
    while await stack.live.count():  # noqa: ASYNC110  Redis has to be polled
        await asyncio.sleep(0.002)


async def test_a_lost_subscription_loses_no_event(stack: StackHarness) -> None:
    """Events posted while the channel was down are read from the log when it is up again."""
    worker = await stack.worker()
    await stack.talking(worker)

    await stack.redis.client_kill_filter(_type="pubsub")
    for digit in "123":
        await stack.post(DtmfReceived(digits=digit))

    await stack.until(lambda call: call.digits == "123")
