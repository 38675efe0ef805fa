"""The media socket of Twilio's simulator: messages, the playout clock, marks, clear, and what was heard."""

import asyncio
import base64
import io
import itertools
import json
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import numpy as np
import pytest
from aiohttp import WSMsgType, web
from twilio.request_validator import RequestValidator

from simulators.tones import decode_all, encode_mulaw, mulaw_from_pcm16
from tests.simulators.twilio_customer import (
    ACCOUNT,
    PUBLIC,
    TOKEN,
    Customer,
    SimulatorClient,
    customer_of,
    running_simulator,
    twiml,
)

World = tuple[Customer, SimulatorClient]
MEDIA = "wss://voice.example.com/media/tok"
CONNECT = f"<Connect><Stream url='{MEDIA}'><Parameter name='token' value='t1'/></Stream></Connect>"
Talk = Callable[["Phone"], Awaitable[None]]


@pytest.fixture(scope="module")
def process() -> Iterator[str]:
    with running_simulator() as url:
        yield url


@pytest.fixture
async def world(process: str) -> AsyncIterator[World]:
    async with customer_of(process) as world:
        await world[1].persona({"answer_after_ms": 10})
        yield world


class Phone:
    """The customer's end of one media socket."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.socket = socket
        self.request = request
        self.got: list[dict[str, Any]] = []
        self.sid = ""

    async def until(self, event: str, **facts: Any) -> dict[str, Any]:
        """Read up to a message; everything on the way is kept."""
        async for message in self.socket:
            assert message.type is WSMsgType.TEXT
            data: dict[str, Any] = json.loads(message.data)
            self.got.append(data)
            self.sid = self.sid or data.get("streamSid", "")
            if data["event"] == event and all(data[event][name] == value for name, value in facts.items()):
                return data
        raise AssertionError(f"the socket closed before {event}")

    async def drain(self) -> None:
        """Read to the end."""
        async for message in self.socket:
            self.got.append(json.loads(message.data))

    async def say(self, audio: bytes) -> None:
        await self.send("media", media={"payload": base64.b64encode(audio).decode()})

    async def send(self, event: str, **body: Any) -> None:
        await self.socket.send_str(json.dumps({"event": event, "streamSid": self.sid, **body}))

    async def mark(self, name: str) -> None:
        await self.send("mark", mark={"name": name})

    def events(self, event: str) -> list[dict[str, Any]]:
        return [data for data in self.got if data["event"] == event]


def answer_with(customer: Customer, talk: Talk) -> list[Phone]:
    """Let the customer's socket do this; each socket that came, in order."""
    phones: list[Phone] = []

    async def on_socket(socket: web.WebSocketResponse, request: web.Request) -> None:
        phone = Phone(socket, request)
        phones.append(phone)
        await phone.until("start")
        await talk(phone)

    customer.on_socket = on_socket
    return phones


async def test_the_upgrade_is_signed_over_the_wss_url(world: World) -> None:
    """Twilio's validator accepts it for the public wss address, and nothing else would be right."""
    customer, simulator = world

    async def talk(phone: Phone) -> None:
        await phone.socket.close()

    phones = answer_with(customer, talk)
    await simulator.ended(await simulator.dial(Twiml=twiml(CONNECT)))
    headers = phones[0].request.headers
    assert RequestValidator(TOKEN).validate(MEDIA, {}, headers["X-Twilio-Signature"])
    assert not RequestValidator(TOKEN).validate(MEDIA + "x", {}, headers["X-Twilio-Signature"])
    assert headers["Host"] == "voice.example.com"


async def test_the_stream_speaks_twilios_messages_in_twilios_types(world: World) -> None:
    """connected, start, media, stop: numbers are strings, sequence numbers have no gap, every frame is 20 ms."""
    customer, simulator = world

    async def talk(phone: Phone) -> None:
        await phone.until("media", chunk="25")
        await simulator.rest("POST", f"/{phone.got[1]['start']['callSid']}.json", {"Status": "completed"})
        await phone.drain()

    phones = answer_with(customer, talk)
    sid = await simulator.dial(Twiml=twiml(CONNECT))
    await simulator.ended(sid)
    (phone,) = phones
    connected, start, *rest = phone.got
    assert connected == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert start == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": phone.sid,
        "start": {
            "streamSid": phone.sid,
            "accountSid": ACCOUNT,
            "callSid": sid,
            "tracks": ["inbound"],
            "customParameters": {"token": "t1"},
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        },
    }
    *media, stop = rest
    assert stop["event"] == "stop"
    assert stop["stop"] == {"accountSid": ACCOUNT, "callSid": sid}
    assert [int(m["sequenceNumber"]) for m in rest] == list(range(2, len(rest) + 2))
    assert [m["media"]["chunk"] for m in media] == [str(n) for n in range(1, len(media) + 1)]
    assert [int(m["media"]["timestamp"]) for m in media] == [20 * n for n in range(len(media))]
    assert {len(base64.b64decode(m["media"]["payload"])) for m in media} == {160}
    assert {m["media"]["track"] for m in media} == {"inbound"}
    assert phone.socket.close_code == 1000


async def test_what_the_persona_says_arrives_to_the_letter(world: World) -> None:
    """Tone code out of the persona, through the socket, decoded by the customer."""
    customer, simulator = world
    await simulator.persona({"answer_after_ms": 10}, {"wait_ms": 100}, {"say": "Can you hear me?"}, {"hangup": True})
    phones = answer_with(customer, Phone.drain)
    report = await simulator.ended(await simulator.dial(Twiml=twiml(CONNECT)))
    audio = b"".join(base64.b64decode(m["media"]["payload"]) for m in phones[0].events("media"))
    assert [(u.text, u.complete) for u in decode_all(audio)] == [("Can you hear me?", True)]
    assert report["ended_by"] == "callee"


async def test_audio_is_heard_in_real_time_however_fast_it_was_sent(world: World) -> None:
    """The playout clock: two sentences sent at once are heard one after the other, and marks return when reached."""
    customer, simulator = world
    first, second = "One two three.", "Four five six seven."
    asked: dict[str, float] = {}

    async def talk(phone: Phone) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        for text in (first, second):
            await phone.say(encode_mulaw(text))
            await phone.mark(text)
        for text in (first, second):
            await phone.until("mark", name=text)
            asked[text] = loop.time() - started
        await phone.socket.close()

    answer_with(customer, talk)
    report = await simulator.ended(await simulator.dial(Twiml=twiml(CONNECT)))
    lengths = [40 * len(text) + 40 for text in (first, second)]
    assert [(u["text"], u["complete"]) for u in report["heard"]] == [(first, True), (second, True)]
    assert [u["end_ms"] - u["start_ms"] for u in report["heard"]] == lengths
    assert report["heard"][1]["start_ms"] == report["heard"][0]["end_ms"]
    assert asked[first] >= lengths[0] / 1000 - 0.03
    assert asked[second] >= sum(lengths) / 1000 - 0.03
    (stream,) = report["streams"]
    assert [(mark["name"], mark["why"]) for mark in stream["marks"]] == [(first, "reached"), (second, "reached")]
    assert [mark["ahead_ms"] for mark in stream["marks"]] == [lengths[0], sum(lengths)]


async def test_clear_silences_the_rest_and_returns_its_marks(world: World) -> None:
    """Barge-in: the callee hears what was played before `clear`, and not a character more."""
    customer, simulator = world
    text = "Nobody will ever hear the end of this sentence."

    async def talk(phone: Phone) -> None:
        await phone.say(encode_mulaw("Hi."))
        await phone.mark("hi")
        await phone.say(encode_mulaw(text))
        await phone.mark("sentence")
        await phone.until("mark", name="hi")
        await phone.until("media")
        await phone.send("clear")
        await phone.until("mark", name="sentence")
        await phone.mark("empty")
        await phone.until("mark", name="empty")
        await phone.socket.close()

    answer_with(customer, talk)
    report = await simulator.ended(await simulator.dial(Twiml=twiml(CONNECT, "<Pause length='1'/>")))
    hi, *cut = report["heard"]
    assert hi["text"] == "Hi."
    assert all(len(u["text"]) < 6 and not u["complete"] for u in cut)
    (stream,) = report["streams"]
    assert [(m["name"], m["why"]) for m in stream["marks"]] == [
        ("hi", "reached"),
        ("sentence", "cleared"),
        ("empty", "reached"),
    ]
    (clear,) = stream["clears"]
    assert clear["dropped_ms"] > 40 * len(text) - 300
    assert stream["received"] == {"media": 2, "mark": 3, "clear": 1}


async def test_silence_lies_where_nothing_was_queued(world: World) -> None:
    """Heard audio keeps its place in time: the WAV has what the callee heard on the left and said on the right."""
    customer, simulator = world
    await simulator.persona({"answer_after_ms": 10}, {"wait_ms": 600}, {"say": "Me."})

    async def talk(phone: Phone) -> None:
        await phone.say(encode_mulaw("You."))
        await phone.until("media", chunk="60")
        await phone.say(encode_mulaw("Late."))
        await phone.mark("end")
        await phone.until("mark", name="end")
        await phone.socket.close()

    answer_with(customer, talk)
    sid = await simulator.dial(Twiml=twiml(CONNECT))
    report = await simulator.ended(sid)
    assert [u["text"] for u in report["heard"]] == ["You.", "Late."]
    assert report["heard"][1]["start_ms"] >= 1200
    async with simulator.http.get(f"{simulator.url}/_sim/calls/{sid}/audio.wav") as response:
        with wave.open(io.BytesIO(await response.read())) as file:
            assert (file.getnchannels(), file.getframerate()) == (2, 8000)
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    hearing, speaker = (
        decode_all(mulaw_from_pcm16(np.ascontiguousarray(samples[:, side]).tobytes())) for side in (0, 1)
    )
    assert [(u.text, u.start_ms) for u in hearing] == [(u["text"], u["start_ms"]) for u in report["heard"]]
    assert [u.text for u in speaker] == ["Me."]


async def test_a_socket_we_close_lets_the_next_verb_run(world: World) -> None:
    """`<Connect>` blocks until the customer closes; then the document goes on, here to a second socket."""
    customer, simulator = world

    async def talk(phone: Phone) -> None:
        await phone.say(encode_mulaw("Hello."))
        await phone.mark("said")
        await phone.until("mark")
        await phone.socket.close()

    phones = answer_with(customer, talk)
    customer.page("/voice", twiml(CONNECT, "<Redirect/>"), twiml(CONNECT, "<Say>Bye.</Say>"))
    report = await simulator.ended(await simulator.dial(Url=f"{PUBLIC}/voice"))
    assert [u["text"] for u in report["heard"]] == ["Hello.", "Hello.", "Bye."]
    assert len({phone.sid for phone in phones}) == 2
    assert [stream["ended_by"] for stream in report["streams"]] == ["customer", "customer"]


async def test_a_socket_that_breaks_off_is_an_error_and_the_next_verb_runs(world: World) -> None:
    """As after kill -9 of the customer's process: 31921, and the redirect that brings the caller back."""
    customer, simulator = world

    async def talk(phone: Phone) -> None:
        assert phone.request.transport is not None
        phone.request.transport.abort()

    answer_with(customer, talk)
    connect = CONNECT.replace(" url=", f" statusCallback='{PUBLIC}/stream' url=")
    sid = await simulator.dial(Twiml=twiml(connect, "<Say>Still here.</Say>"))
    report = await simulator.ended(sid)
    assert await simulator.errors(sid) == [31921]
    assert [u["text"] for u in report["heard"]] == ["Still here."]
    await customer.request("/stream", StreamEvent="stream-started")
    assert (await customer.request("/stream", StreamEvent="stream-error"))["StreamError"].startswith("31921")


async def test_a_refused_upgrade_and_a_bad_url_let_the_next_verb_run(world: World) -> None:
    """31920 for a server that says no; 11100 for a URL Twilio would not dial."""
    _, simulator = world
    sid = await simulator.dial(Twiml=twiml(CONNECT))
    await simulator.ended(sid)
    assert await simulator.errors(sid) == [31920]
    for url in ("ws://voice.example.com/media", f"{MEDIA}?token=1", "/media"):
        sid = await simulator.dial(Twiml=twiml(f"<Connect><Stream url='{url}'/></Connect>"))
        await simulator.ended(sid)
        assert await simulator.errors(sid) == [11100]


async def test_what_breaks_the_protocol_is_written_down_and_not_played(world: World) -> None:
    """Wrong stream, bad base64, no audio, unknown event, not JSON: five errors, no sound, and the call lives."""
    customer, simulator = world

    async def talk(phone: Phone) -> None:
        noise = base64.b64encode(encode_mulaw("x")).decode()
        await phone.socket.send_str(
            json.dumps({"event": "media", "streamSid": "MZ" + "0" * 32, "media": {"payload": noise}})
        )
        await phone.send("media", media={"payload": "not base64!"})
        await phone.send("media", media={"payload": ""})
        await phone.send("dance")
        await phone.socket.send_str("{")
        await phone.mark("alive")
        await phone.until("mark", name="alive")
        await phone.socket.close()

    answer_with(customer, talk)
    sid = await simulator.dial(Twiml=twiml(CONNECT))
    report = await simulator.ended(sid)
    errors = [error["error"].split(":")[0] for error in report["streams"][0]["errors"]]
    assert errors == [
        "names another stream",
        "media",
        "media",
        "unknown event 'dance'",
        "not a JSON object with an event",
    ]
    assert report["heard"] == []
    assert await simulator.errors(sid) == [31924] * 5


async def test_keys_pressed_during_a_stream_come_as_dtmf(world: World) -> None:
    """One message per key, on the inbound track."""
    customer, simulator = world
    await simulator.persona({"answer_after_ms": 10}, {"wait_ms": 100}, {"press": "4#"}, {"hangup": True})
    phones = answer_with(customer, Phone.drain)
    await simulator.ended(await simulator.dial(Twiml=twiml(CONNECT)))
    assert [m["dtmf"] for m in phones[0].events("dtmf")] == [
        {"track": "inbound_track", "digit": "4"},
        {"track": "inbound_track", "digit": "#"},
    ]


async def test_a_persona_interrupts_while_the_remote_party_speaks(world: World) -> None:
    """It hears what is played, not what was sent: after ten characters of audio it speaks up."""
    customer, simulator = world
    await simulator.persona(
        {"answer_after_ms": 10}, {"interrupt_after_chars": 10, "say": "Wait!"}, {"wait_heard": "sorry"}
    )

    async def talk(phone: Phone) -> None:
        await phone.say(encode_mulaw("A very long explanation of everything, in detail."))
        while phone.got[-1]["event"] != "media" or phone.got[-1]["media"]["payload"] == SILENCE64:
            await phone.until("media")
        await phone.send("clear")
        await phone.say(encode_mulaw("Oh, sorry."))
        await phone.mark("sorry")
        await phone.until("mark", name="sorry")
        await phone.socket.close()

    answer_with(customer, talk)
    sid = await simulator.dial(Twiml=twiml(CONNECT))
    report = await simulator.ended(sid)
    cut, sorry = report["heard"]
    assert "A very long explanation".startswith(cut["text"].rstrip("\ufffd"))
    assert 10 <= len(cut["text"]) <= 14
    assert sorry["text"] == "Oh, sorry."
    (said,) = report["said"]
    assert 400 <= said["start_ms"] - cut["start_ms"] <= 520
    heard = await simulator.line("heard", call_sid=sid, text="Oh, sorry.")
    assert heard["complete"] is True


SILENCE64 = base64.b64encode(b"\xff" * 160).decode()


@pytest.mark.parametrize("clean", [True, False])
async def test_the_simulator_cuts_its_own_socket_when_asked(world: World, clean: bool) -> None:
    """A network that fails at a stated moment: with a goodbye, or without."""
    customer, simulator = world
    await simulator.sim("POST", "misbehave", {"where": "stream", "do": "cut", "ms": 200, "clean": clean})
    phones = answer_with(customer, Phone.drain)
    report = await simulator.ended(await simulator.dial(Twiml=twiml(CONNECT, "<Say>On.</Say>")))
    assert report["streams"][0]["ended_by"] == "fault"
    assert 1 <= len(phones[0].events("media")) < 30
    assert phones[0].socket.close_code == (1000 if clean else 1006)
    assert [u["text"] for u in report["heard"]] == ["On."]


async def test_frames_name_another_stream_when_asked(world: World) -> None:
    """Just so many of them, then the truth again."""
    customer, simulator = world
    await simulator.sim("POST", "misbehave", {"where": "stream", "do": "wrong_sid", "ms": 60, "frames": 3})

    async def talk(phone: Phone) -> None:
        await phone.until("media", chunk="12")
        await phone.socket.close()

    phones = answer_with(customer, talk)
    await simulator.ended(await simulator.dial(Twiml=twiml(CONNECT)))
    wrong = [m["media"]["chunk"] for m in phones[0].events("media") if m["streamSid"] != phones[0].sid]
    assert len(wrong) == 3
    assert all(int(b) - int(a) == 1 for a, b in itertools.pairwise(wrong))


async def test_an_update_stops_the_stream_and_closes_it(world: World) -> None:
    """A redirect through REST ends the stream: stop, close, and the new TwiML."""
    customer, simulator = world
    phones = answer_with(customer, Phone.drain)
    sid = await simulator.dial(Twiml=twiml(CONNECT, "<Say>never</Say>"))
    await simulator.line("stream.started", call_sid=sid)
    await simulator.rest("POST", f"/{sid}.json", {"Twiml": twiml("<Say>Instead.</Say>")})
    report = await simulator.ended(sid)
    assert [u["text"] for u in report["heard"]] == ["Instead."]
    assert phones[0].got[-1]["event"] == "stop"
    assert report["streams"][0]["ended_by"] == "call"
