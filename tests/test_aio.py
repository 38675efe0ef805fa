"""What the processes share of asyncio: tasks end, waits grow, streams close, background failures are reported."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator

import pytest

from voicecall.aio import Background, BackgroundFailed, backoff, begin_now, closing, end


async def test_a_task_that_swallows_a_cancellation_ends_all_the_same() -> None:
    """redis-py turns a cancellation that meets its own timeout into an error; a loop around it would go on."""
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 2:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end(task)
    assert task.cancelled()
    assert swallowed == 2


def test_backoff_doubles_up_to_its_most() -> None:
    delays = backoff(first_s=1.0, most_s=5.0, jitter=(1.0, 1.0))
    assert list(itertools.islice(delays, 5)) == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_backoff_is_jittered_within_its_bounds() -> None:
    """Processes that lost the same Redis must not come back in the same millisecond."""
    first = [next(backoff(first_s=1.0)) for _ in range(100)]
    assert len(set(first)) > 90
    assert all(0.5 <= delay <= 1.0 for delay in first)


async def test_a_stream_is_closed_when_its_block_is_left() -> None:
    closed = asyncio.Event()

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.set()

    async with closing(numbers()) as stream:
        assert await anext(stream) == 1
    assert closed.is_set()


async def test_a_background_task_is_cancelled_with_its_block_and_that_is_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures: list[None] = []
    background = Background(lambda: failures.append(None))
    async with background.running("part", asyncio.Event().wait()):  # type: ignore[arg-type]
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not failures
    assert not caplog.records


@pytest.mark.parametrize("error", [ValueError("broken"), None])
async def test_a_background_task_that_ends_by_itself_is_logged_and_fails_the_process(
    caplog: pytest.LogCaptureFixture, error: Exception | None
) -> None:
    """A process without one of its parts looks alive and does not work: it is stopped and started again."""
    failures: list[None] = []

    async def part() -> None:
        if error is not None:
            raise error

    background = Background(lambda: failures.append(None))
    async with background.running("sweeper", part()):
        with pytest.raises(BackgroundFailed, match="sweeper") as caught:
            await background.failed()
    assert caught.value.__cause__ is error
    assert failures == [None]
    (record,) = caplog.records
    assert (record.levelno, record.__dict__["part"]) == (logging.CRITICAL, "sweeper")


async def test_what_does_not_wait_is_done_without_a_task() -> None:
    """The caller goes on behind it."""
    done: list[int] = []

    async def work() -> None:
        done.append(1)

    assert begin_now(work()) is None
    assert done == [1]


async def test_what_waits_goes_on_as_a_task() -> None:
    """Through several waits, a shielded one among them, as a socket that has no room waits."""
    done: list[str] = []
    room = asyncio.get_running_loop().create_future()

    async def work() -> None:
        done.append("begun")
        await asyncio.shield(room)
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        done.append("ended")

    rest = begin_now(work())
    assert rest is not None
    assert done == ["begun"]
    room.set_result(None)
    await rest
    assert done == ["begun", "ended"]


async def test_the_rest_is_cancelled_and_fails_as_any_task() -> None:
    """A cancellation reaches the work where it waits; an error of the first part is raised at once."""
    caught: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            caught.append("cancelled")
            raise

    async def fails() -> None:
        raise ZeroDivisionError

    rest = begin_now(waits())
    assert rest is not None
    await asyncio.sleep(0)
    await end(rest)
    assert caught == ["cancelled"]
    with pytest.raises(ZeroDivisionError):
        begin_now(fails())
