"""Nothing is left running after calls on a bad day: no task, no connection to a service, no context, no session."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from dramatiq.brokers.stub import StubBroker

from simulators.stack import Stack
from tests.conversations.judge import Complaint
from tests.conversations.play import Outcome, play_on
from tests.conversations.systems import SYSTEMS
from tests.conversations.table import CONVERSATIONS
from voicecall.aio import end
from voicecall.breaker import Breakers, Limits
from voicecall.bus.connection import connect
from voicecall.bus.doorbell import QUEUE
from voicecall.bus.live import LiveCalls
from voicecall.call.ids import NodeId
from voicecall.process import configuration
from voicecall.speech.tts.clip import apology
from workers.adapters import open_ports
from workers.archive_sweeper import AFTER_QUEUE
from workers.node import Node

_SYSTEM = SYSTEMS["together"]
_MODELS = {"model silent", "model dripping", "model cut before a word"}
_TALKS = [
    replace(talk, system=_SYSTEM.name)
    for talk in CONVERSATIONS
    if talk.name in _MODELS or (talk.system == _SYSTEM.name and " busy" not in talk.name)
]
"""Without those whose service asks for half a minute of patience: it is passed over by all calls."""

_SOON = Limits(refused_s=10.0)
"""A refused key is tried again after ten seconds, not after a minute, for which the end of this test would wait."""


def tasks() -> Counter[str]:
    """How many tasks of this loop run which coroutine."""
    running = (task.get_coro() for task in asyncio.all_tasks() if task is not asyncio.current_task())
    return Counter(getattr(coroutine, "__qualname__", repr(coroutine)) for coroutine in running)


def tells(outcome: Outcome, wrong: Complaint) -> bool:
    """Whether a complaint is the product's: not of time, nor on a machine on which the carrier has no CPU."""
    return wrong.kind != "late" and (not outcome.is_starved or not outcome.events)


async def settled(found: Callable[[], Awaitable[object]], wanted: object, *, within_s: float = 30.0) -> object:
    """The last reading of `found`, which is `wanted` unless the time is over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while await found() != wanted:  # noqa: ASYNC110  it is in other processes too
                await asyncio.sleep(0.1)
    return await found()


@asynccontextmanager
async def worker_of(stack: Stack) -> AsyncIterator[None]:
    """A node of this process with the adapters of a worker, which takes every call of the system."""
    settings, deployment = configuration(stack.environment())
    broker = StubBroker(middleware=[])
    for queue in (QUEUE, AFTER_QUEUE):
        broker.declare_queue(queue)
    node = Node(
        NodeId("worker-0123456789ab"),
        deployment.redis_url,
        broker,
        lambda: open_ports(settings, deployment, Breakers(_SOON)),
        apology=apology,
        slots=200,
    )
    await node.start()
    redis = connect(deployment.redis_url)
    taking = asyncio.create_task(_take_calls(node, LiveCalls(redis)))
    try:
        yield
    finally:
        await end(taking)
        await redis.aclose()
        await node.stop()


async def _take_calls(node: Node, live: LiveCalls) -> None:
    """In place of the jobs that ring."""
    while True:
        for call in await live.list():
            await node.activate(call)
        await asyncio.sleep(0.05)


@pytest.mark.timeout(240)
async def test_nothing_is_left_after_calls_on_a_bad_day() -> None:
    """Voices, recognition and models that hang, break off, refuse, send garbage; then all is as before."""
    async with Stack(replace(_SYSTEM.plan(_TALKS), workers=0)) as stack, worker_of(stack):
        services = stack.openai, stack.elevenlabs, stack.deepgram

        async def held() -> dict[str, int]:
            elevenlabs, deepgram = [await service.get("/_sim/health") for service in services[1:]]
            return {"sessions": elevenlabs["listening"] + deepgram["sockets"], "contexts": elevenlabs["contexts"]}

        async def kept() -> tuple[int, Counter[str]]:
            # Connections for the next sentence are kept on purpose; without them nothing must be.
            for service in services:
                await service.delete("/_sim/connections")
            connections = [(await service.get("/_sim/connections"))["open"] for service in services]
            return sum(connections), tasks()

        before = 0, (await kept())[1]
        outcomes = await play_on(stack, _SYSTEM, _TALKS)
        assert [
            (each.talk.name, str(wrong)) for each in outcomes for wrong in each.complaints if tells(each, wrong)
        ] == []
        nothing = {"sessions": 0, "contexts": 0}
        assert await settled(held, nothing) == nothing
        for service in services:
            await service.delete("/_sim/script")  # well again: a refused key is probed until it is accepted
        assert await settled(kept, before, within_s=50.0) == before
