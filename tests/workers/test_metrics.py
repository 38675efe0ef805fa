"""Metrics that need a real Redis: dead letters, and how long a call was without an owner."""

from tests.fakes.keys import keys
from tests.fakes.ports import eventually
from tests.workers.test_node import CALL, StackHarness, simulate_death, stack
from voicecall.bus.dead import DeadLetters
from voicecall.bus.scripts import Scripts
from voicecall.call.events import DtmfReceived
from voicecall.call.ids import Seq
from voicecall.metrics import REGISTRY
from voicecall.wire import EVENT_VERSION, pack

__all__ = ["stack"]


def value(name: str) -> float:
    return REGISTRY.get_sample_value(f"voicecall_{name}") or 0.0


async def test_dead_letters_are_counted_when_they_are_set_aside(stack: StackHarness) -> None:
    """The gauge is what Redis keeps, not what this process has set aside: an entry met twice counts once."""
    dead_letters = DeadLetters(stack.redis, Scripts(stack.redis))

    for seq in (1, 2, 2):
        await dead_letters.set_aside_event(CALL, DtmfReceived(digits="1"), seq=Seq(seq), reason="a bug")

    assert value("dead_letters") == 2
    assert [letter.seq for letter in await dead_letters.newest(10)] == [2, 1]


async def test_c10_a_call_goes_on_over_an_event_of_a_newer_build_and_keeps_it(stack: StackHarness) -> None:
    """Two builds side by side: the newer ingress posts what the older owner cannot read, and then an event it can."""
    await stack.talking(await stack.worker())
    newer = pack((EVENT_VERSION, "CallerWaved", {"at": 0.0, "hand": "left"}))
    names = (keys.log(CALL), keys.state(CALL), keys.lease(CALL), keys.seen(CALL), keys.token(CALL))
    values = (CALL, b"", b"-", b"", 60_000, 3_000, keys.node_prefix, b"", b"", newer)
    await Scripts(stack.redis).run("post", (*names, keys.calls_live, keys.calls_ended), *values)
    await stack.post(DtmfReceived(digits="7"))

    await stack.until(lambda call: call.dtmf.received == "7")

    (letter,) = await DeadLetters(stack.redis, Scripts(stack.redis)).newest(10)
    assert (letter.call, letter.data) == (CALL, newer)
    assert value("dead_letters") == 1


async def test_a_takeover_is_measured_from_when_the_dead_node_was_last_seen(stack: StackHarness) -> None:
    """From its last entry in the membership to the first commit of the new owner."""
    count, seconds = value("failover_seconds_count"), value("failover_seconds_sum")
    one, two = await stack.worker(), await stack.worker()
    await stack.talking(one)

    await simulate_death(one, stack)
    await eventually(two.rung)
    await stack.take_over(two)
    await stack.until(lambda call: call.reactivations == 1)
    await eventually(lambda: value("failover_seconds_count") == count + 1)

    assert 0.0 < value("failover_seconds_sum") - seconds < 30.0
