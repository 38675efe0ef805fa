"""Slots for bodies and sockets that are not proved yet: a newcomer always gets one, the slowest loses its own."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from voicecall.slots import Slots


class Holders:
    """Enters slots, and records which were lost."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.lost: list[str] = []

    def enter(self, sender: str, name: str) -> None:
        self.slots.enter(sender, lambda: self.lost.append(name))


async def test_b2_the_holder_that_came_first_loses_its_slot_to_the_newcomer() -> None:
    holders = Holders(Slots(per_sender=2, total=8, grace_s=0))
    for name in "abcd":
        holders.enter("stranger", name)
    assert holders.lost == ["a", "b"]
    assert len(holders.slots) == 2


async def test_b2_another_sender_loses_nothing() -> None:
    holders = Holders(Slots(per_sender=1, total=8, grace_s=0))
    holders.enter("carrier", "carrier")
    for name in "abc":
        holders.enter("stranger", name)
    assert holders.lost == ["a", "b"]


async def test_b2_at_the_limit_of_all_the_sender_with_the_most_pays() -> None:
    """A flood of one address does not end the sockets of others."""
    holders = Holders(Slots(per_sender=9, total=3, grace_s=9))
    holders.enter("carrier", "carrier")
    holders.enter("stranger", "a")
    holders.enter("stranger", "b")
    holders.enter("another", "another")
    assert holders.lost == ["a"]


async def test_b2_a_burst_of_the_carrier_is_left_alone_for_the_grace() -> None:
    """A carrier connects the sockets of many calls in one millisecond, and each starts a moment later."""
    holders = Holders(Slots(per_sender=2, total=32, grace_s=0.02))
    slots = [holders.slots.enter("carrier", lambda: holders.lost.append("burst")) for _ in range(10)]
    for slot in slots[1:]:
        slot.leave()
    await asyncio.sleep(0.04)
    assert (holders.lost, len(holders.slots)) == ([], 1)


async def test_b2_what_is_still_silent_after_the_grace_goes() -> None:
    holders = Holders(Slots(per_sender=2, total=32, grace_s=0.01))
    for name in "abc":
        holders.enter("stranger", name)
    assert holders.lost == []
    while not holders.lost:  # noqa: ASYNC110  the holder is called back, and waits for nothing
        await asyncio.sleep(0.005)
    assert holders.lost == ["a"]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), max_size=60))
def test_b2_slots_are_neither_lost_nor_invented(moves: list[tuple[bool, str]]) -> None:
    async def run() -> None:
        slots, held = Slots(per_sender=2, total=4, grace_s=0), []
        for enters, sender in moves:
            if enters:
                held.append(slots.enter(sender, lambda: None))
            elif held:
                left = held.pop()
                left.leave()
                left.leave()
            assert len(slots) == sum(len(of) for of in slots._held.values()) <= 4
            assert all(0 < len(of) <= 2 for of in slots._held.values())

    asyncio.run(run())
