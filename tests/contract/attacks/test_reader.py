"""Attack 73: a peer that never reads the audio sent to it."""

import asyncio
import itertools
import socket

from redis.asyncio import Redis

from tests.contract.attacks.target import Target
from tests.contract.attacks.test_sockets import counted, events_of, rejected, talking
from voicecall.bus.connection import connect
from voicecall.bus.media.bus import RedisMediaBus
from voicecall.call.events import StreamClosed, StreamOpened
from voicecall.call.ids import CallId, Epoch, NodeId, StreamId
from voicecall.ports import Attach, Clear, Play

_SENTENCE = bytes(640)  # what a new stream is sent at once


def speak_until(target: Target, call: CallId, stream: StreamId, series: str, value: float) -> None:
    """As a worker whose every sentence is interrupted: nothing is paced, so megabytes are due at once."""

    async def speak() -> None:
        redis: Redis = connect(target.redis_url)
        bus = RedisMediaBus(redis, NodeId("worker-1"))
        try:
            bus.send(NodeId(target.node), Attach(call, Epoch(1), NodeId("worker-1"), stream))
            for utterance in itertools.count(1):
                bus.send(NodeId(target.node), Play(call, Epoch(1), utterance, _SENTENCE))
                bus.send(NodeId(target.node), Clear(call, Epoch(1)))
                if utterance % 500 == 0:
                    await bus.flush()
                    if await asyncio.to_thread(target.metric, series) >= value:
                        return
        finally:
            await redis.aclose()

    asyncio.run(asyncio.wait_for(speak(), 30))


def test_attack_73_a_reader_that_never_reads(twilio_target: Target) -> None:
    """Closed at one megabyte of buffered audio; the stream's end is recorded, and other calls go on."""
    series = rejected("backpressure")
    expected = counted(twilio_target, series)
    with talking(twilio_target) as (_, other), talking(twilio_target) as (here, line):
        line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        [stream] = (event.stream for event in events_of(twilio_target, here.call) if isinstance(event, StreamOpened))
        speak_until(twilio_target, here.call, stream, series, expected)
        while not any(isinstance(event, StreamClosed) for event in events_of(twilio_target, here.call)):
            assert other.is_open()
        assert other.is_open()
