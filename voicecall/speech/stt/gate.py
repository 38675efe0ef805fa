"""Passes only speech on, for speech recognition models that do not detect pauses themselves.

Sits between a caller's audio and the backlog. Speech passes together with the 300 ms before it, and the end of each
utterance is marked so that the client commits it. Silence is neither sent nor billed.
"""

from typing import Final

from voicecall.call.events import SpeechStarted, SpeechStopped
from voicecall.speech.stt.backlog import Backlog
from voicecall.speech.vad import VoiceActivity

__all__ = ["SpeechGate"]

_RUN_UP: Final = 2_400  # bytes: 300 ms, the quiet onset before the detector notices speech


class SpeechGate:
    """Of one session."""

    def __init__(self, detector: VoiceActivity, backlog: Backlog) -> None:
        self._detector = detector
        self._backlog = backlog
        self._before = b""

    def feed(self, mulaw: bytes) -> list[SpeechStarted | SpeechStopped]:
        """Pass speech on to the backlog. Returns the changes that the detector found."""
        was_speaking = self._detector.is_speaking
        changes = self._detector.feed(mulaw)
        if not was_speaking and not changes:
            self._before = (self._before + mulaw)[-_RUN_UP:]
            return []
        self._backlog.put(self._before + mulaw)
        self._before = b""
        if any(isinstance(change, SpeechStopped) for change in changes):
            self._backlog.end_utterance()
        return changes
