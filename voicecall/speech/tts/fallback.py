"""Several voices, tried in order until one yields audio.

The next voice is used only while nothing was played: a sentence that begins in one voice and ends in another is worse
than an apology. Knows the voices only as `TextToSpeech` ports with names.
"""

import logging
from collections.abc import AsyncGenerator, Mapping

from voicecall.errors import ServiceError, ServiceTimeout
from voicecall.ports import TextToSpeech

__all__ = ["FallbackVoice"]

_log = logging.getLogger(__name__)


class FallbackVoice:
    """TextToSpeech. `voices`: in order of preference, by the name that logs use."""

    def __init__(self, voices: Mapping[str, TextToSpeech], *, longest_text: int = 4096) -> None:
        self._voices = dict(voices)
        self._longest_text = longest_text

    async def speak(self, text: str) -> AsyncGenerator[bytes]:
        """Yield the audio of the first voice that has any. Raises ServiceError when none has, or that one fails."""
        if len(text) > self._longest_text:
            raise ServiceError("tts", f"{len(text)} characters are more than {self._longest_text}", retryable=False)
        failures: dict[str, ServiceError] = {}
        for name, voice in self._voices.items():
            has_audio = False
            stream = voice.speak(text)
            try:
                async for chunk in stream:
                    if failures and not has_audio:
                        _log.warning("fallback voice used", extra={"voice": name, "failed": sorted(failures)})
                    has_audio = True
                    yield chunk
            except ServiceError as failure:
                if has_audio:
                    raise
                failures[name] = failure
                continue
            finally:
                if isinstance(stream, AsyncGenerator):
                    await stream.aclose()  # at once, so that a stopped sentence is not paid for
            return
        reasons = "; ".join(map(str, failures.values())) or "no voice is configured"
        # If one of them is silent, the next sentence would wait for it again.
        silent = any(isinstance(failure, ServiceTimeout) for failure in failures.values())
        kind = ServiceTimeout if silent else ServiceError
        raise kind("tts", reasons, retryable=any(failure.retryable for failure in failures.values()))

    async def close(self) -> None:
        for voice in self._voices.values():
            await voice.close()
