"""Slots for sockets that have not started, and the queue for them."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from ingress.pending import NoSlot, PendingSlots


async def test_a_burst_of_one_sender_is_served_one_after_the_other() -> None:
    """A carrier opens the sockets of many calls from one address at once; refusing one would leave a call silent."""
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


async def test_waiting_for_sockets_that_never_start_ends_in_no_slot() -> None:
    pending_slots = PendingSlots(slots=4, per_sender=1, patience_s=0.01)
    async with pending_slots.slot("carrier"):
        with pytest.raises(NoSlot):
            async with pending_slots.slot("carrier"):
                raise AssertionError
        async with pending_slots.slot("another"):
            pass


async def test_the_queue_is_no_longer_than_there_are_slots() -> None:
    """A flood is refused at once, without using memory."""
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


async def test_a_waiting_sender_does_not_hold_up_another() -> None:
    pending_slots = PendingSlots(slots=2, per_sender=1)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        await stack.enter_async_context(pending_slots.slot("many"))
        second = await stack.enter_async_context(AsyncExitStack())
        await second.enter_async_context(pending_slots.slot("other"))
        served: list[str] = []

        async def wait(sender: str) -> None:
            async with pending_slots.slot(sender):
                served.append(sender)

        many = tasks.create_task(wait("many"))
        patient = tasks.create_task(wait("third"))
        await asyncio.sleep(0)
        await second.aclose()
        await patient
        assert served == ["third"]
        many.cancel()


async def test_a_socket_cancelled_while_it_is_granted_a_slot_passes_it_on() -> None:
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
