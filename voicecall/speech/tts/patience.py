"""How long one sentence waits for a service, and when it is requested a second time (guarantee P13).

Used by every voice of this folder, over HTTP and over WebSockets. Knows clocks and errors, no protocol.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, TypeVar

import aiohttp

from voicecall.audio.formats import MULAW_8K
from voicecall.errors import FailureKind, ServiceError, ServiceTimeout
from voicecall.speech.tts.refusal import Reworded

__all__ = ["Patience", "SynthesisTimeouts", "in_two_tries", "longest_s"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

_PAUSE_S: Final = 0.25  # before the second try, where the service names no time
_LEAST_LEFT_S: Final = 0.5  # of the limit: a second try with less would not be answered in time


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisTimeouts:
    """Only the time spent waiting for the service counts, not the time the consumer takes for a chunk.

    `stall_s`: how long the caller may hear nothing in mid-sentence, after the end of what was received.
    """

    connect_s: float = 3.0
    first_audio_s: float = 8.0
    stall_s: float = 2.5
    total_s: float = 30.0


def longest_s(text: str) -> float:
    """An upper bound on the seconds that the slowest voice needs for `text`; more audio than that is an error."""
    return 10 + 0.5 * len(text)


class Patience:
    """The time one sentence has spent waiting so far, over both tries. `service` is the name in errors."""

    def __init__(self, service: str, timeouts: SynthesisTimeouts) -> None:
        self.service = service
        self.timeouts = timeouts
        self._spent_s = 0.0
        self._heard_until = 0.0  # loop time at which what was received has been played

    def received(self, mulaw: bytes) -> None:
        """So much more can be played."""
        self._heard_until = max(asyncio.get_running_loop().time(), self._heard_until) + len(mulaw) / MULAW_8K.rate

    async def wait_for(
        self,
        awaited: Awaitable[T],
        *,
        late: str,
        failed: str = "broke off",
        has_audio: bool = False,
        most_s: float | None = None,
    ) -> T:
        """The result, within what is left and within `most_s`. Raises ServiceTimeout(`late`), ServiceError(`failed`).

        An error that is the service's own passes.
        """
        clock = asyncio.get_running_loop().time
        started = clock()
        limit_s = self.timeouts.first_audio_s - self._spent_s
        if has_audio:
            limit_s = self.timeouts.stall_s + max(0.0, self._heard_until - started)
        limit_s = min(limit_s, self.timeouts.total_s - self._spent_s, *([] if most_s is None else [most_s]))
        try:
            async with asyncio.timeout(limit_s):
                return await awaited
        except TimeoutError as error:
            raise ServiceTimeout(self.service, late) from error
        except (aiohttp.ClientError, OSError) as error:
            unmade = isinstance(error, aiohttp.ClientConnectorError)
            kind = FailureKind.UNREACHABLE if unmade else FailureKind.BROKEN
            raise ServiceError(self.service, f"{failed}: {type(error).__name__}", kind=kind) from error
        finally:
            self._spent_s += clock() - started

    def pause_before_retry_s(self, failure: ServiceError) -> float | None:
        """How long to wait before the second try; None when none would be answered within the first-audio limit."""
        if not failure.retryable or isinstance(failure, ServiceTimeout | Reworded):
            return None
        pause_s = _PAUSE_S if failure.retry_after_s is None else failure.retry_after_s
        return pause_s if self._spent_s + pause_s + _LEAST_LEFT_S <= self.timeouts.first_audio_s else None

    async def pause(self, pause_s: float) -> None:
        self._spent_s += pause_s
        await asyncio.sleep(pause_s)


async def in_two_tries(one_try: Callable[[], AsyncGenerator[bytes]], patience: Patience) -> AsyncGenerator[bytes]:
    """The audio of `one_try`, which is called again when the service was busy or broke off before any audio.

    Raises ServiceError: retryable when the service was busy, broken or silent (then ServiceTimeout); not when it
    refused the request or sent what is no speech. Closing the iterator closes the running try.
    """
    has_audio = False
    for is_last in (False, True):
        try:
            async with aclosing(one_try()) as audio:
                async for chunk in audio:
                    has_audio = True
                    yield chunk
        except ServiceError as failure:
            pause_s = patience.pause_before_retry_s(failure)
            if is_last or has_audio or pause_s is None:
                raise
            _log.info("speech requested again", extra={"service": patience.service, "reason": str(failure)})
        else:
            return
        await patience.pause(pause_s)
