"""Several voices, tried in order until one yields audio; a voice that keeps failing is passed over until it is back.

The next voice is used only while nothing was played: a sentence that begins in one voice and ends in another is worse
than an apology. Knows the voices only as `TextToSpeech` ports with names.
"""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from voicecall.aio import closing
from voicecall.breaker import Attempt, Breaker, BreakerState
from voicecall.errors import ServiceError, ServiceTimeout
from voicecall.failover import record_failover
from voicecall.ports import TextToSpeech
from voicecall.probes import Prober
from voicecall.speech.tts.refusal import Reworded, TextRefused

__all__ = ["FallbackVoice"]

_PROBE_TEXT = "Hello."


class FallbackVoice:
    """TextToSpeech. `voices`: in order of preference, by the name that logs and metrics use.

    `breakers`: of the voices that have one, shared by every voice of the same service in this process.
    """

    def __init__(
        self,
        voices: Mapping[str, TextToSpeech],
        *,
        longest_text: int = 4096,
        breakers: Mapping[str, Breaker] | None = None,
    ) -> None:
        known = breakers or {}
        self._voices = [_Voice.of(name, voice, known.get(name) or Breaker()) for name, voice in voices.items()]
        self._longest_text = longest_text

    def warm(self) -> None:
        """Warm the voice that would speak now."""
        voice = next((voice for voice in self._voices if not voice.is_passed_over()), None)
        if voice is not None:
            voice.port.warm()

    async def speak(self, text: str) -> AsyncGenerator[bytes]:
        """Yield the audio of the first voice that has any. Raises ServiceError when none has, or that one fails."""
        if len(text) > self._longest_text:
            raise ServiceError("tts", f"{len(text)} characters are more than {self._longest_text}", retryable=False)
        failures: dict[str, ServiceError] = {}
        passed_over: list[_Voice] = []
        for voice in self._voices:
            attempt = voice.attempt()
            if attempt is None:
                passed_over.append(voice)
                continue
            async with aclosing(self._by(voice, attempt, text, failures)) as audio:
                async for chunk in audio:
                    yield chunk
            if voice.name not in failures:
                return
        # None is left that is known to work: better one that may be back, or one that may read it properly now.
        for voice in (*passed_over, *self._reworders(failures)):
            failures.pop(voice.name, None)
            async with aclosing(self._by(voice, Attempt(Breaker()), text, failures)) as audio:
                async for chunk in audio:
                    yield chunk
            if voice.name not in failures:
                return
        raise _of_all(failures)

    async def close(self) -> None:
        for voice in self._voices:
            await voice.prober.close()
            await voice.port.close()

    async def _by(
        self, voice: "_Voice", attempt: Attempt, text: str, failures: dict[str, ServiceError]
    ) -> AsyncGenerator[bytes]:
        """The audio of one voice; a failure before any is put into `failures`."""
        has_audio = False
        try:
            async with closing(voice.port.speak(text)) as audio:  # closed at once: a stopped sentence is not paid for
                async for chunk in audio:
                    if not has_audio:
                        self._record(voice, failures)
                        has_audio = True
                    yield chunk
        except ServiceError as failure:
            if not isinstance(failure, TextRefused):
                attempt.failed(time.monotonic(), wait_s=failure.retry_after_s or 0.0)
            if has_audio:
                raise
            failures[voice.name] = failure
        finally:
            if has_audio:
                attempt.succeeded(time.monotonic())  # unless it has failed: its first outcome counts
            attempt.abandoned(time.monotonic())
            voice.prober.wake()

    def _record(self, voice: "_Voice", failures: Mapping[str, ServiceError]) -> None:
        """Log and count that this voice speaks in the place of the first one."""
        first = self._voices[0]
        if voice is not first:
            failure = failures.get(first.name)
            record_failover(
                "tts", failed=first.name, used=voice.name, reason=str(failure) if failure else "has been failing"
            )

    def _reworders(self, failures: Mapping[str, ServiceError]) -> list["_Voice"]:
        return [voice for voice in self._voices if isinstance(failures.get(voice.name), Reworded)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Voice:
    name: str
    port: TextToSpeech
    breaker: Breaker
    prober: Prober

    @classmethod
    def of(cls, name: str, port: TextToSpeech, breaker: Breaker) -> "_Voice":
        async def speak_a_word() -> None:
            async with closing(port.speak(_PROBE_TEXT)) as audio:
                async for _ in audio:
                    return

        return cls(name=name, port=port, breaker=breaker, prober=Prober(f"tts {name}", breaker, speak_a_word))

    def attempt(self) -> Attempt | None:
        """Calls ask while the breaker is closed; whether the voice is back, only the prober tries out."""
        return None if self.is_passed_over() else self.breaker.attempt(time.monotonic())

    def is_passed_over(self) -> bool:
        return self.breaker.state(time.monotonic()) is not BreakerState.CLOSED


def _of_all(failures: Mapping[str, ServiceError]) -> ServiceError:
    reasons = "; ".join(map(str, failures.values())) or "no voice is configured"
    # If one of them is silent, the next sentence would wait for it again.
    silent = any(isinstance(failure, ServiceTimeout) for failure in failures.values())
    kind = ServiceTimeout if silent else ServiceError
    return kind("tts", reasons, retryable=any(failure.retryable for failure in failures.values()))
