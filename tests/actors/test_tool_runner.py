"""A tool is claimed before it is called, called at most once, and every outcome is reported."""

import asyncio
from dataclasses import replace

import pytest

from actors.commands import Commands
from actors.tool_runner import ToolRunner
from tests.actors.test_agent_runner import CALL
from tests.fakes.ports import Stage, eventually
from voicecall.call.effects import RunTool, Transfer
from voicecall.call.events import CommandDone, CommandFailed, Event
from voicecall.call.ids import EffectId, Epoch, LegId, NodeId
from voicecall.errors import CarrierRejected, CarrierSilent, ServiceError, ServiceTimeout
from voicecall.ports import Lease, ToolRun, ToolSpec

LEASE = Lease(call=CALL.id, node=NodeId("worker-1"), epoch=Epoch(1))
RUN = RunTool(id=EffectId("e.1"), tool=1, called="order", arguments='{"people": 2}', key="k-1")


class Kitchen:
    """Tools with one outcome: a result, or an exception to raise; `gate` is waited for first."""

    def __init__(self, outcome: str | Exception) -> None:
        self.outcome = outcome
        self.runs: list[ToolRun] = []
        self.gate: asyncio.Event | None = None

    def specs(self) -> tuple[ToolSpec, ...]:
        return (ToolSpec(name="order", description="a table"),)

    def warm(self) -> None:
        return

    async def run(self, run: ToolRun) -> str:
        self.runs.append(run)
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def close(self) -> None:
        return


def runner_of(tools: Kitchen, stage: Stage | None = None) -> tuple[ToolRunner, list[Event]]:
    stage = stage or Stage()
    stage.bus.calls[CALL.id].epoch = LEASE.epoch
    context = replace(stage.context, ports=replace(stage.context.ports, tools=tools))
    reports: list[Event] = []
    return ToolRunner(context, LEASE, lambda: CALL, reports.append), reports


async def test_the_result_is_reported_for_its_effect() -> None:
    tools = Kitchen("Booked.")
    runner, reports = runner_of(tools)
    await runner.run(RUN)
    assert reports == [CommandDone(effect=RUN.id, tool="order", result="Booked.")]
    (run,) = tools.runs
    assert (run.name, run.arguments, run.key) == ("order", '{"people": 2}', "k-1")
    assert (run.caller, run.number_verified) == ("+15550002", True)


@pytest.mark.parametrize(
    ("failure", "reason", "unknown"),
    [
        (ServiceError("order", "answered with status 500", retryable=False), "order: answered with status 500", False),
        (ServiceTimeout("order", "no answer in time", retryable=False), "order: no answer in time", True),
        (KeyError("bug"), "KeyError", True),
    ],
)
async def test_a_failure_is_reported_with_whether_it_may_have_acted(
    failure: Exception, reason: str, unknown: bool
) -> None:
    runner, reports = runner_of(Kitchen(failure))
    await runner.run(RUN)
    failed = CommandFailed(effect=RUN.id, reason=reason, retryable=False, tool="order", unknown=unknown)
    assert reports == [failed]


async def test_a_tool_that_was_claimed_before_is_not_called() -> None:
    """Another activation may have called it; so may this one, if the answer to its claim was lost."""
    stage, tools = Stage(), Kitchen("Booked.")
    runner, reports = runner_of(tools, stage)
    await runner.run(RUN)
    await runner.run(RUN)
    assert len(tools.runs) == 1
    (_, again) = reports
    assert isinstance(again, CommandFailed)
    assert again.unknown


ORDER = Transfer(
    id=EffectId("e.2"), tool=1, leg=LegId("leg-1"), to="+15554440001", from_="+15550001", ring_timeout_s=30.0
)


def commands_of(stage: Stage, epoch: int = 1) -> tuple[Commands, list[Event]]:
    stage.bus.calls[CALL.id].epoch = Epoch(epoch)
    reports: list[Event] = []
    return Commands(stage.context, replace(LEASE, epoch=Epoch(epoch)), lambda: CALL, reports.append), reports


async def test_a_transfer_is_ordered_once_and_its_outcome_is_left_to_the_carrier() -> None:
    """A new owner requests it again: if the last one has claimed it, nothing is sent, and nothing is reported."""
    stage = Stage()
    first, reports = commands_of(stage)
    await first.run(ORDER)
    second, later = commands_of(stage, epoch=2)
    await second.run(ORDER)
    assert (stage.carrier.did("transfer"), reports, later) == (1, [], [])


@pytest.mark.parametrize(
    ("failure", "reports"),
    [
        (CarrierSilent("no answer"), []),
        (
            CarrierRejected("no such number", code="21211"),
            [CommandFailed(effect=ORDER.id, reason="21211: no such number", retryable=False)],
        ),
    ],
)
async def test_only_an_order_that_the_carrier_refused_has_failed(failure: Exception, reports: list[Event]) -> None:
    """Without an answer they may be connected already."""
    stage = Stage()
    stage.carrier.outcomes["transfer"].append(failure)
    commands, reported = commands_of(stage)
    await commands.run(ORDER)
    assert reported == reports


async def test_a_cancelled_tool_reports_nothing() -> None:
    tools = Kitchen("Booked.")
    tools.gate = asyncio.Event()
    runner, reports = runner_of(tools)
    task = asyncio.ensure_future(runner.run(RUN))
    await eventually(lambda: tools.runs)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reports == []
