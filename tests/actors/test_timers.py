"""Timers fire once, and not before their time by the clock of Redis."""

import asyncio

from actors.timers import Timers
from tests.fakes.ports import ManualClock, eventually
from voicecall.call.events import Event, Timer, TimerFired


class TimersHarness:
    def __init__(self) -> None:
        self.clock = ManualClock(at=100.0)
        self.fired: list[Event] = []
        self.timers = Timers(asyncio.get_running_loop(), self.clock, self.fired.append)


async def test_a_timer_that_is_due_fires_once() -> None:
    """Arming the same state again does not fire it again."""
    harness = TimersHarness()
    harness.timers.arm({Timer.FILLER: 99.0})
    await eventually(lambda: harness.fired)
    harness.timers.arm({Timer.FILLER: 99.0})
    await asyncio.sleep(0)

    assert harness.fired == [TimerFired(timer=Timer.FILLER)]


async def test_a_timer_never_fires_early_by_the_clock_that_stamps_its_event() -> None:
    """`decide` ignores a timer that fires early, and it would not fire again."""
    harness = TimersHarness()
    harness.timers.arm({Timer.REPLY: 100.01})
    armed = harness.timers._armed[Timer.REPLY][1]
    await eventually(lambda: harness.timers._armed[Timer.REPLY][1] is not armed)
    assert harness.fired == []

    harness.clock.at = 100.01
    await eventually(lambda: harness.fired)


async def test_only_timers_that_changed_are_armed_again() -> None:
    """A commit that moves one timer leaves the others as they are; a removed one never fires."""
    harness = TimersHarness()
    harness.timers.arm({Timer.REPLY: 500.0, Timer.FILLER: 400.0, Timer.STALE: 99.0})
    reply = harness.timers._armed[Timer.REPLY]

    harness.timers.arm({Timer.REPLY: 500.0, Timer.FILLER: 450.0})
    for _ in range(3):
        await asyncio.sleep(0)

    assert harness.timers._armed[Timer.REPLY] is reply
    assert harness.timers._armed[Timer.FILLER][0] == 450.0
    assert harness.fired == []
    harness.timers.cancel()
    assert harness.timers._armed == {}
