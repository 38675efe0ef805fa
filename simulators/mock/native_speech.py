"""The carrier's native speech on one call: plays a prompt, recognises the caller's speech, reports keys.

One prompt at a time: the next replaces it, and so does speech of a caller who may interrupt. Recognition is perfect:
the transcript is the persona's script.
"""

import asyncio
from dataclasses import dataclass

from simulators.mock.call import Call
from simulators.phone.answering import say

__all__ = ["NativeSpeech", "Prompt"]

_CONFIDENCE = 0.96


@dataclass(frozen=True)
class Prompt:
    """A text to speak, if any, and where to send the result. URLs: "" is the call's webhook URL."""

    text: str
    listens: bool = True
    utterance: int | None = None
    turn_token: str = ""
    heard_url: str = ""
    said_url: str = ""


class NativeSpeech:
    """The collector of one call; ignores speech before the first prompt, and while a media socket is open."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._prompt: Prompt | None = None
        self._spoken_to: Prompt | None = None
        """The prompt that was current when the caller began to speak."""
        self._saying: asyncio.Task[None] | None = None
        call.collector = self

    async def say(self, prompt: Prompt) -> None:
        """Speak it in place of the current prompt; returns when it was heard, or interrupted."""
        self._purge()
        self._prompt = prompt
        if not prompt.text:
            return
        self._saying = self._call.spawn(say(self._call, prompt.text))
        try:
            await asyncio.wait({self._saying})
        finally:
            self._saying.cancel()
        if not self._saying.cancelled():
            named = {} if prompt.utterance is None else {"utterance": prompt.utterance}
            self._call.notify("call.said", prompt.said_url, **named)

    def speech_began(self) -> None:
        if self._call.stream is None and self._prompt is not None and self._prompt.listens:
            self._spoken_to = self._prompt
            self._purge()

    def speech(self, text: str) -> None:
        prompt, self._spoken_to = self._spoken_to, None
        if prompt is not None:
            token = {"turnToken": prompt.turn_token} if prompt.turn_token else {}
            facts = {"transcript": text, "isFinal": True, "confidence": _CONFIDENCE, **token}
            self._call.notify("call.speech", prompt.heard_url, **facts)

    def digit(self, digit: str) -> None:
        # Keys do not interrupt; on a media socket the stream sends them itself.
        if self._call.stream is None and self._prompt is not None:
            self._call.notify("call.dtmf", digits=digit)

    def _purge(self) -> None:
        if self._saying is not None:
            self._saying.cancel()
