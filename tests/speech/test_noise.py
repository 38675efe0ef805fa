"""Noise that does not stop is no speech, and speech in it is found: the floor of the line is learnt from the audio."""

import numpy as np
import pytest

from voicecall.audio import mulaw
from voicecall.audio.framing import SILENT_FRAME
from voicecall.speech.noise import NoiseFloor
from voicecall.speech.tts.clip import apology
from voicecall.speech.vad import SoundEnd, VoiceActivity

KINDS = ["white", "fan", "street"]
LANGUAGES = ["en", "de", "es", "hi", "ja", "tr", "zh", "ru"]


def noise(kind: str, seconds: float, rms: float, seed: int = 3) -> np.ndarray:
    """White; a fan: low rumble and a hum; a street: low rumble that swells and fades by about 3 dB."""
    n, random = int(8000 * seconds), np.random.default_rng(seed)
    white = random.normal(0, 1, n)
    if kind == "white":
        return white * rms
    hertz = np.fft.rfftfreq(n, 1 / 8000)
    shape = np.where(hertz < 80, 0.1, 1 / np.sqrt(1 + (hertz / (200 if kind == "fan" else 400)) ** 2))
    low = np.fft.irfft(np.fft.rfft(white) * shape, n)
    low /= low.std()
    if kind == "fan":
        low += 0.5 * np.sin(2 * np.pi * 120 * np.arange(n) / 8000)
    else:
        swell = 1 + 0.2 * random.uniform(-1, 1, n // 8000 + 2)
        low *= np.interp(np.arange(n), 8000 * np.arange(len(swell)), swell)
    return low / low.std() * rms


def speech(language: str, rms: float = 2000.0) -> np.ndarray:
    """A recorded sentence whose louder frames have this root mean square."""
    samples = np.frombuffer(mulaw.decode(apology(language)), dtype="<i2").astype(float)
    powers = (samples[: len(samples) // 160 * 160].reshape(-1, 160) ** 2).mean(axis=1)
    return samples / np.sqrt(powers[powers > powers.max() / 100].mean()) * rms


def coded(samples: np.ndarray) -> bytes:
    return mulaw.encode(samples.clip(-32768, 32767).astype("<i2").tobytes())


def changes_in(audio: bytes, *, silence_ms: int = 800, margin_db: float | None = None) -> list[tuple[str, float]]:
    """The changes that the detector finds, each with the seconds of audio before it."""
    floor = NoiseFloor(margin_db) if margin_db is not None else None
    detector, found = VoiceActivity(silence_ms=silence_ms, noise=floor), []
    for at in range(0, len(audio), 160):
        if floor is not None:
            floor.feed(audio[at : at + 160])
        found += [(type(change).__name__, at / 8000) for change in detector.feed(audio[at : at + 160])]
    return found


@pytest.mark.parametrize("rms", [600, 1200, 2400])
@pytest.mark.parametrize("kind", KINDS)
def test_a_steady_noise_begins_nothing_once_it_is_known(kind: str, rms: float) -> None:
    """As loud as a voice: before it is known it may count for a moment, and that ends by itself."""
    found = changes_in(coded(noise(kind, 30, rms)))
    assert [name for name, _ in found] in ([], ["SpeechStarted", "SpeechStopped"])
    assert all(at < 3.5 for _, at in found)


@pytest.mark.parametrize("snr_db", [20, 15, 10])
@pytest.mark.parametrize("kind", KINDS)
def test_speech_in_noise_is_one_utterance_that_ends(kind: str, snr_db: int) -> None:
    """It is found within half a second, and its end is: the noise behind it does not keep the turn open."""
    for number, language in enumerate(LANGUAGES):
        said = speech(language)
        line = np.concatenate([np.zeros(8000 * 6), said, np.zeros(8000 * 4)])
        line += noise(kind, len(line) / 8000, 2000 / 10 ** (snr_db / 20), seed=number)
        found = [(name, at - 6) for name, at in changes_in(coded(line)) if at > 5]
        assert [name for name, _ in found] == ["SpeechStarted", "SpeechStopped"], language
        assert 0 <= found[0][1] < 0.5, language
        assert len(said) / 8000 < found[1][1] + 0.4 <= len(said) / 8000 + 1.3, language


def test_in_loud_noise_speech_is_still_found() -> None:
    """At 5 dB only its loudest syllables stand out."""
    for number, language in enumerate(LANGUAGES):
        line = np.concatenate([np.zeros(8000 * 6), speech(language)])
        line += noise("fan", len(line) / 8000, 2000 / 10 ** (5 / 20), seed=number)
        assert next(name for name, at in changes_in(coded(line)) if at > 5) == "SpeechStarted", language


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_detector_that_begins_in_mid_sentence_finds_its_end(language: str) -> None:
    """A new connection to a service: nothing but speech is known for as long as it lasts."""
    said = speech(language)
    loud = next(at for at in range(8000, len(said), 160) if (said[at : at + 160] ** 2).mean() > 1500**2)
    found = changes_in(coded(np.concatenate([said[loud:], np.zeros(8000)])))
    assert [name for name, _ in found] == ["SpeechStarted", "SpeechStopped"]
    assert found[1][1] > (len(said) - loud) / 8000 - 0.2


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_caller_who_talks_for_long_is_not_taken_for_noise(language: str) -> None:
    """Four sentences without a pause between them, on a quiet line."""
    found = changes_in(coded(np.tile(speech(language), 4)))
    assert [name for name, _ in found] == ["SpeechStarted"]


def test_the_floor_falls_when_the_noise_ends() -> None:
    """A quiet voice is heard a second later."""
    floor, learnt = NoiseFloor(), coded(noise("fan", 6, 1500))
    for at in range(0, len(learnt), 160):
        floor.feed(learnt[at : at + 160])
    assert floor.power > 1500**2
    for _ in range(50):
        floor.feed(SILENT_FRAME)
    assert floor.power == 0


def test_a_quiet_line_has_no_floor() -> None:
    """Every sound on it is louder than its noise: nothing is judged."""
    floor = NoiseFloor()
    for _ in range(50):
        floor.feed(coded(noise("white", 0.02, 40)))
    assert floor.power == 0
    assert floor.is_above(coded(noise("white", 0.4, 100))) is None


def test_the_margin_says_how_much_louder_a_sound_must_be() -> None:
    """Half as loud again is 3.5 dB above the noise."""
    learnt, sound = coded(noise("white", 5, 1000)), coded(noise("white", 0.4, 1500, seed=9))
    judged = {}
    for margin_db in (2.0, 6.0):
        floor = NoiseFloor(margin_db)
        for at in range(0, len(learnt), 160):
            floor.feed(learnt[at : at + 160])
        judged[margin_db] = floor.is_above(sound)
        assert floor.is_above(learnt[-3200:]) is False
    assert judged == {2.0: True, 6.0: False}


def test_a_faint_sound_begins_when_it_becomes_louder() -> None:
    """A recogniser took the noise for speech, and reports nothing more when the caller speaks in it."""
    line = np.concatenate([np.zeros(8000 * 6), speech("en"), np.zeros(8000)])
    audio = coded(line + noise("fan", len(line) / 8000, 500))
    floor = NoiseFloor()
    for at in range(0, 8000 * 5, 160):
        floor.feed(audio[at : at + 160])
    sound, found = SoundEnd(audio[8000 * 5 - 3200 : 8000 * 5], floor, faint=True), []
    for at in range(8000 * 5, len(audio), 160):
        floor.feed(audio[at : at + 160])
        found += [(type(change).__name__, at / 8000) for change in sound.feed(audio[at : at + 160])]
    assert found[0][0] == "SpeechStarted"
    assert 6.0 <= found[0][1] < 6.5
