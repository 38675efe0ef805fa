"""The configuration's block `relay`: the carrier hears and speaks over its socket, which carries text.

The ingress renders the carrier's instruction from it. No service of speech is needed, and no key but the agent's.
"""

from typing import Literal

from voicecall.call.replies import Relay as RelayReply
from voicecall.manifests.fields import Block, Text, Texts
from voicecall.settings.model.language import AUTO

__all__ = ["Relay"]


class Relay(Block):
    """ConversationRelay. A key that is left out has the carrier's default."""

    enabled: bool = False
    """The carrier hears and speaks, and exchanges text with us (Twilio, Telnyx)."""
    voice: Text | None = None
    """The voice, as the carrier names it."""
    tts_provider: Text | None = None
    """Whose voice it is, as in `ElevenLabs`, `Google`, `Amazon`."""
    transcription_provider: Text | None = None
    """Whose speech recognition, as in `Deepgram`, `Google`."""
    speech_model: Text | None = None
    """Its model."""
    hints: Texts = ()
    """Names and terms that callers are likely to say."""
    interruptible: Literal["none", "dtmf", "speech", "any"] = "any"
    """What interrupts speech that the caller may interrupt."""
    interrupt_sensitivity: Literal["low", "medium", "high"] | None = None
    """How easily a sound interrupts."""

    def reply(self, language: str) -> RelayReply:
        """What the carrier is instructed. `language`: of calls, BCP 47 or `auto`."""
        sensitivity = (("interruptSensitivity", self.interrupt_sensitivity),) if self.interrupt_sensitivity else ()
        return RelayReply(
            language="" if language == AUTO else language,
            voice=self.voice or "",
            voice_provider=self.tts_provider or "",
            recogniser=self.transcription_provider or "",
            recogniser_model=self.speech_model or "",
            hints=", ".join(self.hints),
            interruptible=self.interruptible,
            more=sensitivity,
        )
