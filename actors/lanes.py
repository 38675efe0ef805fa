"""Ordered queues of effects: one effect of a lane at a time, lanes beside each other.

A lane is an asyncio task that lives only while there is something to do; an idle call has none. Who runs what is
told by `Lanes`; how it is run, by `commands`, `voice` and `words`. Nothing here starts before its commit.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Container
from typing import Generic, TypeVar

from actors.agent_runner import AgentRunner
from actors.commands import Command, Commands
from actors.ending import end
from actors.speaker import Speaker
from voicecall.call.effects import (
    Answer,
    AskAgent,
    AwaitBeep,
    Dial,
    DropAgent,
    Effect,
    FindLeg,
    HangUp,
    LookUp,
    OpenStream,
    Reject,
    SendDigits,
    Speak,
    StopSpeaking,
)
from voicecall.call.ids import EffectId

__all__ = ["Lane", "Lanes"]

_log = logging.getLogger(__name__)

E = TypeVar("E", bound=Effect)


class Lane(Generic[E]):
    """Runs each effect given to it, in order. `on_idle` is called each time it has nothing left to do."""

    def __init__(self, run: Callable[[E], Awaitable[None]], on_idle: Callable[[], None]) -> None:
        self._run = run
        self._on_idle = on_idle
        self._waiting: deque[E] = deque()
        self._current: tuple[E, asyncio.Task[None]] | None = None

    @property
    def idle(self) -> bool:
        return self._current is None

    def put(self, effect: E) -> None:
        self._waiting.append(effect)
        if self._current is None:
            self._next()

    def drop(self, which: Callable[[E], bool], *, running: bool = True) -> None:
        """Forget what waits, and with `running` cancel what runs, where `which` holds."""
        self._waiting = deque(effect for effect in self._waiting if not which(effect))
        if running and self._current is not None and which(self._current[0]):
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
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        effect = self._current[0] if self._current is not None else None
        self._current = None
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its runner reports every failure it knows as an event; what comes here is a bug of ours.
            _log.error(
                "effect failed unexpectedly",
                exc_info=error,
                extra={"effect": effect.name if effect is not None else None},
            )
        if self._waiting:
            self._next()
        else:
            self._on_idle()


class Lanes:
    """All lanes of one call: gives each effect to whoever runs it."""

    def __init__(self, *, commands: Commands, voice: Speaker, words: AgentRunner, on_idle: Callable[[], None]) -> None:
        self._voice = voice
        self._control: Lane[Command] = Lane(commands.run, on_idle)
        self._speech: Lane[Speak] = Lane(voice.speak, on_idle)
        self._agent: Lane[AskAgent] = Lane(words.find, on_idle)

    @property
    def idle(self) -> bool:
        return self._control.idle and self._speech.idle and self._agent.idle

    @property
    def commanding(self) -> bool:
        """A command to the carrier is under way: its outcome would be unknown if we left now."""
        return not self._control.idle

    def forget_settled(self, pending: Container[EffectId]) -> None:
        """Drop what the call no longer waits for. A command under way is left to finish: cutting it tells nothing."""
        self._control.drop(lambda effect: effect.id not in pending, running=False)
        self._speech.drop(lambda effect: effect.id not in pending)
        self._agent.drop(lambda effect: effect.id not in pending)

    def run(self, effects: tuple[Effect, ...]) -> None:
        """Take the effects of one committed step, in order."""
        for effect in effects:
            match effect:
                case Speak():
                    self._speech.put(effect)
                case AskAgent():
                    self._agent.put(effect)
                case StopSpeaking():
                    self._stop_speaking()
                case DropAgent(turn=turn):
                    self._drop_agent(turn)
                case Answer() | Dial() | FindLeg() | HangUp() | AwaitBeep() | LookUp() | OpenStream() | Reject():
                    self._control.put(effect)
                case SendDigits():
                    self._control.put(effect)
                case _:
                    _log.error("nobody runs this effect", extra={"effect": effect.name})

    def halt(self) -> None:
        """Not one step further, from this moment: what runs is cancelled before it can act again."""
        for lane in (self._control, self._speech, self._agent):
            lane.drop(lambda _: True)
        self._voice.forget()

    async def close(self) -> None:
        """Stop everything without a word to anybody: another activation may own the call already."""
        self._voice.forget()
        await asyncio.gather(self._control.close(), self._speech.close(), self._agent.close())

    def _stop_speaking(self) -> None:
        # Drop before clearing: nothing of the abandoned sentences may follow the clear.
        self._speech.drop(lambda _: True)
        self._voice.clear()

    def _drop_agent(self, turn: int) -> None:
        self._agent.drop(lambda asked: asked.turn <= turn)
        self._voice.forget()
