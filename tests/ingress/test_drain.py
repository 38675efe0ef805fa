"""An ingress that stops closes each media socket at a moment in which its caller notices nothing (guarantee P14)."""

import asyncio
import time

from tests.ingress.harness import LEG, Phone, running_ingress
from tests.ingress.test_media import CALL, FRAME, attach, deliver, grant, talking
from voicecall.call.events import PlaybackBegan, PlaybackDone, StreamClosed, StreamOpened
from voicecall.call.ids import Epoch, NodeId, StreamId, numbered_token
from voicecall.ports import NO_OWNER, Attach, CallerAudio, Finish, Play

LOUD = b"\x10" * 160


def say(utterance: int, frames: int = 5, epoch: int = 1) -> tuple[Play, Finish]:
    return Play(CALL, Epoch(epoch), utterance, FRAME * frames), Finish(CALL, Epoch(epoch), utterance)


async def test_c3_a_socket_is_closed_between_two_sentences() -> None:
    """The first is heard to its end; the second is reported as not begun, so that it is said on the next socket."""
    async with talking() as (ingress, phone):
        deliver(ingress, attach(), *say(1), *say(2))
        assert (await phone.hear())["event"] == "media"
        ingress.server.start_draining(alone=False)
        draining = asyncio.create_task(ingress.server.drain())
        await phone.send(event="mark", mark={"name": "u1"})
        assert await phone.closed() == 1001
        await draining
        first, second = await ingress.log.until(CALL, PlaybackDone, 2)
        assert first == PlaybackDone(utterance=1, heard_ms=100, total_ms=100, complete=True)
        assert second == PlaybackDone(utterance=2, heard_ms=0, total_ms=100, complete=False, for_restart=True)
        assert [event.utterance for event in await ingress.log.until(CALL, PlaybackBegan)] == [1]  # type: ignore[attr-defined]


async def test_c3_a_socket_is_closed_before_the_reply_begins() -> None:
    """The caller has asked, and waits: the new socket costs no word of either."""
    async with talking() as (ingress, phone):
        deliver(ingress, attach())
        ingress.server.start_draining(alone=False)
        draining = asyncio.create_task(ingress.server.drain())
        await asyncio.sleep(0.1)
        deliver(ingress, *say(1))
        assert (await phone.ws.receive()).data == 1001
        await draining
        assert await ingress.log.until(CALL, StreamClosed)


async def test_c3_a_caller_who_pauses_is_not_cut_off() -> None:
    """They may begin to speak in this very moment: a pause of less than two seconds is no good one."""
    async with talking() as (ingress, phone):
        deliver(ingress, attach())
        ingress.server.start_draining(alone=False)
        began = time.monotonic()
        await asyncio.gather(ingress.server.drain(), phone.closed())
        assert time.monotonic() - began >= 2.0


async def test_c3_a_reply_is_not_held_back_for_a_caller_who_makes_a_noise() -> None:
    """The socket is not closed then, so there is nothing to wait for."""
    async with talking(server={"drain_s": 1.0}) as (ingress, phone):
        deliver(ingress, attach())
        await phone.speak(LOUD)
        await ingress.media.arrived.get()
        ingress.server.start_draining(alone=False)
        draining = asyncio.create_task(ingress.server.drain())
        await asyncio.sleep(0.1)
        deliver(ingress, *say(1))
        async with asyncio.timeout(0.8):
            assert (await phone.hear())["event"] == "media"
        await draining


async def test_c3_the_only_ingress_waits_for_no_carrier_that_connects_again_by_itself() -> None:
    """Its next socket reaches the next process: the sooner this one ends, the shorter the silence."""
    for token in ("t0ken", numbered_token("t0ken", 0)):
        async with running_ingress() as ingress, Phone.dial(ingress.port) as phone:
            grant(ingress)
            await phone.start(CALL, token)
            await ingress.log.until(CALL, StreamOpened)
            ingress.server.start_draining(alone=True)
            draining = asyncio.create_task(ingress.server.drain())
            await phone.closed()
            closed_at = time.monotonic()
            await draining
            assert (time.monotonic() - closed_at < 0.5) == (token != "t0ken")


async def test_c3_a_carrier_connects_again_with_the_tokens_of_its_series() -> None:
    """Each opens one socket, and none opens one when a later one has."""
    async with running_ingress() as ingress:
        grant(ingress)
        ingress.log.series[CALL] = (f"t0ken {LEG}", 0)
        accepted = []
        for number in (0, 2, 1, 2, 3):
            async with Phone.dial(ingress.port, f"MZ{len(accepted)}") as phone:
                await phone.start(CALL, numbered_token("t0ken", number))
                opened = asyncio.create_task(ingress.log.until(CALL, StreamOpened, sum(accepted) + 1))
                refused = asyncio.create_task(phone.closed())
                await asyncio.wait((opened, refused), return_when=asyncio.FIRST_COMPLETED)
                accepted.append(opened.done())
                opened.cancel()
                refused.cancel()
        assert accepted == [True, True, False, False, True]


async def test_c3_the_next_owner_gets_what_the_last_one_heard_last() -> None:
    """It may be the beginning of a word, of which the last owner's recognition had not reported anything."""
    async with talking() as (ingress, phone):
        deliver(ingress, attach())
        frames = [bytes([place]) * 160 for place in range(16, 22)]
        for frame in frames[:4]:
            await phone.speak(frame)
            await ingress.media.arrived.get()
        deliver(ingress, Attach(CALL, Epoch(1), NO_OWNER, StreamId("MZ1")))
        for frame in frames[4:]:
            await phone.speak(frame)
        await phone.send(event="dtmf", dtmf={"track": "inbound_track", "digit": "1"})
        await asyncio.sleep(0.1)
        deliver(ingress, attach(epoch=2, node=NodeId("worker-2")))
        node, audio = await ingress.media.arrived.get()
        assert node == NodeId("worker-2")
        assert isinstance(audio, CallerAudio)
        assert (audio.first, audio.mulaw) == (1, b"".join(frames))


async def test_c3_no_sentence_begins_while_a_call_has_no_owner() -> None:
    """The last owner had sent it ahead; the next one says it, and what had begun is reported as cut for the restart."""
    async with talking() as (ingress, phone):
        deliver(ingress, attach(), *say(1, frames=50), *say(2))
        assert (await phone.hear())["event"] == "media"
        deliver(ingress, Attach(CALL, Epoch(1), NO_OWNER, StreamId("MZ1")))
        deliver(ingress, attach(epoch=2, node=NodeId("worker-2")))
        first, second = await ingress.log.until(CALL, PlaybackDone, 2)
        assert isinstance(first, PlaybackDone)
        assert isinstance(second, PlaybackDone)
        assert (first.utterance, first.complete, first.for_restart) == (1, False, True)
        assert (second.utterance, second.heard_ms, second.for_restart) == (2, 0, True)
