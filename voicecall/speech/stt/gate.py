"""Lets through only what somebody says, for recognisers without an ear for pauses (carriers 7.1).

Between a caller's audio and the backlog: our own detector listens, speech passes with a little of what came before it,
and the end of each utterance is marked, to be committed. What nobody said is neither sent nor billed.
"""

from typing import Final

from voicecall.call.events import SpeechStarted, SpeechStopped
from voicecall.speech.stt.backlog import Backlog
from voicecall.speech.vad import VoiceActivity

__all__ = ["Gate"]

_RUN_UP: Final = 2_400  # bytes: 300 ms, the softness before the first loud sound


class Gate:
    """Of one session."""

    def __init__(self, ear: VoiceActivity, backlog: Backlog) -> None:
        self._ear = ear
        self._backlog = backlog
        self._before = b""

    def feed(self, mulaw: bytes) -> list[SpeechStarted | SpeechStopped]:
        """Pass on what is speech; gives back what the detector noticed."""
        was_speaking = self._ear.is_speaking
        changes = self._ear.feed(mulaw)
        if not was_speaking and not changes:
            self._before = (self._before + mulaw)[-_RUN_UP:]
            return []
        self._backlog.put(self._before + mulaw)
        self._before = b""
        if any(isinstance(change, SpeechStopped) for change in changes):
            self._backlog.end_utterance()
        return changes
