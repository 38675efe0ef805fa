"""The fast reader of plain audio accepts nothing that `read` refuses or understands otherwise."""

import random
from base64 import b64encode
from collections.abc import Callable, Iterator

import pytest

from voicecall.call.ids import LegId, StreamId
from voicecall.carriers.mock.media import Media as Mock
from voicecall.carriers.plivo.media import Media as Plivo
from voicecall.carriers.telnyx.media import Media as Telnyx
from voicecall.carriers.twilio.media import Media as Twilio
from voicecall.errors import WebhookRejected
from voicecall.ports import MediaAudio, MediaCodec, MediaIn, MediaStarted

STREAM = StreamId("MZ18ad3ab5")
AUDIO = bytes(range(160))
_BASE64 = b64encode(AUDIO).decode()
_MEDIA = '"track":"inbound","chunk":%s,"timestamp":"40","payload":"' + _BASE64 + '"'
_CARRIERS: dict[str, tuple[MediaCodec, str, str]] = {
    "twilio": (
        Twilio("AC" + "0" * 32),
        "PCMU",
        '{"event":"media","sequenceNumber":"3","media":{' + _MEDIA % '"2"' + '},"streamSid":"' + STREAM + '"}',
    ),
    "telnyx": (
        Telnyx(),
        "PCMU",
        '{"event":"media","sequence_number":"3","media":{' + _MEDIA % '"2"' + '},"stream_id":"' + STREAM + '"}',
    ),
    "telnyx in A-law": (
        Telnyx(),
        "PCMA",
        '{"event":"media","sequence_number":"3","media":{' + _MEDIA % '"2"' + '},"stream_id":"' + STREAM + '"}',
    ),
    "plivo": (
        Plivo(),
        "PCMU",
        '{"event":"media","sequenceNumber":3,"streamId":"'
        + STREAM
        + '","media":{'
        + _MEDIA % "2"
        + '},"extra_headers":"a=b"}',
    ),
    "mock": (Mock(), "PCMU", '{"event":"audio","stream":"' + STREAM + '","n":2,"payload":"' + _BASE64 + '"}'),
}
# What stands for a value, a name or a byte in a mutated frame.
_VALUES = (
    '"2"', "2", "2.0", "2e0", "-2", "-0", "0", "02", '"02"', '"2.0"', '" 2"', '"+2"', '"٢"', '"\\u0032"', "true",
    "null", "9999999999", "10000000000", '"9999999999"', '"10000000000"', "1e400", "NaN", "Infinity", "9" * 400,
    "[]", "{}", '""', '"AA=="', '"AAA"', '"AAAA="', '"AB=="', '"AA=A"', '"AA\\u003d\\u003d"', '"-_-_"', '"AA\\n=="',
    '"inbound"', '"outbound"',
    '"media"', '"audio"', '"start"', '"stop"', '"mark"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\x"',
    '"' + STREAM + '"', '"MZother"', '"' + "A" * 5464 + '"', '"' + "A" * 5468 + '"', '"' + "A" * 5462 + '=="',
    "[" * 2000 + "]" * 2000, '"\x01"',
)  # fmt: skip
_NAMES = (
    "event", "media", "track", "chunk", "timestamp", "payload", "streamSid", "stream_id", "streamId", "stream", "n",
    "sequenceNumber", "sequence_number", "extra_headers", "x",
)  # fmt: skip
_BYTES = (b'"', b"\\", b",", b"=", b" ")


def mutated(frame: str, count: int) -> Iterator[bytes]:
    """Frames with bytes flipped, cut, doubled or put in; and with values replaced and members added."""
    chance = random.Random(frame)
    ends = [place for place, letter in enumerate(frame) if letter in ",}"]
    starts = [place + 1 for place, letter in enumerate(frame) if letter == ":"]
    yield frame.encode()
    for number in range(count - 1):
        text = frame
        if number % 2:
            start = chance.choice(starts)
            end = next(end for end in ends if end > start)
            text = text[:start] + chance.choice(_VALUES) + text[end:]
        if number % 3 == 0:
            place = chance.choice([place + 1 for place, letter in enumerate(text) if letter in "{,"] or [0])
            text = text[:place] + f'"{chance.choice(_NAMES)}":{chance.choice(_VALUES)},' + text[place:]
        data = bytearray(text.encode())
        for _ in range(chance.choice((0, 0, 1, 1, 2))):
            place = chance.randrange(len(data))
            new = bytes((chance.randrange(256),)) if chance.random() < 0.5 else chance.choice(_BYTES)
            data[place : place + chance.choice((0, 1, 1, 2))] = new
        yield bytes(data)


def general(read: Callable[[str], MediaIn], frame: bytes) -> MediaIn | str:
    """What the task of the socket makes of a frame: aiohttp refuses text that is not UTF-8."""
    try:
        return read(frame.decode())
    except (WebhookRejected, UnicodeDecodeError) as error:
        return type(error).__name__


def opened(carrier: str) -> tuple[Callable[[bytes], object], Callable[[str], MediaIn], str]:
    codec, encoding, frame = _CARRIERS[carrier]
    start = MediaStarted(stream=STREAM, leg=LegId("CA1"), call="", token="", encoding=encoding)
    plain, read = codec.plain_reader(start), codec.reader(start)
    assert plain is not None
    assert read is not None
    return plain, read, frame


@pytest.mark.quick
@pytest.mark.parametrize("carrier", _CARRIERS)
def test_10_000_mutated_frames_get_the_same_verdict_from_both_readers(carrier: str) -> None:
    """What the fast reader takes is what the general one reads; the rest is left to the general one."""
    plain, read, frame = opened(carrier)
    taken = refused = 0
    for data in mutated(frame, 10_000):
        verdict = general(read, data)
        refused += isinstance(verdict, str)
        audio = plain(data)
        if audio is not None:
            taken += 1
            assert verdict == MediaAudio(stream=STREAM, chunk=audio[0], mulaw=audio[1]), data
    assert taken > 500
    assert refused > 2_000


@pytest.mark.quick
@pytest.mark.parametrize("carrier", _CARRIERS)
def test_the_documented_frame_is_plain(carrier: str) -> None:
    """Otherwise every frame of the carrier takes the slow way."""
    plain, read, frame = opened(carrier)
    verdict = general(read, frame.encode())
    assert isinstance(verdict, MediaAudio)
    assert plain(bytearray(frame.encode())) == (2, verdict.mulaw)
