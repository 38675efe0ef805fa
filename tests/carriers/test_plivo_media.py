"""Frames of Plivo's media socket: every kind is read, everything else is refused in one way."""

import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.carriers.plivo_requests import LEG
from voicecall.call.ids import LegId, StreamId
from voicecall.carriers.plivo.media import Media
from voicecall.errors import WebhookRejected
from voicecall.ports import MediaAudio, MediaIn, MediaKey, MediaMark, MediaStarted, MediaStopped, MediaUnknown

STREAM = StreamId("b77e037d-4119-44b5-902d-25826b654539")
_MEDIA = Media()
_STARTED = MediaStarted(stream=STREAM, leg=LegId(LEG), call="", token="")
_AUDIO = MediaAudio(stream=STREAM, chunk=41, mulaw=b"\xff" * 160)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def frame(event: str, **members: Any) -> dict[str, Any]:
    return {"event": event, "sequenceNumber": 42, "streamId": STREAM, **members}


def audio(**changes: Any) -> dict[str, Any]:
    media = {
        "track": "inbound",
        "timestamp": "1705312200000",
        "chunk": 41,
        "payload": b64encode(b"\xff" * 160).decode(),
    }
    media = {name: value for name, value in {**media, **changes}.items() if value != "absent"}
    return frame("media", media=media, extra_headers="k=v")


def start(**changes: Any) -> dict[str, Any]:
    facts = {
        "callId": LEG,
        "streamId": STREAM,
        "accountId": "MAXXXXXXXXXXXXXXXXXX",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
    }
    return {"event": "start", "sequenceNumber": 1, "start": {**facts, **changes}, "extra_headers": "k=v"}


def _read(text: str) -> MediaIn | WebhookRejected:
    try:
        return _MEDIA.read(text)
    except WebhookRejected as refused:
        return refused


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        (start(), _STARTED),
        (start(mediaFormat={"encoding": "audio/x-mulaw;rate=8000", "sampleRate": "8000"}), _STARTED),
        (audio(), _AUDIO),
        (audio(chunk="41"), _AUDIO),
        (audio(chunk="absent"), MediaAudio(stream=STREAM, chunk=0, mulaw=b"\xff" * 160)),
        (audio(track="outbound"), MediaUnknown()),
        (frame("dtmf", dtmf={"track": "inbound", "digit": "1", "timestamp": ".."}), MediaKey(stream=STREAM, digit="1")),
        (frame("dtmf", dtmf={"digit": 1}), MediaKey(stream=STREAM, digit="1")),
        (frame("playedStream", name="u3.2"), MediaMark(stream=STREAM, name="u3.2")),
        (frame("clearedAudio"), MediaUnknown()),
        (frame("stop"), MediaStopped(stream=STREAM)),
        ({"event": "hologram"}, MediaUnknown()),
    ],
)
def test_every_frame_of_plivo_is_read(message: dict[str, Any], meaning: MediaIn) -> None:
    """Numbers as numbers or as text, members in any order."""
    assert _MEDIA.read(json.dumps(message)) == meaning
    assert _MEDIA.read(json.dumps(message, separators=(",", ":"), sort_keys=True)) == meaning


@pytest.mark.parametrize(
    "message",
    [
        *[audio(payload=payload) for payload in ("", "A", "AAA", "AAAAA", "AA=A", "====", "AAAA\n", " AAAA", "AA-_")],
        *[audio(payload=payload) for payload in ("ÿÿÿÿ", "AAAA" * 1367, None, 5, ["AAAA"])],
        *[audio(chunk=chunk) for chunk in ("", "-1", "1.0", "1e3", "٣", " 1", "9" * 30, -1, 1.5, True, None, 10**30)],
        *[{**audio(), "streamId": stream} for stream in ("", None, 5, 'x"', "x\\", "x\n", "x" * 70)],
        {name: value for name, value in audio().items() if name != "streamId"},
        {**audio(), "media": []},
        {**audio(), "event": 5},
        start(callId=None),
        start(callId="x"),
        start(streamId='"'),
        start(mediaFormat={"encoding": "audio/ x", "sampleRate": 8000}),
        start(mediaFormat={"encoding": "audio/x-mulaw", "sampleRate": 0}),
        start(mediaFormat={"encoding": "audio/x-mulaw;rate=16000", "sampleRate": 8000}),
        start(mediaFormat=None),
        frame("dtmf", dtmf={"digit": "12"}),
        frame("dtmf", dtmf={"digit": 12}),
        frame("dtmf", dtmf={"digit": True}),
        frame("dtmf", dtmf={"digit": ["1"]}),
        frame("playedStream", name=None),
        frame("playedStream", name="x" * 501),
    ],
)
def test_what_plivo_would_never_send_is_malformed(message: dict[str, Any]) -> None:
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
def test_audio_is_written_as_plivo_reads_it(mulaw: bytes) -> None:
    """The type has no rate here, unlike in the XML."""
    written = json.loads(_MEDIA.audio(STREAM, mulaw))
    assert b64decode(written["media"].pop("payload"), validate=True) == mulaw
    assert written == {"event": "playAudio", "media": {"contentType": "audio/x-mulaw", "sampleRate": 8000}}


def test_marks_and_clears_are_written_as_plivo_reads_them() -> None:
    """A checkpoint's name is quoted, whatever is in it."""
    mark = json.loads(_MEDIA.mark(STREAM, 'a"b'))
    assert mark == {"event": "checkpoint", "streamId": STREAM, "name": 'a"b'}
    assert json.loads(_MEDIA.clear(STREAM)) == {"event": "clearAudio", "streamId": STREAM}


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ({"encoding": "audio/x-l16", "sampleRate": 8000}, "audio/x-l16"),
        ({"encoding": "audio/x-l16;rate=16000", "sampleRate": "16000"}, "audio/x-l16/16000/1"),
        ({"encoding": "audio/x-mulaw", "sampleRate": 16000}, "PCMU/16000/1"),
    ],
)
def test_a10_audio_that_was_not_requested_has_a_name_and_no_reader(form: dict[str, Any], name: str) -> None:
    """It is no malformed frame: the call goes on without a stream."""
    started = _MEDIA.read(json.dumps(start(mediaFormat=form)))
    assert isinstance(started, MediaStarted)
    assert (started.encoding, _MEDIA.reader(started)) == (name, None)
