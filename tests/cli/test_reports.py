"""`voicecall report` and `voicecall callbacks` against a real gateway."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.cli.terminal import UNKNOWN, environment, voicecall
from tests.fakes.redis_server import RedisServer, start_redis
from tests.gateway.conftest import System, stack
from tests.gateway.test_reports import REPORT
from voicecall.bus.reports import Reports
from voicecall.call.events import Placed
from voicecall.call.ids import CallId
from voicecall.cli.reports import _shown


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    started = start_redis(tmp_path_factory.mktemp("redis"))
    yield started
    started.stop()


@pytest.fixture
async def system(server: RedisServer) -> AsyncIterator[System]:
    async with stack(server.url) as opened:
        yield opened


async def test_a_report_is_asked_for_and_printed(system: System, tmp_path: Path) -> None:
    """With the schema of a file; before it is made the message says what to do."""
    env, schema = environment(system.url), tmp_path / "table.json"
    schema.write_text('{"type": "object"}')
    placed = await voicecall(env, "call", "-m", "Hello", "-t", "+15550001234", "--report-schema", str(schema))
    call = CallId(json.loads(placed.out)["callId"])
    events = [record.event for record in await system.worker.log.history(call)]
    assert [event.report_schema for event in events if isinstance(event, Placed)] == ['{"type":"object"}']

    early = await voicecall(env, "report", "--call-id", call)
    assert (early.status, "it is not made yet; --wait waits for it" in early.err) == (1, True)
    await Reports(system.redis).put(call, {**REPORT, "callId": call}, "completed", 1.0)
    shown = await voicecall(env, "report", "--call-id", call)
    assert (shown.status, json.loads(shown.out)) == (0, {**REPORT, "callId": call})
    unknown = await voicecall(env, "report", "--call-id", UNKNOWN)
    assert (unknown.status, "no such call is known" in unknown.err) == (1, True)


async def test_a_call_back_is_added_listed_and_cancelled(system: System) -> None:
    env = environment(system.url)
    at = time.strftime("%Y-%m-%dT%H:%M", time.localtime(time.time() + 86_400))
    added = await voicecall(env, "callbacks", "add", "--to", "+15550001234", "-m", "As promised.", "--at", at)
    name = json.loads(added.out)["callbackId"]
    listed = json.loads((await voicecall(env, "callbacks", "list")).out)["callbacks"]
    assert [(each["callbackId"], each["state"]) for each in listed] == [(name, "waiting")]
    assert (await voicecall(env, "callbacks", "cancel", name)).status == 0
    again = await voicecall(env, "callbacks", "cancel", name)
    told = f"CONFLICT: {name} is being placed, or is over; `voicecall callbacks list` shows which\n"
    assert (again.status, again.err) == (1, told)


def test_a_terminal_shows_what_is_known_and_says_what_is_not() -> None:
    parts = [
        {"part": "carrier", "service": "twilio", "seconds": 87.0, "amount": "0.028", "currency": "USD"},
        {"part": "tts", "service": "elevenlabs", "characters": 420},
    ]
    facts = [{"name": "guest", "value": "Ada \x1b[31m"}]
    console = Console(width=120, record=True, file=StringIO())
    console.print(_shown({**REPORT, "callId": UNKNOWN, "facts": facts, "unfilled": "why", "cost": {"parts": parts}}))
    text = console.export_text()
    assert "0.028 USD (twilio: 87.0 seconds)" in text
    assert "unknown (elevenlabs: 420 characters)" in text
    assert "not known in full" in text
    assert "\x1b" not in text
