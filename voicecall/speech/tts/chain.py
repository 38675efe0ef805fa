"""Several voices, tried in order until one speaks (behaviour 8.2).

The next is asked only while nothing has been heard: half a sentence in one voice and the rest in another is worse than
an apology. Knows voices by name and port, nothing of how they are made.
"""

import logging
from collections.abc import AsyncGenerator, Mapping

from voicecall.errors import ServiceError
from voicecall.ports import TextToSpeech

__all__ = ["Chain"]

_log = logging.getLogger(__name__)


class Chain:
    """TextToSpeech. `voices`: best first, by the name that logs use."""

    def __init__(self, voices: Mapping[str, TextToSpeech], *, longest_text: int = 4096) -> None:
        self._voices = dict(voices)
        self._longest_text = longest_text

    async def speak(self, text: str) -> AsyncGenerator[bytes]:
        """The first voice that gives any audio. Raises ServiceError when none does, or when that one breaks off."""
        if len(text) > self._longest_text:
            raise ServiceError("tts", f"{len(text)} characters are more than {self._longest_text}", retryable=False)
        failures: dict[str, ServiceError] = {}
        for name, voice in self._voices.items():
            has_spoken = False
            stream = voice.speak(text)
            try:
                async for chunk in stream:
                    if failures and not has_spoken:
                        _log.warning("another voice spoke", extra={"voice": name, "failed": sorted(failures)})
                    has_spoken = True
                    yield chunk
            except ServiceError as failure:
                if has_spoken:
                    raise
                failures[name] = failure
                continue
            finally:
                if isinstance(stream, AsyncGenerator):
                    await stream.aclose()  # at once: whoever stopped us does not pay for the rest
            return
        reasons = "; ".join(map(str, failures.values())) or "no voice is configured"
        raise ServiceError("tts", reasons, retryable=any(failure.retryable for failure in failures.values()))

    async def close(self) -> None:
        for voice in self._voices.values():
            await voice.close()
