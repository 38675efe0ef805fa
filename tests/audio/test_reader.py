"""The reader of audio answers: what a body is, is known before a sample of it is returned."""

from base64 import b64encode

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.tones import decode_all, encode_mulaw, encode_pcm16
from tests.audio.files import MP3, extensible, randbytes, wav
from voicecall.audio import mulaw
from voicecall.audio.formats import MULAW_8K, AudioFormat, Encoding, UnreadableAudio
from voicecall.audio.reader import AudioReader

PCM_24K = AudioFormat(encoding=Encoding.PCM_S16, rate=24_000)
TEXT = "Your table is booked for seven."


def read(body: bytes, content_type: str, requested: AudioFormat = PCM_24K, *, size: int = 1000) -> bytes:
    """The mu-law of the body, fed in pieces of `size`."""
    reader = AudioReader(content_type, requested)
    made = b"".join(reader.feed(body[at : at + size]) for at in range(0, len(body), size))
    return made + reader.flush()


def words(made: bytes) -> list[str]:
    return [utterance.text for utterance in decode_all(made)]


def pcm(rate: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.frombuffer(encode_pcm16(TEXT, rate), dtype="<i2")


def stereo(samples: np.ndarray) -> bytes:  # type: ignore[type-arg]
    return np.repeat(samples, 2).astype("<i2").tobytes()


def three_bytes(samples: np.ndarray) -> bytes:  # type: ignore[type-arg]
    return (samples.astype("<i4") << 8).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (encode_pcm16(TEXT, 24_000), "audio/pcm"),
        (encode_pcm16(TEXT, 24_000), "application/octet-stream"),
        (encode_pcm16(TEXT, 24_000), ""),
        (encode_pcm16(TEXT, 16_000), "audio/pcm;rate=16000"),
        (encode_pcm16(TEXT, 16_000), 'audio/L16; codec=pcm; rate="16000"'),
        (pcm(16_000).astype(">i2").tobytes(), "audio/L16; rate=16000; channels=1"),
        (stereo(pcm(24_000)), "audio/pcm; rate=24000; channels=2"),
        (pcm(16_000).tobytes(), "audio/L16;rate=16000"),
        (stereo(pcm(16_000)), "audio/L16;rate=16000;channels=2"),
        (bytes(40_000) + pcm(16_000).tobytes(), "audio/l16;rate=16000"),
        (pcm(8000).tobytes(), "audio/x-l16;rate=8000"),
        (pcm(24_000).astype(">i2").tobytes(), "audio/pcm; rate=24000; endian=big"),
        ((pcm(24_000) / 32768).astype("<f4").tobytes(), "audio/pcm"),
        ((pcm(24_000) / 32768).astype("<f4").tobytes(), "audio/pcm;encoding=float;bits=32"),
        (encode_pcm16(TEXT, 24_000) + b"\1", "AUDIO/PCM"),
        (encode_pcm16(TEXT, 24_000), "audio/*"),
        (encode_mulaw(TEXT), "audio/basic"),
        (encode_mulaw(TEXT), "audio/PCMU;rate=8000"),
        (wav(encode_pcm16(TEXT, 24_000)), "audio/wav"),
        (wav(encode_pcm16(TEXT, 16_000), rate=16_000), "audio/mpeg"),
        (wav(encode_pcm16(TEXT, 8000), rate=8000), "application/octet-stream"),
        (wav(encode_pcm16(TEXT, 44_100), rate=44_100), "audio/x-wav"),
        (wav(stereo(pcm(48_000)), rate=48_000, channels=2), "audio/wave"),
        (wav(encode_mulaw(TEXT), rate=8000, bits=8, tag=7), "audio/wav"),
        (wav((pcm(24_000) / 32768).astype("<f4").tobytes(), bits=32, tag=3), "audio/wav"),
        (wav((pcm(24_000).astype("<i4") << 16).tobytes(), bits=32), "audio/wav"),
        (wav(three_bytes(pcm(24_000)), bits=24), "audio/wav"),
        (wav(((pcm(24_000) >> 8) + 128).astype("u1").tobytes(), bits=8), "audio/wav"),
        (wav(encode_pcm16(TEXT, 24_000), size=0xFFFFFFFF), "audio/wav"),
        (wav(encode_pcm16(TEXT, 24_000), size=0xFFFFFFFF).replace(b"RIFF", b"RF64", 1), "audio/wav"),
        (wav(encode_pcm16(TEXT, 24_000)[:20_000]) + wav(encode_pcm16(TEXT, 24_000)[20_000:]), "audio/wav"),
        (extensible(encode_pcm16(TEXT, 24_000), kind=1, bits=16), "audio/wav"),
        (extensible((pcm(24_000) / 32768).astype("<f4").tobytes(), kind=3, bits=32), "audio/x-wav"),
        (wav(encode_pcm16(TEXT, 24_000), before=b"LIST\x05\x00\x00\x00abcde\x00"), "audio/wav"),
        (wav(encode_pcm16(TEXT, 24_000)) + b"LIST\x10\x00\x00\x00" + randbytes(5000), "audio/wav"),
    ],
)
def test_what_can_be_decoded_is_understood(body: bytes, content_type: str) -> None:
    """Whatever the container, the encoding, the rate and the number of channels."""
    assert words(read(body, content_type)) == [TEXT]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (MP3, "audio/mpeg"),
        (MP3, "audio/pcm"),
        (MP3, "application/octet-stream"),
        (MP3[:200], "application/octet-stream"),
        (b"ID3\x04" + MP3, ""),
        (randbytes(3000), "audio/mpeg"),
        (bytes(3000), "audio/mpeg"),
        (b"OggS" + randbytes(3000), "audio/pcm"),
        (b"fLaC" + randbytes(3000), "audio/pcm"),
        (b"\x00\x00\x00\x20ftypM4A " + randbytes(3000), "audio/pcm"),
        (b"\x1aE\xdf\xa3" + randbytes(3000), ""),
        (b"\xff\xf1\x50\x80\x04\x1f\xfc" + randbytes(25) + b"\xff\xf1\x50\x80\x04\x1f\xfc" + randbytes(99), ""),
        (randbytes(3000), "audio/pcm"),
        (b'{"error": "no voice of that name"}', "application/octet-stream"),
        (b"quota", "audio/pcm"),
        ("Quota überschritten, bitte später.".encode(), ""),
        (b"There is no voice of that name. " * 100, "application/octet-stream"),
        (b64encode(encode_pcm16(TEXT, 24_000)), "audio/pcm"),
        (encode_pcm16(TEXT, 8000).hex().encode(), "audio/basic"),
        ("No such voice.\n".encode("utf-16"), "audio/pcm"),
        (extensible(randbytes(3000), kind=0x55, bits=16), "audio/wav"),
        (b"\xff\xf3\x64\xc4".join(randbytes(188) for _ in range(9))[188:], "audio/pcm"),
        (b"  <!DOCTYPE html><html><title>502</title></html>", ""),
        (b"data: {}\n\ndata: {}\n\ndata: [DONE]\n\n", "audio/pcm"),
        (b"RIFF\x00\x00\x00\x00WAVE", "audio/wav"),
        (wav(randbytes(3000), tag=85, bits=16), "audio/wav"),
        (wav(randbytes(3000), rate=12_345), "audio/wav"),
        (wav(randbytes(3000), channels=40), "audio/wav"),
        (encode_pcm16(TEXT, 24_000), "audio/ogg"),
        (encode_pcm16(TEXT, 24_000), "audio/pcm;rate=7"),
    ],
)
@pytest.mark.parametrize("size", [1, 5, 100_000])
def test_what_cannot_be_decoded_is_refused_before_a_sample_of_it_is_played(
    body: bytes, content_type: str, size: int
) -> None:
    """It would be loud noise."""
    made: list[bytes] = []
    with pytest.raises(UnreadableAudio):
        feed_all(AudioReader(content_type, PCM_24K), body, size, made)
    assert b"".join(made) == b""


def feed_all(reader: AudioReader, body: bytes, size: int, made: list[bytes]) -> None:
    """Add what the reader returns to `made`, as it returns it."""
    for at in range(0, len(body), size):
        made += [reader.feed(body[at : at + size])]
    made.append(reader.flush())


@pytest.mark.parametrize("content_type", ["application/json", "text/html; charset=utf-8", "text/event-stream"])
def test_a_text_is_refused_without_reading_it(content_type: str) -> None:
    with pytest.raises(UnreadableAudio, match="not audio"):
        AudioReader(content_type, PCM_24K)


@pytest.mark.parametrize("begins", [b"\xff\xfb\x7a\x7e", b"\x7b\x7d\x7e\xff", b"\xff\xff\xff\xff", b"<<==>>=="])
def test_quiet_speech_that_begins_as_a_file_might_is_speech(begins: bytes) -> None:
    """Four bytes of mu-law may look like the start of an MPEG frame or of a text; what follows them does not."""
    speech = begins + encode_mulaw(TEXT)
    assert read(speech, "audio/basic", MULAW_8K) == speech


@pytest.mark.parametrize("amplitude", [300, 9000, 30_000])
def test_loud_sounds_that_are_no_noise_are_played(amplitude: int) -> None:
    """A hiss as in "s" is quieter than noise; a loud tone is more regular."""
    at = np.arange(24_000) / 24_000
    tone = (amplitude * np.sin(2 * np.pi * 6000 * at)).astype("<i2").tobytes()
    hiss = (np.random.default_rng(1).standard_normal(24_000) * 3000).astype("<i2").tobytes()
    assert len(read(tone, "audio/pcm")) == len(read(hiss, "audio/pcm")) == 8000


@given(cuts=st.lists(st.integers(1, 700), min_size=1, max_size=40))
@settings(max_examples=40, deadline=None)
def test_the_result_does_not_depend_on_the_pieces(cuts: list[int]) -> None:
    """Also where a piece ends inside the header or inside a sample."""
    body = wav(stereo(pcm(16_000)), rate=16_000, channels=2)
    reader, made, at, turn = AudioReader("audio/wav", PCM_24K), b"", 0, 0
    while at < len(body):
        size = cuts[turn % len(cuts)]
        made += reader.feed(body[at : at + size])
        at, turn = at + size, turn + 1
    assert made + reader.flush() == read(body, "audio/wav", size=len(body))


def test_a_body_shorter_than_any_mark_is_what_was_requested() -> None:
    assert read(b"\0\0" * 9, "audio/pcm") == mulaw.encode(b"\0\0" * 3)
    assert read(b"", "audio/pcm") == b""


def test_a_law_is_the_inverse_of_its_table() -> None:
    """G.711: the sign, the smallest and the largest step."""
    made = read(wav(bytes([0xD5, 0x55, 0xAA, 0x2A]), rate=8000, bits=8, tag=6), "audio/wav")
    samples = np.frombuffer(mulaw.decode(made), dtype="<i2")
    assert abs(int(samples[0]) - 8) <= 8
    assert abs(int(samples[1]) + 8) <= 8
    assert abs(int(samples[2]) - 32_256) < 1000
    assert abs(int(samples[3]) + 32_256) < 1000
