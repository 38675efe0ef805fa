"""`voicecall latency`: how long callers waited for a reply, and how long the system listened, in ended calls.

Reads the records from the gateway's archive, page by page, or from a calls.jsonl.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from voicecall.api.methods import HISTORY
from voicecall.archive.latency import latency_summary, stage_of
from voicecall.call.waits import OWNERS, REMEDIES, Span
from voicecall.cli.display import pretty
from voicecall.cli.exits import fail, gateway, run
from voicecall.cli.options import INSPECT, AsJson, example, wants_json
from voicecall.cli.records import newest

__all__ = ["histogram", "latency", "register"]

_PAGE: Final = 200
_BARS: Final = "▁▂▃▄▅▆▇█"
_BINS: Final = 24
_STAGES: Final = {"turnLatency": "caller waits for us", "listenWait": "we wait for the caller"}
_COLUMNS: Final = ("count", "minMs", "p50Ms", "p95Ms", "maxMs", "avgMs")

Record = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    lines = ("voicecall latency --last 50", "voicecall latency --file ~/.openclaw/voice-calls/calls.jsonl")
    app.command(rich_help_panel=INSPECT, epilog=example(*lines))(latency)


def latency(
    file: Annotated[
        Path | None, typer.Option("--file", help="Read this calls.jsonl instead of asking the gateway.", metavar="PATH")
    ] = None,
    last: Annotated[int, typer.Option("--last", min=1, help="Number of newest calls; of a file, of lines.")] = 200,
    *,
    as_json: AsJson = False,
) -> None:
    """Print how long turns took: percentiles per stage, and a histogram."""
    records = run(_from_archive(last)) if file is None else _from_file(file.expanduser(), last)
    values = {"turnLatency": _times(records, "latencyMs"), "listenWait": _times(records, "listenWaitMs")}
    spans = _spans(records)
    summary = latency_summary(len(records), values["turnLatency"], values["listenWait"])
    summary["spans"] = {span.value: {"owner": OWNERS[span].value, **stage_of(spans[span])} for span in Span}
    summary["tools"] = {name: stage_of(times) for name, times in sorted(_tools(records).items())}
    summary["saved"] = stage_of(_numbers(wait.get("savedMs") for wait in _waits(records)))
    if wants_json(as_json=as_json):
        typer.echo(pretty(summary))
    else:
        _show(Console(), summary, values)
        if any(spans.values()):
            _show_spans(Console(), summary["spans"], summary["tools"])
            _show_saved(Console(), summary["saved"], sum(1 for _ in _waits(records)))


def histogram(values: Sequence[float]) -> str:
    """The distribution of the values: one bar for each of 24 equal ranges between the least and the greatest."""
    least, greatest = min(values), max(values)
    bins = [0] * _BINS
    for value in values:
        place = int((value - least) / (greatest - least) * _BINS) if greatest > least else 0
        bins[min(place, _BINS - 1)] += 1
    most = max(bins)
    return "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] if count else " " for count in bins)


async def _from_archive(last: int) -> list[Record]:
    records: list[Record] = []
    cursor: str | None = None
    async with gateway() as client:
        while len(records) < last:
            params = {"limit": min(_PAGE, last - len(records)), "cursor": cursor}
            page = await client.request(HISTORY.name, params)
            records += page["calls"]
            cursor = page.get("next")
            if cursor is None:
                break
    return records


def _from_file(file: Path, last: int) -> list[Record]:
    try:
        return newest(file, last)
    except OSError as error:
        fail(f"--file {str(file)[:200]!r}: {error.strerror or error}; name the calls.jsonl of a store")


def _times(records: Iterable[Record], name: str) -> list[float]:
    """The times of every turn where a record lists them; else of the last turn, all that OpenClaw's records have."""
    found: list[float] = []
    for record in records:
        facts = record.get("metadata")
        facts = facts if isinstance(facts, dict) else {}
        turns = facts.get("turns")
        listed = turns if isinstance(turns, list) else [{name: facts.get(f"lastTurn{name[0].upper()}{name[1:]}")}]
        found += _numbers(turn.get(name) for turn in listed if isinstance(turn, dict))
    return found


def _spans(records: Iterable[Record]) -> dict[Span, list[float]]:
    """The times of each part of a wait, over all replies."""
    found: dict[Span, list[float]] = {span: [] for span in Span}
    for wait in _waits(records):
        for span in Span:
            if (ms := _ms_of(wait, span)) is not None:
                found[span].append(ms)
    return found


def _tools(records: Iterable[Record]) -> dict[str, list[float]]:
    """The time of the tools in each wait that has any, by their names."""
    found: dict[str, list[float]] = {}
    for wait in _waits(records):
        tools, ms = wait.get("tools"), _ms_of(wait, Span.TOOL)
        if isinstance(tools, list) and tools and ms is not None:
            found.setdefault(" + ".join(str(tool)[:64] for tool in tools[:8]), []).append(ms)
    return found


def _waits(records: Iterable[Record]) -> Iterator[Record]:
    for record in records:
        facts = record.get("metadata")
        listed = facts.get("turnSpans") if isinstance(facts, dict) else None
        yield from (wait for wait in listed if isinstance(wait, dict)) if isinstance(listed, list) else ()


def _ms_of(wait: Record, span: Span) -> float | None:
    spans = wait.get("spans")
    return _number(spans.get(span.value) if isinstance(spans, dict) else None)


def _numbers(values: Iterable[Any]) -> list[float]:
    return [number for value in values if (number := _number(value)) is not None]


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _show_spans(console: Console, stages: Record, tools: Record) -> None:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("Part of the wait", "p50", "p95", "max"):
        table.add_column(name, justify="left" if name[0] == "P" else "right")
    table.add_column("whose time")
    table.add_column("what shortens it")
    for span in Span:
        table.add_row(span.value, *_percentiles(stages[span.value]), OWNERS[span].value, REMEDIES[span])
        if span is Span.TOOL:
            for name, facts in tools.items():
                table.add_row(f"  {name}", *_percentiles(facts), "", "")
    console.print()
    console.print(table)


def _show_saved(console: Console, saved: Record, replies: int) -> None:
    """What asking the agent early has saved, beside the parts of the wait."""
    if saved["count"]:
        text = f"{saved['count']} of {replies} replies were asked for before the turn was over"
        console.print(f"{text}; this saved p50 {saved['p50Ms']:g}, p95 {saved['p95Ms']:g} ms of the wait", style="dim")


def _percentiles(facts: Record) -> Iterator[str]:
    return (f"{facts[name]:g}" if name in facts else "-" for name in ("p50Ms", "p95Ms", "maxMs"))


def _show(console: Console, summary: Record, values: dict[str, list[float]]) -> None:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("Stage")
    for name in _COLUMNS:
        table.add_column(name.removesuffix("Ms"), justify="right")
    for stage, label in _STAGES.items():
        facts = summary[stage]
        table.add_row(label, *(f"{facts[name]:g}" if name in facts else "-" for name in _COLUMNS))
    console.print(f"{summary['recordsScanned']} calls; times in milliseconds", style="dim")
    console.print(table)
    for stage, label in _STAGES.items():
        if times := values[stage]:
            console.print(f"{label:<24} {min(times):>7g} {histogram(times)} {max(times):g}", highlight=False)
