"""The Caddyfile of `deploy/` in front of two real ingresses, under live calls."""

import asyncio
import os
from pathlib import Path

import pytest

from simulators.stack import Plan, Stack
from simulators.stack.redis import free_port
from tests.chaos.callers import CONFIG, Hits
from tests.chaos.steady import SteadyCallers
from tests.deploy.tools import DEPLOY, tool

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

CALLS = 10


async def test_ingresses_behind_caddy_are_restarted_and_no_caller_notices(tmp_path: Path) -> None:
    """Webhooks and media sockets go through Caddy, which finds the other ingress when one stops listening.

    Without its health checks, because two ingresses on one machine have no port in common for them, and without TLS.
    """
    port = free_port()
    hits = Hits("rolling restart behind Caddy")
    trusted = {"webhookSecurity": {"trustedProxyIPs": ["127.0.0.1"]}}
    plan = Plan(workers=2, ingresses=2, config={**CONFIG, **trusted}, front=port)
    async with Stack(plan) as stack:
        caddy = await _caddy(tmp_path, port, stack)
        try:
            callers = SteadyCallers(stack, CALLS)
            await callers.start()
            for name in ("ingress-0", "ingress-1"):
                await stack.restart(name)
                await asyncio.sleep(2)
            verdict = await callers.finish()
        finally:
            caddy.terminate()
            await caddy.wait()
    verdict.show(hits)
    hits.show()
    assert (verdict.lost, verdict.apologies, verdict.unanswered) == ([], [], [])
    assert verdict.longest_silence <= 2.0
    assert verdict.sockets > 1


async def _caddy(scratch: Path, port: int, stack: Stack) -> asyncio.subprocess.Process:
    """Started, and listening."""
    text = (DEPLOY / "caddy" / "Caddyfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.strip().startswith("health_")]
    file = scratch / "Caddyfile"
    file.write_text("\n".join(lines), encoding="utf-8")
    environ = {
        **os.environ,
        "VOICECALL_DOMAIN": f"http://:{port}",
        "VOICECALL_INGRESSES": " ".join(f"127.0.0.1:{each}" for each in stack.ingress_ports),
        "XDG_DATA_HOME": str(scratch),
        "XDG_CONFIG_HOME": str(scratch),
    }
    command = (tool("caddy"), "run", "--adapter", "caddyfile", "--config", str(file))
    with (scratch / "caddy.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=log, stderr=log)
    async with asyncio.timeout(15):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return process
