"""Frames of the media socket: every kind Twilio sends is read, everything else is refused in one way."""

import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.carriers.twilio_requests import ACCOUNT, CALL, LEG
from voicecall.call.ids import LegId, StreamId
from voicecall.carriers.twilio.media import Media
from voicecall.errors import WebhookRejected
from voicecall.ports import (
    MediaAudio,
    MediaConnected,
    MediaIn,
    MediaKey,
    MediaMark,
    MediaStarted,
    MediaStopped,
    MediaUnknown,
    RelayInterrupted,
    RelayPlayed,
    RelayPrompt,
    RelaySpeaking,
)

STREAM = StreamId("MZ" + "5e" * 16)
_MEDIA = Media(ACCOUNT)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def frame(event: str, **members: Any) -> dict[str, Any]:
    return {"event": event, "sequenceNumber": "3", "streamSid": STREAM, **members}


def audio(**changes: Any) -> dict[str, Any]:
    media = {"track": "inbound", "chunk": "7", "timestamp": "120", "payload": b64encode(b"\xff" * 160).decode()}
    return frame("media", media={**media, **changes})


def start(**changes: Any) -> dict[str, Any]:
    facts = {
        "streamSid": STREAM,
        "accountSid": ACCOUNT,
        "callSid": LEG,
        "tracks": ["inbound"],
        "customParameters": {"token": "secret", "callId": CALL},
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    }
    return frame("start", start={**facts, **changes})


def _read(text: str) -> MediaIn | WebhookRejected:
    try:
        return _MEDIA.read(text)
    except WebhookRejected as rejected:
        return rejected


def without(message: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in message.items() if key != name}


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        ({"event": "connected", "protocol": "Call", "version": "1.0.0"}, MediaConnected()),
        (start(), MediaStarted(stream=STREAM, leg=LegId(LEG), call=CALL, token="secret")),
        (start(customParameters={}), MediaStarted(stream=STREAM, leg=LegId(LEG), call="", token="")),
        (audio(), MediaAudio(stream=STREAM, chunk=7, mulaw=b"\xff" * 160)),
        (without(audio(), "sequenceNumber"), MediaAudio(stream=STREAM, chunk=7, mulaw=b"\xff" * 160)),
        (audio(chunk=7), MediaAudio(stream=STREAM, chunk=7, mulaw=b"\xff" * 160)),
        (
            {"event": "media", "streamSid": STREAM, "media": {"payload": "/w=="}},
            MediaAudio(stream=STREAM, chunk=0, mulaw=b"\xff"),
        ),
        (
            {"event": "start", "streamSid": STREAM, "start": {"callSid": LEG, "customParameters": {"token": "t"}}},
            MediaStarted(stream=STREAM, leg=LegId(LEG), call="", token="t"),
        ),
        (audio(payload="/w=="), MediaAudio(stream=STREAM, chunk=7, mulaw=b"\xff")),
        (frame("dtmf", dtmf={"track": "inbound_track", "digit": "#"}), MediaKey(stream=STREAM, digit="#")),
        (frame("mark", mark={"name": "u3.2"}), MediaMark(stream=STREAM, name="u3.2")),
        (frame("stop", stop={"accountSid": ACCOUNT, "callSid": LEG}), MediaStopped(stream=STREAM)),
        (frame("hologram"), MediaUnknown()),
        (audio(track="outbound"), MediaUnknown()),
    ],
)
def test_every_frame_of_twilio_is_read(message: dict[str, Any], meaning: MediaIn) -> None:
    """With and without blanks, members in any order, optional ones left out."""
    assert _MEDIA.read(json.dumps(message)) == meaning
    assert _MEDIA.read(json.dumps(message, separators=(",", ":"), sort_keys=True)) == meaning


@pytest.mark.parametrize(
    "message",
    [
        *[audio(payload=payload) for payload in ("", "A", "AAA", "AAAAA", "AA=A", "====", "AAAA\n", " AAAA")],
        *[audio(payload=payload) for payload in ("AA-_", "ÿÿÿÿ", "AAAA" * 1367, None, 5, ["AAAA"])],
        *[
            audio(chunk=chunk)
            for chunk in ("0", "", "-1", "+1", "1.0", "1e3", "٣", "²", " 1", "9" * 30, -7, True, None)
        ],
        *[{**audio(), "sequenceNumber": number} for number in ("x", "-1", 3.5, None, "9" * 30)],
        *[{**audio(), "streamSid": stream} for stream in ("", None, 5, 'MZ"', "MZ\\", "MZ\n", "MZ" * 60)],
        *[without(audio(), name) for name in ("event", "media", "streamSid")],
        {**audio(), "media": []},
        {**audio(), "event": 5},
        start(callSid="CA1"),
        start(callSid=None),
        start(accountSid="AC" + "0" * 32),
        start(streamSid="MZ" + "0" * 32),
        start(mediaFormat={"encoding": None, "sampleRate": 8000, "channels": 1}),
        start(mediaFormat={"encoding": "audio/x-mulaw", "sampleRate": "x", "channels": 1}),
        start(mediaFormat=None),
        start(customParameters={"token": 5}),
        start(customParameters={"token": "x" * 501}),
        start(customParameters=[]),
        frame("dtmf", dtmf={"digit": "12"}),
        frame("dtmf", dtmf={"digit": ""}),
        frame("dtmf", dtmf={"digit": ["1"]}),
        frame("mark", mark={"name": None}),
        frame("mark"),
        without(frame("stop"), "streamSid"),
    ],
)
def test_what_twilio_would_never_send_is_malformed(message: dict[str, Any]) -> None:
    """Attacks 70 and 71: lenient base64, odd numbers, other people's streams."""
    with pytest.raises(WebhookRejected, match="media-malformed"):
        _MEDIA.read(json.dumps(message))


@given(text=st.text(max_size=60) | _JSON.map(json.dumps))
def test_only_a_rejection_comes_out_of_read(text: str) -> None:
    """Whatever the text: lone surrogates, NaN, numbers without end."""
    with pytest.raises(WebhookRejected, match="media-malformed"):
        _MEDIA.read(text)


@given(event=st.sampled_from(["start", "media", "dtmf", "mark", "stop"]), value=_JSON, data=st.data())
def test_a_frame_with_one_member_replaced_is_read_or_malformed(event: str, value: Any, data: st.DataObject) -> None:
    """Close to the truth is where readers break."""
    whole = {"start": start(), "media": audio(), "dtmf": frame("dtmf", dtmf={"digit": "1"})}
    message = whole.get(event) or frame(event, **{event: {"name": "x"}})
    where = data.draw(st.sampled_from([message, message[event]]))
    where = dict(where)
    where[data.draw(st.sampled_from(sorted(where)))] = value
    changed = where if "event" in where else {**message, event: where}
    assert isinstance(_read(json.dumps(changed)), MediaIn | WebhookRejected)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"event":"x"', '{"event":"\\ud800"}', '{"event":NaN}', "\udc80"])
def test_json_made_to_hurt_is_malformed(text: str) -> None:
    """Attack 34."""
    with pytest.raises(WebhookRejected, match="media-malformed"):
        _MEDIA.read(text)


@given(mulaw=st.binary(min_size=1, max_size=4000))
def test_audio_is_written_as_twilio_reads_it(mulaw: bytes) -> None:
    """Exactly the three members, the payload standard base64 on one line."""
    written = json.loads(_MEDIA.audio(STREAM, mulaw))
    assert b64decode(written["media"].pop("payload"), validate=True) == mulaw
    assert written == {"event": "media", "streamSid": STREAM, "media": {}}


def test_marks_and_clears_are_written_as_twilio_reads_them() -> None:
    """A mark's name is quoted, whatever is in it."""
    assert json.loads(_MEDIA.mark(STREAM, 'a"b')) == {"event": "mark", "streamSid": STREAM, "mark": {"name": 'a"b'}}
    assert json.loads(_MEDIA.clear(STREAM)) == {"event": "clear", "streamSid": STREAM}


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ({"encoding": "audio/l16", "sampleRate": 8000, "channels": 1}, "audio/l16"),
        ({"encoding": "audio/x-mulaw", "sampleRate": 16000, "channels": 1}, "PCMU/16000/1"),
    ],
)
def test_a10_audio_that_was_not_requested_has_a_name_and_no_reader(form: dict[str, Any], name: str) -> None:
    """Twilio streams mu-law only; should it stream another format one day, the call goes on without a stream."""
    started = _MEDIA.read(json.dumps(start(mediaFormat=form)))
    assert isinstance(started, MediaStarted)
    assert (started.encoding, _MEDIA.reader(started)) == (name, None)


# --- a socket of text

SETUP = {
    "type": "setup",
    "sessionId": "VX" + "5e" * 16,
    "accountSid": ACCOUNT,
    "callSid": LEG,
    "customParameters": {"token": "secret", "callId": CALL},
}


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        (
            SETUP,
            MediaStarted(stream=StreamId("VX" + "5e" * 16), leg=LegId(LEG), call=CALL, token="secret", encoding="TEXT"),
        ),
        (
            {"type": "prompt", "voicePrompt": "hello", "lang": "en-US", "last": True},
            RelayPrompt(text="hello", language="en-US"),
        ),
        ({"type": "prompt", "voicePrompt": "hel", "last": False}, RelayPrompt(text="hel", is_final=False)),
        (
            {"type": "interrupt", "utteranceUntilInterrupt": "It is", "durationUntilInterruptMs": 90},
            RelayInterrupted(heard="It is"),
        ),
        ({"type": "info", "name": "tokensPlayed", "value": "It is"}, RelayPlayed(text="It is")),
        ({"type": "info", "name": "agentSpeaking", "value": "on"}, RelaySpeaking(is_caller=False, is_on=True)),
        ({"type": "info", "name": "clientSpeaking", "value": "off"}, RelaySpeaking(is_caller=True, is_on=False)),
        ({"type": "info", "name": "clientSpeaking", "value": "???"}, MediaUnknown()),
        ({"type": "error", "description": "x"}, MediaUnknown()),
        ({"type": "new"}, MediaUnknown()),
    ],
)
def test_a_frame_of_text_is_read(message: dict[str, Any], meaning: MediaIn) -> None:
    assert _read(json.dumps(message)) == meaning


@pytest.mark.parametrize(
    "message",
    [
        {**SETUP, "accountSid": "AC" + "9" * 32},
        {**SETUP, "callSid": "x"},
        {**SETUP, "sessionId": 'x"'},
        {"type": "prompt"},
        {"type": "prompt", "voicePrompt": "x" * 20_000},
        {"type": "dtmf", "digit": "12"},
        {"type": 4},
    ],
)
def test_a_malformed_frame_of_text_is_refused(message: dict[str, Any]) -> None:
    assert isinstance(_read(json.dumps(message)), WebhookRejected)
