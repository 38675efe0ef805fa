"""Frames of Telnyx's media socket: every kind is read, everything else is refused in one way."""

import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.carriers.telnyx_requests import CALL, LEG, STATE
from voicecall.call.ids import LegId, StreamId
from voicecall.carriers.telnyx.media import Media
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
)

STREAM = StreamId("32de0dea-53cb-4b21-89a4-9e1819c043bc")
_MEDIA = Media()
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def frame(event: str, **members: Any) -> dict[str, Any]:
    return {"event": event, "sequence_number": "3", "stream_id": STREAM, **members}


def audio(**changes: Any) -> dict[str, Any]:
    media = {"track": "inbound", "chunk": "7", "timestamp": "120", "payload": b64encode(b"\xff" * 160).decode()}
    return frame("media", media={name: value for name, value in {**media, **changes}.items() if value != "absent"})


def start(**changes: Any) -> dict[str, Any]:
    facts = {
        "user_id": "3e6f995f-85f7-4705-9741-53b116d28237",
        "call_control_id": LEG,
        "call_session_id": "ff55a038-6f5d-11ef-9692-02420aeffb1f",
        "from": "+15550001111",
        "to": "+15550002222",
        "tags": [],
        "client_state": STATE,
        "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
    }
    return frame("start", start={**facts, **changes})


def _read(text: str) -> MediaIn | WebhookRejected:
    try:
        return _MEDIA.read(text)
    except WebhookRejected as refused:
        return refused


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        ({"event": "connected", "version": "1.0.0"}, MediaConnected()),
        (start(), MediaStarted(stream=STREAM, leg=LegId(LEG), call=CALL, token="")),
        (start(client_state=None), MediaStarted(stream=STREAM, leg=LegId(LEG), call="", token="")),
        (start(client_state="x"), MediaStarted(stream=STREAM, leg=LegId(LEG), call="", token="")),
        (audio(), MediaAudio(stream=STREAM, chunk=7, mulaw=b"\xff" * 160)),
        (audio(chunk=7), MediaAudio(stream=STREAM, chunk=7, mulaw=b"\xff" * 160)),
        (audio(chunk="absent"), MediaAudio(stream=STREAM, chunk=0, mulaw=b"\xff" * 160)),
        (audio(track="outbound"), MediaUnknown()),
        (frame("dtmf", occurred_at="2026-06-05T08:54:19Z", dtmf={"digit": "#"}), MediaKey(stream=STREAM, digit="#")),
        (frame("mark", mark={"name": "u3.2"}), MediaMark(stream=STREAM, name="u3.2")),
        (frame("stop", stop={"call_control_id": LEG}), MediaStopped(stream=STREAM)),
        (frame("error", payload={"code": 100003, "title": "malformed_frame"}), MediaUnknown()),
        ({"event": "hologram"}, MediaUnknown()),
    ],
)
def test_every_frame_of_telnyx_is_read(message: dict[str, Any], meaning: MediaIn) -> None:
    """With and without blanks, members in any order."""
    assert _MEDIA.read(json.dumps(message)) == meaning
    assert _MEDIA.read(json.dumps(message, separators=(",", ":"), sort_keys=True)) == meaning


@pytest.mark.parametrize(
    "message",
    [
        *[audio(payload=payload) for payload in ("", "A", "AAA", "AAAAA", "AA=A", "====", "AAAA\n", " AAAA", "AA-_")],
        *[audio(payload=payload) for payload in ("ÿÿÿÿ", "AAAA" * 1367, None, 5, ["AAAA"])],
        *[
            audio(chunk=chunk)
            for chunk in ("", "-1", "+1", "1.0", "1e3", "٣", " 1", "9" * 30, -1, 1.5, True, None, 10**30)
        ],
        *[{**audio(), "stream_id": stream} for stream in ("", None, 5, 'x"', "x\\", "x\n", "x" * 70)],
        {name: value for name, value in audio().items() if name != "stream_id"},
        {**audio(), "media": []},
        {**audio(), "event": 5},
        start(call_control_id=None),
        start(call_control_id="a b"),
        start(media_format={"encoding": "PCMA", "sample_rate": "8000", "channels": 1}),
        start(media_format={"encoding": "", "sample_rate": 8000, "channels": 1}),
        start(media_format={"encoding": "x\n", "sample_rate": 8000, "channels": 1}),
        start(media_format={"encoding": 5, "sample_rate": 8000, "channels": 1}),
        start(media_format={"encoding": "PCMU", "sample_rate": 8000, "channels": 0}),
        start(media_format=None),
        frame("dtmf", dtmf={"digit": "12"}),
        frame("dtmf", dtmf={"digit": ["1"]}),
        frame("mark", mark={"name": None}),
        frame("mark", mark={"name": "x" * 501}),
    ],
)
def test_what_telnyx_would_never_send_is_malformed(message: dict[str, Any]) -> None:
    """Attacks 70 and 71."""
    with pytest.raises(WebhookRejected, match="media-malformed"):
        _MEDIA.read(json.dumps(message))


@given(text=st.text(max_size=60) | _JSON.map(json.dumps))
def test_only_a_rejection_comes_out_of_read(text: str) -> None:
    """Whatever the text."""
    with pytest.raises(WebhookRejected, match="media-malformed"):
        _MEDIA.read(text)


@given(event=st.sampled_from(["start", "media"]), value=_JSON, data=st.data())
def test_a_frame_with_one_member_replaced_is_read_or_malformed(event: str, value: Any, data: st.DataObject) -> None:
    """Close to the truth is where readers break."""
    message = start() if event == "start" else audio()
    place = data.draw(st.sampled_from([message, message[event]]))
    place[data.draw(st.sampled_from(sorted(place)))] = value
    assert isinstance(_read(json.dumps(message)), MediaIn | WebhookRejected)


@given(mulaw=st.binary(min_size=1, max_size=4000))
def test_audio_is_written_as_telnyx_reads_it(mulaw: bytes) -> None:
    """No stream id: a socket carries one stream. Less than 20 ms, which Telnyx refuses, is filled up."""
    written = json.loads(_MEDIA.audio(STREAM, mulaw))
    assert b64decode(written["media"].pop("payload"), validate=True) == mulaw.ljust(160, b"\xff")
    assert written == {"event": "media", "media": {}}


def test_marks_and_clears_are_written_as_telnyx_reads_them() -> None:
    """A mark's name is quoted, whatever is in it."""
    assert json.loads(_MEDIA.mark(STREAM, 'a"b')) == {"event": "mark", "mark": {"name": 'a"b'}}
    assert json.loads(_MEDIA.clear(STREAM)) == {"event": "clear"}


def _started(encoding: str, rate: int, channels: int = 1) -> MediaStarted:
    form = {"encoding": encoding, "sample_rate": rate, "channels": channels}
    started = _MEDIA.read(json.dumps(start(media_format=form)))
    assert isinstance(started, MediaStarted)
    return started


def test_a10_a_stream_in_alaw_is_read_as_mulaw() -> None:
    """The codec of the call comes where Telnyx cannot transcode; every other frame is read as before."""
    read = _MEDIA.reader(_started("PCMA", 8000))
    assert read is not None
    alaw = b64encode(bytes([0xD5, 0x55, 0xAA, 0x2A])).decode()
    heard = read(json.dumps(audio(payload=alaw)))
    assert isinstance(heard, MediaAudio)
    assert (heard.chunk, [int(code) for code in heard.mulaw]) == (7, [0xFE, 0x7E, 0x80, 0x00])
    assert read(json.dumps(frame("dtmf", dtmf={"digit": "5"}))) == MediaKey(stream=STREAM, digit="5")
    assert read(json.dumps(audio(track="outbound"))) == MediaUnknown()
    with pytest.raises(WebhookRejected, match="media-malformed"):
        read(json.dumps(audio(payload="x")))


@pytest.mark.parametrize(
    ("encoding", "rate", "channels", "name"),
    [
        ("G722", 8000, 1, "G722"),
        ("AMR-WB", 16_000, 1, "AMR-WB/16000/1"),
        ("OPUS", 48_000, 2, "OPUS/48000/2"),
        ("PCMU", 16_000, 1, "PCMU/16000/1"),
        ("PCMA", 8000, 2, "PCMA/8000/2"),
        ("L16", 8000, 1, "L16"),
    ],
)
def test_a10_a_stream_in_another_codec_has_a_name_and_no_reader(
    encoding: str, rate: int, channels: int, name: str
) -> None:
    """It is no malformed frame: the call goes on without a stream."""
    started = _started(encoding, rate, channels)
    assert (started.encoding, started.leg, _MEDIA.reader(started)) == (name, LEG, None)


@pytest.mark.parametrize("name", ["pcmu", "Pcma"])
def test_a10_the_name_of_a_codec_is_known_in_any_case(name: str) -> None:
    started = _started(name, 8000)
    assert started.encoding == name.upper()
    assert _MEDIA.reader(started) is not None


def test_a_session_of_text_names_its_leg() -> None:
    """Call and token are in the socket's path."""
    setup = {"type": "setup", "sessionId": "7a7e6a4f-1d44-4f0c-b5d4-9f9bf3a5c1f2", "callControlId": LEG}
    started = _MEDIA.read(json.dumps(setup))
    assert started == MediaStarted(
        stream=StreamId("7a7e6a4f-1d44-4f0c-b5d4-9f9bf3a5c1f2"), leg=LegId(LEG), call="", token="", encoding="TEXT"
    )
    with pytest.raises(WebhookRejected):
        _MEDIA.read(json.dumps({**setup, "callControlId": "x y"}))
