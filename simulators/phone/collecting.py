"""Collects the callee's speech and keys while a prompt plays and after it, as Gather and GetInput need it.

Recognition is perfect: the transcript is the persona's script.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

__all__ = ["Collecting"]


class Collecting:
    """The input so far; `changed` is set on each change."""

    def __init__(self, *, hears: bool, reads: bool, finish_on: str, wanted: int) -> None:
        """The input is complete after `wanted` digits (0: any number) or at a key of `finish_on`."""
        self.hears = hears
        self.reads = reads
        self.finish_on = finish_on
        self.wanted = wanted
        self.words: list[str] = []
        self.digits = ""
        self.finished_on = ""
        self.complete = False
        self.native_speech = False
        self.changed = asyncio.Event()

    def speech_began(self) -> None:
        if self.hears:
            self.native_speech = True
            self.changed.set()

    def speech(self, text: str) -> None:
        if self.hears:
            self.native_speech = False
            self.words.append(text)
            self.changed.set()

    def digit(self, digit: str) -> None:
        if not self.reads or self.complete:
            return
        if digit in self.finish_on:
            self.finished_on, self.complete = digit, True
        else:
            self.digits += digit
            self.complete = self.wanted > 0 and len(self.digits) >= self.wanted
        self.changed.set()

    @property
    def has_input(self) -> bool:
        return bool(self.native_speech or self.words or self.digits or self.complete)

    @property
    def empty(self) -> bool:
        """Whether there is no input to report."""
        return not self.words and not self.digits and not self.complete

    async def during(self, prompt: Coroutine[Any, Any, None], *, barge_in: bool = True) -> None:
        """Play the prompt; speech and keys interrupt it, if `barge_in` allows."""
        saying = asyncio.ensure_future(prompt)
        try:
            while not saying.done():
                changed = asyncio.ensure_future(self.changed.wait())
                try:
                    await asyncio.wait({saying, changed}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    changed.cancel()
                self.changed.clear()
                if self.has_input and barge_in:
                    break
                if self.has_input:
                    await asyncio.wait({saying})
        finally:
            if not saying.done():
                saying.cancel()
                # Wait for its cancellation, so that the line is silent before the next prompt.
                with contextlib.suppress(asyncio.CancelledError):
                    await saying
        if not saying.cancelled():
            saying.result()

    async def until_silence(self, *, first_s: float, after_speech_s: float, after_digit_s: float) -> None:
        """Wait until the input is complete, or none follows; an utterance in progress is waited for."""
        while not self.complete:
            after_s = after_speech_s if self.words else after_digit_s if self.digits else first_s
            self.changed.clear()
            try:
                async with asyncio.timeout(None if self.native_speech else after_s):
                    await self.changed.wait()
            except TimeoutError:
                return
