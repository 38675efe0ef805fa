"""The carrier's own voice and ears on one call: a prompt is said, the caller is listened to, keys are told.

One prompt at a time: the next replaces it, and so does a caller who is listened to and speaks. Recognition is perfect:
the box knows what its persona says, so what is heard are the script's own words.
"""

import asyncio
from dataclasses import dataclass

from simulators.mock.call import Call
from simulators.phone.answering import say

__all__ = ["Prompt", "Talking"]

_CONFIDENCE = 0.96


@dataclass(frozen=True)
class Prompt:
    """What to say, if anything, and what to do with the answer. URLs: "" is where all events of the call go."""

    text: str
    listens: bool = True
    utterance: int | None = None
    turn_token: str = ""
    heard_url: str = ""
    said_url: str = ""


class Talking:
    """The collector of one call, from its birth; deaf until the first prompt, and while a media socket is open."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._prompt: Prompt | None = None
        self._spoken_to: Prompt | None = None
        """What the caller, who is talking, began to answer to."""
        self._saying: asyncio.Task[None] | None = None
        call.collector = self

    async def say(self, prompt: Prompt) -> None:
        """Say it instead of what is being said; returns when it was heard, or cut."""
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
        # Keys do not interrupt; a media socket tells them itself.
        if self._call.stream is None and self._prompt is not None:
            self._call.notify("call.dtmf", digits=digit)

    def _purge(self) -> None:
        if self._saying is not None:
            self._saying.cancel()
