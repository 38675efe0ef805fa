"""The turn model in a call: audio in, facts out, and what the rules make of them. Inference is real."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from actors.pause_judge import PauseJudge
from tests.actors.test_listener import ARRIVED, OPENED, call_after
from tests.fakes import turn_models
from tests.fakes.live_call import LiveCall
from tests.fakes.ports import eventually
from voicecall.audio import mulaw
from voicecall.audio.framing import SILENT_FRAME
from voicecall.call.events import Heard, SpeechStarted, SpeechStopped, Timer
from voicecall.speech.noise import NoiseFloor
from voicecall.speech.tts.clip import apology
from voicecall.speech.turn_model import TurnModel, load_turn_model


def tone(hertz: float, seconds: float = 0.4) -> bytes:
    samples = 8000 * np.sin(2 * np.pi * hertz * np.arange(int(8000 * seconds)) / 8000)
    return mulaw.encode(samples.astype("<i2").tobytes())


COMPLETE = apology()[:16_000] + tone(300)
INCOMPLETE = apology()[:16_000] + tone(2500)
PAUSE = SILENT_FRAME * 30


@pytest.fixture
async def model(tmp_path: Path) -> AsyncIterator[TurnModel]:
    model = load_turn_model(str(turn_models.tonal(tmp_path / "tonal.onnx")))
    yield model
    await model.close()


class Recorder:
    """A TurnJudge that keeps what it is given; the test answers. `busy`: it takes nothing."""

    def __init__(self) -> None:
        self.given: list[bytes] = []
        self.given_up = 0
        self.busy = False
        self.answer: Callable[[float], None] = lambda _: None

    def judge(self, mulaw_: bytes, on_judged: Callable[[float], None]) -> Callable[[], object] | None:
        if self.busy:
            return None
        self.given.append(mulaw_)
        self.answer = on_judged
        return self._give_up

    def _give_up(self) -> None:
        self.given_up += 1

    async def close(self) -> None: ...


async def test_a_complete_turn_is_answered_at_once(model: TurnModel) -> None:
    """The judgement is there when the words come, as a fact with them."""
    live = await LiveCall(judge=model).open()
    live.stage.stt.say(SpeechStarted())
    live.hear(COMPLETE + PAUSE)
    await eventually(lambda: live.complete is not None)
    heard = live.recognise("what time is it")
    assert heard.turn_complete is not None
    assert heard.turn_complete > 0.9
    assert live.asked == [1]
    await live.listener.close()


async def test_an_incomplete_turn_is_waited_for_and_joined(model: TurnModel) -> None:
    """Though recognition has ended the utterance."""
    live = await LiveCall(judge=model).open()
    live.stage.stt.say(SpeechStarted())
    live.hear(INCOMPLETE + PAUSE)
    await eventually(lambda: live.complete is not None)
    assert live.recognise("I would like").turn_complete == pytest.approx(0.0, abs=0.1)
    assert live.asked == []
    assert live.call.timers[Timer.TURN] == pytest.approx(live.now + 2.0, abs=0.1)
    live.stage.stt.say(SpeechStarted())
    live.hear(COMPLETE)
    assert live.complete is None
    live.hear(PAUSE)
    await eventually(lambda: live.complete is not None)
    live.recognise("a table for two")
    assert live.asked == [1]
    assert live.call.transcript[-1].text == "I would like a table for two"
    await live.listener.close()


async def test_an_incomplete_turn_without_more_is_answered_in_the_end(model: TurnModel) -> None:
    live = await LiveCall(judge=model).open()
    live.stage.stt.say(SpeechStarted())
    live.hear(INCOMPLETE + PAUSE)
    await eventually(lambda: live.complete is not None)
    live.recognise("I would like")
    live.fire(Timer.TURN)
    assert live.asked == [1]
    await live.listener.close()


async def test_a_judgement_that_comes_after_the_words_is_a_fact_of_its_own(model: TurnModel) -> None:
    """Recognition was faster. The turn that was about to end waits."""
    live = await LiveCall(judge=model).open()
    live.stage.stt.say(SpeechStarted())
    live.hear(INCOMPLETE + SILENT_FRAME * 9)
    heard = live.recognise("I would like", silent_ms=180)
    assert (heard.turn_complete, live.asked) == (None, [])
    assert live.call.timers[Timer.TURN] - live.now < 0.3
    live.hear(PAUSE)
    await eventually(lambda: isinstance(live.reports[-1], SpeechStopped))
    judged = live.reports[-1]
    assert isinstance(judged, SpeechStopped)
    assert judged.turn_complete == pytest.approx(0.0, abs=0.1)
    assert live.call.timers[Timer.TURN] - live.now > 1.5
    assert len([event for event in live.reports if isinstance(event, SpeechStopped)]) == 1
    await live.listener.close()


async def test_a_judgement_that_comes_when_the_caller_speaks_again_is_not_reported() -> None:
    """It is about a pause that is over, though our detector has not heard the soft voice yet."""
    model = Recorder()
    live = await LiveCall(judge=model).open()
    live.stage.stt.say(SpeechStarted())
    live.hear(INCOMPLETE + PAUSE)
    live.recognise("I would like", silent_ms=100)
    state = live.call
    live.stage.stt.say(SpeechStarted())
    live.listener.follow(state)  # the commit of the sound is under way
    reported = len(live.reports)
    model.answer(0.1)
    assert len(live.reports) == reported
    await live.listener.close()


async def test_the_facts_fold_to_the_same_state(model: TurnModel) -> None:
    """No audio and no model is needed to replay the call."""
    live = await LiveCall(judge=model).open()
    live.stage.stt.say(SpeechStarted())
    live.hear(INCOMPLETE + PAUSE)
    await eventually(lambda: live.complete is not None)
    live.recognise("I would like")
    assert live.replayed() == live.call
    await live.listener.close()


async def test_a_service_that_ends_turns_by_what_is_said_is_not_judged() -> None:
    """As Deepgram's Flux. The model does not run; it does when another service takes over."""
    model = Recorder()
    live = await LiveCall(judge=model).open()
    live.stage.stt.sessions[-1].ends_at_pauses = False
    live.stage.stt.say(SpeechStarted())
    live.hear(INCOMPLETE + PAUSE)
    live.stage.stt.say(SpeechStopped(), Heard(text="I would like"))
    assert (model.given, live.asked) == ([], [1])
    live.stage.stt.sessions[-1].ends_at_pauses = True
    live.hear(INCOMPLETE + PAUSE)
    assert len(model.given) == 1
    await live.listener.close()


async def test_a_model_that_is_too_busy_changes_nothing() -> None:
    """The turn ends as without one."""
    model = Recorder()
    model.busy = True
    live = await LiveCall(judge=model).open()
    live.stage.stt.say(SpeechStarted())
    live.hear(INCOMPLETE + PAUSE)
    assert live.recognise("I would like").turn_complete is None
    assert live.asked == [1]
    await live.listener.close()


async def test_without_a_model_nothing_is_judged() -> None:
    live = await LiveCall().open()
    live.stage.stt.say(SpeechStarted())
    live.hear(INCOMPLETE + PAUSE)
    assert live.recognise("I would like").turn_complete is None
    assert live.asked == [1]
    await live.listener.close()


async def test_what_the_caller_says_next_and_the_end_of_the_call_give_a_judgement_up() -> None:
    model = Recorder()
    live = await LiveCall(judge=model).open()
    live.hear(COMPLETE + PAUSE + apology()[:4_000])
    assert (len(model.given), model.given_up) == (1, 1)
    live.hear(PAUSE)
    await live.listener.close()
    assert (len(model.given), model.given_up) == (2, 2)


def heard_by(judge: PauseJudge, *pieces: bytes) -> None:
    for piece in pieces:
        for at in range(0, len(piece), 160):
            judge.hear(piece[at : at + 160])


def test_the_model_gets_the_turn_and_nothing_before_it() -> None:
    """With the pauses within it, and 400 ms before its first sound; at most eight seconds."""
    recorder = Recorder()
    judge = PauseJudge(recorder, NoiseFloor(), lambda: None)
    judge.follow(call_after(ARRIVED, OPENED))
    first, second = apology()[:16_000], apology()[16_000:24_000]
    heard_by(judge, SILENT_FRAME * 100, first, PAUSE, second, PAUSE)
    once, twice = recorder.given[0], recorder.given[-1]
    assert 16_000 <= len(once) < 16_000 + 3_200 + 2_400
    assert first in once
    assert first + PAUSE + second in twice

    judge.follow(call_after(ARRIVED, OPENED, Heard(at=5.0, text="hello")))  # the next turn
    heard_by(judge, SILENT_FRAME * 25, second, PAUSE)
    assert first not in recorder.given[-1]
    assert second in recorder.given[-1]

    heard_by(judge, apology() * 2, PAUSE)
    assert len(recorder.given[-1]) == 64_000


def test_after_a_pause_that_ends_any_turn_another_begins() -> None:
    """The answer to a `continue` counts no turn."""
    recorder = Recorder()
    judge = PauseJudge(recorder, NoiseFloor(), lambda: None)
    judge.follow(call_after(ARRIVED, OPENED))
    heard_by(judge, apology()[:16_000], SILENT_FRAME * 150, apology()[16_000:24_000], PAUSE)
    assert apology()[:16_000] not in recorder.given[-1]


def test_a_judgement_holds_for_its_pause_only() -> None:
    """Neither for what the caller says next, nor for another turn."""
    recorder, told = Recorder(), []
    judge = PauseJudge(recorder, NoiseFloor(), lambda: told.append(judge.complete))
    judge.follow(call_after(ARRIVED, OPENED))
    heard_by(judge, apology()[:16_000], PAUSE)
    recorder.answer(0.7)
    assert (told, judge.complete) == ([0.7], 0.7)
    heard_by(judge, apology()[:4_000])
    assert judge.complete is None
    heard_by(judge, PAUSE)
    recorder.answer(0.8)
    judge.follow(call_after(ARRIVED, OPENED, Heard(at=5.0, text="hello")))
    assert judge.complete is None
