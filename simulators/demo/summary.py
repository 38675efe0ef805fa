"""Checks the carrier's ledger against the promised results, prints a table, and writes the calls as WAV files."""

from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from simulators.demo.judge import Judge
from simulators.demo.scenes import FRIEND, GREETING, NOTICE, STORY, STRANGER, SceneFacts
from simulators.demo.timeline import ENDED, Timeline
from simulators.stack import Stack

__all__ = ["Report", "check_ledger", "show", "write_recordings"]


@dataclass
class Report:
    """The results. `checks`: (the claim, whether it holds, the evidence)."""

    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    checks: list[tuple[str, bool, str]] = field(default_factory=list)
    turns_ms: list[tuple[float, float]] = field(default_factory=list)
    failover_s: float | None = None

    @property
    def all_true(self) -> bool:
        return all(good for _, good, _ in self.checks)

    def check(self, what: str, good: bool, evidence: str) -> None:
        """Add one check."""
        self.checks.append((what, good, evidence))


async def check_ledger(stack: Stack, facts: SceneFacts, timeline: Timeline) -> Report:
    """Read the carrier's ledger and the system's call records, and compare them."""
    judge = Judge(real=stack.plan.speech)
    ledger = await stack.carrier.get("/_sim/ledger")
    report = Report(calls={call["sid"]: call for call in ledger["calls"]})
    for stage in timeline.stages:
        if stage.said_at is not None and stage.began_at is not None:
            report.turns_ms.append(((stage.said_at - stage.heard_at) * 1000, (stage.began_at - stage.heard_at) * 1000))
    await _check_conversation(stack, facts, report, judge, _resumed_at(facts, timeline))
    await _check_notice(stack, facts, report, judge)
    _check_inbound(facts, report, judge)
    errors = [line for line in ledger["errors"] if line["kind"] != "fault"]
    report.check("the carrier saw no protocol error", not errors, f"{len(errors)} errors {errors[:2] or ''}")
    calls = len(report.calls)
    report.check("every call was placed or accepted once", calls == 4, f"{calls} calls at the carrier")
    return report


def _resumed_at(facts: SceneFacts, timeline: Timeline) -> list[float]:
    """When audio reached the carrier after the kill."""
    events = (event for call, event in timeline.events if call == facts.conversation)
    began = (event["at"] / 1000 for event in events if event["type"] == "PlaybackBegan")
    return [at for at in began if at > facts.killed_at]


async def _check_conversation(
    stack: Stack, facts: SceneFacts, report: Report, judge: Judge, resumed_at: list[float]
) -> None:
    record = (await stack.gateway.rpc("voicecall.status", callId=facts.conversation))["call"]
    call = report.calls[record["providerCallId"]]
    heard = [utterance["text"] for utterance in call["heard"]]
    whole = judge.begins(GREETING, heard)
    report.check("the callee heard the greeting whole", whole, f"“{heard[0] if heard else ''}”")
    lines = [line["text"] for line in record["transcript"] if line["speaker"] == "bot"]
    cut = judge.cut(STORY, lines, call["heard"])
    report.check(
        "the interruption cut the agent, and the transcript says where",
        bool(cut),
        f"“…{cut[-40:]}”" if cut else "nothing was cut",
    )
    heard_at = [u["start_at"] for u in call["heard"] if u["start_at"] > facts.killed_at]
    # Real voices are heard as one utterance from before the kill, when the silence is short.
    after = resumed_at if heard_at and stack.plan.speech else heard_at
    report.failover_s = after[0] - facts.killed_at if after else None
    gap = f"{report.failover_s:.2f} s of silence" if report.failover_s is not None else "silence until the end"
    report.check(
        "the call survived kill -9 of its worker", bool(after) and record["metadata"]["reactivations"] >= 1, gap
    )
    report.check(
        "it went on to its natural end",
        call["status"] == "completed" and call["ended_by"] == "callee",
        f"{call['status']}, ended by {call['ended_by']}",
    )
    turns = sum(line["speaker"] == "user" for line in record["transcript"])
    report.check("it had several turns", turns >= 4, f"{turns} turns of the callee")


async def _check_notice(stack: Stack, facts: SceneFacts, report: Report, judge: Judge) -> None:
    record = (await stack.gateway.rpc("voicecall.status", callId=facts.notice))["call"]
    call = report.calls[record["providerCallId"]]
    heard = [utterance["text"] for utterance in call["heard"]]
    report.check(
        "the notice was heard once and whole, then the system hung up",
        judge.same(NOTICE, heard) and record["endReason"] == "hangup-bot",
        f"heard {heard}, {record['endReason']}",
    )


def _check_inbound(facts: SceneFacts, report: Report, judge: Judge) -> None:
    allowed, refused = report.calls[facts.inbound], report.calls[facts.refused]
    heard = [utterance["text"] for utterance in allowed["heard"]]
    answered = judge.has("help you", heard) and judge.has("nine to eight", heard)
    report.check(f"{FRIEND} was accepted, greeted and answered", answered, f"“{' '.join(heard)}”")
    good = refused["billed_seconds"] == 0 and not refused["streams"]
    report.check(
        f"{STRANGER} was refused before any stream, unbilled",
        good,
        f"{refused['status']}, {refused['billed_seconds']} s billed",
    )


async def write_recordings(stack: Stack, facts: SceneFacts, out: Path) -> list[Path]:
    """Write each answered call as NAME.wav, left what the callee heard, right what the callee said, and as NAME.txt."""
    calls = {"conversation": {"callId": facts.conversation}, "notice": {"callId": facts.notice}}
    files = []
    for name, named in {**calls, "inbound": {"sid": facts.inbound}}.items():
        record = (await stack.gateway.rpc("voicecall.status", **named))["call"]
        audio, text = out / f"{name}.wav", out / f"{name}.txt"
        audio.write_bytes(await stack.carrier.read(f"/_sim/calls/{record['providerCallId']}/audio.wav"))
        text.write_text(_written(record), encoding="utf-8")
        files += [audio, text]
    return files


def _written(record: dict[str, Any]) -> str:
    """The transcript, each line with its seconds since the answer, and how the call ended."""
    who = {"bot": "agent", "user": "caller" if record["direction"] == "inbound" else "callee"}
    said = [(line["timestamp"], f"{who[line['speaker']]}: {line['text']}") for line in record["transcript"]]
    lines = [*said, (record["endedAt"], f"ended: {ENDED[record['endReason']]}")]
    since = record["answeredAt"]
    timed = [f"{max(0, at - since) / 1000:6.1f} s  {text}" for at, text in lines]
    return "\n".join([f"{record['from']} called {record['to']}", *timed, ""])


def show(console: Console, report: Report, files: list[Path], out: Path) -> None:
    """Print the summary."""
    table = Table(title="checks", title_justify="left", show_lines=False)
    table.add_column("")
    table.add_column("claim")
    table.add_column("evidence at the carrier", overflow="fold")
    for what, good, evidence in report.checks:
        table.add_row("[green]yes[/]" if good else "[red]NO[/]", what, evidence)
    console.print()
    console.print(table)
    if report.turns_ms:
        first, sound = zip(*report.turns_ms, strict=True)
        console.print(
            f"turn latency over {len(first)} turns, since the caller's speech was transcribed: first sentence "
            f"after {median(first):.0f} ms median; first audio at the carrier {median(sound):.0f} ms median, "
            f"{max(sound):.0f} ms worst"
        )
    if report.failover_s is not None:
        console.print(f"failover: {report.failover_s:.2f} s from kill -9 to the next audio the callee heard")
    console.print(f"audio and text: {', '.join(str(file) for file in files)}; logs: {out / 'logs'}")
    console.print("[green]every check passed[/]" if report.all_true else "[red]a check failed[/]")
