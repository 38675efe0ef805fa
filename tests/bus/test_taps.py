"""The channel of a listener: its bytes, who is asked for the audio, and who counts as gone."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from tests.bus.calls import new_call, running
from tests.fakes.keys import keys
from voicecall.bus.ingresses import Ingresses
from voicecall.bus.media.bus import RedisMediaBus
from voicecall.bus.media.taps import AGENT, CALLER, Sound, TapPublisher, TapReader, pack_sounds, unpack_sounds
from voicecall.call.ids import NodeId
from voicecall.ports import Listen, MediaItem

sounds = st.builds(Sound, st.sampled_from([CALLER, AGENT]), st.floats(0, 1e13), st.binary(max_size=400))


@given(st.lists(sounds, max_size=20))
def test_sounds_read_back_unchanged(sent: list[Sound]) -> None:
    assert unpack_sounds(pack_sounds(sent)) == tuple(sent)


@given(st.binary(max_size=200))
def test_junk_is_no_sound_and_no_error(data: bytes) -> None:
    """Any bytes may be published on a channel; nothing raises, and what is read has its types."""
    for attempt in (data, b"\x01" + data):
        for sound in unpack_sounds(attempt):
            assert (type(sound.side), type(sound.at_ms), type(sound.mulaw)) == (int, float, bytes)


async def test_every_ingress_is_asked_and_a_listener_without_a_channel_is_gone(redis: Redis) -> None:
    """The holder of the stream, and those at which the carrier may open the next one. No node gains a subscriber."""
    holder, other, call = NodeId("ingress-1"), NodeId("ingress-2"), new_call()
    await Ingresses(redis).announce(other)  # the holder drains: it is not announced any more
    asked: asyncio.Queue[MediaItem] = asyncio.Queue()
    heard: asyncio.Queue[tuple[Sound, ...]] = asyncio.Queue()
    buses = [RedisMediaBus(redis, node) for node in (holder, other)]
    reader = TapReader(redis, call, "anna", heard.put_nowait)
    async with running(buses[0].run(asked.put_nowait)), running(buses[1].run(asked.put_nowait)), running(reader.run()):
        for bus in buses:
            await bus.ready()
        await reader.ask(holder, 4.0)
        assert [await asked.get(), await asked.get()] == [Listen(call, "anna", 4000)] * 2
        counts = await redis.pubsub_numsub(*(keys.media(node) for node in (holder, other)))
        assert [count for _, count in counts] == [1, 1]
        sound = Sound(CALLER, 1.5, b"\x31" * 160)
        assert await TapPublisher(redis).publish(["anna", "bert"], [sound]) == ["bert"]
        assert await heard.get() == (sound,)


@pytest.mark.parametrize("name", ["anna"])
def test_the_channel_of_a_listener_is_no_channel_of_a_process(name: str) -> None:
    """Who listens in must never look like a running gateway, worker or ingress."""
    assert keys.namespace_of(keys.tap(name)) is None
