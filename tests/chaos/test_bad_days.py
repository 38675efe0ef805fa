"""Bad days of everything but Redis, with live calls: what callers hear and operators see (docs/operations.md)."""

import asyncio
import resource
import shutil
import signal
from collections.abc import Iterator

import pytest

from simulators.stack import Plan, Stack
from tests.chaos.callers import CONFIG, Hits, logged
from tests.chaos.steady import SteadyCallers, Verdict
from tests.deploy.scrapes import scrape

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

CALLS = 20


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """What is started now may open 1,024 files, as a login shell allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_one_of_two_ingresses_is_frozen_for_ten_seconds() -> None:
    """Its sockets stay open, so the carrier does not reconnect: its callers hear nothing until it goes on."""
    hits = Hits("one of two ingresses frozen for 10 s")
    async with Stack(Plan(workers=2, ingresses=2, config=CONFIG)) as stack:
        callers = SteadyCallers(stack, CALLS)
        await callers.start()
        stack.processes["ingress-0"].signal(signal.SIGSTOP)
        await asyncio.sleep(10)
        stack.processes["ingress-0"].signal(signal.SIGCONT)
        verdict = await callers.finish()
        hits.rows["lines 'media not taken'"] = logged(stack, "media not taken")
    _show(verdict, hits)
    assert not verdict.lost


async def test_the_archive_is_down() -> None:
    """No caller hears it; the ended calls wait in Redis, and are archived when it is back."""
    hits = Hits("the archive cannot be opened")
    async with Stack(Plan(workers=2, config=CONFIG, worker_metrics=True)) as stack:
        database = stack.home / "store" / "calls.db"
        database.mkdir(parents=True)  # no program opens a folder as its database
        callers = SteadyCallers(stack, CALLS)
        await callers.start()
        verdict = await callers.finish()
        workers = {name: stack.worker_url(number) for number, name in enumerate(("worker-0", "worker-1"))}
        seen = await scrape(workers)
        failed = sum(value for name, value in seen.items() if 'result="failed"' in name and "archive_total" in name)
        hits.rows["failed attempts to archive"] = int(failed)
        shutil.rmtree(database)
        async with asyncio.timeout(150):
            while len((await stack.gateway.rpc("voicecall.history", limit=100))["calls"]) < CALLS:  # noqa: ASYNC110
                await asyncio.sleep(0.5)
    _show(verdict, hits)
    assert failed
    assert (verdict.lost, verdict.apologies) == ([], [])


async def test_1024_descriptors(few_descriptors: None) -> None:
    """An ingress takes no more connections than it has descriptors for, and says how many."""
    del few_descriptors
    hits = Hits("1,024 descriptors")
    async with Stack(Plan(workers=2, config=CONFIG)) as stack:
        callers = SteadyCallers(stack, CALLS)
        await callers.start()
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        strangers = [await _connect(stack.ingress_ports[0]) for _ in range(1100)]
        seen = await scrape({"ingress": f"http://127.0.0.1:{stack.health_ports[0]}"})
        for writer in strangers:
            writer.close()
        verdict = await callers.finish()
        limit = next(value for name, value in seen.items() if name.startswith("voicecall_capacity_limit{"))
        hits.rows["connections allowed; open files"] = (
            limit,
            seen['process_open_fds{instance="ingress",job="voicecall"}'],
        )
    _show(verdict, hits)
    assert limit <= 768
    assert (verdict.lost, verdict.apologies) == ([], [])


async def _connect(port: int) -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    return writer


def _show(verdict: Verdict, hits: Hits) -> None:
    verdict.show(hits)
    hits.show()
