"""Queues of effects: the effects of one lane run one after the other, the lanes side by side; tools all at once.

A lane has an asyncio task only while it runs an effect; an idle call has none. `Lanes` chooses the lane of an effect;
`commands`, `speaker`, `agent_runner` and `tool_runner` run it. Effects come here only after the commit that contains
them.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Container
from typing import Any, Generic, TypeVar

from actors.agent_runner import AgentRunner
from actors.commands import Command, Commands
from actors.metering import count_dropped, effect_counted
from actors.speaker import Speaker
from actors.tool_runner import ToolRunner
from voicecall.aio import end
from voicecall.call.effects import (
    AskAgent,
    AskOwner,
    DropAgent,
    Effect,
    EffectLane,
    PauseSpeaking,
    ResumeSpeaking,
    RunTool,
    Speak,
    StopSpeaking,
)
from voicecall.call.ids import EffectId

__all__ = ["LaneQueue", "Lanes", "SideBySide"]

_log = logging.getLogger(__name__)

E = TypeVar("E", bound=Effect)


class LaneQueue(Generic[E]):
    """Runs each effect it is given, in order. `on_idle` is called each time it has nothing left to do."""

    def __init__(self, run: Callable[[E], Awaitable[None]], on_idle: Callable[[], None]) -> None:
        self._run = run
        self._on_idle = on_idle
        self._waiting: deque[E] = deque()
        self._current: tuple[E, asyncio.Task[None]] | None = None
        self._is_paused = False

    @property
    def idle(self) -> bool:
        """Nothing runs."""
        return self._current is None

    @property
    def waiting(self) -> tuple[E, ...]:
        return tuple(self._waiting)

    def put(self, effect: E) -> None:
        self._waiting.append(effect)
        if self._current is None and not self._is_paused:
            self._next()

    def pause(self) -> None:
        """Begin nothing more. What runs goes on; what waits is still dropped by `drop`."""
        self._is_paused = True

    def drop(self, matches: Callable[[E], bool], *, running: bool = True) -> None:
        """Drop the waiting effects that match, and with `running` cancel the running one if it matches."""
        kept: deque[E] = deque()
        for effect in self._waiting:
            if matches(effect):
                count_dropped(effect)
            else:
                kept.append(effect)
        self._waiting = kept
        if running and self._current is not None and matches(self._current[0]):
            self._current[1].cancel()

    async def close(self) -> None:
        """Drop everything and wait until nothing of this lane runs."""
        self.drop(lambda _: True)
        while self._current is not None:
            await end(self._current[1])

    def _next(self) -> None:
        effect = self._waiting.popleft()
        task = asyncio.ensure_future(self._run(effect))
        self._current = (effect, task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        effect = self._current[0] if self._current is not None else None
        self._current = None
        if not task.cancelled() and (error := task.exception()) is not None:
            # Expected failures are reported as events; an exception here is a defect.
            _log.error("effect raised", exc_info=error, extra={"effect": effect.name if effect is not None else None})
        if self._waiting and not self._is_paused:
            self._next()
        else:
            self._on_idle()


class SideBySide(Generic[E]):
    """Runs each effect it is given at once, beside the others. `on_idle`: as for a `LaneQueue`."""

    def __init__(self, run: Callable[[E], Awaitable[None]], on_idle: Callable[[], None]) -> None:
        self._run = run
        self._on_idle = on_idle
        self._running: dict[EffectId, LaneQueue[E]] = {}

    @property
    def idle(self) -> bool:
        return not self._running

    def put(self, effect: E) -> None:
        lane: LaneQueue[E] = LaneQueue(self._run, lambda: self._on_done(effect.id))
        self._running[effect.id] = lane
        lane.put(effect)

    def drop(self, matches: Callable[[E], bool]) -> None:
        """Cancel those that match."""
        for lane in tuple(self._running.values()):
            lane.drop(matches)

    async def close(self) -> None:
        """Cancel everything and wait until nothing runs."""
        for lane in tuple(self._running.values()):
            await lane.close()

    def _on_done(self, effect: EffectId) -> None:
        self._running.pop(effect, None)
        if self.idle:
            self._on_idle()


class Lanes:
    """All lanes of one call. `on_idle` is called each time one of them has nothing left to do."""

    def __init__(
        self,
        *,
        commands: Commands,
        speaker: Speaker,
        agent_runner: AgentRunner,
        tool_runner: ToolRunner,
        on_idle: Callable[[], None],
    ) -> None:
        self._speaker = speaker
        self._control: LaneQueue[Command] = LaneQueue(commands.run, on_idle)
        self._voice: LaneQueue[Speak] = LaneQueue(speaker.speak, on_idle)
        self._agent: LaneQueue[AskAgent] = LaneQueue(agent_runner.run, on_idle)
        self._tools: SideBySide[RunTool] = SideBySide(tool_runner.run, on_idle)
        # Any: the class of an effect fixes its lane, and so the runner that takes it (`tests/actors/test_lanes.py`).
        self._queued: dict[EffectLane, LaneQueue[Any] | SideBySide[Any]] = {
            EffectLane.CONTROL: self._control,
            EffectLane.VOICE: self._voice,
            EffectLane.AGENT: self._agent,
            EffectLane.TOOLS: self._tools,
        }

    @property
    def idle(self) -> bool:
        return self._control.idle and self._voice.idle and self._agent.idle and self._tools.idle

    def pause_speech(self) -> None:
        """Speak to the end what has begun, and nothing after it."""
        self._voice.pause()

    def has_begun(self, utterance: int) -> bool:
        """Whether speaking this utterance has begun, or is over."""
        return all(speak.utterance != utterance for speak in self._voice.waiting)

    @property
    def commanding(self) -> bool:
        """A carrier command is running: if the activation ended now, its outcome would be unknown."""
        return not self._control.idle

    def drop_settled(self, pending: Container[EffectId]) -> None:
        """Drop the effects that are not pending any more.

        A running command is left to finish: cancelling it would not undo it, only lose its outcome.
        """
        self._control.drop(lambda effect: effect.id not in pending, running=False)
        self._voice.drop(lambda effect: effect.id not in pending)
        self._agent.drop(lambda effect: effect.id not in pending)
        self._tools.drop(lambda effect: effect.id not in pending)

    def run(self, effects: tuple[Effect, ...]) -> None:
        """Start or queue the effects of one committed step, in order."""
        for effect in effects:
            match effect:
                case StopSpeaking():
                    with effect_counted(effect):
                        self._stop_speaking()
                case PauseSpeaking():
                    with effect_counted(effect):
                        self._speaker.pause()
                case ResumeSpeaking():
                    with effect_counted(effect):
                        self._speaker.resume()
                case DropAgent(turn=turn):
                    with effect_counted(effect):
                        self._drop_agent(turn)
                case AskOwner():
                    pass  # it waits for an API client
                case _ if effect.lane in self._queued:
                    self._queued[effect.lane].put(effect)
                case _:
                    _log.error("effect not supported", extra={"effect": effect.name})

    def cancel(self) -> None:
        """Cancel what runs and drop what waits, without waiting for it: nothing may be sent from now on."""
        for lane in (self._control, self._voice, self._agent, self._tools):
            lane.drop(lambda _: True)
        self._speaker.close()

    async def close(self) -> None:
        """Cancel everything and wait until it has stopped; reports nothing: another activation may own the call."""
        self._speaker.close()
        lanes = (self._control, self._voice, self._agent, self._tools)
        await asyncio.gather(*(lane.close() for lane in lanes))

    def _stop_speaking(self) -> None:
        # Drop before clearing: no audio of the dropped utterances may follow the clear.
        self._voice.drop(lambda _: True)
        self._speaker.clear()

    def _drop_agent(self, turn: int) -> None:
        self._agent.drop(lambda request: request.turn <= turn)
        self._speaker.cancel_prefetch()
