"""Calls and steps for the tests of the bus: the parts of a call that log and lease use."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from redis.asyncio import Redis

from tests.fakes.keys import keys
from voicecall.call.events import CallPolicy, DtmfReceived, Event, Mode, Reactivated, Ringing
from voicecall.call.ids import CallId, Epoch, LegId, NodeId, Seq
from voicecall.call.state import Call, Direction, DtmfState, LegState, Phase, RequestResult
from voicecall.ports import Commit, Ingest, Lease, Record

ALICE, BOB = NodeId("worker-alice"), NodeId("worker-bob")


def new_call() -> CallId:
    return CallId(str(uuid.uuid4()))


def ringing(leg: str = "CA1") -> Ringing:
    return Ringing(leg=LegId(leg))


def keyed(digits: str) -> DtmfReceived:
    return DtmfReceived(digits=digits)


def a_call(
    call: CallId,
    *,
    phase: Phase = Phase.ACTIVE,
    answers: tuple[RequestResult, ...] = (),
    digits: str = "",
    leg: LegId | None = None,
) -> Call:
    return Call(
        id=call,
        carrier="mock",
        direction=Direction.OUTBOUND,
        mode=Mode.CONVERSATION,
        from_="+15550000001",
        to="+15550000002",
        policy=CallPolicy(),
        started_at=1.0,
        phase=phase,
        results=answers,
        dtmf=DtmfState(received=digits),
        leg_state=LegState(id=leg),
    )


def step(
    lease: Lease,
    applied: int,
    *own: Event,
    fresh: tuple[Record, ...] = (),
    phase: Phase = Phase.ACTIVE,
    resolved: tuple[RequestResult, ...] = (),
    digits: str = "",
) -> Commit:
    return Commit(
        lease=lease,
        call=a_call(lease.call, phase=phase, answers=resolved, digits=digits),
        applied=Seq(applied),
        own=own,
        fresh=fresh,
        resolved=resolved,
    )


def again(commit: Commit, applied: int) -> Commit:
    return replace(commit, applied=Seq(applied))


def woke(epoch: int = 1) -> Reactivated:
    return Reactivated(epoch=Epoch(epoch), at=1_000.0)


async def is_heard(redis: Redis, node: NodeId) -> bool:
    """Whether the node's channel has a listener."""
    return any(listeners > 0 for _, listeners in await redis.pubsub_numsub(keys.node(node)))


def taken(ingest: Ingest | None) -> Ingest:
    assert ingest is not None
    return ingest


@asynccontextmanager
async def running(*forever: Coroutine[Any, Any, None]) -> AsyncIterator[list["asyncio.Task[None]"]]:
    """Run these during the block; one that ends by itself cancels the test."""
    tasks = [asyncio.create_task(work) for work in forever]
    test, over = asyncio.current_task(), False
    assert test is not None

    def ended(_: "asyncio.Task[None]") -> None:
        if not over:
            test.cancel("something that should run for ever has ended")

    for task in tasks:
        task.add_done_callback(ended)
    try:
        yield tasks
    finally:
        over = True
        for task in tasks:
            # Up to Python 3.11 `wait_for`, which fakeredis uses, may swallow a cancellation, so it is repeated.
            while not task.done():
                task.cancel()
                await asyncio.wait((task,), timeout=0.1)
            with contextlib.suppress(asyncio.CancelledError):
                await task
