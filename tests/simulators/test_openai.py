"""The simulator of OpenAI speaks the protocol as written, and fails exactly as scripted."""

import asyncio
import base64
import io
import json
import time
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
import pytest

from simulators.tones import decode_all, encode_mulaw, encode_pcm16, mulaw_from_pcm16
from tests.simulators.service_process import running, until_broken

KEY = {"Authorization": "Bearer sk-test"}
SILENCE = b"\xff"
PCMU = {"type": "audio/pcmu"}
VAD = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 300}
TRANSCRIPTION = "conversation.item.input_audio_transcription"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running("simulators.openai") as url:
        yield url


@pytest.fixture
async def simulator(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a simulator without a script, with an empty ledger."""
    async with aiohttp.ClientSession(url, headers=KEY) as session:
        yield session
        for path in ("/_sim/script", "/_sim/ledger"):
            async with session.delete(path) as response:
                assert response.status == 204


async def script(simulator: aiohttp.ClientSession, **sections: Any) -> None:
    async with simulator.post("/_sim/script", json=sections) as response:
        assert response.status == 200, await response.text()


async def ledger(simulator: aiohttp.ClientSession, kind: str) -> list[dict[str, Any]]:
    async with simulator.get("/_sim/ledger", params={"kind": kind}) as response:
        lines: list[dict[str, Any]] = (await response.json())["lines"]
        return lines


# --- chat


def asked(said: str, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-test", "messages": [{"role": "system", "content": "order"}, user(said)], **more}


def user(said: str) -> dict[str, Any]:
    return {"role": "user", "content": said}


async def chat(simulator: aiohttp.ClientSession, body: dict[str, Any]) -> Any:
    async with simulator.post("/v1/chat/completions", json=body) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def stream(simulator: aiohttp.ClientSession, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The chunks of a streamed completion; asserts the framing."""
    async with simulator.post("/v1/chat/completions", json={**body, "stream": True}) as response:
        assert response.content_type == "text/event-stream"
        *events, done, rest = (await response.text()).split("\n\n")
        assert (done, rest) == ("data: [DONE]", "")
        return [json.loads(event.removeprefix("data: ")) for event in events]


def content(chunks: list[dict[str, Any]]) -> list[str]:
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    return [delta["content"] for delta in deltas if delta.get("content")]


async def test_a_model_without_a_script_repeats_what_it_heard(simulator: aiohttp.ClientSession) -> None:
    """So that every turn of a load test has an answer that can be checked."""
    body = await chat(simulator, asked("hello there"))
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"]["content"] == "You said: hello there."
    assert body["choices"][0]["finish_reason"] == "stop"


async def test_a_streamed_reply_is_the_reply_word_by_word(simulator: aiohttp.ClientSession) -> None:
    """One id, the role first, then words with their spaces, a finish reason, [DONE]."""
    await script(simulator, chat={"rules": [{"match": "order", "reply": "It is on  its way."}]})
    chunks = await stream(simulator, asked("my order"))
    assert content(chunks) == ["It", " is", " on", "  its", " way."]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [c["choices"][0]["finish_reason"] for c in chunks] == [None] * (len(chunks) - 1) + ["stop"]


async def test_the_last_user_message_chooses_the_reply(simulator: aiohttp.ClientSession) -> None:
    """Not the system prompt, not what was said before; the first rule that fits; parts of text count as text."""
    rules = [
        {"match": "^order", "reply": "Late.", "chunk_words": 9},
        {"match": "time", "reply": "Noon, or so it seems."},
    ]
    await script(simulator, chat={"rules": rules})
    history = [user("order"), {"role": "assistant", "content": "Late."}, user("")]
    history[-1]["content"] = [{"type": "text", "text": "what time is it"}]
    assert content(await stream(simulator, asked("", messages=history))) == ["Noon,", " or", " so", " it", " seems."]
    assert content(await stream(simulator, asked("order please"))) == ["Late."]
    assert content(await stream(simulator, asked("else"))) == ["You", " said:", " else."]


async def test_usage_comes_when_asked_for(simulator: aiohttp.ClientSession) -> None:
    """In one last chunk without choices: a reader may not trip over it."""
    chunks = await stream(simulator, asked("one two", stream_options={"include_usage": True}))
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == {"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6}


async def test_a_tool_is_called_in_pieces_and_once_per_turn(simulator: aiohttp.ClientSession) -> None:
    """Arguments arrive as fragments of JSON; once the tool has answered, the next rule speaks."""
    call = {"name": "end_call", "arguments": {"reason": "the caller is done"}}
    await script(
        simulator, chat={"rules": [{"match": "bye", "tool_call": call}, {"match": "bye", "reply": "Goodbye."}]}
    )
    chunks = await stream(simulator, asked("bye"))
    pieces = [c["choices"][0]["delta"]["tool_calls"][0] for c in chunks if "tool_calls" in c["choices"][0]["delta"]]
    assert (pieces[0]["type"], pieces[0]["function"]["name"]) == ("function", "end_call")
    assert len(pieces) > 2
    assert json.loads("".join(piece["function"]["arguments"] for piece in pieces)) == call["arguments"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    whole = (await chat(simulator, asked("bye")))["choices"][0]["message"]
    assert json.loads(whole["tool_calls"][0]["function"]["arguments"]) == call["arguments"]
    result = {"role": "tool", "tool_call_id": pieces[0]["id"], "content": "ok"}
    assert content(await stream(simulator, asked("", messages=[user("bye"), whole, result]))) == ["Goodbye."]


async def test_a_scripted_refusal_ends_after_its_times(simulator: aiohttp.ClientSession) -> None:
    """429 twice, then well: what a retry is for."""
    await script(simulator, chat={"rules": [{"status": 429, "retry_after_s": 3, "times": 2}, {"reply": "Well."}]})
    for _ in range(2):
        async with simulator.post("/v1/chat/completions", json=asked("x")) as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "3")
            assert (await response.json())["error"]["code"] == "rate_limit_exceeded"
    assert content(await stream(simulator, asked("x"))) == ["Well."]


async def test_a_reply_can_break_off(simulator: aiohttp.ClientSession) -> None:
    """The connection ends without [DONE] and without the last chunk; what came before is whole."""
    await script(simulator, chat={"rules": [{"reply": "one two three four", "cut_after_tokens": 2}]})
    async with simulator.post("/v1/chat/completions", json=asked("x", stream=True)) as response:
        heard = await until_broken(response)
    assert b'" two"' in heard
    assert b"three" not in heard
    assert (await ledger(simulator, "chat"))[0]["outcome"] == "cut"


async def test_a_reply_may_be_filtered_or_a_refusal(simulator: aiohttp.ClientSession) -> None:
    rules = [
        {"match": "rude", "reply": "", "finish": "content_filter"},
        {"match": "weapon", "refusal": "I cannot help with that."},
    ]
    await script(simulator, chat={"rules": rules})
    for words, text, refusal, finish in (
        ("be rude", "", None, "content_filter"),
        ("a weapon", None, "I cannot help with that.", "stop"),
    ):
        (choice,) = (await chat(simulator, asked(words)))["choices"]
        assert (choice["message"]["content"], choice["message"]["refusal"]) == (text, refusal)
        assert choice["finish_reason"] == finish


async def test_a_model_that_hangs_holds_the_request(simulator: aiohttp.ClientSession) -> None:
    """Nothing comes, not even a status line, until the client gives up."""
    await script(simulator, misbehave=[{"where": "chat", "times": 1, "do": {"hang": True}}])
    with pytest.raises(TimeoutError):
        await simulator.post("/v1/chat/completions", json=asked("x"), timeout=aiohttp.ClientTimeout(total=0.2))
    assert (await ledger(simulator, "chat"))[0]["outcome"] == "hung"
    assert content(await stream(simulator, asked("again"))) == ["You", " said:", " again."]


async def test_delays_are_kept(simulator: aiohttp.ClientSession) -> None:
    """Never shorter than asked: 100 ms to the first token and 20 ms between four."""
    await script(simulator, chat={"rules": [{"reply": "a b c d", "delay_ms": 100, "per_token_ms": 20}]})
    began = time.monotonic()
    await stream(simulator, asked("x"))
    assert time.monotonic() - began >= 0.16


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"model":"m"}', b'{"model":"m","messages":[]}'])
async def test_a_request_that_is_none_is_refused(simulator: aiohttp.ClientSession, body: bytes) -> None:
    """In the service's error shape."""
    async with simulator.post("/v1/chat/completions", data=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/audio/speech", "/v1/realtime?intent=transcription"])
async def test_a_request_without_a_key_is_refused(url: str, simulator: aiohttp.ClientSession, path: str) -> None:
    """No key, an empty one, another scheme, the wrong one: 401; and the ledger never holds a key."""
    await script(simulator, api_key="sk-right")
    async with aiohttp.ClientSession(url) as stranger:
        for given in ({}, {"Authorization": "Bearer "}, {"Authorization": "Basic sk-right"}, KEY):
            async with stranger.request("GET" if "realtime" in path else "POST", path, headers=given) as response:
                assert response.status == 401
                assert (await response.json())["error"]["code"] == "invalid_api_key"
    lines = await ledger(simulator, "unauthorized")
    assert len(lines) == 4
    assert "sk-" not in json.dumps(lines)


# --- speech


def speech(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o-mini-tts", "voice": "coral", "input": text, "response_format": "pcm", **more}


def heard_in(pcm24k: bytes) -> list[tuple[str, bool]]:
    samples = np.frombuffer(pcm24k[: len(pcm24k) // 6 * 6], "<i2")[::3]
    return [(heard.text, heard.complete) for heard in decode_all(mulaw_from_pcm16(samples.tobytes()))]


async def test_the_voice_says_what_it_was_given(simulator: aiohttp.ClientSession) -> None:
    """Raw 24 kHz PCM, chunked; the same in a WAV."""
    async with simulator.post("/v1/audio/speech", json=speech("Good morning, Zoë.")) as response:
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert heard_in(await response.read()) == [("Good morning, Zoë.", True)]
    wanted = speech("Hi.", response_format="wav", voice={"id": "voice_1"}, speed=1.5)
    async with simulator.post("/v1/audio/speech", json=wanted) as response, response:
        with wave.open(io.BytesIO(await response.read())) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24000, 1, 2)
            assert heard_in(file.readframes(file.getnframes())) == [("Hi.", True)]
    assert [line["outcome"] for line in await ledger(simulator, "speech")] == ["complete", "complete"]


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"voice": "pavarotti"}, "voice"),
        ({"input": "x" * 4097}, "input"),
        ({"input": ""}, "input"),
        ({"model": ""}, "model"),
        ({"response_format": "mp3"}, "response_format"),
        ({"speed": 9}, "speed"),
    ],
)
async def test_a_voice_refuses_what_it_cannot_say(
    simulator: aiohttp.ClientSession, wrong: dict[str, Any], param: str
) -> None:
    """400 that names the parameter."""
    async with simulator.post("/v1/audio/speech", json=speech("x", **wrong)) as response:
        assert (response.status, (await response.json())["error"]["param"]) == (400, param)


async def test_a_voice_can_be_cut_off_in_mid_sentence(simulator: aiohttp.ClientSession) -> None:
    """The listener keeps what came before, to the character."""
    cut = {"where": "speech", "match": "long", "do": {"cut_after_bytes": 24000, "chunk_bytes": 1000}}
    await script(simulator, misbehave=[cut])
    async with simulator.post("/v1/audio/speech", json=speech("a long story about cats")) as response:
        heard = await until_broken(response)
    assert heard_in(heard) == [("a long story", False)]  # 500 ms
    assert [(line["outcome"], line["sent"]) for line in await ledger(simulator, "speech")] == [("cut", 24000)]


async def test_a_voice_can_be_busy_then_broken_then_late(simulator: aiohttp.ClientSession) -> None:
    """Rules act in order, each as often as it says; a late voice has sent its headers already."""
    rules = [
        {"where": "speech", "times": 1, "do": {"status": 429, "retry_after_s": 2}},
        {"where": "speech", "times": 1, "do": {"status": 500}},
        {"where": "speech", "do": {"delay_ms": 80}},
    ]
    await script(simulator, misbehave=rules)
    async with simulator.post("/v1/audio/speech", json=speech("x")) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "2")
    async with simulator.post("/v1/audio/speech", json=speech("x")) as response:
        assert (response.status, (await response.json())["error"]["type"]) == (500, "server_error")
    async with simulator.post("/v1/audio/speech", json=speech("x")) as response:
        began = time.monotonic()
        await response.read()
        assert time.monotonic() - began >= 0.07
    async with simulator.get("/_sim/script") as response:
        assert (await response.json())["struck"] == {"speech": 3}


# --- realtime transcription


class Transcription:
    """A client of the transcription socket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def next(self) -> dict[str, Any]:
        event: dict[str, Any] = await self.socket.receive_json(timeout=10)
        return event

    async def until(self, kind: str) -> list[dict[str, Any]]:
        """Events up to and with the next of this kind."""
        seen = [await self.next()]
        while seen[-1]["type"] != kind:
            seen.append(await self.next())
        return seen

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        await self.socket.send_json({"type": kind, **fields})
        return await self.next()

    async def say(self, audio: bytes, step: int = 160) -> None:
        for at in range(0, len(audio), step):
            payload = base64.b64encode(audio[at : at + step]).decode()
            await self.socket.send_json({"type": "input_audio_buffer.append", "audio": payload})


def session_of(*, model: str = "gpt-transcribe", vad: Any = VAD, form: Any = PCMU) -> dict[str, Any]:
    heard = {"format": form, "transcription": {"model": model, "language": "en"}, "turn_detection": vad}
    return {"type": "transcription", "audio": {"input": heard}}


@asynccontextmanager
async def transcription(simulator: aiohttp.ClientSession, **session: Any) -> AsyncIterator[Transcription]:
    """A socket whose session is configured and confirmed."""
    async with simulator.ws_connect("/v1/realtime?intent=transcription") as socket:
        transcription = Transcription(socket)
        assert (await transcription.next())["type"] == "session.created"
        updated = await transcription.ask("session.update", session=session_of(**session))
        assert updated["type"] == "session.updated", updated
        yield transcription


async def test_a_turn_is_reported_in_the_services_order(simulator: aiohttp.ClientSession) -> None:
    """Started, stopped, committed, added, words, transcript: with one item, on the audio's own timeline."""
    async with transcription(simulator) as client:
        await client.say(SILENCE * 8000 + encode_mulaw("how is my order today") + SILENCE * 3200)
        events = await client.until(f"{TRANSCRIPTION}.completed")
        kinds = list(dict.fromkeys(event["type"] for event in events))
        assert kinds == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            f"{TRANSCRIPTION}.delta",
            f"{TRANSCRIPTION}.completed",
        ]
        assert events[0]["audio_start_ms"] == 1000 - 300
        assert abs(events[1]["audio_end_ms"] - (1000 + 880 + 300)) <= 5
        deltas = "".join(event["delta"] for event in events if event["type"].endswith(".delta"))
        assert deltas == events[-1]["transcript"] == "how is my order today"
        items = {event["item_id"] for event in events if "item_id" in event}
        assert items == {events[-1]["item_id"]}
        assert len({event["event_id"] for event in events}) == len(events)
    lines = await ledger(simulator, "transcript")
    assert [(line["text"], line["outcome"]) for line in lines] == [("how is my order today", "completed")]


async def test_turns_name_the_one_before(simulator: aiohttp.ClientSession) -> None:
    """`previous_item_id` is how a client restores the order."""
    async with transcription(simulator) as client:
        await client.say((encode_mulaw("one") + SILENCE * 3200) * 2, step=400)
        first = [await client.until("input_audio_buffer.committed") for _ in range(2)]
        assert first[0][-1]["previous_item_id"] is None
        assert first[1][-1]["previous_item_id"] == first[0][-1]["item_id"]


async def test_a_short_pause_does_not_end_a_turn(simulator: aiohttp.ClientSession) -> None:
    """Silence shorter than silence_duration_ms is a breath; it is counted in samples, not by the clock."""
    async with transcription(simulator) as client:
        await client.say(encode_mulaw("one") + SILENCE * 8 * 250 + encode_mulaw("two") + SILENCE * 8 * 320, step=4000)
        assert (await client.until(f"{TRANSCRIPTION}.completed"))[-1]["transcript"] == "one two"


async def test_the_end_symbol_ends_a_turn_at_once_if_scripted(simulator: aiohttp.ClientSession) -> None:
    """For benchmarks: what follows the caller's last frame is the system's time, not the endpointing's."""
    await script(simulator, end_on_symbol=True)
    async with transcription(simulator) as client:
        await client.say(encode_mulaw("now"))
        events = await client.until(f"{TRANSCRIPTION}.completed")
        assert events[-1]["transcript"] == "now"
        assert events[1]["audio_end_ms"] == 160
    async with transcription(simulator, vad={"type": "semantic_vad", "eagerness": "low"}) as client:
        await client.say(encode_mulaw("meant"))
        assert (await client.until(f"{TRANSCRIPTION}.completed"))[-1]["transcript"] == "meant"


@pytest.mark.parametrize("step", [480, 961, 2000])
async def test_24_khz_pcm_is_heard_however_it_is_cut(simulator: aiohttp.ClientSession, step: int) -> None:
    """Samples may straddle appends."""
    async with transcription(simulator, form={"type": "audio/pcm", "rate": 24000}) as client:
        await client.say(encode_pcm16("wide band", 24000) + bytes(48000), step)
        assert (await client.until(f"{TRANSCRIPTION}.completed"))[-1]["transcript"] == "wide band"


@pytest.mark.parametrize("model", ["gpt-live-transcribe", "gpt-realtime-whisper"])
async def test_a_model_without_vad_is_committed_by_its_client(simulator: aiohttp.ClientSession, model: str) -> None:
    """It refuses turn detection, hears no turns by itself, transcribes as the speech comes, and ends when committed."""
    async with transcription(simulator, vad=None) as client:
        refused = await client.ask("session.update", session=session_of(model=model), event_id="mine")
        assert refused["type"] == "error"
        assert refused["error"]["param"] == "session.audio.input.turn_detection"
        assert refused["error"]["event_id"] == "mine"
        assert (await client.ask("session.update", session=session_of(model=model, vad=None)))[
            "type"
        ] == "session.updated"
        await client.say(encode_mulaw("first words") + SILENCE * 8000 + encode_mulaw("cut off here")[: 160 * 8])
        await client.socket.send_json({"type": "input_audio_buffer.commit"})
        before = await client.until("input_audio_buffer.committed")
        assert "".join(event["delta"] for event in before[:-1]).startswith("first words c")
        after = await client.until(f"{TRANSCRIPTION}.completed")
        assert after[-1]["transcript"] == "first words cut"
        deltas = [event for event in (*before, *after) if event["type"].endswith(".delta")]
        assert "".join(event["delta"] for event in deltas) == "first words cut"
        assert {event["item_id"] for event in deltas} == {after[-1]["item_id"]}


async def test_an_empty_buffer_cannot_be_committed(simulator: aiohttp.ClientSession) -> None:
    """Neither before any audio nor after a clear; and cleared speech is not transcribed later."""
    async with transcription(simulator, vad=None) as client:
        assert (await client.ask("input_audio_buffer.commit"))["error"]["code"] == "input_audio_buffer_commit_empty"
        await client.say(encode_mulaw("forget this"))
        assert (await client.ask("input_audio_buffer.clear"))["type"] == "input_audio_buffer.cleared"
        assert (await client.ask("input_audio_buffer.commit"))["error"]["code"] == "input_audio_buffer_commit_empty"
        await client.say(encode_mulaw("keep this"))
        await client.ask("input_audio_buffer.commit")
        assert (await client.until(f"{TRANSCRIPTION}.completed"))[-1]["transcript"] == "keep this"


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"type": "realtime"}, "session.type"),
        ({"type": "transcription", "input_audio_format": "g711_ulaw"}, "session.input_audio_format"),
        (session_of(form={"type": "audio/opus"}), "session.audio.input.format.type"),
        (session_of(form={"type": "audio/pcm", "rate": 8000}), "session.audio.input.format.rate"),
        (session_of(form="g711_ulaw"), "session.audio.input.format"),
        (session_of(model=""), "session.audio.input.transcription.model"),
        (session_of(vad={"type": "clap"}), "session.audio.input.turn_detection.type"),
        (session_of(vad={**VAD, "threshold": 2}), "session.audio.input.turn_detection.threshold"),
        (session_of(vad={**VAD, "loud": 1}), "session.audio.input.turn_detection.loud"),
        (None, "session"),
    ],
)
async def test_a_wrong_session_is_refused_and_changes_nothing(
    simulator: aiohttp.ClientSession, session: Any, param: str
) -> None:
    """An error that names the parameter; the session goes on as it was."""
    async with transcription(simulator) as client:
        refused = await client.ask("session.update", session=session)
        assert (refused["type"], refused["error"]["param"]) == ("error", param)
        await client.say(encode_mulaw("still here") + SILENCE * 3200)
        assert (await client.until(f"{TRANSCRIPTION}.completed"))[-1]["transcript"] == "still here"


async def test_the_withdrawn_beta_is_refused(simulator: aiohttp.ClientSession) -> None:
    """By its header at once; by its first message as an unknown type."""
    beta = {"OpenAI-Beta": "realtime=v1"}
    async with simulator.ws_connect("/v1/realtime?intent=transcription", headers=beta) as socket:
        assert (await Transcription(socket).next())["error"]["code"] == "beta_api_shape_disabled"
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 4000
    async with transcription(simulator) as client:
        old = {"input_audio_format": "g711_ulaw"}
        refused = await client.ask("transcription_session.update", session=old)
        assert (refused["type"], refused["error"]["param"]) == ("error", "type")


@pytest.mark.parametrize("raw", ["{", "[]", "1", '{"no":"type"}', '{"type":"input_audio_buffer.append","audio":"#"}'])
async def test_what_is_no_event_is_an_error_event(simulator: aiohttp.ClientSession, raw: str) -> None:
    """A client's mistake never closes the socket."""
    async with transcription(simulator) as client:
        await client.socket.send_str(raw)
        assert (await client.next())["error"]["type"] == "invalid_request_error"
        await client.socket.send_bytes(b"raw audio")
        assert (await client.next())["error"]["type"] == "invalid_request_error"
        assert (await client.ask("session.update", session=session_of()))["type"] == "session.updated"


async def test_a_connection_can_be_refused_then_dropped(simulator: aiohttp.ClientSession) -> None:
    """503 to the upgrade, then a socket that is reset on its third append: what reconnecting is for."""
    rules = [
        {"where": "realtime", "times": 1, "do": {"status": 503}},
        {"where": "realtime", "times": 1, "do": {"drop_after_appends": 3}},
    ]
    await script(simulator, misbehave=rules)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await simulator.ws_connect("/v1/realtime?intent=transcription")
    assert refused.value.status == 503
    async with transcription(simulator) as client:
        await client.say(SILENCE * 480)
        assert (await client.socket.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        assert client.socket.close_code == 1006
    async with transcription(simulator) as client:
        await client.say(SILENCE * 480)
        assert (await client.ask("input_audio_buffer.clear"))["type"] == "input_audio_buffer.cleared"
    outcomes = [line["outcome"] for line in await ledger(simulator, "realtime")]
    assert outcomes[:2] == ["refused", "cut"]


async def transcripts_of(simulator: aiohttp.ClientSession, **do: Any) -> list[str]:
    """What a client gets of "one", "two", "three" when the transcript of "one" meets `do`."""
    await script(simulator, end_on_symbol=True, misbehave=[{"where": "transcript", "match": "one", "do": do}])
    async with transcription(simulator) as client:
        await client.say(b"".join(encode_mulaw(word) + SILENCE * 160 for word in ("one", "two", "three")))
        seen: list[str] = []
        # The last thing a socket says is known by a question asked after it.
        wanted = 4 if do.get("duplicate") else 2 if do.get("hang") else 3
        while len(seen) < wanted:
            event = await client.next()
            if event["type"] == f"{TRANSCRIPTION}.failed":
                seen.append("failed")
            elif event["type"] == f"{TRANSCRIPTION}.completed":
                seen.append(event["transcript"])
        assert (await client.ask("input_audio_buffer.clear"))["type"] == "input_audio_buffer.cleared"
        return seen


@pytest.mark.parametrize(
    ("do", "heard"),
    [
        ({"duplicate": True}, ["one", "one", "two", "three"]),
        ({"out_of_order": True}, ["two", "one", "three"]),
        ({"delay_ms": 50}, ["two", "three", "one"]),
        ({"hang": True}, ["two", "three"]),
        ({"failed": True}, ["failed", "two", "three"]),
    ],
)
async def test_transcripts_fail_as_scripted(
    simulator: aiohttp.ClientSession, do: dict[str, Any], heard: list[str]
) -> None:
    """Twice, in another order, late, never, failed; the other turns are not touched."""
    assert await transcripts_of(simulator, **do) == heard


# --- the simulator itself


async def test_a_script_with_a_mistake_is_refused_whole(simulator: aiohttp.ClientSession) -> None:
    """A typo in a test's script must not look like a system that copes."""
    for wrong in (
        {"chat": {"rules": [{"mach": "x"}]}},
        {"misbehave": [{"where": "chat", "do": {"stat": 1}}]},
        {"x": 1},
    ):
        async with simulator.post("/_sim/script", json=wrong) as response:
            assert response.status == 400
            assert (await response.json())["wrong"]
    async with simulator.post("/_sim/script", json={"chat": {"rules": [{"match": "("}]}}) as response:
        assert "regular expression" in await response.text()


async def test_a_reader_of_the_ledger_can_wait_for_news(simulator: aiohttp.ClientSession) -> None:
    """`after` and `wait_s` make a test wait for an event instead of sleeping."""
    await chat(simulator, asked("one"))
    async with simulator.get("/_sim/ledger") as response:
        last = (await response.json())["last_seq"]
    follower, _ = await asyncio.gather(
        simulator.get("/_sim/ledger", params={"after": last, "wait_s": 5}), chat(simulator, asked("two"))
    )
    (line,) = (await follower.json())["lines"]
    assert line["body"]["messages"][-1]["content"] == "two"
    assert "Authorization" not in line["headers"]


async def test_a_term_signal_ends_a_simulator_with_open_sockets_cleanly() -> None:
    """`running` asserts exit code 0 while a socket is still open."""
    async with aiohttp.ClientSession(headers=KEY) as session:
        with running("simulators.openai") as url:
            socket = await session.ws_connect(f"{url}/v1/realtime?intent=transcription")
            async with session.get(f"{url}/_sim/health") as response:
                assert await response.json() == {"ok": True, "sockets": 1}
        await socket.close()
