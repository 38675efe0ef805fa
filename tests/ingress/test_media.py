"""The media socket over a real connection: what is accepted, what closes it, and what passes through."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from simulators.twilio.signature import sign
from tests.fakes.ingress import InMemoryLog
from tests.ingress.harness import LEG, NODE, TOKEN, Harness, Phone, inbound_id, running_ingress
from voicecall import metrics
from voicecall.call.events import (
    DtmfReceived,
    PlaybackBegan,
    PlaybackDone,
    StreamClosed,
    StreamOpened,
    StreamUnusable,
)
from voicecall.call.ids import CallId, Epoch, LegId, NodeId, StreamId
from voicecall.ports import Attach, CallerAudio, Clear, Detach, Finish, MediaItem, Play

CALL = inbound_id()
WORKER = NodeId("worker-1")
FRAME = b"\x7f" * 160


def grant(ingress: Harness, token: str = "t0ken", call: CallId = CALL, leg: LegId = LEG) -> str:
    ingress.log.tokens.add((call, f"{token} {leg}"))
    return token


@asynccontextmanager
async def talking(stream: str = "MZ1", **changes: Any) -> AsyncIterator[tuple[Harness, Phone]]:
    """An ingress with one accepted stream."""
    async with running_ingress(**changes) as ingress, Phone.dial(ingress.port, stream) as phone:
        await phone.start(CALL, grant(ingress))
        await ingress.log.until(CALL, StreamOpened)
        yield ingress, phone


def deliver(ingress: Harness, *items: MediaItem) -> None:
    for item in items:
        ingress.server.streams.deliver(item)


def attach(epoch: int = 1, node: NodeId = WORKER, stream: str = "MZ1") -> Attach:
    return Attach(CALL, Epoch(epoch), node, StreamId(stream))


async def refused(ingress: Harness, **options: Any) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with Phone.dial(ingress.port, **options):
            pass
    return caught.value.status


async def test_a_start_with_its_token_opens_the_stream_for_call_and_leg() -> None:
    async with talking() as (ingress, _):
        assert ingress.log.events[CALL] == [StreamOpened(stream=StreamId("MZ1"), ingress=NODE, leg=LEG, pauses=True)]


async def test_a_token_works_once() -> None:
    """A token read from a log is worthless (attack 65)."""
    async with talking() as (ingress, _), Phone.dial(ingress.port, "MZ2") as thief:
        await thief.start(CALL, "t0ken")
        assert await thief.closed() == 1008
        assert len(ingress.log.events[CALL]) == 1


@pytest.mark.parametrize("wrong", ["token", "call", "leg", "nothing"])
async def test_a_token_is_bound_to_its_call_and_leg(wrong: str) -> None:
    other_call, other_leg = inbound_id(LegId("CA" + "9" * 32)), LegId("CA" + "9" * 32)
    async with running_ingress() as ingress, Phone.dial(ingress.port) as phone:
        token = grant(ingress)
        await phone.start(
            other_call if wrong == "call" else CALL,
            {"token": "guess", "nothing": ""}.get(wrong, token),
            other_leg if wrong == "leg" else LEG,
        )
        assert await phone.closed() == 1008
        assert ingress.log.posts == 0
        assert len(ingress.server.streams) == 0


async def test_a_wrong_signature_is_refused_before_the_upgrade() -> None:
    """Twilio signs the handshake over wss (attack 61); without a signature the token is the proof."""
    async with running_ingress() as ingress:
        assert (
            await refused(ingress, headers={"X-Twilio-Signature": sign("other", "wss://calls.example/voice/stream")})
            == 401
        )
        good = {"X-Twilio-Signature": sign(TOKEN, "wss://calls.example/voice/stream")}
        async with Phone.dial(ingress.port, headers=good) as phone:
            await phone.start(CALL, grant(ingress))
            await ingress.log.until(CALL, StreamOpened)


async def test_browsers_plain_requests_and_other_methods_are_refused() -> None:
    async with running_ingress() as ingress, aiohttp.ClientSession() as session:
        assert await refused(ingress, headers={"Origin": "https://evil.example"}) == 403
        url = f"http://127.0.0.1:{ingress.port}/voice/stream"
        async with session.get(url) as plain, session.post(url) as posted:
            assert (plain.status, posted.status) == (426, 405)


async def test_the_socket_beyond_max_connections_gets_503_before_the_upgrade() -> None:
    async with talking(streaming={"maxConnections": 1}) as (ingress, _):
        assert await refused(ingress) == 503


async def test_b2_only_started_streams_count_as_connections() -> None:
    """Waiting and refused sockets cost no call its place."""
    async with (
        running_ingress(streaming={"maxConnections": 1, "maxPendingConnectionsPerIp": 3}) as ingress,
        Phone.dial(ingress.port) as silent,
        Phone.dial(ingress.port) as refused_one,
        Phone.dial(ingress.port) as phone,
    ):
        await refused_one.speak()
        assert await refused_one.closed() == 1008
        await phone.start(CALL, grant(ingress))
        await ingress.log.until(CALL, StreamOpened)
        await silent.start(CALL, grant(ingress, "second"))
        assert await silent.closed() == 1013


async def test_b2_the_longest_silent_socket_of_a_sender_goes_and_not_the_newcomer() -> None:
    async with running_ingress(streaming={"maxPendingConnectionsPerIp": 2}) as ingress, AsyncExitStack() as stack:
        first, _, third = [await stack.enter_async_context(Phone.dial(ingress.port)) for _ in range(3)]
        assert await first.closed() == 1013
        await third.start(CALL, grant(ingress))
        await ingress.log.until(CALL, StreamOpened)


async def test_b2_a_crowd_of_silent_sockets_does_not_keep_a_call_out() -> None:
    """Twelve of them gave every other socket behind the same proxy 1013."""
    async with running_ingress() as ingress, AsyncExitStack() as stack:
        for _ in range(40):
            await stack.enter_async_context(Phone.dial(ingress.port))
        phone = await stack.enter_async_context(Phone.dial(ingress.port))
        await phone.start(CALL, grant(ingress))
        await ingress.log.until(CALL, StreamOpened)


async def test_b2_the_longest_silent_socket_of_all_goes() -> None:
    async with (
        running_ingress(streaming={"maxPendingConnections": 1}) as ingress,
        Phone.dial(ingress.port) as one,
        Phone.dial(ingress.port) as two,
    ):
        assert await one.closed() == 1013
        await two.start(CALL, grant(ingress))
        await ingress.log.until(CALL, StreamOpened)


async def test_b1_at_most_four_frames_may_precede_the_start() -> None:
    """Frames of a socket without a token are not metered, so they are few."""
    async with running_ingress() as ingress, Phone.dial(ingress.port) as phone:
        for _ in range(3):
            await phone.send(event="connected", protocol="Call", version="1.0.0")
        await phone.start(CALL, grant(ingress))  # the fourth, and the start
        await ingress.log.until(CALL, StreamOpened)
    async with running_ingress() as ingress, Phone.dial(ingress.port) as phone:
        for _ in range(5):
            await phone.send(event="connected", protocol="Call", version="1.0.0")
        assert await phone.closed() == 1008


async def test_b1_pings_before_the_start_are_answered_and_count_as_frames() -> None:
    async with running_ingress() as ingress, Phone.dial(ingress.port, autoping=False) as phone:
        await phone.ws.ping(b"here?")
        answer = await phone.ws.receive()
        assert (answer.type, bytes(answer.data)) == (aiohttp.WSMsgType.PONG, b"here?")
        for _ in range(4):
            await phone.ws.ping()
        codes = [await phone.ws.receive() for _ in range(5)]
        assert (codes[-1].type, codes[-1].data) == (aiohttp.WSMsgType.CLOSE, 1008)


async def test_b1_pings_after_the_start_are_answered_and_metered_like_audio() -> None:
    async with talking() as (ingress, phone):
        with suppress(aiohttp.ClientError, ConnectionError):
            for _ in range(400):
                await phone.ws.ping()
        await ingress.log.until(CALL, StreamClosed)


async def test_b1_the_loop_has_its_turn_while_frames_are_read() -> None:
    """`receive` does not wait for a frame that has arrived: without a pause no other call is served."""
    async with talking() as (ingress, phone):
        deliver(ingress, attach())
        seen: list[int] = []

        async def other_call() -> None:
            while True:
                seen.append(len(ingress.media.sent))
                await asyncio.sleep(0)

        for _ in range(200):
            await phone.speak(b"\x01" * 160)
        beside = asyncio.create_task(other_call())
        while len(ingress.media.sent) < 200:  # noqa: ASYNC110  the other task is what is measured
            await asyncio.sleep(0)
        assert max(after - before for before, after in pairwise(seen)) <= 16
        beside.cancel()


async def test_a_socket_that_never_starts_is_closed() -> None:
    async with running_ingress(streaming={"preStartTimeoutMs": 50}) as ingress, Phone.dial(ingress.port) as phone:
        assert await phone.closed() == 1008


async def test_media_before_start_closes() -> None:
    async with running_ingress() as ingress, Phone.dial(ingress.port) as phone:
        await phone.speak()
        assert await phone.closed() == 1008


async def test_garbage_before_start_closes() -> None:
    async with running_ingress() as ingress, Phone.dial(ingress.port) as phone:
        await phone.ws.send_str("{")
        assert await phone.closed() == 1008


async def test_a_second_start_closes() -> None:
    async with talking() as (ingress, phone):
        await phone.start(CALL, grant(ingress))
        assert await phone.closed() == 1008
        assert await ingress.log.until(CALL, StreamClosed)


async def test_without_redis_no_socket_starts_and_the_carrier_may_retry() -> None:
    async with running_ingress() as ingress, Phone.dial(ingress.port) as phone:
        token = grant(ingress)
        ingress.log.down = True
        await phone.start(CALL, token)
        assert await phone.closed() == 1013


async def test_the_third_frame_of_another_stream_closes() -> None:
    """Frames of another stream are dropped and counted (attack 68)."""
    async with talking() as (ingress, phone):
        deliver(ingress, attach())
        phone.stream = StreamId("MZ2")
        await phone.send(event="stop", stop={"accountSid": "AC", "callSid": LEG})
        for _ in range(2):
            await phone.speak()
        assert await phone.closed() == 1008
        assert ingress.media.sent == []


@pytest.mark.parametrize("payload", ["", "!!!!", "f39/f", "f39/fw", "f39/\nf39/"])
async def test_the_third_malformed_frame_closes(payload: str) -> None:
    """Base64 is read strictly (attack 70)."""
    async with talking() as (ingress, phone):
        deliver(ingress, attach())
        for _ in range(3):
            await phone.send(event="media", media={"track": "inbound", "chunk": "1", "payload": payload})
        assert await phone.closed() == 1008
        assert ingress.media.sent == []


async def test_a_flood_of_tiny_frames_closes() -> None:
    """Each counts as a whole frame, and twice real time is the limit (attack 70)."""
    too_fast = metrics.MEDIA_REJECTED.labels(reason="rate")._value
    before = too_fast.get()
    async with talking() as (ingress, phone):
        with suppress(aiohttp.ClientError, ConnectionError):
            for _ in range(1000):
                await phone.speak(b"\x7f")
        await ingress.log.until(CALL, StreamClosed)
    assert too_fast.get() == before + 1


async def test_frames_over_64_kib_close() -> None:
    async with talking() as (_, phone):
        await phone.ws.send_str("x" * 70_000)
        assert await phone.closed() == 1009


async def test_caller_audio_is_held_until_a_worker_attaches() -> None:
    """Two seconds are held: the worker may be late, or dead and not replaced yet."""
    async with talking() as (ingress, phone):
        for _ in range(3):
            await phone.speak()
        await phone.send(event="dtmf", dtmf={"track": "inbound_track", "digit": "5"})
        assert await ingress.log.until(CALL, DtmfReceived) == [DtmfReceived(digits="5")]
        assert ingress.media.sent == []
        deliver(ingress, attach())
        assert await ingress.media.arrived.get() == (WORKER, CallerAudio(CALL, StreamId("MZ1"), 1, FRAME * 3))
        await phone.speak()
        assert await ingress.media.arrived.get() == (WORKER, CallerAudio(CALL, StreamId("MZ1"), 4, FRAME))


async def test_repeated_and_late_frames_are_dropped() -> None:
    async with talking() as (ingress, phone):
        deliver(ingress, attach())
        for chunk in (5, 4, 5, 6):
            await phone.speak(chunk=chunk)
        firsts = [(await ingress.media.arrived.get())[1] for _ in range(2)]
        assert [item.first for item in firsts if isinstance(item, CallerAudio)] == [5, 6]


async def test_caller_audio_goes_to_the_newest_owner() -> None:
    """An older owner's late Attach is ignored (guarantee P1)."""
    async with talking() as (ingress, phone):
        deliver(ingress, attach(2, NodeId("worker-2")), attach(1, WORKER))
        await phone.speak()
        assert (await ingress.media.arrived.get())[0] == "worker-2"


async def test_audio_that_a_dead_worker_did_not_get_goes_to_the_next_one() -> None:
    """A killed worker's channel loses its listener at once; the audio is held for two seconds at most."""
    async with talking() as (ingress, phone):
        deliver(ingress, attach(1, WORKER))
        await phone.speak()
        to, audio = await ingress.media.arrived.get()
        ingress.server.streams.on_undelivered(to, [audio])
        await phone.speak()
        deliver(ingress, attach(2, NodeId("worker-2")))
        to, again = await ingress.media.arrived.get()
        assert (to, again.first) == ("worker-2", audio.first)
        assert again.mulaw.startswith(audio.mulaw)


async def test_speech_goes_to_the_socket_with_its_mark_and_playback_events_to_the_log() -> None:
    async with talking() as (ingress, phone):
        deliver(ingress, attach(), Play(CALL, Epoch(1), 1, b"\x01" * 320), Finish(CALL, Epoch(1), 1))
        audio = b""
        message = await phone.hear()
        while message["event"] == "media":
            audio += base64.b64decode(message["media"]["payload"])
            message = await phone.hear()
        assert audio == b"\x01" * 320
        assert message["mark"] == {"name": "u1"}
        assert await ingress.log.until(CALL, PlaybackBegan) == [PlaybackBegan(utterance=1, queued_ms=0)]
        await phone.send(event="mark", mark={"name": "u1"})
        done = await ingress.log.until(CALL, PlaybackDone)
        assert done == [PlaybackDone(utterance=1, heard_ms=40, total_ms=40, complete=True)]


async def test_clear_reaches_the_carrier_first_and_the_cut_is_reported() -> None:
    async with talking() as (ingress, phone):
        deliver(ingress, attach(), Play(CALL, Epoch(1), 1, b"\x01" * 16_000))
        assert (await phone.hear())["event"] == "media"
        deliver(ingress, Clear(CALL, Epoch(1)))
        message = await phone.hear()
        while message["event"] == "media":
            message = await phone.hear()
        assert message == {"event": "clear", "streamSid": "MZ1"}
        (done,) = await ingress.log.until(CALL, PlaybackDone)
        assert isinstance(done, PlaybackDone)
        assert (done.complete, done.total_ms) == (False, None)
        assert done.heard_ms < 2000


async def test_no_frame_of_an_older_epoch_reaches_the_socket() -> None:
    """A stale owner that resumes is fenced (guarantee P1)."""
    async with talking() as (ingress, phone):
        deliver(ingress, attach(1), Play(CALL, Epoch(1), 1, b"\x01" * 8_000))
        deliver(ingress, attach(2), Play(CALL, Epoch(1), 1, b"\x01" * 800), Play(CALL, Epoch(2), 2, b"\x02" * 160))
        deliver(ingress, Clear(CALL, Epoch(1)), Detach(CALL, Epoch(1)), Finish(CALL, Epoch(2), 2))
        old = new = b""
        message = await phone.hear()
        while message["event"] == "media":
            payload = base64.b64decode(message["media"]["payload"])
            assert not (payload[0] == 1 and new)
            old, new = (old + payload, new) if payload[0] == 1 else (old, new + payload)
            message = await phone.hear()
        assert len(old) == 640
        assert len(new) == 160
        assert message["mark"]["name"] == "u2"
        done = await ingress.log.until(CALL, PlaybackDone)
        assert done == [PlaybackDone(utterance=1, heard_ms=80, total_ms=None, complete=False)]


async def test_detach_closes_the_socket() -> None:
    async with talking() as (ingress, phone):
        deliver(ingress, Detach(CALL, Epoch(1)))
        assert await phone.closed() == 1000
        await ingress.log.until(CALL, StreamClosed)


async def test_a_newer_socket_replaces_the_old_one_whose_end_is_not_reported() -> None:
    """The call reconnects by its redirect before the old socket is known to be dead (attack 67)."""
    async with talking() as (ingress, old):
        deliver(ingress, attach(3), Play(CALL, Epoch(3), 1, b"\x01" * 8_000))
        async with Phone.dial(ingress.port, "MZ2") as new:
            await new.start(CALL, grant(ingress, "fresh"))
            assert await old.closed() == 1000
            await ingress.log.until(CALL, StreamOpened, 2)
            kinds = [type(event) for event in ingress.log.events[CALL]]
            assert kinds == [StreamOpened, PlaybackBegan, PlaybackDone, StreamOpened]
            # The worker still speaks into the old socket, until it knows this one.
            deliver(ingress, Play(CALL, Epoch(3), 1, b"\x01" * 8_000), Play(CALL, Epoch(2), 7, FRAME))
            deliver(ingress, attach(3, stream="MZ2"))
            deliver(ingress, Play(CALL, Epoch(2), 7, FRAME), Play(CALL, Epoch(3), 8, b"\x02" * 160))
            assert base64.b64decode((await new.hear())["media"]["payload"])[0] == 2
        await ingress.log.until(CALL, StreamClosed)
        assert ingress.log.events[CALL][-1] == StreamClosed(stream=StreamId("MZ2"))


@pytest.mark.parametrize("end", ["stop", "close"])
async def test_the_end_of_a_socket_is_reported_with_what_was_heard(end: str) -> None:
    async with talking() as (ingress, phone):
        deliver(ingress, attach(), Play(CALL, Epoch(1), 1, b"\x01" * 8_000))
        await phone.hear()
        if end == "stop":
            await phone.send(event="stop", stop={"accountSid": "AC", "callSid": LEG})
            assert await phone.closed() == 1000
        else:
            await phone.ws.close()
        await ingress.log.until(CALL, StreamClosed)
        done, closed = ingress.log.events[CALL][-2:]
        assert isinstance(done, PlaybackDone)
        assert not done.complete
        assert closed == StreamClosed(stream=StreamId("MZ1"))


async def test_events_outlast_an_outage_of_the_log_in_their_order() -> None:
    """The socket goes on while Redis does not answer (guarantee P8)."""
    async with talking() as (ingress, phone):
        ingress.log.down = True
        for digit in "123":
            await phone.send(event="dtmf", dtmf={"digit": digit})
        deliver(ingress, attach())
        await phone.speak()
        await ingress.media.arrived.get()
        ingress.log.down = False
        assert await ingress.log.until(CALL, DtmfReceived, 3) == [DtmfReceived(digits=digit) for digit in "123"]


async def test_opening_a_stream_of_a_call_without_owner_rings() -> None:
    async with running_ingress(log=InMemoryLog(owner=None)) as ingress, Phone.dial(ingress.port) as phone:
        await phone.start(CALL, grant(ingress))
        assert await ingress.doorbell.attempts.get() == CALL


async def test_a_draining_ingress_closes_its_sockets_and_accepts_no_new_one() -> None:
    """The carrier runs its redirect, which reaches another ingress (guarantee P7)."""
    async with talking() as (ingress, phone):
        ingress.server.start_draining(alone=False)
        draining = asyncio.create_task(ingress.server.drain())
        assert await phone.closed() == 1001
        await ingress.log.until(CALL, StreamClosed)
        assert await refused(ingress) == 503
        await draining


async def test_c3_a_socket_is_closed_when_the_utterance_has_been_heard() -> None:
    """Neither a word of ours nor one of the caller is torn."""
    async with talking() as (ingress, phone):
        deliver(ingress, attach(), Play(CALL, Epoch(1), 1, FRAME * 5), Finish(CALL, Epoch(1), 1))
        assert (await phone.hear())["event"] == "media"
        ingress.server.start_draining(alone=False)
        draining = asyncio.create_task(ingress.server.drain())
        loud = b"\x10" * 160
        for _ in range(40):  # the caller speaks for 0.8 s
            await phone.speak(loud)
            await asyncio.sleep(0.02)
        await phone.send(event="mark", mark={"name": "u1"})
        assert not draining.done()
        assert len(ingress.server.streams) == 1
        await phone.speak()
        assert await phone.closed() == 1001
        await draining
        done = (await ingress.log.until(CALL, PlaybackDone))[0]
        assert isinstance(done, PlaybackDone)
        assert done.complete


async def test_c3_the_only_ingress_closes_all_sockets_at_one_moment() -> None:
    """Each caller waits from the close until the next ingress listens: an early close is a longer silence."""
    async with talking() as (ingress, phone), Phone.dial(ingress.port, "MZ2") as other:
        leg = LegId("CA" + "9" * 32)
        await other.start(inbound_id(leg), grant(ingress, "other", inbound_id(leg), leg), leg)
        await ingress.log.until(inbound_id(leg), StreamOpened)
        deliver(ingress, attach())
        await phone.speak(b"\x10" * 160)
        ingress.server.start_draining(alone=True)
        draining = asyncio.create_task(ingress.server.drain())
        await asyncio.wait((draining,), timeout=1.0)
        assert len(ingress.server.streams) == 2
        await phone.speak()
        assert [await phone.closed(), await other.closed()] == [1001, 1001]
        await draining
        (closed,) = await ingress.log.until(CALL, StreamClosed)
        assert closed == StreamClosed(stream=StreamId("MZ1"), resume_after_s=1.0)


async def test_c3_a_caller_who_never_falls_silent_delays_the_end_only_so_long() -> None:
    """A supervisor kills a process that does not end."""
    async with talking(server={"drain_s": 0.3}) as (ingress, phone):
        deliver(ingress, attach())
        await phone.speak(b"\x10" * 160)
        ingress.server.start_draining(alone=False)
        async with asyncio.timeout(3):
            await asyncio.gather(ingress.server.drain(), phone.closed())


async def test_a_carrier_that_does_not_read_is_dropped() -> None:
    """The ingress does not buffer without bound (attack 73)."""
    async with talking() as (ingress, _):
        stream = next(iter(ingress.server.streams))
        while stream.socket._close_frame is None:  # type: ignore[attr-defined]
            stream.socket.send(["x" * 60_000] * 4)
        await ingress.log.until(CALL, StreamClosed)


async def test_b14_an_unmasked_frame_closes_the_socket() -> None:
    """RFC 6455, 5.1."""
    async with running_ingress() as ingress:
        for before in (b"", masked(b"{}")):
            reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
            writer.write(_HANDSHAKE)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(before + b"\x81\x02{}")
            data = await reader.read()
            assert data[:1] == b"\x88"
            assert int.from_bytes(data[2:4], "big") in ((1002,) if not before else (1002, 1008))
            writer.close()


async def test_b14_frames_in_one_piece_with_the_handshake_are_checked_too() -> None:
    async with running_ingress() as ingress:
        reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
        writer.write(_HANDSHAKE + b"\x81\x02{}")
        await reader.readuntil(b"\r\n\r\n")
        assert int.from_bytes((await reader.read())[2:4], "big") == 1002
        writer.close()


async def test_b14_a_repeated_signature_is_refused_before_the_upgrade() -> None:
    async with running_ingress() as ingress:
        good = sign(TOKEN, "wss://calls.example/voice/stream").encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
        twice = b"X-Twilio-Signature: " + good + b"\r\n"
        writer.write(_HANDSHAKE[:-2] + twice * 2 + b"\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
        writer.close()


_HANDSHAKE = (
    b"GET /voice/stream HTTP/1.1\r\nHost: calls.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def masked(payload: bytes) -> bytes:
    """A short text frame of a client; its mask is zero."""
    return bytes((0x81, 0x80 | len(payload), 0, 0, 0, 0)) + payload


async def test_a10_audio_that_cannot_be_decoded_is_reported_to_the_call_and_closed() -> None:
    """The token is spent first: a stranger reports nothing."""
    form = {"encoding": "audio/l16", "sampleRate": 8000, "channels": 1}
    async with running_ingress() as ingress:
        async with Phone.dial(ingress.port) as stranger:
            await stranger.start(CALL, "guess", form=form)
            assert await stranger.closed() == 1008
        async with Phone.dial(ingress.port) as phone:
            await phone.start(CALL, grant(ingress), form=form)
            assert await phone.closed() == 1003
        unusable = StreamUnusable(leg=LEG, reason="the carrier's media stream is audio/l16")
        assert await ingress.log.until(CALL, StreamUnusable) == [unusable]
        assert ingress.log.events[CALL] == [unusable]


async def test_a26_a_proxy_without_upgrades_is_named_in_the_log_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It drops `Upgrade`, which is between two hops, and passes the other headers on; a plain visitor has none."""
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}
    async with running_ingress() as ingress, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{ingress.port}/voice/stream"
        with caplog.at_level("WARNING", "ingress.media"):
            for headers in ({}, key, key):
                async with session.get(url, headers=headers) as answer:
                    assert answer.status == 426
    (line,) = [record.getMessage() for record in caplog.records if record.name == "ingress.media"]
    assert "does not pass WebSockets on" in line


async def test_a_socket_that_falls_silent_is_pinged_and_cut_off_when_nothing_answers() -> None:
    """A carrier whose connection broke without a word keeps its call for half a minute, and not for ever."""
    async with (
        running_ingress(server={"heartbeat_s": 0.05}) as ingress,
        Phone.dial(ingress.port, autoping=False) as phone,
    ):
        await phone.start(CALL, grant(ingress))
        ping = await phone.ws.receive()
        assert ping.type is aiohttp.WSMsgType.PING
        assert await ingress.log.until(CALL, StreamClosed)


async def test_a_socket_that_answers_pings_stays_open() -> None:
    async with (
        running_ingress(server={"heartbeat_s": 0.25}) as ingress,
        Phone.dial(ingress.port, autoping=False) as phone,
    ):
        await phone.start(CALL, grant(ingress))
        for _ in range(2):
            ping = await phone.ws.receive()
            assert ping.type is aiohttp.WSMsgType.PING
            await phone.ws.pong()
        await phone.send(event="dtmf", dtmf={"digit": "1"})
        assert await ingress.log.until(CALL, DtmfReceived)


async def test_a_flood_of_plain_audio_closes() -> None:
    """What goes from the socket's callback to the stream is metered as everything else."""
    async with talking() as (ingress, phone):
        deliver(ingress, attach())
        with suppress(aiohttp.ClientError, ConnectionError):
            for _ in range(400):
                await phone.speak(b"\x01" * 160)
        assert await phone.closed() == 1008
        assert sum(len(item.mulaw) for _, item in ingress.media.sent if isinstance(item, CallerAudio)) < 50_000


async def test_a_mark_between_frames_of_audio_is_not_overtaken() -> None:
    """The mark is read by the socket's task, the audio in its callback."""
    async with talking() as (ingress, phone):
        deliver(ingress, attach())
        for _ in range(3):
            await phone.speak(b"\x01" * 160)
            await phone.send(event="dtmf", dtmf={"digit": "7"})
        await phone.speak(b"\x01" * 160)
        await ingress.log.until(CALL, DtmfReceived, 3)
        heard = [await ingress.media.arrived.get() for _ in range(4)]
        assert [item.first for _, item in heard if isinstance(item, CallerAudio)] == [1, 2, 3, 4]
