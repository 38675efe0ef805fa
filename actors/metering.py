"""Metrics of activations: gauges and latencies per call, effects by result, and the time providers take.

Used by the actor of a call and by what runs its effects. Label values come from small fixed sets: carriers' names,
class names of effects, and the roles "tts", "stt" and "agent". Decides nothing.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from voicecall.aio import closing
from voicecall.call.effects import Effect
from voicecall.call.events import EndReason, Event, PlaybackBegan
from voicecall.call.state import Call
from voicecall.metrics import (
    CALLS,
    CALLS_ACTIVE,
    EFFECTS,
    EVENTS_PENDING,
    FAILOVER_SECONDS,
    PREEMPTIVE,
    PREEMPTIVE_WASTED,
    PROVIDER_ERRORS,
    PROVIDER_SECONDS,
    TURN_SECONDS,
    TURN_SPAN_SECONDS,
)
from voicecall.ports import Usage

__all__ = [
    "CallMeter",
    "EffectResult",
    "count_dropped",
    "count_preemptive",
    "effect_counted",
    "request_timed",
    "stream_timed",
]

T = TypeVar("T")

_log = logging.getLogger(__name__)


class CallMeter:
    """What one activation contributes to the metrics of this process. Call `close` once, when the activation ends.

    `owner_seen_at`: when the dead node from which the call was taken last gave a sign of life, in epoch seconds; None
    when the call was not taken from a dead node.
    """

    def __init__(self, owner_seen_at: float | None) -> None:
        self._owner_seen_at = owner_seen_at
        self._state: tuple[str, str, str] | None = None
        self._turn_latency_ms: int | None = None
        self._last_reply = 0
        self._waiting = 0
        self._closed = False

    def resumed(self, call: Call) -> None:
        """The activation starts from this snapshot."""
        self._move_to(call)
        # An increase can be seen only of a series that was there before.
        CALLS.labels(call.carrier, call.direction.value, EndReason.ERROR.value)
        self._turn_latency_ms = call.stats.last_turn_latency_ms
        self._last_reply = call.stats.last_reply

    def committed(self, call: Call, events: Iterable[Event], now: float) -> None:
        """A step is committed: `call` is the new state, `events` led to it, `now` is the time in epoch seconds."""
        if self._owner_seen_at is not None:
            FAILOVER_SECONDS.observe(max(0.0, now - self._owner_seen_at))
            self._owner_seen_at = None
        self._move_to(call)
        latency_ms = call.stats.last_turn_latency_ms
        # A `continue` sets the latency too, to the time the caller took to answer: that is not measured here.
        if latency_ms != self._turn_latency_ms and any(isinstance(event, PlaybackBegan) for event in events):
            TURN_SECONDS.observe((latency_ms or 0) / 1000)
        self._turn_latency_ms = latency_ms
        if call.stats.last_reply != self._last_reply:
            self._last_reply = call.stats.last_reply
            self._span_times(call)

    def waiting(self, events: int) -> None:
        """So many events are read and not committed. Ignored after `close`."""
        if events != self._waiting and not self._closed:
            EVENTS_PENDING.inc(events - self._waiting)
            self._waiting = events

    def close(self) -> None:
        self.waiting(0)
        self._closed = True
        if self._state is not None:
            CALLS_ACTIVE.labels(*self._state).dec()
            self._state = None

    def _span_times(self, call: Call) -> None:
        """The wait for a reply is over: each of its parts, in the metrics and as one line of the log."""
        spans = call.stats.last_turn_spans
        for span, ms in spans.items():
            TURN_SPAN_SECONDS.labels(span).observe(ms / 1000)
        facts = {"call_id": call.id, "turn": call.turn, "wait_ms": sum(spans.values()), **spans}
        if call.stats.last_turn_saved_ms is not None:
            facts["saved_ms"] = call.stats.last_turn_saved_ms
        tools = call.stats.last_turn_tools
        _log.info("reply begun", extra={**facts, "tools": list(tools)} if tools else facts)

    def _move_to(self, call: Call) -> None:
        state = (call.carrier, call.direction.value, call.phase.value)
        if state == self._state:
            return
        if self._state is not None:
            CALLS_ACTIVE.labels(*self._state).dec()
        CALLS_ACTIVE.labels(*state).inc()
        self._state = state


class EffectResult:
    """How an effect ended. Its runner sets `value` as soon as it is known; "" means "done"."""

    value = ""


@contextmanager
def effect_counted(effect: Effect) -> Iterator[EffectResult]:
    """Count the effect when the block is left: "cancelled" or "broken" when it is left so and no result was set."""
    result = EffectResult()
    try:
        yield result
    except asyncio.CancelledError:
        result.value = result.value or "cancelled"
        raise
    except Exception:
        result.value = "broken"
        raise
    finally:
        EFFECTS.labels(effect.name, result.value or "done").inc()


def count_dropped(effect: Effect) -> None:
    """Count an effect that was taken out of its lane before it began."""
    EFFECTS.labels(effect.name, "dropped").inc()


def count_preemptive(outcome: str, wasted: Usage | None = None, characters: int = 0) -> None:
    """Count a reply that was asked for early: "hit" or "miss", and what a miss has cost; `characters` of speech."""
    PREEMPTIVE.labels(outcome).inc()
    if wasted is not None:
        PREEMPTIVE_WASTED.labels("tokens_estimated" if wasted.is_estimate else "tokens").inc(wasted.tokens)
    if characters:
        PREEMPTIVE_WASTED.labels("speech_characters").inc(characters)


@contextmanager
def request_timed(provider: str, operation: str) -> Iterator[None]:
    """Measure one request from here to the end of the block; an exception counts as a failure of the provider."""
    started = time.monotonic()
    errors = PROVIDER_ERRORS.labels(provider, operation)  # from the first request on, so that its increase is seen
    try:
        yield
    except Exception:
        errors.inc()
        PROVIDER_SECONDS.labels(provider, operation).observe(time.monotonic() - started)
        raise
    PROVIDER_SECONDS.labels(provider, operation).observe(time.monotonic() - started)


async def stream_timed(stream: AsyncIterator[T], provider: str, operation: str) -> AsyncIterator[T]:
    """The items of `stream`, unchanged; measures the time to the first one. Closing this closes `stream`."""
    started: float | None = time.monotonic()
    errors = PROVIDER_ERRORS.labels(provider, operation)  # as above
    seconds = PROVIDER_SECONDS.labels(provider, operation)
    async with closing(stream) as items:
        try:
            async for item in items:
                if started is not None:
                    seconds.observe(time.monotonic() - started)
                    started = None
                yield item
        except Exception:
            errors.inc()
            raise
