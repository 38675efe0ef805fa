"""The detector on recorded speech, silence, hiss and clicks."""

import numpy as np
import pytest

from voicecall.audio import mulaw
from voicecall.audio.framing import SILENT_FRAME
from voicecall.call.events import SpeechStarted, SpeechStopped
from voicecall.speech.tts.clip import apology
from voicecall.speech.vad import BEFORE_BYTES, SoundEnd, VoiceActivity


def hiss(rms: float, seconds: float) -> bytes:
    noise = np.random.default_rng(7).normal(0, rms, int(8000 * seconds))
    return mulaw.encode(noise.clip(-32768, 32767).astype("<i2").tobytes())


def silence(ms: int) -> bytes:
    return SILENT_FRAME * (ms // 20)


def changes_in(audio: bytes, *, chunk: int = 160, silence_ms: int = 800) -> list[tuple[str, int]]:
    """The names of the changes, each with the milliseconds of audio before it."""
    detector = VoiceActivity(silence_ms=silence_ms)
    changes = []
    for at in range(0, len(audio), chunk):
        changes += [(type(change).__name__, (at + chunk) // 8) for change in detector.feed(audio[at : at + chunk])]
    return changes


def test_an_utterance_begins_soon_and_ends_after_its_pause() -> None:
    """A barge-in is found within 200 ms of speech, the end of the turn `silence_ms` after it, not before."""
    speech = apology()
    (began, paused) = changes_in(silence(500) + speech + silence(1500))
    assert began[0] == SpeechStarted.__name__
    assert 500 < began[1] < 700
    assert paused[0] == SpeechStopped.__name__
    spoken_ms = 500 + len(speech) // 8
    assert spoken_ms + 500 < paused[1] <= spoken_ms + 1000


def test_a_pause_shorter_than_asked_for_does_not_end_the_utterance() -> None:
    """People pause to breathe."""
    changes = changes_in(apology() + silence(600) + apology() + silence(1500))
    assert [name for name, _ in changes] == ["SpeechStarted", "SpeechStopped"]


def test_a_longer_pause_makes_two_utterances() -> None:
    """The second is found like the first."""
    changes = changes_in(apology() + silence(1500) + apology() + silence(1500))
    assert [name for name, _ in changes] == ["SpeechStarted", "SpeechStopped"] * 2


@pytest.mark.parametrize(
    "audio", [silence(2000), hiss(30, 2), hiss(200, 2), silence(400) + b"\x80" * 160 + silence(400)]
)
def test_a_line_without_a_voice_is_no_speech(audio: bytes) -> None:
    """Silence, line noise and a click; each would be a false barge-in."""
    assert changes_in(audio) == []


def test_the_chunks_make_no_difference() -> None:
    """The detector counts frames."""
    audio = silence(300) + apology() + silence(1200)
    names = [name for name, _ in changes_in(audio)]
    assert (
        names
        == [name for name, _ in changes_in(audio, chunk=37)]
        == [name for name, _ in changes_in(audio, chunk=4000)]
    )


def ends_of(audio: bytes, *, reported_ms: int) -> list[tuple[str, int]]:
    """The changes of a sound that a recogniser reported so long after the beginning of this audio."""
    at = reported_ms * 8
    sound = SoundEnd(audio[max(0, at - BEFORE_BYTES) : at])
    found = []
    for place in range(at, len(audio), 160):
        found += [(type(change).__name__, (place + 160) // 8) for change in sound.feed(audio[place : place + 160])]
    return found


@pytest.mark.parametrize("reported_ms", [600, 680, 760])
def test_a16_the_end_of_a_cough_is_found_though_it_is_reported_late(reported_ms: int) -> None:
    """A recogniser may report it when it is over already."""
    cough = silence(500) + apology()[:1600] + silence(1000)
    (end,) = ends_of(cough, reported_ms=reported_ms)
    assert end[0] == SpeechStopped.__name__
    assert end[1] <= max(500 + 200 + 160, reported_ms + 20)


def test_a_sound_that_only_the_recogniser_hears_has_no_end() -> None:
    """A very soft voice: the recogniser alone decides."""
    assert ends_of(silence(500) + hiss(60, 1) + silence(1000), reported_ms=700) == []


def test_the_next_syllable_begins_the_sound_again() -> None:
    speech = silence(500) + apology()[:1600] + silence(200) + apology()[1600:3200] + silence(500)
    assert [name for name, _ in ends_of(speech, reported_ms=640)] == ["SpeechStopped", "SpeechStarted", "SpeechStopped"]
