"""The configuration's block `turns`: when a caller interrupts, when their turn is over, and what silence means.

Each call gets these numbers when it begins (`Settings.call_policy`); the rules are in `voicecall/call`.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, Strict, WithJsonSchema

from voicecall.call.policy import Endpointing, Preemptive, TurnPolicy
from voicecall.manifests.fields import Block, Text, whole

__all__ = ["Turns"]

_SENSITIVITY: Final = {"low": (600, 1, 9.0), "normal": (300, 0, 6.0), "high": (150, 0, 3.0)}
"""By `sensitivity`: `minSpeechMs`, `minWords` and `noiseMarginDb`, where they are not set."""


def _ms(most: int, least: int = 0) -> tuple[object, ...]:
    return Field(ge=least, le=most), BeforeValidator(whole)


def _switch(value: Any) -> Any:
    """True and false are other words for `on` and `off`."""
    return (Preemptive.ON if value else Preemptive.OFF) if isinstance(value, bool) else value


_SWITCH: Final = WithJsonSchema({"anyOf": [{"type": "string", "enum": list(Preemptive)}, {"type": "boolean"}]})


class Turns(Block):
    """Turn taking. Times in milliseconds. What each number is good for: voice.md."""

    sensitivity: Literal["low", "normal", "high"] = "normal"
    """How easily a sound interrupts: `low` for noisy places, `high` for quiet ones."""
    min_speech_ms: Annotated[int, *_ms(5000)] | None = None
    """A sound of the caller that lasts so long interrupts; without it, 600, 300 or 150 by `sensitivity`."""
    min_words: Annotated[int, *_ms(10)] | None = None
    """With a number, only so many recognised words interrupt; without it, 1 for `low` and 0 for the others."""
    resume_after_ms: Annotated[int, *_ms(10_000, 100)] = 1500
    """How long after a sound that was too short a transcript is waited for; then speech goes on."""
    echo_guard_ms: Annotated[int, *_ms(3000)] = 300
    """A sound that begins so soon after our speech may be its echo: it pauses nothing, and interrupts if it lasts."""
    min_delay_ms: Annotated[int, *_ms(5000)] = 300
    """The silence that ends the caller's turn; what the recogniser has waited counts."""
    max_delay_ms: Annotated[int, *_ms(15_000, 100)] = 2500
    """The longest pause within a turn: the limit of a learnt pause, and how long words are waited for that began."""
    endpointing: Annotated[Endpointing, Strict(strict=False)] = Endpointing.FIXED
    """`fixed`: `minDelayMs`; `dynamic`: a moving average of this caller's own pauses, up to `maxDelayMs`."""
    silence_timeout_ms: Annotated[int, *_ms(600_000)] = 12_000
    """A caller silent for so long is asked once whether they are there, the next time the call ends; 0: never."""
    keys_after_ms: Annotated[int, *_ms(15_000, 200)] = 2000
    """The pause after the last key that ends what the caller keys in; `#` ends it at once."""
    filler_after_ms: Annotated[int, *_ms(60_000, 500)] = 2000
    """How long the caller waits for a reply before something is said meanwhile."""
    preemptive: Annotated[Preemptive, Strict(strict=False), BeforeValidator(_switch), _SWITCH] = Preemptive.AUTO
    """Ask the agent at likely ends of the caller's turn, before it is over; `auto`: where recognition finds these."""
    preemptive_max_speech_ms: Annotated[int, *_ms(60_000, 1000)] = 10_000
    """Only for a turn whose speech began no longer ago than this."""
    preemptive_tries: Annotated[int, Field(ge=1, le=10), BeforeValidator(whole)] = 3
    """How often the agent is asked so in one turn at most."""

    model: Text | None = None
    """Path of a turn model in smart-turn's format (ONNX), which judges by the sound whether a turn is over."""
    complete_above: Annotated[float, Field(ge=0.05, le=0.95)] = 0.5
    """A turn that the model takes to be over with a higher probability ends after `minDelayMs`, else `maxDelayMs`."""
    noise_margin_db: Annotated[float, Field(ge=0.0, le=30.0)] | None = None
    """A sound pauses and interrupts only this much above the noise; without it, 9, 6 or 3 dB by `sensitivity`."""

    def policy(self) -> TurnPolicy:
        """These settings as the rules take them."""
        speech_ms, words, margin_db = _SENSITIVITY[self.sensitivity]
        return TurnPolicy(
            min_speech_s=(speech_ms if self.min_speech_ms is None else self.min_speech_ms) / 1000,
            min_words=words if self.min_words is None else self.min_words,
            resume_after_s=self.resume_after_ms / 1000,
            echo_guard_s=self.echo_guard_ms / 1000,
            min_delay_s=self.min_delay_ms / 1000,
            max_delay_s=max(self.max_delay_ms, self.min_delay_ms) / 1000,
            endpointing=self.endpointing,
            silence_s=self.silence_timeout_ms / 1000,
            keys_after_s=self.keys_after_ms / 1000,
            complete_above=self.complete_above,
            noise_margin_db=margin_db if self.noise_margin_db is None else self.noise_margin_db,
            preemptive=self.preemptive,
            preemptive_speech_s=self.preemptive_max_speech_ms / 1000,
            preemptive_tries=self.preemptive_tries,
        )
