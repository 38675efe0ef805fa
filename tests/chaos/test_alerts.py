"""Faults provoked on a running deployment fire their alerts, from the pages of `/metrics` of its real processes."""

import asyncio
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from simulators.stack import Plan, Stack
from tests.deploy.scrapes import EVALUATED_AT, Scrape, scrape, series
from tests.deploy.test_alerts import ALERTS, RULES
from tests.deploy.tools import tool
from tests.journeys.stage import Stage

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]


async def test_provoked_faults_fire_their_alerts_from_the_pages_of_real_processes(tmp_path: Path) -> None:
    """Each fault on a running deployment; its scrapes go through the rules as Prometheus reads them."""
    promtool = tool("promtool")
    async with Stack(Plan(workers=2, worker_metrics=True)) as stack:
        faults = _Faults(stack, promtool, tmp_path)
        assert await faults.firing(await faults.healthy()) == set()
        assert await faults.during(faults.forged_webhooks) == {"VoicecallWebhooksRefused"}
        assert await faults.during(faults.frozen_redis) >= {"VoicecallRedisDown"}
        assert await faults.during(faults.failing_voice) >= {"VoicecallProviderFailing", "VoicecallCallsLost"}
        assert await faults.during(faults.dead_worker) >= {"VoicecallProcessDown", "VoicecallWorkerDied"}
        assert await faults.during(faults.no_worker) >= {"VoicecallProcessDown", "VoicecallNoWorkers"}


class _Faults:
    def __init__(self, stack: Stack, promtool: str, scratch: Path) -> None:
        self._stack = stack
        self._stage = Stage(stack)
        self._promtool = promtool
        self._scratch = scratch
        ingress = f"http://127.0.0.1:{stack.health_ports[0]}"
        self._targets = {"ingress": ingress, "gateway": stack.gateway.url}
        self._targets |= {f"worker-{number}": stack.worker_url(number) for number in range(2)}
        self._before: Scrape = {}

    async def healthy(self) -> Scrape:
        await self._until(lambda seen: self._values(seen, "voicecall_workers") == {2.0})
        return self._before

    async def scrape(self) -> Scrape:
        self._before = await scrape(self._targets)
        return self._before

    async def during(self, fault: Callable[[], Any]) -> set[str]:
        """Provoke a fault, scrape, and give the alerts that fire while it goes on."""
        before = await scrape(self._targets)
        await fault()
        return await self.firing(before, self._before)

    async def firing(self, before: Scrape, after: Scrape | None = None) -> set[str]:
        """Each alert is asked for by name, and must fire or not."""
        held = series(before, before if after is None else after)
        asked = [{"expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)'} for name in ALERTS]
        expected = [{**one, "eval_time": EVALUATED_AT, "exp_samples": []} for one in asked]
        test = {"interval": "15s", "input_series": held, "promql_expr_test": expected}
        file = self._scratch / f"{time.monotonic_ns()}.yml"
        document = {"rule_files": [str(RULES)], "evaluation_interval": "15s", "tests": [test]}
        file.write_text(yaml.safe_dump(document, width=10_000), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            self._promtool, "test", "rules", str(file), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        printed = (await process.communicate())[0].decode()
        # Nothing is expected of any expression, so promtool prints what each gives.
        given = dict(re.findall(r'alertname=\\"(\w+)\\".*?got: \{\} (\S+)', printed, re.DOTALL))
        assert set(given) == set(ALERTS), printed
        return {name for name, value in given.items() if float(value) > 0}

    async def forged_webhooks(self) -> None:
        url = f"http://127.0.0.1:{self._stack.ingress_ports[0]}/voice/webhook"
        async with aiohttp.ClientSession(headers={"X-Twilio-Signature": "forged"}) as http:
            for _ in range(30):
                async with http.post(url, data={"CallSid": "CA1"}) as answer:
                    assert answer.status >= 400
        await self.scrape()

    async def frozen_redis(self) -> None:
        self._stack.processes["redis"].signal(signal.SIGSTOP)
        try:
            await self._until(lambda seen: self._values(seen, "voicecall_redis_up") == {0.0})
        finally:
            self._stack.processes["redis"].signal(signal.SIGCONT)

    async def failing_voice(self) -> None:
        await self._until(lambda seen: self._values(seen, "voicecall_redis_up") == {1.0})
        await self._stage.services_fail({"where": "speech", "match": ".", "do": {"status": 503}})
        await self._stage.over(await self._stage.dial(await self._stage.person({"wait_ms": 60_000})))
        await self.scrape()
        await self._stage.services_fail()

    async def dead_worker(self) -> None:
        to = await self._stage.person({"wait_ms": 60_000})
        call = await self._stage.dial(to)
        await self._stage.record(call, lambda seen: bool(seen["transcript"]))
        await self._stack.worker_of(await self._stack.owner_of(call)).kill()
        await self._until(lambda seen: max(self._values(seen, "voicecall_failover_seconds_count")) > 0)

    async def no_worker(self) -> None:
        for number in range(2):
            await self._stack.processes[f"worker-{number}"].kill()
        await self._until(lambda seen: self._values(seen, "voicecall_workers") == {0.0})

    async def _until(self, good: Callable[[Scrape], bool]) -> None:
        async with asyncio.timeout(40):
            while not good(await self.scrape()):  # noqa: ASYNC110  the processes are others
                await asyncio.sleep(0.3)

    def _values(self, seen: Scrape, name: str) -> set[float]:
        return {value for key, value in seen.items() if key.partition("{")[0] == name}
