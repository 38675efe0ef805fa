"""Performs a persona's script on the line of an answered call.

Speaks tone code, decodes tone code, presses keys, hangs up. Knows nothing of webhooks or documents.
"""

import asyncio
import time
from collections.abc import Callable
from typing import assert_never

from simulators.phone.call import Call
from simulators.phone.hearing import Hearing
from simulators.phone.line import FRAME_MS, Line
from simulators.phone.persona import (
    Beep,
    CutSocket,
    Echo,
    HangUp,
    Hiss,
    Interrupt,
    Noise,
    Persona,
    Press,
    Say,
    Silence,
    Step,
    Wait,
    WaitHeard,
    WaitQuiet,
)
from simulators.phone.spoken import OnUtterance, SpokenHearing

__all__ = ["act"]

_KEY_S = 0.12


async def act(call: Call, line: Line, persona: Persona) -> None:
    """Perform the script from answer until its end, or the call's."""
    person = _Person(call, line, listens=persona.listens)
    spoken = call.exchange.spoken
    if spoken is not None:  # before it is needed, so that no one waits for it
        await asyncio.gather(*(spoken.mulaw(step.text) for step in persona.steps if isinstance(step, Say | Interrupt)))
    for step in persona.steps:
        await person.do(step)


class _Person:
    def __init__(self, call: Call, line: Line, *, listens: bool) -> None:
        self._call = call
        self._line = line
        self._hearing = _listener(call, self._heard, line.now_ms)
        self._spoke_tick = 0
        if listens:
            line.listen = self._hearing.feed
            line.listener_ends = self._hearing.close

    async def do(self, step: Step) -> None:
        match step:
            case Say(text):
                await self._say(text)
            case Wait(ms) | Silence(ms):
                await self._line.pause(ms)
            case WaitHeard():
                await self._wait_heard(step)
            case WaitQuiet():
                await self._patiently(step, lambda: self._spoken_to() and self._quiet(step.ms), step.within_ms)
            case Hiss(amplitude):
                self._line.room.hiss(amplitude)
            case Echo(after_ms, for_ms, gain):
                self._line.room.echo(after_ms=after_ms, for_ms=for_ms, gain=gain)
            case Beep():
                await self._beep()
            case Press(digits):
                await self._press(digits)
            case Interrupt() | Noise() | HangUp() | CutSocket():
                await self._in_the_middle(step)
            case _:
                assert_never(step)

    async def _in_the_middle(self, step: Interrupt | Noise | HangUp | CutSocket) -> None:
        """Steps that act while the remote party is speaking."""
        if step.after_chars:
            await self._patiently(step, lambda: self._hearing.chars >= step.after_chars, step.within_ms)
        if isinstance(step, Interrupt):
            await self._say(step.text)
        elif isinstance(step, Noise):
            await self._noise(step.ms)
        elif isinstance(step, HangUp):
            self._call.end("completed", "callee")
        elif self._call.stream is not None:
            self._call.stream.cut(clean=False)

    async def _say(self, text: str) -> None:
        line, call = self._line, self._call
        audio = None if call.exchange.spoken is None else await call.exchange.spoken.mulaw(text)
        start_ms = line.now_ms
        said = {"text": text, "start_ms": start_ms, "start_at": time.time(), "complete": False}
        call.spoken.append(said)
        call.note("callee.speaks", text=text, start_ms=start_ms)
        if audio is None:
            line.speaker.say(text)
        else:
            line.speaker.play(audio)
        if call.collector is not None:
            call.collector.speech_began()
        try:
            await line.until(lambda: not line.speaker.speaking)
        except asyncio.CancelledError:
            line.speaker.purge()
            raise
        finally:
            said |= {"end_ms": line.now_ms, "end_at": time.time(), "complete": not line.speaker.speaking}
        call.note("callee.spoke", text=text, start_ms=start_ms, end_ms=line.now_ms)
        if call.collector is not None:
            call.collector.speech(text)
        self._taken_in()

    async def _noise(self, ms: float) -> None:
        """It is no utterance: what was heard before still counts."""
        line, call = self._line, self._call
        start_ms = line.now_ms
        line.speaker.noise(ms)
        await line.until(lambda: not line.speaker.speaking)
        call.note("callee.coughed", start_ms=start_ms, end_ms=line.now_ms)

    async def _beep(self) -> None:
        line, call = self._line, self._call
        line.speaker.beep()
        await line.until(lambda: not line.speaker.speaking)
        call.beeped_ms = line.now_ms
        call.note("callee.beeped", end_ms=line.now_ms)
        self._taken_in()

    async def _wait_heard(self, step: WaitHeard) -> None:
        hearing = self._hearing

        def understood() -> bool:
            if step.pattern is not None:
                return hearing.matches(step.pattern)
            return hearing.utterances >= step.count

        await self._patiently(step, lambda: understood() and self._quiet(step.quiet_ms), step.within_ms)
        self._taken_in()

    async def _press(self, digits: str) -> None:
        call = self._call
        for digit in digits:
            call.note("callee.pressed", digit=digit)
            if call.stream is not None:
                call.stream.dtmf(digit)
            if call.collector is not None:
                call.collector.digit(digit)
            await asyncio.sleep(_KEY_S)

    async def _patiently(self, step: Step, true: Callable[[], bool], within_ms: float) -> None:
        """Wait for the condition up to a limit; a timeout is written into the ledger."""
        give_up = self._line.now_ms + within_ms
        await self._line.until(lambda: true() or self._line.now_ms >= give_up)
        if not true():
            self._call.note("callee.gave_up", waiting_for=repr(step))

    def _quiet(self, ms: float) -> bool:
        silent = (self._line.ticks - 1 - self._line.last_heard_tick) * FRAME_MS
        return silent >= ms

    def _spoken_to(self) -> bool:
        return self._line.last_heard_tick >= self._spoke_tick

    def _taken_in(self) -> None:
        self._spoke_tick = self._line.ticks
        self._hearing.understood()

    def _heard(self, text: str, start_ms: int, end_ms: int, complete: bool) -> None:
        at = self._line.answered_at + start_ms / 1000
        facts = {"text": text, "start_ms": start_ms, "end_ms": end_ms, "complete": complete, "start_at": at}
        self._call.understood.append({**facts, "end_at": self._line.answered_at + end_ms / 1000})
        self._call.note("heard", **facts)


def _listener(call: Call, heard: OnUtterance, from_ms: int) -> Hearing | SpokenHearing:
    if call.exchange.spoken is None:
        return Hearing(heard, from_ms=from_ms)
    return SpokenHearing(call.exchange.spoken, heard, from_ms, call.exchange.tasks.spawn)
