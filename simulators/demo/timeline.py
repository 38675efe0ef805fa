"""The timeline: every event of the gateway's feed as one line, with milliseconds."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.text import Text

from simulators.stack import Stack

__all__ = ["ENDED", "Stage", "Timeline"]

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue")
_QUIET = frozenset(
    {"TimerFired", "SpeechStopped", "CommandDone", "PlaybackDone", "AgentDone", "LegSeen", "StreamClosed", "HungUp"}
)
ENDED = {
    "completed": "completed",
    "hangup-user": "the other party hung up",
    "hangup-bot": "the system hung up",
    "timeout": "the time limit was reached",
    "error": "something failed",
    "failed": "it could not be placed",
    "no-answer": "it was not answered",
    "busy": "the line was busy",
    "voicemail": "an answering machine answered",
}


@dataclass
class Stage:
    """One answered turn: the times of the caller's transcript, the reply's first sentence and its first audio."""

    call: str
    heard_at: float
    said_at: float | None = None
    began_at: float | None = None


@dataclass
class Timeline:
    """Draws events, and records the stages of each turn."""

    console: Console
    started: float = field(default_factory=time.time)
    stages: list[Stage] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    _over: set[str] = field(default_factory=set)

    def rule(self, text: str) -> None:
        """Print a heading between the lines of the calls."""
        self.console.print(Text(f"{self._clock(time.time())}  ── {text}", style="bold"))

    def name(self, call: str, name: str) -> None:
        """Show this call under a readable name."""
        self.names[call] = name

    def _name_by_origin(self, call: str, event: dict[str, Any]) -> None:
        """Name calls that were not named, by how they came about."""
        names_by_origin = {
            "Placed": "notice" if event.get("mode") == "notify" else "conversation",
            "Arrived": "caller",
            "TurnedAway": "stranger",
        }
        if event["type"] in names_by_origin:
            self.names.setdefault(call, names_by_origin[event["type"]])

    @asynccontextmanager
    async def watching(self, stack: Stack) -> AsyncIterator[None]:
        """Follow the feed while the block runs."""
        task = asyncio.create_task(self._watch(stack))
        try:
            yield
            await asyncio.sleep(0.3)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _watch(self, stack: Stack) -> None:
        async for item in stack.gateway.feed(since="0-0"):
            for event in item["events"]:
                self._see(item["callId"], event)
            if item["state"] in ENDED and item["callId"] not in self._over:
                self._over.add(item["callId"])
                self._draw(item["callId"], time.time(), {"type": "Ended", "reason": item["state"]}, "")

    def _see(self, call: str, event: dict[str, Any]) -> None:
        self.events.append((call, event))
        self._name_by_origin(call, event)
        kind, at = event["type"], event["at"] / 1000
        stage = next((s for s in reversed(self.stages) if s.call == call), None)
        gap = ""
        if kind == "Heard":
            self.stages.append(Stage(call, at))
        elif kind == "AgentSaid" and stage is not None and stage.said_at is None:
            stage.said_at = at
            gap = f"+{(at - stage.heard_at) * 1000:.0f} ms"
        elif kind == "PlaybackBegan" and stage is not None and stage.said_at is not None and stage.began_at is None:
            stage.began_at = at
            gap = f"+{(at - stage.heard_at) * 1000:.0f} ms since the caller's speech was transcribed"
        if kind not in _QUIET:
            self._draw(call, at, event, gap)

    def _draw(self, call: str, at: float, event: dict[str, Any], gap: str) -> None:
        names = list(dict.fromkeys([*self.names, call]))
        colour = _COLOURS[names.index(call) % len(_COLOURS)]
        line = Text(self._clock(at))
        line.append(f"  {self.names.get(call, call[:8]):<14}", style=colour)
        line.append(f"{_sentence(event):<74}")
        line.append(gap, style="dim")
        self.console.print(line, no_wrap=True, overflow="ellipsis")

    def _clock(self, at: float) -> str:
        return f"{at - self.started:8.3f} s"


def _sentence(event: dict[str, Any]) -> str:  # noqa: PLR0911 - one sentence for each event
    match event["type"]:
        case "Heard":
            return f"caller says   “{event['text']}”"
        case "AgentSaid":
            return f"agent answers “{event['text']}”"
        case "SpeechStarted":
            return "caller starts to speak"
        case "PlaybackBegan":
            return f"audio of utterance {event['utterance']} reaches the carrier"
        case "Placed":
            return f"placed to {event['to']} ({event['mode']})"
        case "Arrived":
            return f"call from {event['from']} accepted"
        case "TurnedAway":
            return f"call from {event['from']} refused: {event['reason']}"
        case "Ended":
            return f"call ended: {ENDED[event['reason']]}"
        case "Reactivated":
            return f"TAKEN OVER by another worker (epoch {event['epoch']})"
        case other:
            return _spaced(other)


def _spaced(name: str) -> str:
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()
