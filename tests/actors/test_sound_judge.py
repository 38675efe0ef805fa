"""Recognition reports a noise as speech: the listener says that it is no louder than the line, and hears the voice."""

from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest

from tests.actors.test_listener import ARRIVED, OPENED, ListenerHarness, audio, call_after
from tests.speech.test_noise import coded, noise, speech
from voicecall.audio.framing import SILENT_FRAME
from voicecall.call.events import (
    AgentSaid,
    CallPolicy,
    Event,
    Heard,
    PlaybackBegan,
    SpeechStarted,
    SpeechStopped,
)
from voicecall.call.policy import TurnPolicy
from voicecall.call.state import Call
from voicecall.speech.tts.clip import apology

FAINT, LOUDER = SpeechStarted(above_noise=False), SpeechStarted(above_noise=True)


def speaking(policy: TurnPolicy | None = None, *events: Event) -> Call:
    """The bot has been speaking for four seconds."""
    said = AgentSaid(at=4.0, turn=1, text="Once upon a time.")
    arrived = replace(ARRIVED, policy=CallPolicy(turns=policy or TurnPolicy()))
    heard, began = Heard(at=3.0, text="hi"), PlaybackBegan(at=5.0, utterance=2)
    return call_after(arrived, replace(OPENED, pauses=True), heard, said, began, *events)


class Line:
    """A caller in a steady noise, who says a sentence from the seventh second on."""

    def __init__(self, harness: ListenerHarness, rms: float, kind: str = "fan") -> None:
        line = np.concatenate([np.zeros(8000 * 6), speech("en"), np.zeros(8000 * 2)])
        self.audio = coded(line + noise(kind, len(line) / 8000, rms))
        self.harness = harness
        self.frame = 0

    def until(self, second: float) -> None:
        while self.frame < second * 50:
            frame = self.audio[self.frame * 160 : self.frame * 160 + 160]
            self.harness.listener.hear(audio(self.frame + 1, frame))
            self.frame += 1


@pytest.fixture
async def harness() -> AsyncIterator[ListenerHarness]:
    harness = ListenerHarness()
    await harness.listening()
    yield harness
    await harness.listener.close()


@pytest.mark.parametrize("kind", ["white", "fan", "street"])
async def test_a_sound_no_louder_than_the_noise_is_reported_as_such(harness: ListenerHarness, kind: str) -> None:
    line = Line(harness, 900, kind)
    line.until(3)
    harness.stage.stt.say(SpeechStarted())
    line.until(6.6)
    harness.stage.stt.say(SpeechStarted())
    assert next(event for event in harness.reports if isinstance(event, SpeechStarted)) == FAINT
    assert harness.reports[-1] == LOUDER


async def test_on_a_quiet_line_nothing_is_judged(harness: ListenerHarness) -> None:
    """Every sound counts, as soft as it may be."""
    line = Line(harness, 30)
    line.until(3)
    harness.stage.stt.say(SpeechStarted())
    assert harness.reports == [SpeechStarted()]


async def test_before_the_noise_is_known_nothing_is_judged(harness: ListenerHarness) -> None:
    """Half a second at the beginning of a call, and after a worker took it over."""
    line = Line(harness, 900)
    line.until(0.4)
    harness.stage.stt.say(SpeechStarted())
    assert harness.reports == [SpeechStarted()]


async def test_the_voice_in_the_noise_is_found_without_recognition(harness: ListenerHarness) -> None:
    """It took the noise for speech and reports no second beginning. The voice's own end is found too."""
    line = Line(harness, 500)
    line.until(3)
    harness.stage.stt.say(SpeechStarted())
    harness.listener.follow(speaking(None, replace(FAINT, at=9.0)))
    line.until(5.9)
    assert harness.reports == [FAINT]
    line.until(6.5)
    assert harness.reports[1] == LOUDER
    harness.listener.follow(speaking(None, replace(FAINT, at=9.0), replace(LOUDER, at=12.5)))
    line.until(13)
    assert isinstance(harness.reports[-1], SpeechStopped)


async def test_the_voice_is_found_also_while_the_bot_is_silent(harness: ListenerHarness) -> None:
    """The call ignores the noise then: nothing in its state says that one was reported."""
    line = Line(harness, 500)
    line.until(3)
    harness.stage.stt.say(SpeechStarted())
    harness.listener.follow(call_after(ARRIVED, OPENED, replace(FAINT, at=3.0)))
    line.until(6.5)
    assert harness.reports == [FAINT, LOUDER]
    harness.listener.follow(call_after(ARRIVED, OPENED, replace(LOUDER, at=3.0)))
    line.until(13)
    assert harness.reports == [FAINT, LOUDER]  # recognition reports the rest


async def test_a_noise_that_recognition_ends_is_not_listened_to(harness: ListenerHarness) -> None:
    line = Line(harness, 500)
    line.until(3)
    harness.stage.stt.say(SpeechStarted(), SpeechStopped(silent_ms=800), Heard(text=""))
    line.until(8)
    assert not [event for event in harness.reports if event == LOUDER]


async def test_a_noise_ends_no_pause_of_the_caller(harness: ListenerHarness) -> None:
    """The words that come now belong to a caller who is silent, so that the turn can end."""
    line = Line(harness, 500)
    line.until(3)
    harness.stage.stt.say(SpeechStarted(above_noise=None), SpeechStopped(silent_ms=300), SpeechStarted())
    harness.stage.stt.say(Heard(text="what time is it"))
    heard = harness.reports[-1]
    assert isinstance(heard, Heard)
    assert heard.silent_ms == pytest.approx(300, abs=100)


async def test_the_next_piece_of_a_short_sound_leaves_the_silence_as_recognition_found_it(
    harness: ListenerHarness,
) -> None:
    """With a caller who "speaks again", and of whom recognition reports nothing more, the turn would stay open."""
    sound = apology()[:2400] + SILENT_FRAME * 10 + apology()[2400:5600]
    harness.stage.stt.say(SpeechStarted())
    harness.listener.follow(speaking(None, SpeechStarted(at=9.0)))
    for number in range(len(sound) // 160):
        if number == 24:
            harness.stage.stt.say(SpeechStopped(silent_ms=300))
        harness.listener.hear(audio(number + 1, sound[number * 160 : number * 160 + 160]))
    assert harness.reports[:3] == [SpeechStarted(), SpeechStopped(silent_ms=120), SpeechStarted()]
    harness.stage.stt.say(Heard(text="hello"))
    heard = harness.reports[-1]
    assert isinstance(heard, Heard)
    assert heard.silent_ms == pytest.approx(300, abs=100)


async def test_the_margin_is_the_calls_own(harness: ListenerHarness) -> None:
    """A sound 4 dB above the noise: enough for a high sensitivity, not for a normal one."""
    learnt, sound = coded(noise("white", 4, 800)), coded(noise("white", 0.5, 1270, seed=8))
    for margin_db in (6.0, 3.0):
        harness.listener.follow(speaking(TurnPolicy(noise_margin_db=margin_db)))
        first = harness.listener._next_frame or 1
        harness.listener.hear(audio(first, learnt[:-160]))
        for number in range(200):
            harness.listener.hear(audio(first + 200 + number, learnt[number * 160 : number * 160 + 160]))
        harness.listener.hear(audio(first + 400, sound))
        harness.stage.stt.say(SpeechStarted(), SpeechStopped())
    judged = [event.above_noise for event in harness.reports if isinstance(event, SpeechStarted)]
    assert judged == [False, True]
