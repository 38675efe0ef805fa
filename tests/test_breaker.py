"""The circuit breaker: what a failing service costs the calls that come after."""

import asyncio
import time

from hypothesis import given
from hypothesis import strategies as st

from voicecall.breaker import Attempt, Breaker, Breakers, BreakerState, Limits
from voicecall.probes import Prober

_LIMITS = Limits(failures_in_a_row=3, window=10, share=0.5, open_s=30.0, trial_s=10.0)


def _attempt(breaker: Breaker, now: float) -> Attempt:
    attempt = breaker.attempt(now)
    assert attempt is not None
    return attempt


def _opened(now: float = 0.0) -> Breaker:
    breaker = Breaker(_LIMITS)
    for _ in range(3):
        _attempt(breaker, now).failed(now)
    return breaker


def test_a_new_breaker_admits_every_attempt() -> None:
    breaker = Breaker(_LIMITS)

    assert all(breaker.attempt(0.0) for _ in range(100))
    assert breaker.state(0.0) is BreakerState.CLOSED


def test_failures_in_a_row_open_it() -> None:
    breaker = _opened()

    assert breaker.state(0.0) is BreakerState.OPEN
    assert breaker.attempt(29.9) is None
    assert breaker.opens_in(10.0) == 20.0


def test_a_success_in_between_starts_the_count_anew() -> None:
    breaker = Breaker(_LIMITS)
    for failed in (True, True, False, True, True):
        attempt = _attempt(breaker, 0.0)
        attempt.failed(0.0) if failed else attempt.succeeded(0.0)

    assert breaker.state(0.0) is BreakerState.CLOSED


def test_a_service_that_fails_every_second_time_opens_it() -> None:
    """It never fails three times in a row, and still costs every second caller their time."""
    breaker = Breaker(_LIMITS)
    for number in range(10):
        attempt = _attempt(breaker, 0.0)
        attempt.succeeded(0.0) if number % 2 == 0 else attempt.failed(0.0)

    assert breaker.state(0.0) is BreakerState.OPEN


def test_half_open_admits_one_trial_at_a_time() -> None:
    breaker = _opened()

    trial = breaker.attempt(30.0)

    assert breaker.state(30.0) is BreakerState.HALF_OPEN
    assert trial is not None
    assert breaker.attempt(30.1) is None


def test_the_success_of_the_trial_closes_it() -> None:
    breaker = _opened()
    _attempt(breaker, 30.0).succeeded(31.0)

    assert breaker.state(31.0) is BreakerState.CLOSED
    _attempt(breaker, 31.0).succeeded(31.0)
    _attempt(breaker, 31.0).failed(31.0)
    assert breaker.state(31.0) is BreakerState.CLOSED, "earlier failures no longer count"


def test_the_first_failure_after_the_trial_opens_it_again() -> None:
    """A trial that only connects proves little: the first request that fails is believed."""
    breaker = _opened()
    _attempt(breaker, 30.0).succeeded(31.0)
    _attempt(breaker, 31.0).failed(31.0)

    assert breaker.state(31.0) is BreakerState.OPEN


def test_the_failure_of_the_trial_opens_it_again() -> None:
    breaker = _opened()
    _attempt(breaker, 30.0).failed(31.0)

    assert breaker.attempt(60.9) is None
    assert breaker.attempt(61.0) is not None


def test_a_trial_that_never_ends_gives_way_to_another() -> None:
    breaker = _opened()
    lost = _attempt(breaker, 30.0)

    assert breaker.attempt(39.9) is None
    _attempt(breaker, 40.0)
    lost.succeeded(41.0)
    assert breaker.state(41.0) is BreakerState.HALF_OPEN, "a trial that was given up no longer counts"


def test_an_abandoned_trial_gives_way_at_once() -> None:
    breaker = _opened()
    _attempt(breaker, 30.0).abandoned(30.5)

    assert breaker.attempt(30.5) is not None


def test_outcomes_of_attempts_begun_before_it_opened_change_nothing() -> None:
    """A long request that succeeds after others failed says nothing of now, and neither does one that fails late."""
    breaker = Breaker(_LIMITS)
    slow_success, slow_failure = _attempt(breaker, 0.0), _attempt(breaker, 0.0)
    for _ in range(3):
        _attempt(breaker, 1.0).failed(1.0)

    slow_success.succeeded(2.0)
    slow_failure.failed(20.0)

    assert breaker.attempt(30.9) is None
    assert breaker.attempt(31.0) is not None


def test_a_service_that_asks_for_time_gets_it() -> None:
    """Retry-After opens it at the first failure, for as long as was asked for, and never for longer than 5 minutes."""
    breaker = Breaker(_LIMITS)
    _attempt(breaker, 0.0).failed(0.0, wait_s=7.0)

    assert breaker.attempt(6.9) is None
    _attempt(breaker, 7.0).failed(7.0, wait_s=86_400.0)
    assert breaker.opens_in(7.0) == 300.0


def test_an_attempt_counts_once() -> None:
    breaker = Breaker(_LIMITS)
    attempt = _attempt(breaker, 0.0)
    for _ in range(5):
        attempt.failed(0.0)

    assert breaker.state(0.0) is BreakerState.CLOSED


@given(st.lists(st.tuples(st.floats(0, 20), st.sampled_from(("fail", "succeed", "abandon", "drop", "late")))))
def test_it_never_stays_shut_for_good(steps: list[tuple[float, str]]) -> None:
    """Whatever happened, a service is asked again within its longest wait, and one success admits everyone."""
    breaker, now = Breaker(_LIMITS), 0.0
    late: list[Attempt] = []
    for wait, outcome in steps:
        now += wait
        attempt = breaker.attempt(now)
        if attempt is None:
            continue
        if outcome == "fail":
            attempt.failed(now)
        elif outcome == "succeed":
            attempt.succeeded(now)
        elif outcome == "abandon":
            attempt.abandoned(now)
        elif outcome == "late":
            late.append(attempt)
    for attempt in late:
        attempt.failed(now)

    now += _LIMITS.open_s + _LIMITS.trial_s
    _attempt(breaker, now).succeeded(now)
    assert breaker.state(now) is BreakerState.CLOSED


async def test_an_open_breaker_is_probed_in_the_background_until_it_closes() -> None:
    """The service fails two probes and passes the third; no attempt of a call was needed."""
    breaker = Breaker(Limits(failures_in_a_row=1, open_s=0.01))
    probed: list[int] = []
    passed = asyncio.Event()

    async def probe() -> None:
        probed.append(len(probed))
        if len(probed) < 3:
            raise ConnectionError
        passed.set()

    prober = Prober("acme", breaker, probe)
    prober.wake()
    assert not probed, "a closed breaker is not probed"

    _attempt(breaker, time.monotonic()).failed(time.monotonic())
    prober.wake()
    prober.wake()
    async with asyncio.timeout(5):
        await passed.wait()
    await prober.close()

    assert breaker.state(time.monotonic()) is BreakerState.CLOSED
    assert probed == [0, 1, 2]


async def test_closing_ends_a_probe_that_hangs() -> None:
    breaker = Breaker(Limits(failures_in_a_row=1, open_s=0.0))
    _attempt(breaker, time.monotonic()).failed(time.monotonic())
    began = asyncio.Event()

    async def probe() -> None:
        began.set()
        await asyncio.Event().wait()

    prober = Prober("acme", breaker, probe)
    prober.wake()
    async with asyncio.timeout(5):
        await began.wait()
        await prober.close()

    prober.wake()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "probe acme"]


def test_a_refused_key_opens_it_at_once_until_a_trial_succeeds() -> None:
    """It is probed less often than a service that fails: nobody corrects a key within seconds."""
    limits = Limits(open_s=10.0, refused_s=60.0)
    breaker = Breaker(limits)
    _attempt(breaker, 0.0).refused(0.0)
    assert breaker.is_refused
    assert (breaker.state(59.0), breaker.state(60.0)) == (BreakerState.OPEN, BreakerState.HALF_OPEN)
    _attempt(breaker, 60.0).failed(60.0)
    assert breaker.is_refused
    assert breaker.opens_in(60.0) == 60.0
    _attempt(breaker, 120.0).succeeded(120.0)
    assert not breaker.is_refused
    assert breaker.state(120.0) is BreakerState.CLOSED


def test_calls_of_one_service_share_a_breaker() -> None:
    breakers = Breakers()
    one = breakers.of("tts", "openai", "http://a", None)
    assert one is breakers.of("tts", "openai", "http://a", None)
    assert one is not breakers.of("tts", "openai", "http://a", "key")


def test_a_service_without_limits_of_its_own_has_those_of_the_process() -> None:
    breakers = Breakers(Limits(refused_s=7.0))
    for breaker, wait_s in ((breakers.of("tts"), 7.0), (breakers.of("stt", limits=Limits(refused_s=9.0)), 9.0)):
        _attempt(breaker, 0.0).refused(0.0)
        assert breaker.opens_in(0.0) == wait_s
