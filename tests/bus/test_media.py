"""The media bus: fast, bounded, and closed to junk."""

import asyncio
from uuid import UUID

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from tests.bus.calls import ALICE, new_call, running
from tests.fakes.keys import keys
from voicecall.bus.connection import connect
from voicecall.bus.media.bundles import pack_audio, pack_bundle, unpack_bundle, unpacked
from voicecall.bus.media.bus import RedisMediaBus
from voicecall.bus.media.outbox import Bundle, PacedQueue
from voicecall.call.events import Failover
from voicecall.call.ids import CallId, Epoch, NodeId, StreamId
from voicecall.ports import (
    Attach,
    CallerAudio,
    Clear,
    Detach,
    Finish,
    FirstAudio,
    Listen,
    MediaItem,
    Pause,
    Play,
    Resume,
    Say,
)

INGRESS = NodeId("ingress-1")
CALL = CallId("0d0e0f00-1111-4222-8333-444455556666")

calls = st.integers(0, 2**128 - 1).map(lambda n: CallId(str(UUID(int=n))))
epochs, numbers = st.integers(0, 2**31).map(Epoch), st.integers(0, 2**40)
audio, names = st.binary(max_size=400), st.text(max_size=40)
failovers = st.builds(Failover, service=st.just("tts"), from_=names, to=st.text(min_size=1, max_size=40), reason=names)
items = st.one_of(
    st.builds(FirstAudio, calls, epochs, numbers, numbers, st.none() | failovers),
    st.builds(Attach, calls, epochs, names, names),
    st.builds(Play, calls, epochs, numbers, audio),
    st.builds(Say, calls, epochs, numbers, st.text(max_size=40), st.booleans()),
    st.builds(Finish, calls, epochs, numbers),
    st.builds(Clear, calls, epochs),
    st.builds(Pause, calls, epochs),
    st.builds(Resume, calls, epochs),
    st.builds(Detach, calls, epochs),
    st.builds(CallerAudio, calls, names, numbers, audio),
    st.builds(Listen, calls, names, numbers),
)


def frame(first: int, mulaw: bytes = bytes(160)) -> CallerAudio:
    return CallerAudio(CALL, StreamId("MZ1"), first, mulaw)


@given(st.lists(items, max_size=20))
def test_a_bundle_reads_back_unchanged(sent: list[MediaItem]) -> None:
    """Every kind, any content, in order."""
    assert unpack_bundle(pack_bundle(sent)) == tuple(sent)


@given(calls, names, numbers | st.just(2**32), audio | st.just(bytes(300)), st.lists(items, max_size=3))
def test_audio_that_is_packed_as_it_comes_reads_back_among_other_items(
    call: CallId, stream: StreamId, first: int, mulaw: bytes, others: list[MediaItem]
) -> None:
    packed, item = pack_audio(call, stream, first, mulaw), CallerAudio(call, stream, first, mulaw)
    assert unpack_bundle(pack_bundle([*others, packed])) == (*others, item)
    assert unpacked([packed, *others]) == [item, *others]


@given(st.binary(max_size=200))
def test_junk_is_no_bundle_and_no_error(data: bytes) -> None:
    """Any bytes may be published on a channel; nothing raises."""
    for attempt in (data, b"\x01" + data):
        read = unpack_bundle(attempt)
        assert read is None or pack_bundle(read) == pack_bundle(unpack_bundle(pack_bundle(read)) or ())


@given(st.lists(items, min_size=1, max_size=5), st.data())
def test_a_damaged_bundle_never_yields_a_wrong_type(sent: list[MediaItem], data: st.DataObject) -> None:
    """A flipped byte may change audio, but never the type of a field."""
    bundle = bytearray(pack_bundle(sent))
    bundle[data.draw(st.integers(0, len(bundle) - 1))] ^= data.draw(st.integers(1, 255))
    for item in unpack_bundle(bytes(bundle)) or ():
        assert len(item.call) == 36
        assert all(
            type(getattr(item, name)) in {int, str, bool, bytes, Failover, type(None)} for name in item.__slots__
        )


@pytest.mark.parametrize(
    "fields",
    [
        (99, bytes(16), 1),  # no such kind
        (3, bytes(15), 1),  # no such call
        (3, bytes(16), "1"),  # an epoch in words
        (3, bytes(16), 1, 2),  # too much
        (5, bytes(16), "MZ", 1, "words"),  # audio in words
        (3, bytes(16), True),  # a truth is no number
        3,
        [],
    ],
)
def test_an_item_of_another_shape_makes_no_bundle(fields: object) -> None:
    """One wrong item makes the whole bundle invalid."""
    assert unpack_bundle(b"\x01" + msgpack.packb([(3, bytes(16), 1), fields])) is None


async def test_what_is_sent_arrives_in_order(connect_again) -> None:
    """Audio and its commands must not overtake each other."""
    ingress, worker = RedisMediaBus(connect_again(), INGRESS), RedisMediaBus(connect_again(), ALICE)
    heard: asyncio.Queue[MediaItem] = asyncio.Queue()
    sent: list[MediaItem] = [Attach(CALL, Epoch(1), ALICE, StreamId("MZ1"))]
    sent += [Play(CALL, Epoch(1), 1, bytes([n])) for n in range(200)]
    sent += [Finish(CALL, Epoch(1), 1), Clear(CALL, Epoch(1)), Detach(CALL, Epoch(1))]
    async with running(ingress.run(heard.put_nowait)):
        await ingress.ready()
        for place, item in enumerate(sent):
            worker.send(INGRESS, item)
            if place % 50 == 0:
                await asyncio.sleep(0)
        assert [await heard.get() for _ in sent] == sent
    await worker.flush()
    assert (worker.sent, ingress.received, worker.dropped) == (len(sent), len(sent), 0)


async def test_junk_on_the_channel_is_counted_and_ignored(redis: Redis) -> None:
    """And the next bundle is received."""
    bus = RedisMediaBus(redis, ALICE)
    heard: asyncio.Queue[MediaItem] = asyncio.Queue()
    async with running(bus.run(heard.put_nowait)):
        await bus.ready()
        await redis.publish(keys.media(ALICE), b"\x02junk")
        bus.send(ALICE, frame(1))
        assert await heard.get() == frame(1)
    assert bus.junk == 1


async def test_a_handler_that_fails_for_one_call_does_not_affect_the_others(redis: Redis) -> None:
    """Also within the same bundle."""
    bus, other = RedisMediaBus(redis, ALICE), new_call()
    heard: asyncio.Queue[MediaItem] = asyncio.Queue()

    def handler(item: MediaItem) -> None:
        if item.call == CALL:
            raise RuntimeError("no such activation")
        heard.put_nowait(item)

    async with running(bus.run(handler)):
        await bus.ready()
        bus.send(ALICE, Clear(CALL, Epoch(1)))
        bus.send(ALICE, Clear(other, Epoch(1)))
        assert (await heard.get()).call == other
    await bus.flush()
    assert bus.faults == 1


class Carrier:
    """Publishes like a busy Redis: one bundle at a time, when `open` is set. `deaf` receive nothing."""

    def __init__(self) -> None:
        self.bundles: list[Bundle] = []
        self.deaf: set[NodeId] = set()
        self.asked, self.open = asyncio.Event(), asyncio.Event()

    async def publish(self, bundles: list[Bundle]) -> list[Bundle]:
        self.asked.set()
        await self.open.wait()
        self.bundles += [bundle for bundle in bundles if bundle[0] not in self.deaf]
        return [bundle for bundle in bundles if bundle[0] in self.deaf]


async def test_under_load_many_items_leave_together() -> None:
    """One message per destination, not one per frame."""
    carrier = Carrier()
    lane = PacedQueue(carrier.publish, interval_s=0.0, bound=1_000_000)
    lane.put(INGRESS, frame(0))
    await carrier.asked.wait()
    for n in range(1, 100):
        lane.put(INGRESS, frame(n))
        lane.put(ALICE, frame(n))
    carrier.open.set()
    await lane.flush()
    assert [(to, len(sent)) for to, sent in carrier.bundles] == [(INGRESS, 1), (INGRESS, 99), (ALICE, 99)]


async def test_the_first_item_after_a_pause_leaves_at_once() -> None:
    """Without waiting for the interval."""
    carrier = Carrier()
    carrier.open.set()
    lane = PacedQueue(carrier.publish, interval_s=3600.0, bound=1_000_000)
    lane.put(INGRESS, frame(1))
    for _ in range(3):
        await asyncio.sleep(0)
    assert carrier.bundles == [(INGRESS, [frame(1)])]
    lane.put(INGRESS, frame(2))
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(carrier.bundles) == 1
    await lane.flush()
    assert carrier.bundles[1:] == [(INGRESS, [frame(2)])]


async def test_when_nobody_takes_it_the_newest_audio_and_every_command_stay() -> None:
    """Old audio is useless; a lost Clear would let the wrong sentence continue."""
    carrier = Carrier()
    lane = PacedQueue(carrier.publish, interval_s=0.0, bound=100_000)
    lane.put(INGRESS, frame(0))
    await carrier.asked.wait()
    lane.put(INGRESS, Clear(CALL, Epoch(3)))
    for n in range(1, 2_000):
        lane.put(INGRESS, frame(n))
    carrier.open.set()
    await lane.flush()
    ((_, waited),) = carrier.bundles[1:]
    assert waited[0] == Clear(CALL, Epoch(3))
    kept = [item.first for item in waited[1:]]
    assert kept == list(range(2_000 - len(kept), 2_000))
    assert 100 < len(kept) <= 100_000 // 160
    assert lane.dropped == 1_999 - len(kept)


async def test_commands_alone_are_bounded_too() -> None:
    """No kind of item grows without limit."""
    carrier = Carrier()
    lane = PacedQueue(carrier.publish, interval_s=0.0, bound=64_000)
    for n in range(10_000):
        lane.put(INGRESS, Clear(CALL, Epoch(n)))
    carrier.open.set()
    await lane.flush()
    ((_, waited),) = carrier.bundles
    assert len(waited) <= 1_000
    assert waited[-1] == Clear(CALL, Epoch(9_999))


async def test_p9_what_nobody_received_goes_again_in_its_order() -> None:
    """After a failover the receiver subscribes a moment later than the sender connects. Others do not wait for it."""
    carrier = Carrier()
    carrier.open.set()
    carrier.deaf.add(INGRESS)
    lane = PacedQueue(carrier.publish, interval_s=0.0, bound=1_000_000, again_s=30.0)
    lane.put(INGRESS, frame(1))
    lane.put(ALICE, frame(2))
    while not carrier.bundles:  # noqa: ASYNC110  the queue has no signal of its own
        await asyncio.sleep(0.001)
    lane.put(INGRESS, frame(3))
    carrier.deaf.clear()
    await lane.flush()
    assert carrier.bundles == [(ALICE, [frame(2)]), (INGRESS, [frame(1), frame(3)])]
    assert lane.dropped == 0


async def test_p9_what_nobody_ever_receives_is_dropped() -> None:
    """A dead ingress plays nothing; a worker whose leases ran out has no business to be heard."""
    carrier = Carrier()
    carrier.open.set()
    carrier.deaf.add(INGRESS)
    lane = PacedQueue(carrier.publish, interval_s=0.0, bound=1_000_000, again_s=0.2)
    lane.put(INGRESS, frame(1))
    lane.put(INGRESS, frame(2))
    await lane.flush()
    assert (carrier.bundles, lane.dropped) == ([], 2)


async def test_without_redis_media_is_dropped_and_counted(lasting) -> None:
    """A frame that cannot be sent now is useless later; the next ones are sent."""
    client = connect(lasting.url)
    bus = RedisMediaBus(client, INGRESS)
    bus.send(ALICE, frame(1))
    await bus.flush()
    lasting.kill()
    bus.send(ALICE, frame(2))
    await bus.flush()
    await asyncio.to_thread(lasting.restart)
    bus.send(ALICE, frame(3))
    await bus.flush()
    assert (bus.sent, bus.dropped) == (2, 1)
    await client.aclose()


async def test_p9_what_redis_does_not_take_is_handed_back(lasting) -> None:
    """The ingress keeps what the caller says meanwhile, and sends it when a worker attaches."""
    client = connect(lasting.url)
    back: list[tuple[NodeId, list[MediaItem]]] = []
    bus = RedisMediaBus(client, INGRESS, on_unheard=lambda to, items: back.append((to, items)))
    bus.send(ALICE, frame(1))
    await bus.flush()
    back.clear()
    lasting.pause()
    bus.send(ALICE, frame(2))
    await asyncio.sleep(0.1)
    bus.send(ALICE, frame(3))  # while the former waits for its answer
    lasting.kill()
    await bus.flush()
    assert (back, bus.dropped) == ([(ALICE, [frame(2), frame(3)])], 0)
    await client.aclose()


async def test_items_without_a_listener_are_handed_back(lasting) -> None:
    """A killed worker's subscription is gone at once; the caller's audio can wait for the next owner."""
    client = connect(lasting.url)
    back: list[tuple[NodeId, list[MediaItem]]] = []
    bus = RedisMediaBus(client, INGRESS, on_unheard=lambda to, items: back.append((to, items)))
    bus.send(ALICE, frame(1))
    await bus.flush()
    assert back == [(ALICE, [frame(1)])]
    await client.aclose()
