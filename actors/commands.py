"""Carrier commands: each is claimed in Redis first, and its outcome is reported as an event.

Run by the control lane. A command that rings a phone or presses a key is sent at most once; looking up and hanging up
are harmless and may be repeated by the next activation (guarantee P3). Knows the role `CallControl`, not its adapters.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Literal, TypeVar

from actors.context import ActorContext, Report
from actors.metering import effect_counted, request_timed
from voicecall.aio import backoff
from voicecall.call.effects import (
    Answer,
    AwaitBeep,
    Dial,
    FindLeg,
    HangUp,
    LookUp,
    OpenStream,
    Reject,
    SendDigits,
    Transfer,
)
from voicecall.call.events import (
    CommandDone,
    CommandFailed,
    Dialled,
    DialLost,
    DialRefused,
    Event,
    LegSeen,
    LegStatus,
)
from voicecall.call.ids import EffectId, bound_token
from voicecall.call.replies import Connect
from voicecall.call.state import Call
from voicecall.errors import BusUnavailable, CarrierError, CarrierRejected, CarrierSilent, CarrierUnreachable, Fenced
from voicecall.metrics import RECONCILED
from voicecall.ports import CallControl, Lease, SupportsAwaitBeep, SupportsTransfer, TakesCommands

__all__ = ["Command", "Commands", "claim"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

Command = Answer | Dial | FindLeg | HangUp | AwaitBeep | LookUp | OpenStream | Reject | SendDigits | Transfer


class Commands:
    """Runs one command at a time for one activation. `call` gives the committed state."""

    def __init__(self, context: ActorContext, lease: Lease, call: Callable[[], Call], report: Report) -> None:
        self._context = context
        self._lease = lease
        self._call = call
        self._report = report
        self._attempts = count(1)

    async def run(self, command: Command) -> None:
        """Claim, send, report. Reports nothing when cancelled: the next activation asks the carrier."""
        with effect_counted(command) as result:
            try:
                claimed = await self._claim(command)
            except Fenced:
                # Nothing may be sent any more; the next commit or renewal ends this activation.
                _log.warning("command not sent: fenced", extra=self._facts(command))
                result.value = "fenced"
                return
            if not claimed:
                _log.warning("command not sent: claimed before", extra=self._facts(command))
                # How a transfer ends, a webhook reports.
                outcome: Event | None = None if isinstance(command, Transfer) else _claimed_before(command)
            elif (control := self._control()) is None:
                outcome = _no_carrier(command)
            else:
                outcome = await self._send(control, command)
            if _is_failure(outcome):
                result.value = "failed"
            if isinstance(outcome, LegSeen):
                RECONCILED.labels(outcome.status.value).inc()
            if outcome is not None:
                self._report(outcome)

    def _control(self) -> CallControl | None:
        return self._context.ports.on(self._call().route).controls.get(self._call().carrier)

    async def _claim(self, command: Command) -> bool:
        effect = command.id
        if not isinstance(command, Dial | SendDigits | Transfer):
            # Harmless to repeat: the claim still checks the epoch, but each attempt has a claim of its own.
            effect = EffectId(f"{command.id}@{self._lease.epoch}.{next(self._attempts)}")
        return await claim(self._context, self._lease, effect)

    async def _send(self, control: CallControl, command: Command) -> Event | None:
        """The outcome; None when the carrier reports it by a webhook."""
        try:
            match command:
                case Dial():
                    return await self._dial(control, command)
                case FindLeg() | LookUp():
                    return await self._look_up(control, command)
                case HangUp():
                    await self._timed(command, control.hang_up(command.leg))
                case SendDigits() | Transfer():
                    return await self._once(control, command)
                case AwaitBeep():
                    await self._await_beep(control, command)
                case Answer() | Reject() | OpenStream():
                    await self._instruct(control, command)
        except CarrierError as error:
            _log.warning("command failed", extra={**self._facts(command), "error": type(error).__name__})
            return _failed(command, error)
        except Exception as error:  # noqa: BLE001  see below
            # An adapter broke its contract, a defect. The carrier may have acted or not: the same as no answer.
            _log.exception("carrier adapter raised", extra=self._facts(command))
            return _failed(command, CarrierSilent(type(error).__name__))
        return CommandDone(effect=command.id)

    async def _timed(self, command: Command, request: Awaitable[T]) -> T:
        with request_timed(self._call().carrier, command.name):
            return await request

    async def _instruct(self, control: CallControl, command: Answer | Reject | OpenStream) -> None:
        if not isinstance(control, TakesCommands):
            raise CarrierRejected("this carrier reads our answers and takes no such command", code="unsupported")
        call = self._call().id
        match command:
            case Answer():
                await self._timed(command, control.answer(command.leg, call=call, effect=command.id))
            case Reject():
                reason: Literal["rejected", "busy"] = "busy" if command.reason == "busy" else "rejected"
                await self._timed(command, control.reject(command.leg, effect=command.id, reason=reason))
            case OpenStream():
                address = await self._context.ports.public_address.now()
                token = secrets.token_urlsafe(16)
                await self._context.log.post(call, (), stream_token=bound_token(token, command.leg))
                connect = Connect(call=call, stream_url=address.stream_url, token=token, resume_url="")
                await self._timed(command, control.start_stream(command.leg, effect=command.id, connect=connect))

    async def _await_beep(self, control: CallControl, command: AwaitBeep) -> None:
        """Ask the carrier to report the beep. One without this reports a machine only after its greeting: no wait."""
        if isinstance(control, SupportsAwaitBeep):
            await self._timed(command, control.await_beep(command.leg, call=self._call().id, effect=command.id))

    async def _once(self, control: CallControl, command: SendDigits | Transfer) -> Event | None:
        """What is never repeated. None when a webhook reports the outcome."""
        if isinstance(command, Transfer):
            await self._transfer(control, command)
            return None
        sending = control.send_digits(command.leg, command.digits, call=self._call().id, effect=command.id)
        return CommandDone(effect=command.id) if await self._timed(command, sending) else None

    async def _transfer(self, control: CallControl, order: Transfer) -> None:
        """A webhook reports the outcome, also when the carrier gave no answer to the order."""
        if not isinstance(control, SupportsTransfer):
            raise CarrierRejected("this carrier does not transfer calls", code="unsupported")
        ordered = control.transfer(
            order.leg,
            to=order.to,
            from_=order.from_,
            ring_timeout_s=order.ring_timeout_s,
            call=self._call().id,
            effect=order.id,
        )
        try:
            await self._timed(order, ordered)
        except CarrierSilent:
            _log.warning("transfer unanswered", extra=self._facts(order))

    async def _dial(self, control: CallControl, dial: Dial) -> Event:
        if dial.before is not None and self._context.clock.now() > dial.before:
            # The client that asked for the call was answered that there is none.
            _log.warning("not dialled: too late", extra=self._facts(dial))
            return DialRefused(code="", message="not dialled: no worker took the call in time")
        dialling = control.dial(
            call=self._call().id,
            effect=dial.id,
            to=dial.to,
            from_=dial.from_,
            ring_timeout_s=dial.ring_timeout_s,
            time_limit_s=dial.time_limit_s,
            on_machine=dial.on_machine,
        )
        leg = await self._timed(dial, dialling)
        return Dialled(leg=leg, provisional=control.dial_names_request)

    async def _look_up(self, control: CallControl, command: FindLeg | LookUp) -> LegSeen:
        match command:
            case FindLeg(to=to, from_=from_, since=since):
                finding = control.find(call=self._call().id, to=to, from_=from_, since=since)
                seen = await self._timed(command, finding)
            case LookUp(leg=leg):
                seen = await self._timed(command, control.look_up(leg))
        # Where a dial is answered with the id of the request, a look-up may find only that request in the carrier's
        # queue: the id of the leg is then still provisional.
        return LegSeen(status=seen.status, leg=seen.leg, reason=seen.reason, provisional=control.dial_names_request)

    def _facts(self, command: Command) -> dict[str, object]:
        return {"call_id": self._lease.call, "epoch": self._lease.epoch, "command": command.name}


async def claim(context: ActorContext, lease: Lease, effect: EffectId) -> bool:
    """Whether this activation may act, and no other has claimed the effect. Waits for Redis. Raises Fenced."""
    for delay_s in backoff():
        await context.lease_guard.until_held()
        try:
            claimed = await context.leases.claim(lease, effect)
        except BusUnavailable:
            await asyncio.sleep(delay_s)
            continue
        # The answer may have taken long: whether this node may act is judged again now.
        if context.lease_guard.holds:
            return claimed
        if not claimed:
            return False
        await context.lease_guard.until_held()
        return True
    raise AssertionError("backoff never ends")


def _failed(command: Command, error: CarrierError) -> Event:
    match command:
        case Dial() if isinstance(error, CarrierRejected | CarrierUnreachable):
            code = error.code or ("unreachable" if isinstance(error, CarrierUnreachable) else "")
            return DialRefused(code=code, message=error.message)
        case Dial():
            return DialLost(detail=error.message)
        case FindLeg() | LookUp():
            return LegSeen(status=LegStatus.UNKNOWN)
        case HangUp() | AwaitBeep() | Answer() | OpenStream() | Reject():
            return CommandFailed(effect=command.id, reason=str(error), retryable=not isinstance(error, CarrierRejected))
        case SendDigits() | Transfer():
            # Keys that may have been pressed are never pressed again; keys that never left here could be.
            return CommandFailed(effect=command.id, reason=str(error), retryable=isinstance(error, CarrierUnreachable))


def _is_failure(outcome: Event | None) -> bool:
    if isinstance(outcome, LegSeen):
        return outcome.status is LegStatus.UNKNOWN
    return isinstance(outcome, CommandFailed | DialRefused | DialLost)


def _claimed_before(command: Command) -> Event:
    """An earlier activation claimed it, or the answer to our own claim was lost: its outcome is unknown."""
    return _failed(command, CarrierSilent("claimed before; the outcome is not known"))


def _no_carrier(command: Command) -> Event:
    return _failed(command, CarrierRejected("this carrier is not configured on this worker", code="no-carrier"))
