"""The formatting of answers: JSON, or text on a terminal. Control characters of a transcript are escaped."""

import json
import re
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from voicecall.cli.conversation import Line

__all__ = ["pretty", "safe", "short_id", "show_call", "show_calls", "spoken_line", "timeline_line"]

_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_COLOURS: Final = {"HungUp": "red", "DialRefused": "red", "Heard": "cyan", "AgentSaid": "green", "Answered": "bold"}
_SPEAKERS: Final = {"caller": "cyan", "agent": "green", "ended": "bold", "failed": "red"}
_SHORT: Final = 8
_ASIDE: Final = frozenset({"type", "at", "seq"})


def pretty(payload: Any, *, indent: int | None = 2) -> str:
    return safe(json.dumps(payload, indent=indent, ensure_ascii=False))


def safe(text: str) -> str:
    """The text with control characters and bidirectional marks escaped, so that it cannot control the terminal."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def show_call(console: Console, call: dict[str, Any]) -> None:
    facts = Table.grid(padding=(0, 2))
    for name, value in call.items():
        if not isinstance(value, dict | list):
            shown = _clock(value) if name.endswith("At") else str(value)
            facts.add_row(Text(name, style="dim"), Text(safe(shown)))
    for name, value in call.get("metadata", {}).items():
        facts.add_row(Text(name, style="dim"), Text(safe(str(value))))
    console.print(facts)
    for line in call.get("transcript", ()):
        who = Text(f"{line['speaker']:>5} ", style="green" if line["speaker"] == "bot" else "cyan")
        console.print(Text(f"{_clock(line['timestamp'])} ", style="dim") + who + Text(safe(line["text"])))


def show_calls(console: Console, calls: list[dict[str, Any]]) -> None:
    if not calls:
        console.print("No live calls.")
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("Call", "State", "Direction", "From", "To", "Started"):
        table.add_column(name, no_wrap=name != "State")
    for call in calls:
        cells = (
            short_id(call["callId"]),
            call["state"],
            call["direction"],
            call["from"],
            call["to"],
            _clock(call["startedAt"]),
        )
        table.add_row(*(Text(safe(str(cell))) for cell in cells))
    console.print(table)


def short_id(call: str) -> str:
    """The beginning of a call's id, which every command accepts in its place."""
    return call[:_SHORT]


def spoken_line(line: Line) -> Text:
    """One line of a conversation, after the time and the beginning of the call's id."""
    stamp = Text(f"{_clock(line.at)[:8]} {short_id(line.call)} ", style="dim")
    return stamp + Text(f"{line.who}: ", style=_SPEAKERS.get(line.who, "dim")) + Text(safe(_one_line(line.text)))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def timeline_line(item: dict[str, Any]) -> list[Text]:
    lines = []
    for event in item["events"]:
        text = event.get("text") or event.get("message") or event.get("digits")
        rest = text or ", ".join(f"{key} {value}" for key, value in event.items() if key not in _ASIDE)
        lines.append(
            Text(f"{_clock(event['at'])} {short_id(item['callId'])} ", style="dim")
            + Text(f"{event['type']:<14} ", style=_COLOURS.get(event["type"], ""))
            + Text(safe(str(rest))),
        )
    return lines


def _clock(ms: Any) -> str:
    if not isinstance(ms, int | float):
        return str(ms)
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
