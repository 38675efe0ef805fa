"""One activation of one call: the only place that folds its events, commits its state and starts its effects.

`workers/supervisor.py` starts it with what the lease gave. Posted events reach it as `Nudged`, outcomes of its own
effects as `Own`; the caller's audio goes straight to its listener. The order is fixed: gather what waits, fold it,
commit, and only then run the effects; during the commit `head_start` may ask the agent, and holds the answer. Knows no
adapter, and of Redis only that a commit may be fenced, refused because the log has grown, or unanswered.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Final

from actors.agent_runner import AgentRunner
from actors.buffer import EventBuffer
from actors.commands import Commands
from actors.context import ActorContext
from actors.fold import Folded, Poison, fold
from actors.head_start import HeadStart
from actors.lanes import Lanes
from actors.listener import Listener
from actors.loop_actor import LoopActor
from actors.messages import ActivationEnd, Fence, HandOver, IngressDied, Nudged, Own, Wake
from actors.metering import CallMeter
from actors.native_speaker import NativeSpeaker
from actors.preemptive import EarlyReplies
from actors.relay_speaker import RelaySpeaker
from actors.speaker import Speaker
from actors.timers import Timers
from actors.tool_runner import ToolRunner
from voicecall.aio import backoff, end
from voicecall.call.events import Event, Reactivated, StreamClosed
from voicecall.call.ids import NodeId
from voicecall.call.state import Call
from voicecall.errors import BusError, BusUnavailable, Fenced
from voicecall.logs import CALL_ID
from voicecall.ports import CallerAudio, Commit, Committed, Ingest, Lease, Record

__all__ = ["CallActor", "OnEnd"]

_log = logging.getLogger(__name__)

_HAND_OVER_TIMEOUT_S: Final = 5.0  # how long a hand-over waits for a turn boundary (guarantee P14)
_SENTENCE_S: Final = 4.0  # and after that for the end of a sentence


OnEnd = Callable[[Lease, ActivationEnd, Call | None], None]
"""Called with the lease, why the activation ended, and the last committed state."""


class CallActor(LoopActor):
    """Start it on the node's loop with the `Ingest` of a fresh lease.

    `on_end` is called once, when the lease is released and everything is stopped, with the last committed state.
    `hand_over_timeout_s`: how long a `HandOver` waits for a turn boundary.
    """

    def __init__(
        self,
        context: ActorContext,
        ingest: Ingest,
        on_end: OnEnd,
        *,
        hand_over_timeout_s: float = _HAND_OVER_TIMEOUT_S,
    ) -> None:
        super().__init__()
        self.lease = lease = ingest.lease
        self.variables.run(CALL_ID.set, lease.call)
        self._context = context
        self._on_end = on_end
        self._hand_over_timeout_s = hand_over_timeout_s
        self._cause = ingest.cause
        self._refolds = ingest.refolds
        self._call: Call | None = ingest.call  # as committed, never ahead of the log
        self._buffer = EventBuffer(ingest.applied, ingest.rest)
        self._meter = CallMeter(ingest.owner_seen_at)
        self._step: asyncio.Task[None] | None = None
        self._handing_over = False
        self._hand_over_is_due = False  # do not wait for a turn boundary any longer
        self._hand_over_is_overdue = False  # nor for the end of a sentence
        self._closing: asyncio.Task[None] | None = None
        self._facts = {"call_id": lease.call, "epoch": lease.epoch}
        self._timers = Timers(self.loop, context.clock, self._report)
        self._speaker = speaker = Speaker(
            context,
            lease,
            lambda: self._call.stream if self._call else None,
            self._report,
            NativeSpeaker(context, lease, self._committed, self._report),
            relay=RelaySpeaker(context, lease, self._committed, self._report),
            route=lambda: self._call.route if self._call else "",
            language=lambda: self._call.language if self._call else "",
        )
        self._early = early = EarlyReplies(context, lambda: self._call, speaker, epoch=lease.epoch)
        self._head_start = head_start = HeadStart(context, epoch=lease.epoch, is_asked=early.has_asked)
        self._listener = Listener(context, lease, self._report, early)
        self._agent_runner = AgentRunner(
            context,
            self._committed,
            self._report,
            speaker.prefetch,
            early=early,
            head_start=head_start,
            epoch=lease.epoch,
        )
        self._lanes = Lanes(
            commands=Commands(context, lease, self._committed, self._report),
            speaker=speaker,
            agent_runner=self._agent_runner,
            tool_runner=ToolRunner(context, lease, self._committed, self._report),
            on_idle=self._end_if_done,
        )

    def hear(self, audio: CallerAudio) -> None:
        """Feed the caller's audio to STT. Not a message: call it on the actor's loop, it never blocks."""
        try:
            self._listener.hear(audio)
        except Exception:  # noqa: BLE001  a defect here may cost this activation, never the media bus of the node
            _log.exception("audio not processed", extra=self._facts)
            self._end(ActivationEnd.BROKEN)

    def on_start(self) -> None:
        """Continue the call from its snapshot."""
        call = self._call
        if call is not None:
            self._meter.resumed(call)
        if self._refolds or (call is not None and not call.is_over):
            # There is a snapshot, so another activation owned this call: `recovery` settles its open effects.
            self._buffer.add_own(self._stamped(Reactivated(epoch=self.lease.epoch, cause=self._cause)))
        if call is not None and not call.is_over:
            self._timers.arm(call.timers)
            self._partner_follows(call, ())
            self._listener.follow(call)
            self._speaker.follow(call)
            self._agent_runner.follow(call)
        _log.info("call activated", extra=self._facts)

    def on_receive(self, message: object) -> None:
        match message:
            case Nudged(records=records):
                self._buffer.add_nudged(records)
            case Own(event=event):
                self._buffer.add_own(event)
            case Wake():
                self._buffer.require_log()
            case HandOver():
                self._start_hand_over()
            case IngressDied(ingress=ingress):
                self._on_ingress_died(ingress)
            case Fence():
                # The lease of a call that is over ends with the call: that is no loss to another owner.
                is_over = self._call is not None and self._call.is_over
                self._end(ActivationEnd.OVER if is_over else ActivationEnd.FENCED)
            case _:
                super().on_receive(message)

    def _on_ingress_died(self, ingress: NodeId) -> None:
        """Nothing reports the end of its socket. A carrier that connects again by itself is left alone."""
        call = self._call
        if call is not None and call.policy.by_command and call.stream is not None and call.stream.ingress == ingress:
            self._report(StreamClosed(stream=call.stream.id))

    def on_drained(self) -> None:
        self._meter.waiting(len(self._buffer))
        if self._step is None and self._closing is None:
            if self._buffer.has_work:
                self._step = self.loop.create_task(self._run_steps())
            else:
                self._end_if_done()

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """A defect ended the actor: release the call, so that the sweeper has it activated again."""
        del exception_type, exception_value, traceback
        self._end(ActivationEnd.BROKEN)

    # --- the step: gather, fold, commit, act ------------------------------------------------------------------------

    async def _run_steps(self) -> None:
        """Step until no event waits. Events that arrive during a step are folded by the next one."""
        try:
            while self._buffer.has_work and self._closing is None:
                await self._one_step()
                self._meter.waiting(len(self._buffer))
        except Fenced:
            self._end(ActivationEnd.FENCED)
        except Exception:  # noqa: BLE001  a defect here may cost this activation, never the node
            _log.exception("step failed", extra=self._facts)
            self._end(ActivationEnd.BROKEN)
        finally:
            self._step = None
        self._end_if_done()

    async def _one_step(self) -> None:
        if self._buffer.needs_log:
            self._buffer.add_from_log(await self._read_log())
        posted, own = self._buffer.next_batch()
        folded = fold(
            self._context.decide, self.lease.call, self._call, applied=self._buffer.applied, posted=posted, own=own
        )
        if folded.call is None:
            _log.warning("log begins no call", extra=self._facts)
            self._end(ActivationEnd.UNKNOWN)
            return
        if posted or folded.own:
            self._head_start.begin(folded.call, folded.effects)
            committed = await self._commit(folded, folded.call)
            if committed.missing:
                # The log grew meanwhile, nothing was written: decide again, with the missing records first.
                self._buffer.add_from_log(committed.missing)
                return
            self._buffer.remove_applied(committed.applied, len(own))
            self._adopt(folded, folded.call)
        else:
            self._buffer.remove_applied(self._buffer.applied, len(own))
        for poison in folded.poison:
            await self._set_aside(poison)

    async def _commit(self, folded: Folded, call: Call) -> Committed:
        """Write the step; while Redis does not answer, repeat the commit: it takes effect once. Raises Fenced."""
        commit = Commit(
            lease=self.lease,
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
                _log.warning("commit unanswered, retrying", extra=self._facts)
                await asyncio.sleep(delay_s)
        raise AssertionError("backoff never ends")

    async def _read_log(self) -> tuple[Record, ...]:
        for delay_s in backoff():
            try:
                return await self._context.log.history(self.lease.call, self._buffer.applied)
            except BusUnavailable:
                await asyncio.sleep(delay_s)
        raise AssertionError("backoff never ends")

    def _adopt(self, folded: Folded, call: Call) -> None:
        """The step is committed: `call` is the state now, and its effects may run."""
        self._call = call
        events = (*(record.event for record in folded.fresh), *folded.own)
        self._meter.committed(call, events, self._context.clock.now())
        self._timers.arm(call.timers)
        self._partner_follows(call, events)
        self._listener.follow(call)
        self._speaker.follow(call)
        self._agent_runner.follow(call)
        self._early.follow(call, events)
        self._head_start.follow(call)
        self._lanes.drop_settled(call.pending)
        self._lanes.run(folded.effects)

    def _partner_follows(self, call: Call, events: tuple[Event, ...]) -> None:
        partner = self._context.ports.on(call.route).partner
        if partner is not None:
            partner.follow(call, events)

    def _partner_forgets(self) -> None:
        partner = self._context.ports.on(self._call.route if self._call else "").partner
        if partner is not None:
            partner.forget(self.lease.call)

    async def _set_aside(self, poison: Poison) -> None:
        _log.error("event set aside", extra={**self._facts, "seq": poison.seq, "reason": poison.reason})
        try:
            await self._context.dead_letters.set_aside_event(
                self.lease.call, poison.event, seq=poison.seq, reason=poison.reason
            )
        except BusUnavailable:
            # A posted record is in the log in any case, and the line above names it.
            _log.exception("dead letter not stored", extra=self._facts)

    def _report(self, event: Event) -> None:
        """Add an event of this activation: its time is now, the next step folds it."""
        if self._closing is None and self.actor_ref.is_alive():
            self.actor_ref.tell(Own(self._stamped(event)))

    def _stamped(self, event: Event) -> Event:
        # The log keeps microseconds: folding the log again must give the same times.
        return replace(event, at=round(self._context.clock.now(), 6))

    def _committed(self) -> Call:
        if self._call is None:
            raise AssertionError("effects run only after a commit")
        return self._call

    # --- the end ----------------------------------------------------------------------------------------------------

    def _end_if_done(self) -> None:
        """End the activation when no event waits and the call is over, unknown, or ready to be handed over."""
        if self._closing is not None or self._step is not None or self._buffer.has_work:
            return
        call = self._call
        if call is None:
            self._end(ActivationEnd.UNKNOWN)
        elif call.is_over:
            if self._lanes.idle:
                self._end(ActivationEnd.OVER)
        elif self._handing_over and self._may_hand_over(call):
            self._end(ActivationEnd.HANDED_OVER)

    def _may_hand_over(self, call: Call) -> bool:
        """Whether neither party speaks and no reply is due; when that took too long, whether a sentence has ended."""
        if self._hand_over_is_overdue:
            return True
        is_unfinished = call.caller_is_speaking or call.floor.held is not None or bool(call.dtmf.typed)
        if is_unfinished or call.reply_due or self._lanes.commanding:
            return False
        if self._hand_over_is_due:
            return not any(self._lanes.has_begun(utterance.no) for utterance in call.utterances)
        return not call.utterances

    def _start_hand_over(self) -> None:
        if not self._handing_over:
            self._handing_over = True
            self.loop.call_later(self._hand_over_timeout_s, self._on_hand_over_timeout)

    def _on_hand_over_timeout(self) -> None:
        """Wait only for the sentence: the next owner says those that follow."""
        self._hand_over_is_due = True
        self._lanes.pause_speech()
        self.loop.call_later(_SENTENCE_S, self._on_hand_over_overdue)
        self._end_if_done()

    def _on_hand_over_overdue(self) -> None:
        self._hand_over_is_overdue = True
        self._end_if_done()

    def _end(self, reason: ActivationEnd) -> None:
        if self._closing is None:
            self._timers.cancel()
            self._early.stop()
            self._head_start.stop()
            self._lanes.cancel()
            self._closing = self.loop.create_task(self._close(reason))

    async def _close(self, reason: ActivationEnd) -> None:
        """Stop everything, release the lease, and call `on_end` last."""
        if self._step is not None:
            await end(self._step)
        await self._lanes.close()
        await self._early.close()
        await self._head_start.close()
        await self._listener.close(handed_over=reason is ActivationEnd.HANDED_OVER)
        self._partner_forgets()
        try:
            if reason is not ActivationEnd.FENCED:
                await self._context.leases.release(self.lease, handed_over=reason is ActivationEnd.HANDED_OVER)
            if reason is ActivationEnd.HANDED_OVER or (self._buffer.has_work and reason is not ActivationEnd.FENCED):
                await self._context.doorbell.ring(self.lease.call)
        except BusError:
            # The lease runs out by itself, and then the sweeper rings.
            _log.warning("call not released", exc_info=True, extra=self._facts)
        self._meter.close()
        _log.info("activation ended", extra={**self._facts, "reason": reason.value})
        self._on_end(self.lease, reason, self._call)
        if self.actor_ref.is_alive():
            self.stop()
