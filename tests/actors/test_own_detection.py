"""The end of a turn where our own detector finds the pauses and commits, as for Whisper servers: the same rules hold.

Audio goes through listener, session, gate and detector; only the connection to the service is scripted.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Self

import numpy as np
import pytest

from tests.fakes.live_call import LiveCall
from tests.fakes.ports import eventually
from tests.speech.test_noise import coded, noise, speech
from voicecall.audio.framing import SILENT_FRAME
from voicecall.call.events import Event, Heard, SpeechStarted, SpeechStopped, Timer
from voicecall.call.policy import Endpointing, TurnPolicy
from voicecall.speech.stt.link import LinkLost, Service, Signal, Transcribed, UtteranceCommitted
from voicecall.speech.stt.recognition import Recognition
from voicecall.speech.tts.clip import apology
from voicecall.speech.vad import VoiceActivity

SAID = apology()[:12_000]
PAUSE = SILENT_FRAME * 60


@dataclass
class ScriptedLink:
    """A connection that transcribes each committed utterance as the next of `texts`; None: never."""

    texts: list[str | None]
    sent: bytes = b""
    committed: list[int] = field(default_factory=list)  # bytes of each utterance
    ready: asyncio.Queue[Sequence[Signal] | LinkLost] = field(default_factory=asyncio.Queue)

    async def open(self) -> None: ...

    async def send(self, mulaw: bytes) -> None:
        self.sent += mulaw

    async def commit(self) -> None:
        self.committed.append(len(self.sent))
        self.sent = b""
        item, text = str(len(self.committed)), self.texts.pop(0)
        self.ready.put_nowait((UtteranceCommitted(item, None),))
        if text is not None:
            self.ready.put_nowait((Transcribed(item, text),))

    async def signals(self) -> AsyncIterator[Sequence[Signal]]:
        while True:
            said = await self.ready.get()
            if isinstance(said, LinkLost):
                raise said
            yield said

    async def close(self) -> None: ...


class Own:
    """A live call whose service has no detection of its own."""

    def __init__(self, *texts: str | None, silence_ms: int, policy: TurnPolicy | None = None) -> None:
        self.link = ScriptedLink(list(texts))
        detector = partial(VoiceActivity, silence_ms=silence_ms)
        service = Service(
            name="own", model="m", link=lambda _: self.link, detector=detector, silence_ms=silence_ms, piece=160
        )
        self.recognition = Recognition([service])
        self.live = LiveCall(policy, stt=self.recognition)

    async def __aenter__(self) -> Self:
        await self.live.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.live.listener.close()
        await self.recognition.close()

    async def hear(self, mulaw: bytes, *, until: type[Event]) -> Event:
        """Audio, and the event of this kind that it leads to."""
        before = len(self.live.reports)
        self.live.hear(mulaw)
        await eventually(lambda: any(isinstance(event, until) for event in self.live.reports[before:]))
        return next(event for event in self.live.reports[before:] if isinstance(event, until))

    @property
    def due_in(self) -> float:
        return self.live.call.timers[Timer.TURN] - self.live.now


async def test_the_pause_that_committed_counts() -> None:
    """It was as long as the shortest delay: the agent is asked at once."""
    async with Own("what time is it", silence_ms=800) as own:
        heard = await own.hear(SAID + PAUSE, until=Heard)
        assert isinstance(heard, Heard)
        assert heard.silent_ms == pytest.approx(800, abs=150)
        assert own.live.asked == [1]
        assert len(own.link.committed) == 1


async def test_a_shorter_pause_waits_for_the_rest_of_the_delay() -> None:
    async with Own("what time is it", silence_ms=200, policy=TurnPolicy(min_delay_s=1.0)) as own:
        await own.hear(SAID + PAUSE, until=Heard)
        assert own.live.asked == []
        assert own.due_in == pytest.approx(0.8, abs=0.15)
        own.live.fire(Timer.TURN)
        assert own.live.asked == [1]


async def test_a_caller_who_goes_on_adds_to_the_turn() -> None:
    """Two commits, one question."""
    async with Own("I would like", "a table", silence_ms=200, policy=TurnPolicy(min_delay_s=1.0)) as own:
        await own.hear(SAID + SILENT_FRAME * 15, until=Heard)
        await own.hear(SAID, until=SpeechStarted)
        assert Timer.TURN not in own.live.call.timers
        await own.hear(PAUSE, until=Heard)
        own.live.fire(Timer.TURN)
        assert (own.live.asked, len(own.link.committed)) == ([1], 2)
        assert own.live.call.transcript[-1].text == "I would like a table"


async def test_words_that_never_come_are_waited_for_no_longer_than_the_longest_delay() -> None:
    """The server lost the second recording."""
    policy = TurnPolicy(min_delay_s=1.0, max_delay_s=2.0)
    async with Own("I would like", None, silence_ms=200, policy=policy) as own:
        await own.hear(SAID + SILENT_FRAME * 15, until=Heard)
        await own.hear(SAID + PAUSE, until=SpeechStopped)
        assert own.due_in == pytest.approx(2.0)
        own.live.fire(Timer.TURN)
        assert own.live.asked == [1]


async def test_the_delay_is_learnt_from_the_pauses_that_our_detector_finds() -> None:
    """A tenth of each pause that the caller made within the turn."""
    policy = TurnPolicy(endpointing=Endpointing.DYNAMIC, min_delay_s=0.5)
    async with Own("and", "then", silence_ms=200, policy=policy) as own:
        await own.hear(SAID + SILENT_FRAME * 15, until=Heard)
        silent_since = own.live.call.floor.silent_since
        assert silent_since is not None
        own.live.now += 1.0
        await own.hear(SAID, until=SpeechStarted)
        pause_s = own.live.now - silent_since
        assert own.live.call.floor.pause_s == pytest.approx(0.9 * 0.5 + 0.1 * pause_s)
        await own.hear(PAUSE, until=Heard)
        assert own.due_in == pytest.approx(0.9 * 0.5 + 0.1 * pause_s - 0.2, abs=0.15)


async def test_a_noise_that_goes_on_does_not_keep_the_turn_open() -> None:
    """Its floor is learnt while nobody speaks; the commit comes as on a quiet line, and holds one sentence."""
    said = speech("en")
    line = np.concatenate([np.zeros(8000 * 6), said, np.zeros(8000 * 2)])
    audio = coded(line + noise("fan", len(line) / 8000, 600))
    async with Own("", "it is loud here", silence_ms=800) as own:
        await own.hear(audio[: 8000 * 6], until=Heard)
        heard = await own.hear(audio[8000 * 6 :], until=Heard)
        assert isinstance(heard, Heard)
        assert (heard.text, own.live.asked) == ("it is loud here", [1])
        assert len(own.link.committed) == 2
        assert own.link.committed[1] == pytest.approx(len(said) + 6400, abs=6000)
