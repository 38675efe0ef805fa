"""One activation of one call: the only place that folds its events, commits its state and lets its effects run.

`workers/supervisor.py` starts it with what the lease gave; posts reach it as `Nudged`, outcomes of its own effects as
`Own`, and the caller's audio, which is no event, as it is.
Order is everything: gather what waits, fold it, commit, and only then act (architecture 2 and 3). Knows no adapter,
and of Redis only that a commit can be fenced, behind, or unanswered.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from types import TracebackType
from typing import Final

from actors.agent_runner import AgentRunner
from actors.backoff import backoff
from actors.buffer import EventBuffer
from actors.commands import Commands
from actors.context import ActorContext
from actors.ending import end
from actors.fold import Folded, Poison, fold
from actors.lanes import Lanes
from actors.listener import Listener
from actors.loop_actor import LoopActor
from actors.native_speaker import NativeSpeaker
from actors.speaker import Speaker
from actors.timers import Timers
from voicecall.call.events import Event, Reactivated
from voicecall.call.state import Call
from voicecall.errors import BusError, BusUnavailable, Fenced
from voicecall.ports import CallerAudio, Commit, Committed, Ingest, Lease, Record

__all__ = ["CallActor", "Ending", "Fence", "HandOver", "Nudged", "OnEnd", "Own", "Wake"]

_log = logging.getLogger(__name__)

_PATIENCE_S: Final = 5.0  # how long a hand-over waits for a turn boundary (reliability P14)


@dataclass(frozen=True, slots=True)
class Nudged:
    """Records that were just posted, as far as the nudge carried them: a hint, never the whole truth."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Own:
    """A fact of our own making; it enters the log with our next commit."""

    event: Event


@dataclass(frozen=True, slots=True)
class Wake:
    """Something may have been missed: read the log."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """This node is leaving: at the next turn boundary, or after five seconds, let another one take the call."""


@dataclass(frozen=True, slots=True)
class Fence:
    """The lease is lost: another activation owns the call. Nothing more may leave."""


class Ending(StrEnum):
    """Why an activation is over."""

    OVER = "over"  # the call is
    HANDED_OVER = "handed-over"
    FENCED = "fenced"
    UNKNOWN = "unknown"  # the log holds nothing that begins a call
    BROKEN = "broken"  # a bug in the shell; the sweeper will try again


OnEnd = Callable[[Lease, Ending, Call | None], None]


class CallActor(LoopActor):
    """Start it on the node's loop with the `Ingest` of a fresh lease. `on_end` is called once, when all is let go."""

    def __init__(
        self, context: ActorContext, ingest: Ingest, on_end: OnEnd, *, patience_s: float = _PATIENCE_S
    ) -> None:
        super().__init__()
        self._context = context
        self._lease = ingest.lease
        self._on_end = on_end
        self._patience_s = patience_s
        self._call: Call | None = ingest.call  # as committed, never ahead of the log
        self._buffer = EventBuffer(ingest.applied, ingest.rest)
        self._step: asyncio.Task[None] | None = None
        self._leaving = False
        self._out_of_patience = False
        self._closing: asyncio.Task[None] | None = None
        self._facts = {"call_id": self._lease.call, "epoch": self._lease.epoch}
        lease = ingest.lease
        self._timers = Timers(self.loop, context.clock, self._report)
        self._listener = Listener(context, lease, self._report)
        voice = Speaker(
            context,
            lease,
            lambda: self._call.stream if self._call else None,
            self._report,
            NativeSpeaker(context, lease, self._committed, self._report),
            route=lambda: self._call.route if self._call else "",
        )
        self._lanes = Lanes(
            commands=Commands(context, lease, self._committed, self._report),
            voice=voice,
            words=AgentRunner(context, self._committed, self._report, voice.expect, epoch=self._lease.epoch),
            on_idle=self._settle,
        )

    def on_start(self) -> None:
        """Take up the call where the log left it."""
        if self._call is not None and not self._call.is_over:
            # A snapshot means that somebody owned this call before us; `recovery` sorts out what that one left open.
            self._buffer.keep(self._stamped(Reactivated(epoch=self._lease.epoch)))
            self._timers.arm(self._call.timers)
            self._listener.follow(self._call)
        _log.info("activated", extra=self._facts)

    def on_receive(self, message: object) -> None:
        match message:
            case Nudged(records=records):
                self._buffer.nudged(records)
            case Own(event=event):
                self._buffer.keep(event)
            case CallerAudio():
                self._listener.hear(message)
            case Wake():
                self._buffer.doubt()
            case HandOver():
                self._leave()
            case Fence():
                # The lease of a call that is over ends with it: that is no defeat.
                self._end(Ending.OVER if self._call is not None and self._call.is_over else Ending.FENCED)
            case _:
                super().on_receive(message)

    def on_drained(self) -> None:
        if self._step is None and self._closing is None:
            if self._buffer.waiting:
                self._step = self.loop.create_task(self._advance())
            else:
                self._settle()

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """A bug ended the actor itself: let the call go, so that the sweeper can have it taken up anew."""
        del exception_type, exception_value, traceback
        self._end(Ending.BROKEN)

    # --- the step: gather, fold, commit, act ------------------------------------------------------------------------

    async def _advance(self) -> None:
        """Step until no mail waits. Everything that arrives meanwhile joins the next step."""
        try:
            while self._buffer.waiting and self._closing is None:
                await self._one_step()
        except Fenced:
            self._end(Ending.FENCED)
        except Exception:  # noqa: BLE001  a bug here may cost this activation, never the node
            _log.exception("step failed", extra=self._facts)
            self._end(Ending.BROKEN)
        finally:
            self._step = None
        self._settle()

    async def _one_step(self) -> None:
        if self._buffer.incomplete:
            self._buffer.reread(await self._read_rest())
        posted, own = self._buffer.waiting_now()
        folded = fold(
            self._context.decide, self._lease.call, self._call, applied=self._buffer.applied, posted=posted, own=own
        )
        if folded.call is None:
            _log.warning("nothing here begins a call", extra=self._facts)
            self._end(Ending.UNKNOWN)
            return
        if posted or folded.own:
            committed = await self._commit(folded, folded.call)
            if committed.missing:
                # The log grew while we were deciding. What we decided never happened: decide again, newest mail first.
                self._buffer.reread(committed.missing)
                return
            self._buffer.settled(committed.applied, len(own))
            self._adopt(folded, folded.call)
        else:
            self._buffer.settled(self._buffer.applied, len(own))
        for poison in folded.poison:
            await self._set_aside(poison)

    async def _commit(self, folded: Folded, call: Call) -> Committed:
        """Write the step; while Redis does not answer, repeat this very commit, which goes in once. Raises Fenced."""
        commit = Commit(
            lease=self._lease,
            call=call,
            applied=folded.applied,
            own=folded.own,
            fresh=folded.fresh,
            resolved=folded.resolved,
        )
        for delay_s in backoff():
            try:
                return await self._context.log.commit(commit)
            except BusUnavailable:
                _log.warning("commit unanswered; trying again", extra=self._facts)
                await asyncio.sleep(delay_s)
        raise AssertionError("backoff never ends")

    async def _read_rest(self) -> tuple[Record, ...]:
        for delay_s in backoff():
            try:
                return await self._context.log.history(self._lease.call, self._buffer.applied)
            except BusUnavailable:
                await asyncio.sleep(delay_s)
        raise AssertionError("backoff never ends")

    def _adopt(self, folded: Folded, call: Call) -> None:
        """The step is history now: live by it."""
        self._call = call
        self._timers.arm(call.timers)
        self._listener.follow(call)
        self._lanes.forget_settled(call.pending)
        self._lanes.run(folded.effects)

    async def _set_aside(self, poison: Poison) -> None:
        _log.error("event set aside", extra={**self._facts, "seq": poison.seq, "reason": poison.reason})
        try:
            reason = poison.reason
            await self._context.dead_letters.set_aside(self._lease.call, poison.event, seq=poison.seq, reason=reason)
        except BusUnavailable:
            # A posted record stands in the log in any case; the line above names it.
            _log.exception("dead letter could not be kept", extra=self._facts)

    def _report(self, event: Event) -> None:
        """An outcome of our own: stamped when it happened, folded with the next step."""
        if self._closing is None and self.actor_ref.is_alive():
            self.actor_ref.tell(Own(self._stamped(event)))

    def _stamped(self, event: Event) -> Event:
        # Microseconds are what the log keeps: folding it again must meet the same times.
        return replace(event, at=round(self._context.clock.now(), 6))

    def _committed(self) -> Call:
        if self._call is None:
            raise AssertionError("effects run only after a commit")
        return self._call

    # --- the end ----------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Nothing waits: is there still a reason to stay?"""
        if self._closing is not None or self._step is not None or self._buffer.waiting:
            return
        call = self._call
        if call is None:
            self._end(Ending.UNKNOWN)
        elif call.is_over:
            if self._lanes.idle:
                self._end(Ending.OVER)
        elif self._leaving and (self._out_of_patience or (_between_turns(call) and not self._lanes.commanding)):
            self._end(Ending.HANDED_OVER)

    def _leave(self) -> None:
        if not self._leaving:
            self._leaving = True
            self.loop.call_later(self._patience_s, self._lose_patience)

    def _lose_patience(self) -> None:
        self._out_of_patience = True
        self._settle()

    def _end(self, ending: Ending) -> None:
        if self._closing is None:
            self._timers.cancel()
            self._lanes.halt()
            self._closing = self.loop.create_task(self._close(ending))

    async def _close(self, ending: Ending) -> None:
        """Stop everything, then give the lease back, and only then say so."""
        if self._step is not None:
            await end(self._step)
        await self._lanes.close()
        await self._listener.close()
        try:
            if ending is not Ending.FENCED:
                await self._context.leases.release(self._lease)
            if ending is Ending.HANDED_OVER or (self._buffer.waiting and ending is not Ending.FENCED):
                await self._context.doorbell.ring(self._lease.call)
        except BusError:
            # The lease ends by itself, and the sweeper rings.
            _log.warning("call not released cleanly", exc_info=True, extra=self._facts)
        _log.info("activation over", extra={**self._facts, "ending": ending.value})
        self._on_end(self._lease, ending, self._call)
        if self.actor_ref.is_alive():
            self.stop()


def _between_turns(call: Call) -> bool:
    """Nobody speaks and no reply is due: silence now costs the caller nothing."""
    return not call.utterances and not call.caller_is_speaking and not call.reply_due
