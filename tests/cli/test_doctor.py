"""`voicecall doctor` on a real system with a simulated Twilio: healthy, then with one fault after the other."""

import json
import os
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from simulators.proxy import proxied
from simulators.stack import Plan, Stack
from tests.cli.terminal import voicecall
from voicecall.doctor import Finding, Level, carrier, findings, models
from voicecall.doctor import redis as redis_
from voicecall.doctor.redis import Server
from voicecall.ports import Inspection
from voicecall.settings import parse_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    """Redis is persistent, as the doctor requires."""
    async with Stack(Plan(workers=1, aof=True)) as opened:
        yield opened


def config_of(stack: Stack, **changes: Any) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((stack.home / "config-0.json5").read_bytes())
    return {**config, "publicUrl": local_url(stack), **changes}


def local_url(stack: Stack) -> str:
    return f"http://127.0.0.1:{stack.ingress_ports[0]}/voice/webhook"


def operator_environment(stack: Stack, tmp_path: Path, config: dict[str, Any], **environ: str) -> dict[str, str]:
    """The environment of an operator on the machine of this system."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    return {
        "PATH": os.environ["PATH"],
        "VOICECALL_CONFIG": str(path),
        "REDIS_URL": f"redis://127.0.0.1:{stack.redis_port}/0",
        "VOICECALL_GATEWAY_URL": stack.gateway.url,
        "VOICECALL_GATEWAY_TOKEN": stack.gateway.token,
        "VOICECALL_INGRESS_HEALTH": f"127.0.0.1:{stack.health_ports[0]}",
        "TWILIO_API_BASE_URL": stack.carrier.url,
        "OPENAI_API_KEY": "sk-demo",
        **environ,
    }


async def examined(stack: Stack, tmp_path: Path, config: dict[str, Any], **environ: str) -> dict[str, Finding]:
    """The finding of each check; none of them contains a secret."""
    found = [finding async for finding in findings(operator_environment(stack, tmp_path, config, **environ))]
    assert not any(secret in str(found) for secret in ("demo-auth-token", "not-the-auth-token"))
    return {finding.check: finding for finding in found}


async def test_a_healthy_system_has_no_failing_check(stack: Stack, tmp_path: Path) -> None:
    """No default model has an announced end."""
    await stack.carrier.post("/_sim/number", {"voice_url": local_url(stack)})
    found = await examined(stack, tmp_path, config_of(stack))
    assert {check: finding.level for check, finding in found.items() if finding.level is not Level.OK} == {}
    assert found["workers"].seen.startswith("1 alive")
    assert found["carrier.webhook"].seen == f"set to {local_url(stack)}"
    assert {"redis.version", "redis.persistence", "redis.eviction", "redis.clock", "redis.latency"} <= set(found)
    assert {"carrier.credentials", "carrier.clock", "gateway.token", "ingress.health", "address.reach"} <= set(found)
    assert found["address.stream"].seen == "media sockets reach the ingress"


async def test_every_fault_is_found_at_once(stack: Stack, tmp_path: Path) -> None:
    """The number has another webhook, the gateway another token, and the public address does not answer."""
    await stack.carrier.post("/_sim/number", {"voice_url": "https://elsewhere.example/voice"})
    config = config_of(stack, publicUrl="http://127.0.0.1:1/voice/webhook")
    done = await voicecall(operator_environment(stack, tmp_path, config, VOICECALL_GATEWAY_TOKEN="another"), "doctor")
    report = json.loads(done.out)
    found = {finding["check"]: finding for finding in report["findings"]}
    assert (done.status, report["ok"]) == (1, False)
    assert {check for check, finding in found.items() if finding["level"] == "fail"} == {
        "carrier.webhook",
        "gateway.token",
        "address.reach",
        "address.stream",
    }
    assert "elsewhere.example" in found["carrier.webhook"]["seen"]
    assert found["carrier.webhook"]["remedy"].endswith("http://127.0.0.1:1/voice/webhook")
    assert "VOICECALL_GATEWAY_TOKEN" in found["gateway.token"]["remedy"]


async def test_b11_tokens_that_do_not_protect_are_found(stack: Stack, tmp_path: Path) -> None:
    """A short one of a gateway that others reach, and none for the metrics of a server that others reach."""
    weak = {"VOICECALL_GATEWAY_BIND": "0.0.0.0", "VOICECALL_GATEWAY_TOKEN": "short"}
    found = (await examined(stack, tmp_path, config_of(stack), **weak))["environment.tokens"]
    assert (found.level, found.seen.split()[0]) == (Level.FAIL, "VOICECALL_GATEWAY_TOKEN")
    assert found.remedy.startswith("set it to 16 random characters or more")
    unread = {"VOICECALL_WORKER_HEALTH": "0.0.0.0:3339", "VOICECALL_GATEWAY_TOKEN": ""}
    found = (await examined(stack, tmp_path, config_of(stack), **unread))["environment.tokens"]
    assert (found.level, found.seen.split()[0]) == (Level.WARN, "VOICECALL_WORKER_HEALTH")
    assert "VOICECALL_GATEWAY_READ_TOKEN" in found.remedy


async def test_wrong_credentials_are_found_and_masked(stack: Stack, tmp_path: Path) -> None:
    config = config_of(stack, twilio={"accountSid": "AC" + "5" * 32, "authToken": "not-the-auth-token-1234"})
    found = await examined(stack, tmp_path, config)
    assert found["carrier.credentials"].level is Level.FAIL
    assert "…1234" in found["carrier.credentials"].seen


async def test_on_an_empty_machine_every_finding_says_what_to_start(stack: Stack, tmp_path: Path) -> None:
    """No Redis, no gateway, no ingress, no configuration: each with its remedy, none a stack trace."""
    unreachable = {
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "VOICECALL_GATEWAY_URL": "http://127.0.0.1:1",
        "VOICECALL_INGRESS_HEALTH": "127.0.0.1:1",
    }
    found = await examined(stack, tmp_path, {"provider": "pigeon"}, **unreachable)
    assert set(found) == {"configuration", "redis.reach", "gateway.health", "ingress.health"}
    assert all(finding.level is Level.FAIL and finding.remedy for finding in found.values())


async def test_redis_is_judged_by_what_calls_need() -> None:
    """An old version, eviction, a wrong clock and high latency fail; missing persistence is a warning."""
    bad = Server(version="5.0.7", aof=False, policy="allkeys-lru", offset_s=-90.0, trip_ms=80.0)
    levels = {finding.check: finding.level for finding in redis_.judge(bad)}
    assert levels == {
        "redis.version": Level.FAIL,
        "redis.persistence": Level.WARN,
        "redis.eviction": Level.FAIL,
        "redis.clock": Level.FAIL,
        "redis.latency": Level.FAIL,
    }
    good = Server(version="7.0.15", aof=True, policy="noeviction", offset_s=0.01, trip_ms=0.3)
    assert {finding.level for finding in redis_.judge(good)} == {Level.OK}
    assert {finding.level for finding in redis_.judge(Server(**{**_facts(good), "version": "10.0.1"}))} == {Level.OK}


def _facts(server: Server) -> dict[str, Any]:
    return {name: getattr(server, name) for name in ("version", "aof", "policy", "offset_s", "trip_ms")}


@pytest.mark.parametrize(("offset", "level"), [(1, Level.OK), (-1, Level.OK), (45, Level.WARN), (-400, Level.FAIL)])
async def test_a_clock_apart_from_the_carrier_s_is_seen(offset: int, level: Level) -> None:
    """Signatures are valid for five minutes."""
    seen = Inspection(status=200, server_time=1000.0, asked_at=1000.0 + offset)
    found = {finding.check: finding for finding in carrier.judge(parse_settings("{provider:'mock'}"), seen, None)}
    assert found["carrier.clock"].level is level


@pytest.mark.parametrize("today", [date(2026, 1, 1), date(2027, 1, 1), date(2027, 3, 1)])
async def test_a_model_near_its_end_is_named_with_what_to_use(today: date) -> None:
    """After its day too: another one speaks in its place, which the operator may not have meant."""
    settings = parse_settings(
        "{provider:'mock', streaming:{enabled:true, openaiApiKey:'k'}, responseApiKey:'k', tts:{openai:{apiKey:'k',"
        "model:'gpt-4o-mini-tts'}}}"
    )
    (found,) = [f for f in models.judge(settings, today) if f.check == "models.tts.openai.model"]
    assert (found.level, "gpt-realtime-2.1-mini" in found.remedy) == (Level.WARN, True)


async def test_unused_models_are_no_finding() -> None:
    """The defaults name some, but no call uses them without streaming."""
    (found,) = models.judge(parse_settings("{provider:'mock'}"), date(2027, 3, 1))
    assert found.level is Level.OK


async def test_a26_a_proxy_that_passes_no_upgrades_is_found(stack: Stack, tmp_path: Path) -> None:
    """The webhook is reached through it, the media socket is not."""
    async with proxied(f"http://127.0.0.1:{stack.ingress_ports[0]}") as proxy:
        found = await examined(stack, tmp_path, config_of(stack, publicUrl=f"{proxy}/voice/webhook"))
    assert (found["address.reach"].level, found["address.stream"].level) == (Level.OK, Level.FAIL)
    assert "WebSocket upgrades" in found["address.stream"].remedy
