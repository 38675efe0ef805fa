"""How long an agent took to its first text, and with what: the agent's part of the latency record.

Used by `agent_runner` for one reply. Knows the steps that agents report (`voicecall.ports`) and their moments; decides
nothing.
"""

import time
from dataclasses import replace
from typing import Final

from voicecall.call.events import AgentSaid
from voicecall.ports import AgentConnected, AgentStep, AgentWrote, ToolEnded, ToolStarted

__all__ = ["ReplyClock"]

_MOST_TOOLS: Final = 8  # names that are kept of one reply


class ReplyClock:
    """Begins when it is made. Steps behind the first sentence are of no interest: the caller hears something by then.

    Tools that run at the same time count once. Of several connections the first counts: what follows is an agent that
    fails, or that is asked again with the results of its tools.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._connect_s: float | None = None
        self._first_text_s: float | None = None
        self._tools_before_s = 0.0  # of the first text
        self._tool_s = 0.0
        self._running: list[str] = []
        self._running_since = 0.0
        self._tools: dict[str, None] = {}
        self._is_reported = False

    def on_step(self, step: AgentStep) -> None:
        if self._is_reported:
            return
        passed_s = time.monotonic() - self._began
        match step:
            case AgentConnected():
                self._connect_s = passed_s if self._connect_s is None else self._connect_s
            case AgentWrote():
                self._wrote(passed_s)
            case ToolStarted(name=name):
                self._running_since = self._running_since if self._running else passed_s
                self._running.append(name)
                if len(self._tools) < _MOST_TOOLS:
                    self._tools[name] = None
            case ToolEnded(name=name):
                self._end(name, passed_s)

    def on_text(self) -> None:
        """There is text to speak: the first at all, from an agent that does not report it."""
        self.on_step(AgentWrote())

    def stamped(self, said: AgentSaid) -> AgentSaid:
        """The sentence, the first one with the times."""
        if self._is_reported or self._first_text_s is None:
            return said
        self._is_reported = True
        tool_s = self._tools_until(time.monotonic() - self._began)
        return replace(
            said,
            # As if all tools had run before it: their time is one part of the wait.
            first_text_ms=round((self._first_text_s + tool_s - self._tools_before_s) * 1000),
            connect_ms=None if self._connect_s is None else round(self._connect_s * 1000),
            tool_ms=round(tool_s * 1000) if self._tools else None,
            tools=tuple(self._tools) or None,
        )

    def _wrote(self, passed_s: float) -> None:
        if self._first_text_s is None:
            self._first_text_s = passed_s
            self._tools_before_s = self._tools_until(passed_s)

    def _end(self, name: str, passed_s: float) -> None:
        if name not in self._running:
            return  # it was never begun
        self._running.remove(name)
        if not self._running:
            self._tool_s += passed_s - self._running_since

    def _tools_until(self, passed_s: float) -> float:
        """How long tools have run, those that still do included."""
        return self._tool_s + (passed_s - self._running_since if self._running else 0.0)
