"""Several voices, tried in order until one yields audio; a voice that keeps failing is passed over until it is back.

The next voice is used only while nothing was played: a sentence that begins in one voice and ends in another is worse
than an apology. Knows the voices only as `TextToSpeech` ports with names; how they take over, `voicecall/failover.py`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing

from voicecall.aio import closing
from voicecall.breaker import Breaker
from voicecall.call.events import Failover
from voicecall.errors import FailureKind, ServiceError
from voicecall.failover import Chain, Provider
from voicecall.ports import TextToSpeech

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
        providers = [
            Provider(name, voice, breaker=known.get(name), probe=_probe(voice)) for name, voice in voices.items()
        ]
        # One that reworded a sentence may read it properly the second time.
        self._chain = Chain("tts", providers, once_more={FailureKind.REWORDED})
        self._longest_text = longest_text

    def warm(self) -> None:
        """Warm the voice that would speak now."""
        voice = next((voice for voice in self._chain.providers if not voice.is_passed_over), None)
        if voice is not None:
            voice.port.warm()

    async def speak(self, text: str) -> AsyncGenerator[bytes | Failover]:
        """Yield the audio of the first voice that has any. Raises ServiceError when none has, or that one fails."""
        if len(text) > self._longest_text:
            raise ServiceError("tts", f"{len(text)} characters are more than {self._longest_text}", retryable=False)
        if not self._chain.providers:
            raise ServiceError("tts", "no voice is configured", retryable=False)
        async with aclosing(self._chain.stream(lambda voice: voice.speak(text))) as audio:
            async for chunk in audio:
                yield chunk

    async def close(self) -> None:
        await self._chain.close()
        for voice in self._chain.providers:
            await voice.port.close()


def _probe(voice: TextToSpeech) -> Callable[[], Awaitable[None]]:
    async def speak_a_word() -> None:
        async with closing(voice.speak(_PROBE_TEXT)) as audio:
            async for _ in audio:
                return

    return speak_a_word
