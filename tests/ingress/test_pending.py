"""Seats for sockets that have not started, and the line before them."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from ingress.pending import NoSlot, PendingSlots


async def test_a_burst_of_one_sender_is_served_one_after_the_other() -> None:
    """A carrier opens the sockets of many calls from one address at once; every one of them is somebody's call."""
    pending_slots, at_once, most = PendingSlots(slots=8, per_sender=2), 0, 0

    async def start() -> None:
        nonlocal at_once, most
        async with pending_slots.slot("carrier"):
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0)
            at_once -= 1

    await asyncio.gather(*(start() for _ in range(10)))
    assert most == 2


async def test_who_waits_for_those_that_never_start_is_told_so() -> None:
    pending_slots = PendingSlots(slots=4, per_sender=1, patience_s=0.01)
    async with pending_slots.slot("carrier"):
        with pytest.raises(NoSlot):
            async with pending_slots.slot("carrier"):
                raise AssertionError
        async with pending_slots.slot("another"):
            pass


async def test_the_line_is_no_longer_than_there_are_seats() -> None:
    """A flood is turned away at once, without costing memory."""
    pending_slots = PendingSlots(slots=1, per_sender=1)
    async with pending_slots.slot("carrier"), asyncio.TaskGroup() as tasks:
        waiting = asyncio.Event()

        async def wait() -> None:
            waiting.set()
            async with pending_slots.slot("carrier"):
                pass

        first = tasks.create_task(wait())
        await waiting.wait()
        with pytest.raises(NoSlot):
            async with pending_slots.slot("another"):
                raise AssertionError
        first.cancel()


async def test_a_sender_in_line_does_not_hold_up_another() -> None:
    pending_slots = PendingSlots(slots=2, per_sender=1)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        await stack.enter_async_context(pending_slots.slot("crowd"))
        second = await stack.enter_async_context(AsyncExitStack())
        await second.enter_async_context(pending_slots.slot("other"))
        seated: list[str] = []

        async def wait(sender: str) -> None:
            async with pending_slots.slot(sender):
                seated.append(sender)

        crowd = tasks.create_task(wait("crowd"))
        patient = tasks.create_task(wait("third"))
        await asyncio.sleep(0)
        await second.aclose()
        await patient
        assert seated == ["third"]
        crowd.cancel()


async def test_who_leaves_while_being_called_gives_the_seat_to_the_next() -> None:
    pending_slots = PendingSlots(slots=1, per_sender=1)
    first = AsyncExitStack()
    await first.enter_async_context(pending_slots.slot("a"))

    async def wait(sender: str) -> str:
        async with pending_slots.slot(sender):
            return sender

    leaver = asyncio.create_task(wait("b"))
    await asyncio.sleep(0)
    await first.aclose()
    leaver.cancel()
    await asyncio.wait([leaver])
    assert await wait("c") == "c"
