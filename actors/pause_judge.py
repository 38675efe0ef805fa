"""Has the turn model judge each pause of a caller, as soon as our own detector finds it.

Used by the listener of one activation, where a model is configured. Gives the model what the caller has said of their
turn, the newest eight seconds of it, and keeps its judgement while the pause lasts. Knows audio and the role
`TurnJudge`; does not know what follows from a judgement.
"""

from collections.abc import Callable
from typing import Final

from voicecall.call.events import SpeechStarted
from voicecall.call.state import Call
from voicecall.ports import TurnJudge
from voicecall.speech.noise import NoiseFloor
from voicecall.speech.vad import BEFORE_BYTES, VoiceActivity

__all__ = ["PauseJudge"]

_PAUSE_MS: Final = 200  # the pause for which such models are trained
_LONGEST: Final = 64_000  # bytes: 8 s
_BYTES_PER_S: Final = 8_000


class PauseJudge:
    """`follow` each committed state, `hear` the audio, `close` once. `on_judged`: called when `complete` has come."""

    def __init__(self, model: TurnJudge, noise: NoiseFloor, on_judged: Callable[[], None]) -> None:
        self._model = model
        self._on_judged = on_judged
        self._detector = VoiceActivity(silence_ms=_PAUSE_MS, noise=noise)
        self._audio = bytearray()
        self._silent = 0  # bytes since the caller stopped
        self._longest_pause = 0  # bytes: a longer one ends any turn
        self._turn = 0
        self._is_new = True  # what was said belongs to a turn that is over
        self._give_up: Callable[[], object] | None = None
        self.complete: float | None = None
        """How likely the turn is over, in this pause; None while the caller speaks, and without a judgement."""

    def follow(self, call: Call) -> None:
        self._longest_pause = round(call.policy.turns.max_delay_s * _BYTES_PER_S)
        if call.turn != self._turn:
            self._turn, self._is_new, self.complete = call.turn, True, None

    def hear(self, mulaw: bytes) -> None:
        self._audio += mulaw
        del self._audio[:-_LONGEST]
        self._silent += len(mulaw)
        for change in self._detector.feed(mulaw):
            if isinstance(change, SpeechStarted):
                self._go_on()
            else:
                self._pause()

    def _go_on(self) -> None:
        self.close()
        self.complete = None
        if self._is_new or self._silent > self._longest_pause:
            del self._audio[:-BEFORE_BYTES]
        self._is_new = False

    def _pause(self) -> None:
        self._silent = 0
        self._give_up = self._model.judge(bytes(self._audio), self._judged)

    def _judged(self, complete: float) -> None:
        self._give_up, self.complete = None, complete
        self._on_judged()

    def close(self) -> None:
        """Give up the judgement that is under way."""
        if self._give_up is not None:
            self._give_up()
            self._give_up = None
