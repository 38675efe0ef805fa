"""Traces are exported as OpenTelemetry's variables say, or not at all; a dead collector costs the spans."""

import asyncio
import logging
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from tests.fakes.otlp import Collector
from voicecall.call.ids import CallId
from voicecall.tracing import ROOT, Traces, TraceSpan, open_traces
from voicecall.tracing.spans import span_id, trace_id

CALL = CallId("11111111-2222-4333-8444-555555555555")
SPANS = (
    TraceSpan(name="call", key=ROOT, parent="", start_ms=1_000, end_ms=9_000, attributes={"voicecall.turns": 1}),
    TraceSpan(name="turn", key="turn 0", start_ms=2_000, end_ms=2_700),
    TraceSpan(name="playout", key="turn 0 playout", parent="turn 0", start_ms=2_690, end_ms=2_700),
)


_connecting: set[int] = set()
"""The threads that have connected a socket."""


def _note(event: str, _arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        _connecting.add(threading.get_ident())


sys.addaudithook(_note)  # it cannot be removed again


def opened(monkeypatch: pytest.MonkeyPatch, **environ: str) -> Traces | None:
    """As a process with these variables. The SDK reads its own environment."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return open_traces("test", environ)


async def closed(traces: Traces) -> None:
    await asyncio.to_thread(traces.close, 10.0)


async def test_spans_arrive_with_their_ids_times_and_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Collector() as collector:
        traces = opened(
            monkeypatch,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_EXPORTER_OTLP_HEADERS="x-team=voice",
            OTEL_SERVICE_NAME="phones",
        )
        assert traces is not None
        traces.record(CALL, SPANS)
        await closed(traces)
        call, turn, playout = collector.spans
    assert {span.trace for span in (call, turn, playout)} == {f"{trace_id(CALL):032x}"}
    assert (call.parent, turn.parent, playout.parent) == ("", call.id, turn.id)
    assert call.id == f"{span_id(CALL, ROOT):016x}"
    assert [(span.start_ms, span.ms) for span in (call, turn, playout)] == [(1000, 8000), (2000, 700), (2690, 10)]
    assert (call.attributes, call.service) == ({"voicecall.turns": 1}, "phones")
    assert collector.headers["x-team"] == "voice"


@pytest.mark.parametrize("sampler", ["always_off", "traceidratio", "parentbased_traceidratio"])
async def test_a_call_that_is_not_sampled_has_no_span(monkeypatch: pytest.MonkeyPatch, sampler: str) -> None:
    async with Collector() as collector:
        traces = opened(
            monkeypatch,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_TRACES_SAMPLER=sampler,
            OTEL_TRACES_SAMPLER_ARG="0",
        )
        assert traces is not None
        traces.record(CALL, SPANS)
        traces.record(CALL, SPANS[1:])  # what another process has of it
        await closed(traces)
        assert not collector.spans


async def test_a_part_of_the_calls_is_sampled_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every process decides alike, so that no trace lacks a part."""
    calls = [CallId(f"11111111-2222-4333-8444-{n:012d}") for n in range(60)]
    async with Collector() as collector:
        traces = opened(
            monkeypatch,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_TRACES_SAMPLER="parentbased_traceidratio",
            OTEL_TRACES_SAMPLER_ARG="0.5",
        )
        assert traces is not None
        for call in calls:
            for span in SPANS:
                traces.record(call, [span])
        await closed(traces)
        names: dict[str, set[str]] = {}
        for received in collector.spans:
            names.setdefault(received.trace, set()).add(received.name)
    assert 10 < len(names) < 50
    assert all(found == {"call", "turn", "playout"} for found in names.values())


@pytest.mark.parametrize("fault", ["hangs", "refuses", "is gone"])
async def test_a_dead_collector_costs_the_spans_and_a_line_of_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    """Who records sends nothing and so waits for nothing; the end waits no longer than it may."""
    async with Collector() as collector:
        collector.hangs, collector.status = fault == "hangs", 401 if fault == "refuses" else 200
        url = "http://127.0.0.1:9" if fault == "is gone" else collector.url
        traces = opened(
            monkeypatch,
            OTEL_EXPORTER_OTLP_ENDPOINT=url,
            OTEL_EXPORTER_OTLP_TIMEOUT="1",
            OTEL_BSP_SCHEDULE_DELAY="10",
            OTEL_BSP_MAX_QUEUE_SIZE="512",
        )
        assert traces is not None
        with caplog.at_level(logging.WARNING):
            _connecting.clear()
            for _ in range(2000):  # more than the queue holds
                traces.record(CALL, SPANS[:1])
            started = time.monotonic()
            await asyncio.to_thread(traces.close, 3.0)
            took_s = time.monotonic() - started
            while not [r for r in caplog.records if r.message == "traces not exported"]:  # noqa: ASYNC110  a thread
                await asyncio.sleep(0.02)
    assert _connecting
    assert threading.get_ident() not in _connecting
    assert took_s < 8
    assert {r.levelname for r in caplog.records if r.message == "traces not exported"} == {"WARNING"}
    assert not [r for r in caplog.records if r.name.startswith("opentelemetry")]


@pytest.mark.quick
@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_SERVICE_NAME": "phones"},
    ],
)
def test_without_a_collector_it_is_off_and_says_nothing(
    environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    assert open_traces("test", environ) is None
    assert not caplog.records


@pytest.mark.quick
@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
        ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "Bearer s3cret"}, "OTEL_EXPORTER_OTLP_HEADERS"),
    ],
)
def test_what_cannot_be_used_is_a_warning_with_its_variable(
    more: dict[str, str], named: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And never a value, which may be a secret."""
    assert open_traces("test", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", **more}) is None
    (line,) = caplog.records
    assert (line.levelname, line.message) == ("WARNING", "traces are not exported")
    assert named in vars(line)["reason"]
    assert "s3cret" not in str(vars(line))


_LOADED = """
import sys
{hidden}
import logging
logging.basicConfig(format="%(message)s: %(reason)s")
import ingress.app, workers.after_call
from voicecall.tracing import open_traces
traces = open_traces("test", {environ!r})
print(traces is not None, bool({{"voicecall.tracing.sdk", "opentelemetry.exporter.otlp"}} & sys.modules.keys()))
"""
_HIDDEN = 'sys.modules["opentelemetry.exporter"] = None; sys.modules["opentelemetry"] = None'


def run(environ: dict[str, str], hidden: str = "") -> subprocess.CompletedProcess[str]:
    code = _LOADED.format(hidden=hidden, environ=environ)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50)


def test_the_exporter_is_not_loaded_while_it_is_off() -> None:
    """The API and parts of the SDK may be: redis-py loads them where they are installed."""
    assert run({}).stdout.split() == ["False", "False"]


def test_a_missing_extra_is_a_warning_that_says_how_to_install_it() -> None:
    done = run({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, _HIDDEN)
    assert done.stdout.split()[0] == "False"
    assert "pip install 'voicecall[otel]'" in done.stderr
