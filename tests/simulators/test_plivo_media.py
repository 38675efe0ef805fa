"""The media socket of Plivo's simulator: messages, checkpoints, clearAudio, the full buffer, what XML does next."""

import base64
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from plivo.utils import validate_v3_signature

from simulators.tones import decode_all, encode_mulaw
from tests.simulators.carrier_process import running_carrier
from tests.simulators.plivo_customer import (
    ACCOUNT,
    MAIN,
    OPTIONS,
    TOKEN,
    YOU,
    Phone,
    PlivoSimulator,
    answer_with,
    document,
    world_of,
)
from tests.simulators.twilio_customer import PUBLIC, Customer

World = tuple[Customer, PlivoSimulator]
MEDIA = "wss://voice.example.com/media/tok"
TWO_WAY = "bidirectional='true' keepCallAlive='true' contentType='audio/x-mulaw;rate=8000'"
STREAM = f"<Stream {TWO_WAY} statusCallbackUrl='{PUBLIC}/stream' extraHeaders='k=v'>{MEDIA}</Stream>"


@pytest.fixture(scope="module")
def ready() -> Iterator[dict[str, Any]]:
    with running_carrier("simulators.plivo", *OPTIONS) as printed:
        yield printed


@pytest.fixture
async def world(ready: dict[str, Any]) -> AsyncIterator[World]:
    async with world_of(ready) as world:
        await world[1].persona({"answer_after_ms": 10}, number=f"+{YOU}")
        world[0].page("/answer", document(STREAM))
        yield world


async def test_the_upgrade_is_signed_as_a_get_over_http(world: World) -> None:
    """Neither wss nor https: only the http form of the stream's URL is right, for both tokens."""
    customer, simulator = world

    async def talk(phone: Phone) -> None:
        await phone.socket.close()

    phones = answer_with(customer, talk)
    await simulator.ended(await simulator.call())
    headers = phones[0].request.headers
    nonce, signature = headers["X-Plivo-Signature-V3-Nonce"], headers["X-Plivo-Signature-V3"]
    address = MEDIA.removeprefix("wss")
    assert validate_v3_signature("GET", f"http{address}", nonce, TOKEN, signature)
    assert not validate_v3_signature("GET", f"https{address}", nonce, TOKEN, signature)
    assert validate_v3_signature("GET", f"http{address}", nonce, MAIN, headers["X-Plivo-Signature-Ma-V3"])


async def test_the_stream_speaks_plivos_messages_in_plivos_types(world: World) -> None:
    """No connected; numbers are numbers, timestamps epoch milliseconds as text; dtmf and stop name the stream."""
    customer, simulator = world

    async def talk(phone: Phone) -> None:
        await phone.until("dtmf")
        await simulator.api("DELETE", f"Call/{phone.got[0]['start']['callId']}/")
        await phone.drain()

    phones = answer_with(customer, talk)
    await simulator.persona({"answer_after_ms": 10}, {"wait_ms": 300}, {"press": "7"}, number=f"+{YOU}")
    sid = await simulator.call()
    report = await simulator.ended(sid)
    (phone,) = phones
    start, *rest = phone.got
    assert start == {
        "event": "start",
        "sequenceNumber": 1,
        "start": {
            "callId": sid,
            "streamId": report["streams"][0]["sid"],
            "accountId": ACCOUNT,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        },
        "extra_headers": "k=v",
    }
    assert [message["sequenceNumber"] for message in rest] == list(range(2, len(rest) + 2))
    assert {message["streamId"] for message in rest} == {phone.stream_id}
    media = phone.events("media")
    assert [m["media"]["chunk"] for m in media] == list(range(1, len(media) + 1))
    assert {len(base64.b64decode(m["media"]["payload"])) for m in media} == {160}
    stamps = [int(m["media"]["timestamp"]) for m in media]
    assert stamps == sorted(stamps)
    assert {type(m["media"]["timestamp"]) for m in media} == {str}
    assert phone.events("dtmf")[0]["dtmf"]["digit"] == "7"
    assert rest[-1]["event"] == "stop"
    events = [(await customer.request("/stream", Event=event))["StreamID"] for event in ("StartStream", "StopStream")]
    assert events == [phone.stream_id] * 2


async def test_words_go_both_ways_and_a_checkpoint_reports_what_was_played(world: World) -> None:
    """PlayedStream comes when the last sound before it is over."""
    customer, simulator = world

    async def talk(phone: Phone) -> None:
        await phone.say(encode_mulaw("hello, who is it?"))
        await phone.checkpoint("c1")
        await phone.until("playedStream", name="c1")
        await phone.drain()

    phones = answer_with(customer, talk)
    sid = await simulator.inbound({"wait_heard": "who is it"}, {"say": "it is me"}, {"wait_ms": 100}, {"hangup": True})
    report = await simulator.ended(sid)
    assert [heard["text"] for heard in report["heard"]] == ["hello, who is it?"]
    audio = b"".join(base64.b64decode(m["media"]["payload"]) for m in phones[0].events("media"))
    assert [utterance.text for utterance in decode_all(audio)] == ["it is me"]
    (mark,) = report["streams"][0]["marks"]
    assert (mark["why"], mark["returned_ms"] - mark["ms"]) == ("reached", pytest.approx(18 * 40, abs=60))
    assert phones[0].events("playedStream")[0]["name"] == "c1"


async def test_what_is_cleared_is_never_reported_as_played(world: World) -> None:
    """ClearedAudio comes at once; the checkpoint behind the dropped audio stays silent, a later one does not."""
    customer, simulator = world

    async def talk(phone: Phone) -> None:
        await phone.say(encode_mulaw("a sentence that goes on and on and on"))
        await phone.checkpoint("dropped")
        await phone.until("media")
        await phone.clear()
        await phone.until("clearedAudio")
        await phone.say(encode_mulaw("short"))
        await phone.checkpoint("played")
        await phone.until("playedStream")
        await phone.socket.close()

    phones = answer_with(customer, talk)
    report = await simulator.ended(await simulator.call())
    assert [message["name"] for message in phones[0].events("playedStream")] == ["played"]
    (stream,) = report["streams"]
    assert [mark["why"] for mark in stream["marks"]] == ["cleared", "reached"]
    assert stream["clears"][0]["dropped_ms"] > 500


async def test_more_than_forty_seconds_do_not_wait(world: World) -> None:
    """Audio beyond the limit is dropped and recorded; the callback reports 30, 60 and 90 percent before."""
    customer, simulator = world

    async def talk(phone: Phone) -> None:
        for _ in range(9):
            await phone.say(b"\xff" * 40_000)
        await phone.checkpoint("x")
        await phone.clear()
        await phone.until("clearedAudio")
        await phone.socket.close()

    answer_with(customer, talk)
    report = await simulator.ended(await simulator.call())
    (stream,) = report["streams"]
    assert stream["received"]["playAudio"] == 8
    assert ["40000 ms" in error["error"] for error in stream["errors"]] == [True]
    assert 39_000 < stream["clears"][0]["dropped_ms"] <= 40_000
    usage = [(await customer.request("/stream", BufferUsage=share))["Event"] for share in ("30", "60", "90")]
    assert usage == ["DegradedStream"] * 3


async def test_with_keep_call_alive_the_document_waits_for_the_stream(world: World) -> None:
    """The next element runs when the socket closes; after the last, 4010."""
    customer, simulator = world
    customer.page("/answer", document(STREAM, "<Speak>after all</Speak>"))

    async def talk(phone: Phone) -> None:
        await phone.until("media")
        await phone.socket.close()

    answer_with(customer, talk)
    report = await simulator.ended(await simulator.call())
    assert [heard["text"] for heard in report["heard"]] == ["after all"]
    assert report["hangup"]["code"] == 4010


async def test_without_keep_call_alive_the_end_of_the_document_ends_the_stream(world: World) -> None:
    """The call does not wait for it."""
    customer, simulator = world
    stream = STREAM.replace("keepCallAlive='true'", "")
    customer.page("/answer", document(stream, "<Wait length='1'/>"))
    phones = answer_with(customer, Phone.drain)
    report = await simulator.ended(await simulator.call())
    assert report["hangup"]["code"] == 4010
    assert len(phones[0].events("media")) > 10
    assert report["streams"][0]["ended_by"] == "call"


async def test_a_transfer_ends_the_stream_and_goes_on(world: World) -> None:
    """Nothing of the old document runs any more."""
    customer, simulator = world
    customer.page("/answer", document(STREAM, "<Speak>never</Speak>"))
    customer.page("/next", document("<Speak>next</Speak>"))
    answer_with(customer, Phone.drain)
    sid = await simulator.call()
    await simulator.line("stream.started", call_sid=sid)
    assert (await simulator.api("POST", f"Call/{sid}/", {"aleg_url": f"{PUBLIC}/next"}))[0] == 202
    assert [heard["text"] for heard in (await simulator.ended(sid))["heard"]] == ["next"]


async def test_a_refused_upgrade_is_tried_twice_more(world: World) -> None:
    """The document continues, and the callback reports it."""
    customer, simulator = world
    customer.page("/answer", document(STREAM, "<Speak>no stream</Speak>"))
    customer.on_socket = None
    report = await simulator.ended(await simulator.call())
    assert [heard["text"] for heard in report["heard"]] == ["no stream"]
    assert (await customer.request("/stream"))["Event"] == "DroppedStream"


async def test_a_stop_can_be_left_out_and_a_socket_cut(world: World) -> None:
    """On demand: the end of a stream is then only the end of its socket."""
    customer, simulator = world
    await simulator.sim("POST", "misbehave", {"where": "stream", "do": "omit_stop", "ms": 0})
    phones = answer_with(customer, Phone.drain)
    await simulator.persona({"answer_after_ms": 10}, {"wait_ms": 300}, {"hangup": True}, number=f"+{YOU}")
    await simulator.ended(await simulator.call())
    assert phones[0].events("stop") == []
    await simulator.sim("POST", "misbehave", {"where": "stream", "do": "cut", "ms": 100})
    report = await simulator.ended(await simulator.call())
    assert report["streams"][0]["ended_by"] == "fault"
    assert (await customer.request("/stream", Event="DroppedStream"))["CallUUID"] == report["sid"]


@pytest.mark.parametrize(
    "message",
    [
        {"event": "playAudio", "media": {"contentType": "audio/x-l16", "sampleRate": 8000, "payload": "AAAA"}},
        {"event": "playAudio", "media": {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": "!"}},
        {"event": "checkpoint", "name": "no stream"},
        {"event": "clearAudio", "streamId": "another"},
        {"event": "media"},
    ],
)
async def test_a_bad_message_is_written_down(world: World, message: dict[str, Any]) -> None:
    """And otherwise ignored."""
    customer, simulator = world

    async def talk(phone: Phone) -> None:
        await phone.send(**message)
        await phone.clear()
        await phone.until("clearedAudio")
        await phone.socket.close()

    answer_with(customer, talk)
    (stream,) = (await simulator.ended(await simulator.call()))["streams"]
    assert len(stream["errors"]) == 1


async def test_keys_can_be_sent_on_the_socket_and_streams_started_by_rest(world: World) -> None:
    """sendDTMF; POST and DELETE of Stream."""
    customer, simulator = world
    customer.page("/answer", document("<Wait length='30'/>"))

    async def talk(phone: Phone) -> None:
        await phone.send("sendDTMF", dtmf="12#")
        await phone.drain()

    answer_with(customer, talk)
    sid = await simulator.call()
    await simulator.line("verb", call_sid=sid, verb="Wait")
    order = {"service_url": MEDIA, "bidirectional": True, "content_type": "audio/x-mulaw;rate=8000"}
    status, body = await simulator.api("POST", f"Call/{sid}/Stream/", order)
    assert status == 202
    assert (await simulator.line("digits", call_sid=sid))["digits"] == "12#"
    assert (await simulator.api("POST", f"Call/{sid}/Stream/", order))[0] == 400
    assert (await simulator.api("DELETE", f"Call/{sid}/Stream/{body['stream_id']}/"))[0] == 204
    await simulator.line("stream.stopped", stream_sid=body["stream_id"])
    await simulator.api("DELETE", f"Call/{sid}/")
