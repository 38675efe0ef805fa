"""Several providers of one kind, asked in order until one does its part; and who took over from whom, as a fact.

`Chain` serves speech synthesis and agents, whose answers are streams; speech recognition, with its long sessions, has
its own order (`speech/stt/roster.py`) and shares the facts and the breakers. A provider that keeps failing is passed
over by every call of the process until a probe finds it back. Knows providers as ports with names.
"""

import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from voicecall.aio import closing
from voicecall.breaker import Attempt, Breaker, BreakerState
from voicecall.call.events import Failover
from voicecall.errors import FailureKind, ServiceError, ServiceTimeout
from voicecall.metrics import PROVIDER_FAILOVERS
from voicecall.probes import Prober

__all__ = ["Asked", "Chain", "Provider", "record_failover"]

_log: Final = logging.getLogger(__name__)

P = TypeVar("P")
T = TypeVar("T")


def record_failover(failover: Failover, detail: str, **fields: object) -> Failover:
    """Log and count it. `detail` is fit for a log: no key, no text."""
    PROVIDER_FAILOVERS.labels(failover.service, failover.from_, failover.to).inc()
    facts = {"service": failover.service, "failed": failover.from_, "used": failover.to, "kind": failover.reason}
    _log.warning("another provider took over", extra={**facts, "reason": detail, **fields})
    return failover


class Provider(Generic[P]):
    """One of a chain. `name`: in logs, metrics and facts. `breaker`: may be shared by all of the same service.

    `probe` finds out whether it is back, and ends within a limit of its own; without one, a call does.
    """

    def __init__(
        self, name: str, port: P, *, breaker: Breaker | None = None, probe: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self.name = name
        self.port = port
        self._breaker = breaker or Breaker()
        self._prober = None if probe is None else Prober(name, self._breaker, probe)

    @property
    def is_passed_over(self) -> bool:
        return self._breaker.state(time.monotonic()) is not BreakerState.CLOSED

    @property
    def is_refused(self) -> bool:
        """It refused our key: it is not asked while another may answer, before it has answered a probe."""
        return self._prober is not None and self._breaker.is_refused

    def attempt(self) -> Attempt | None:
        """The permission to ask it; None: not now."""
        if self._prober is not None and self.is_passed_over:
            return None
        return self._breaker.attempt(time.monotonic())

    def settle(self, attempt: Attempt, failure: ServiceError | None) -> None:
        """The outcome of an attempt; only the first one counts."""
        now = time.monotonic()
        if failure is None:
            attempt.succeeded(now)
        elif failure.kind is FailureKind.UNAUTHORIZED:
            attempt.refused(now)
        elif failure.kind.is_of_service:
            attempt.failed(now, wait_s=failure.retry_after_s or 0.0)
        else:
            attempt.abandoned(now)

    def wake_prober(self) -> None:
        if self._prober is not None:
            self._prober.wake()

    async def close(self) -> None:
        if self._prober is not None:
            await self._prober.close()


@dataclass(slots=True)
class Asked:
    """What became of one request to a chain: who failed, and who answers (None: no one yet).

    `instead_of`: who was to answer; None: the first of the chain.
    """

    failures: dict[str, ServiceError] = field(default_factory=dict)
    answering: str | None = None
    instead_of: str | None = None


class Chain(Generic[P]):
    """`service`: stt, tts or agent. `providers`: at least one, in order of preference.

    `once_more`: kinds of failure after which a provider is asked again, when no other has answered.
    """

    def __init__(
        self, service: str, providers: Sequence[Provider[P]], *, once_more: Collection[FailureKind] = ()
    ) -> None:
        self._service = service
        self.providers = tuple(providers)
        self._once_more = frozenset(once_more)

    async def stream(
        self,
        ask: Callable[[P], AsyncIterator[T]],
        *,
        asked: Asked | None = None,
        may_ask: Callable[[Provider[P]], bool] = lambda _: True,
        may_be_empty: bool = False,
        **fields: object,
    ) -> AsyncGenerator[T | Failover]:
        """The items of the first provider that has any; before them a `Failover`, when that is not the first one.

        `asked` holds what has happened, and may begin with failures. `fields`: for the log. Raises ServiceError when
        none has any, or when the one that had fails.
        """
        asked = asked or Asked()
        for provider, attempt in self._candidates(asked, may_ask):
            asked.failures.pop(provider.name, None)
            async with aclosing(self._by(provider, attempt, ask, asked, fields, may_be_empty=may_be_empty)) as items:
                async for item in items:
                    yield item
            if provider.name not in asked.failures:
                return
            reason = str(asked.failures[provider.name])
            facts = {"service": self._service, "provider": provider.name, "reason": reason}
            _log.info("provider failed", extra={**facts, **fields})
        raise _of_all(self._service, asked.failures)

    async def close(self) -> None:
        for provider in self.providers:
            await provider.close()

    def _candidates(
        self, asked: Asked, may_ask: Callable[[Provider[P]], bool]
    ) -> Iterator[tuple[Provider[P], Attempt]]:
        """Those that are known to work, in order; then the others: one that may be back is better than none."""
        passed_over = []
        for provider in self.providers:
            if provider.name in asked.failures or not may_ask(provider):
                continue
            attempt = provider.attempt()
            if attempt is not None:
                yield provider, attempt
            elif not provider.is_refused:
                passed_over.append(provider)
        if all(provider.is_refused for provider in self.providers):
            passed_over = [provider for provider in self.providers if provider.name not in asked.failures]
        for provider in passed_over:
            if may_ask(provider):
                yield provider, Attempt(Breaker())
        for provider in self.providers:
            failure = asked.failures.get(provider.name)
            if failure is not None and failure.kind in self._once_more:
                yield provider, Attempt(Breaker())

    async def _by(
        self,
        provider: Provider[P],
        attempt: Attempt,
        ask: Callable[[P], AsyncIterator[T]],
        asked: Asked,
        fields: dict[str, object],
        *,
        may_be_empty: bool,
    ) -> AsyncGenerator[T | Failover]:
        """The items of one provider; a failure before any is put into `asked`."""
        try:
            async with closing(ask(provider.port)) as items:  # closed at once: what is stopped is not paid for
                async for item in items:
                    if asked.answering != provider.name:
                        asked.answering = provider.name
                        if (failover := self._failover(provider, asked, fields)) is not None:
                            yield failover
                    yield item
            if asked.answering != provider.name and not may_be_empty:
                raise ServiceError(provider.name, "gave nothing", kind=FailureKind.EMPTY)  # noqa: TRY301  one way to fail
        except ServiceError as failure:
            provider.settle(attempt, failure)
            if asked.answering == provider.name:
                raise
            asked.failures[provider.name] = failure
        finally:
            if asked.answering == provider.name:
                provider.settle(attempt, None)  # unless it has failed: its first outcome counts
            attempt.abandoned(time.monotonic())
            provider.wake_prober()

    def _failover(self, provider: Provider[P], asked: Asked, fields: dict[str, object]) -> Failover | None:
        """The fact that `provider` answers in another's place, recorded; None when it was to answer."""
        meant = asked.instead_of or self.providers[0].name
        if provider.name == meant:
            return None
        failure = asked.failures.get(meant)
        kind = FailureKind.PASSED_OVER if failure is None else failure.kind
        failover = Failover(service=self._service, from_=meant, to=provider.name, reason=kind.value)
        return record_failover(failover, "has been failing" if failure is None else str(failure), **fields)


def _of_all(service: str, failures: Mapping[str, ServiceError]) -> ServiceError:
    reasons = "; ".join(map(str, failures.values())) or "no key is accepted"
    # If one of them is silent, the next request would wait for it again.
    if any(isinstance(failure, ServiceTimeout) for failure in failures.values()):
        return ServiceTimeout(service, reasons, retryable=any(failure.retryable for failure in failures.values()))
    kind = next((failure.kind for failure in failures.values()), FailureKind.UNAUTHORIZED)
    return ServiceError(service, reasons, retryable=any(each.retryable for each in failures.values()), kind=kind)
