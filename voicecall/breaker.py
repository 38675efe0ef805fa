"""A circuit breaker: whether a service that has been failing is asked again now.

Pure: time is an argument, in seconds of any clock that never goes back. One breaker per service and process, shared by
every call, so that only the first calls of a bad minute wait for the service. Used by fail-over of speech services and
agents; knows no service and no request.

    closed      every attempt is admitted
    open        none is, for `open_s` seconds, or as long as the service itself asked for (Retry-After)
    half-open   one attempt at a time is admitted, the trial: its success closes the breaker, its failure opens it again

After a trial the service is on probation: until its first success, one failure opens the breaker again. A service that
refused our key opens it at once.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["Attempt", "Breaker", "BreakerState", "Breakers", "Limits"]

_LONGEST_WAIT_S: Final = 300.0  # a service that asks for an hour is tried again before


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a breaker opens, and for how long.

    It opens after `failures_in_a_row`, or when at least `share` of the last `window` attempts have failed. A trial that
    has not ended after `trial_s` is given up, and another one may begin. `refused_s`: between two trials of a service
    that refuses our key.
    """

    failures_in_a_row: int = 3
    window: int = 20
    share: float = 0.5
    open_s: float = 30.0
    refused_s: float = 60.0
    trial_s: float = 30.0


class Breaker:
    """Of one service. Methods take `now`; `attempt` before each request, and the attempt's outcome after it."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._outcomes: deque[bool] = deque(maxlen=self._limits.window)  # True: failed
        self._in_a_row = 0
        self._open_until: float | None = None  # None: closed
        self._trial: Attempt | None = None
        self._trial_until = 0.0
        self._is_refused = False

    @property
    def is_refused(self) -> bool:
        """It refused our key, and no trial has succeeded since."""
        return self._is_refused

    def state(self, now: float) -> BreakerState:
        if self._open_until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self._open_until else BreakerState.HALF_OPEN

    def attempt(self, now: float) -> "Attempt | None":
        """The permission to ask the service once; None: do not ask it now.

        Half-open, it is the trial, and others get None until that has ended. The caller reports the outcome.
        """
        if self._open_until is None:
            return Attempt(self)
        if now < self._open_until or (self._trial is not None and now < self._trial_until):
            return None
        self._trial = Attempt(self)
        self._trial_until = now + self._limits.trial_s
        return self._trial

    def opens_in(self, now: float) -> float:
        """Seconds until a trial is admitted: 0 when closed or half-open."""
        return 0.0 if self._open_until is None else max(0.0, self._open_until - now)

    def _ended(self, attempt: "Attempt", now: float, *, failed: bool | None, wait_s: float, refused: bool) -> None:
        """Count an outcome. While open, only the trial's counts: others were begun before it opened."""
        self._is_refused = self._is_refused or refused
        if self._open_until is not None:
            self._end_trial(attempt, now, failed=failed, wait_s=wait_s)
            return
        if failed is None:
            return
        self._outcomes.append(failed)
        self._in_a_row = self._in_a_row + 1 if failed else 0
        if failed and (self._is_over_limit() or wait_s > 0 or refused):
            self._open(now, wait_s)

    def _end_trial(self, attempt: "Attempt", now: float, *, failed: bool | None, wait_s: float) -> None:
        if attempt is not self._trial:
            return
        self._trial = None
        if failed:
            self._open(now, wait_s)
        elif failed is False:
            self._open_until = None
            self._is_refused = False
            self._outcomes.clear()
            self._in_a_row = self._limits.failures_in_a_row - 1  # on probation: the next failure opens it at once

    def _is_over_limit(self) -> bool:
        limits = self._limits
        is_full = len(self._outcomes) == limits.window
        return self._in_a_row >= limits.failures_in_a_row or (
            is_full and self._outcomes.count(True) >= limits.share * limits.window
        )

    def _open(self, now: float, wait_s: float) -> None:
        usual_s = self._limits.refused_s if self._is_refused else self._limits.open_s
        self._open_until = now + min(_LONGEST_WAIT_S, wait_s or usual_s)


class Breakers:
    """Of one process: one for each service, by its name, address and key. `limits`: where a service has none itself."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits
        self._breakers: dict[tuple[str | None, ...], Breaker] = {}

    def of(self, *service: str | None, limits: Limits | None = None) -> Breaker:
        """The breaker of that service; `limits` counts where it is the first time."""
        return self._breakers.setdefault(service, Breaker(limits or self._limits))


class Attempt:
    """One admitted request. Its first outcome counts; an attempt that is dropped without one counts for nothing."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker: Breaker | None = breaker

    def succeeded(self, now: float) -> None:
        """The service answered as it should, or refused this request alone (a wrong text, not a broken service)."""
        self._end(now, failed=False)

    def failed(self, now: float, *, wait_s: float = 0.0) -> None:
        """The service did not answer, or not usably. `wait_s`: it asked not to be asked for so long, which opens it."""
        self._end(now, failed=True, wait_s=wait_s)

    def refused(self, now: float) -> None:
        """The service refused our key: so it will the next time."""
        self._end(now, failed=True, refused=True)

    def abandoned(self, now: float) -> None:
        """Nothing was learnt: the call ended first."""
        self._end(now, failed=None)

    def _end(self, now: float, *, failed: bool | None, wait_s: float = 0.0, refused: bool = False) -> None:
        breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker._ended(self, now, failed=failed, wait_s=wait_s, refused=refused)  # noqa: SLF001  the two are one idea
