"""The media socket of Telnyx's simulator: messages, token, marks, clear, errors, and frames out of order."""

import base64
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from simulators.tones import decode_all, encode_mulaw
from tests.simulators.carrier_process import running_carrier
from tests.simulators.telnyx_customer import (
    ME,
    OPTIONS,
    YOU,
    Phone,
    TelnyxCustomer,
    TelnyxSimulator,
    answer_with,
    world_of,
)

World = tuple[TelnyxCustomer, TelnyxSimulator]
MEDIA = "wss://voice.example.com/media/tok"
TWO_WAY = {
    "stream_url": MEDIA,
    "stream_track": "inbound_track",
    "stream_bidirectional_mode": "rtp",
    "stream_bidirectional_codec": "PCMU",
    "stream_auth_token": "secret-1",
}


@pytest.fixture(scope="module")
def ready() -> Iterator[dict[str, Any]]:
    with running_carrier("simulators.telnyx", *OPTIONS) as printed:
        yield printed


@pytest.fixture
async def world(ready: dict[str, Any]) -> AsyncIterator[World]:
    async with world_of(ready) as world:
        await world[1].persona({"answer_after_ms": 10})
        yield world


async def test_the_stream_speaks_telnyxs_messages_in_telnyxs_types(world: World) -> None:
    """connected, start, media, dtmf, stop: numbers are strings, sequence numbers have no gap, the token is a header."""
    customer, simulator = world

    async def talk(phone: Phone) -> None:
        await phone.until("dtmf")
        await simulator.command(phone.got[1]["start"]["call_control_id"], "hangup")
        await phone.drain()

    phones = answer_with(customer, talk)
    await simulator.persona({"answer_after_ms": 10}, {"wait_ms": 200}, {"press": "7"})
    sid = await simulator.call(**TWO_WAY, client_state="Yw==")
    report = await simulator.ended(sid)
    (phone,) = phones
    assert phone.request.headers["Authorization"] == "Bearer secret-1"
    assert phone.request.headers["Host"] == "voice.example.com"
    connected, start, *rest = phone.got
    assert connected == {"event": "connected", "version": "1.0.0"}
    assert start == {
        "event": "start",
        "sequence_number": "1",
        "stream_id": report["streams"][0]["sid"],
        "start": {
            "user_id": start["start"]["user_id"],
            "call_control_id": sid,
            "call_session_id": report["session_id"],
            "from": ME,
            "to": YOU,
            "tags": [],
            "client_state": "Yw==",
            "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
        },
    }
    assert [int(message["sequence_number"]) for message in rest] == list(range(2, len(rest) + 2))
    media = phone.events("media")
    assert [m["media"]["chunk"] for m in media] == [str(n) for n in range(1, len(media) + 1)]
    assert [int(m["media"]["timestamp"]) for m in media] == [20 * n for n in range(len(media))]
    assert {len(base64.b64decode(m["media"]["payload"])) for m in media} == {160}
    assert phone.events("dtmf")[0]["dtmf"] == {"digit": "7"}
    assert rest[-1]["event"] == "stop"
    assert rest[-1]["stop"]["call_control_id"] == sid
    started, stopped = await customer.event(sid, "streaming.started"), await customer.event(sid, "streaming.stopped")
    assert started["stream_url"] == stopped["stream_url"] == MEDIA


async def test_words_go_both_ways_to_the_letter(world: World) -> None:
    """Tone code from the persona to the customer, and from the customer to the persona."""
    customer, simulator = world

    async def talk(phone: Phone) -> None:
        await phone.say(encode_mulaw("hello, who is it?"))
        await phone.send("mark", mark={"name": "m1"})
        await phone.until("mark", name="m1")
        await phone.drain()

    phones = answer_with(customer, talk)
    sid = await simulator.inbound({"wait_heard": "who is it"}, {"say": "it is me"}, {"wait_ms": 100}, {"hangup": True})
    await simulator.command(sid, "answer", **TWO_WAY)
    report = await simulator.ended(sid)
    assert [heard["text"] for heard in report["heard"]] == ["hello, who is it?"]
    audio = b"".join(base64.b64decode(m["media"]["payload"]) for m in phones[0].events("media"))
    assert [utterance.text for utterance in decode_all(audio)] == ["it is me"]
    (mark,) = report["streams"][0]["marks"]
    assert (mark["why"], mark["returned_ms"] - mark["ms"]) == ("reached", pytest.approx(18 * 40, abs=60))


async def test_clear_silences_and_returns_the_marks(world: World) -> None:
    """As at Twilio, a mark comes back played or cleared."""
    customer, simulator = world

    async def talk(phone: Phone) -> None:
        await phone.say(encode_mulaw("a sentence that goes on and on and on"))
        await phone.send("mark", mark={"name": "end"})
        await phone.until("media", chunk="30")
        await phone.send("clear")
        await phone.until("mark", name="end")
        await phone.socket.close()

    answer_with(customer, talk)
    sid = await simulator.call(**TWO_WAY)
    await customer.event(sid, "streaming.stopped")
    report = await simulator.sim("GET", f"calls/{sid}")
    assert report["status"] == "in-progress"
    (stream,) = report["streams"]
    assert stream["marks"][0]["why"] == "cleared"
    assert stream["clears"][0]["dropped_ms"] > 500
    assert report["heard"][0]["complete"] is False
    await simulator.command(sid, "hangup")


async def test_frames_come_out_of_order_when_asked_and_can_be_put_back(world: World) -> None:
    """Blocks of three, none in order; sorted by chunk the words are whole."""
    customer, simulator = world
    rule = {"where": "stream", "do": "shuffle", "frames": 30, "copies": 3, "match": {"from": "1111"}}
    await simulator.sim("POST", "misbehave", rule)
    phones = answer_with(customer, Phone.drain)
    await simulator.persona(
        {"answer_after_ms": 10}, {"wait_ms": 60}, {"say": "in order"}, {"wait_ms": 200}, {"hangup": True}
    )
    await simulator.ended(await simulator.call(**TWO_WAY))
    chunks = [int(m["media"]["chunk"]) for m in phones[0].events("media")]
    assert chunks != sorted(chunks)
    assert all(abs(chunk - place) <= 2 for place, chunk in enumerate(chunks, 1))
    ordered = sorted(phones[0].events("media"), key=lambda m: int(m["media"]["chunk"]))
    audio = b"".join(base64.b64decode(m["media"]["payload"]) for m in ordered)
    assert [(u.text, u.complete) for u in decode_all(audio)] == [("in order", True)]


@pytest.mark.parametrize(
    ("message", "code", "title"),
    [
        ({"event": "media", "media": {"payload": "!!"}}, 100004, "invalid_media"),
        ({"event": "media", "media": {"payload": "AAAA"}}, 100004, "invalid_media"),
        ({"event": "mark", "mark": {}}, 100003, "malformed_frame"),
        ({"event": "dance"}, 100003, "malformed_frame"),
    ],
)
async def test_a_bad_message_is_answered_with_an_error_frame(
    world: World, message: dict[str, Any], code: int, title: str
) -> None:
    """And the stream goes on."""
    customer, simulator = world

    async def talk(phone: Phone) -> None:
        await phone.send(**message)
        await phone.until("error")
        await phone.until("media")
        await phone.socket.close()

    phones = answer_with(customer, talk)
    sid = await simulator.call(**TWO_WAY)
    await customer.event(sid, "streaming.stopped")
    (error,) = phones[0].events("error")
    assert (error["payload"]["code"], error["payload"]["title"]) == (code, title)
    await simulator.command(sid, "hangup")


async def test_one_stream_per_call_which_can_be_stopped_and_started_again(world: World) -> None:
    """90045 while one runs, 90048 when none does; the call lives on without."""
    customer, simulator = world
    answer_with(customer, Phone.drain)
    sid = await simulator.call()
    await customer.event(sid, "call.answered")
    assert await simulator.refused(sid, "streaming_stop") == (422, "90048")
    await simulator.command(sid, "streaming_start", **TWO_WAY)
    await customer.event(sid, "streaming.started")
    assert await simulator.refused(sid, "streaming_start", **TWO_WAY) == (422, "90045")
    await simulator.command(sid, "streaming_stop")
    await customer.event(sid, "streaming.stopped")
    await simulator.command(sid, "streaming_start", **TWO_WAY)
    await customer.requests_of("streaming.started", 2)
    await simulator.command(sid, "hangup")
    assert [stream["ended_by"] for stream in (await simulator.ended(sid))["streams"]] == ["call", "call"]


async def test_a_refused_upgrade_and_a_cut_socket_are_failures_the_call_survives(world: World) -> None:
    """streaming.failed says which."""
    customer, simulator = world
    customer.on_socket = None
    sid = await simulator.call(**TWO_WAY)
    failed = await customer.event(sid, "streaming.failed")
    assert (failed["failure_reason"], failed["stream_params"]["stream_url"]) == ("connection_failed", MEDIA)
    answer_with(customer, Phone.drain)
    await simulator.sim("POST", "misbehave", {"where": "stream", "do": "cut", "ms": 50})
    await simulator.command(sid, "streaming_start", **TWO_WAY)
    again = (await customer.requests_of("streaming.failed", 2))[1]
    assert b"connection_lost" in again.body
    assert (await simulator.sim("GET", f"calls/{sid}"))["status"] == "in-progress"
    await simulator.command(sid, "hangup")


async def test_a_one_way_stream_plays_nothing(world: World) -> None:
    """Without bidirectional rtp, what the customer sends is an error."""
    customer, simulator = world

    async def talk(phone: Phone) -> None:
        await phone.say(encode_mulaw("hello"))
        await phone.until("error")
        await phone.socket.close()

    answer_with(customer, talk)
    sid = await simulator.call(stream_url=MEDIA)
    await customer.event(sid, "streaming.stopped")
    assert (await simulator.sim("GET", f"calls/{sid}"))["heard"] == []
    await simulator.command(sid, "hangup")


async def test_both_sides_of_a_call_can_be_listened_to(world: World) -> None:
    """The same recording as every simulator has."""
    _, simulator = world
    sid = await simulator.call()
    await simulator.line("call", call_sid=sid, status="in-progress")
    async with simulator.http.get(f"{simulator.url}/_sim/calls/{sid}/audio.wav") as response:
        assert response.content_type == "audio/wav"
        assert (await response.read()).startswith(b"RIFF")
    await simulator.command(sid, "hangup")


async def test_faults_of_other_carriers_sockets_are_refused(world: World) -> None:
    """A rule that could never strike is a mistake in a test."""
    _, simulator = world
    rule = {"where": "stream", "do": "wrong_sid"}
    async with simulator.http.post(f"{simulator.url}/_sim/misbehave", json=rule) as response:
        assert response.status == 400


async def test_a_stream_carries_the_codec_of_the_leg(world: World) -> None:
    """The first preferred one that the phone speaks; A-law is real, other codecs only look so."""
    customer, simulator = world
    phones = answer_with(customer, Phone.drain)
    for preferred, spoken, codec in (("PCMU,PCMA", ["G722", "PCMA"], "PCMA"), ("PCMU", ["AMR-WB"], "AMR-WB")):
        await simulator.persona({"answer_after_ms": 10}, {"codecs": spoken}, {"wait_ms": 200}, {"hangup": True})
        report = await simulator.ended(await simulator.call(**TWO_WAY, preferred_codecs=preferred))
        assert report["codec"] == codec
        assert phones[-1].got[1]["start"]["media_format"]["encoding"] == codec
    payload = base64.b64decode(phones[0].events("media")[0]["media"]["payload"])
    assert payload == b"\xd5" * 160
