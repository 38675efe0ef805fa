"""Commands to the carrier: each passes the gate in Redis first, and reports what became of it as an event.

At most once is the rule for what rings a phone or presses a key; asking and hanging up are harmless and may be
repeated by the next activation (reliability P3). Knows the role `CallControl`, not who fills it.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from itertools import count
from typing import Literal

from actors.backoff import backoff
from actors.context import ActorContext, Report
from voicecall.call.effects import Answer, AwaitBeep, Dial, FindLeg, HangUp, LookUp, OpenStream, Reject, SendDigits
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
from voicecall.ports import CallControl, Lease, SupportsAwaitBeep, TakesCommands

__all__ = ["Command", "Commands"]

_log = logging.getLogger(__name__)

Command = Answer | Dial | FindLeg | HangUp | AwaitBeep | LookUp | OpenStream | Reject | SendDigits


class Commands:
    """Runs one command at a time for one activation. `call` gives the committed state."""

    def __init__(self, context: ActorContext, lease: Lease, call: Callable[[], Call], report: Report) -> None:
        self._context = context
        self._lease = lease
        self._call = call
        self._report = report
        self._attempts = count(1)

    async def run(self, command: Command) -> None:
        """Claim, act, report. Cancelled in the middle it reports nothing: the next activation asks the carrier."""
        try:
            claimed = await self._claim(command)
        except Fenced:
            # Nothing may leave any more; the next commit or renewal ends this activation.
            _log.warning("command refused at the gate: fenced", extra=self._facts(command))
            return
        if not claimed:
            _log.warning("command refused at the gate", extra=self._facts(command))
            self._report(_refused_at_the_gate(command))
            return
        control = self._context.ports.on(self._call().route).controls.get(self._call().carrier)
        outcome = _no_carrier(command) if control is None else await self._act(control, command)
        if outcome is not None:
            self._report(outcome)

    async def _claim(self, command: Command) -> bool:
        effect = command.id
        if not isinstance(command, Dial | SendDigits):
            # Harmless to repeat: the gate still checks the epoch, but each attempt is its own claim.
            effect = EffectId(f"{command.id}@{self._lease.epoch}.{next(self._attempts)}")
        for delay_s in backoff():
            await self._context.lease_guard.wait()
            try:
                claimed = await self._context.leases.claim(self._lease, effect)
            except BusUnavailable:
                await asyncio.sleep(delay_s)
                continue
            # The answer may have been long on its way: the right to act is judged now.
            if self._context.lease_guard.alive:
                return claimed
            if not claimed:
                return False
            await self._context.lease_guard.wait()
            return True
        raise AssertionError("backoff never ends")

    async def _act(self, control: CallControl, command: Command) -> Event | None:
        """What became of it; None when a webhook will tell."""
        try:
            match command:
                case Dial():
                    return await self._dial(control, command)
                case FindLeg() | LookUp():
                    return await self._look(control, command)
                case HangUp():
                    await control.hang_up(command.leg)
                case SendDigits():
                    call = self._call().id
                    if not await control.send_digits(command.leg, command.digits, call=call, effect=command.id):
                        return None
                case AwaitBeep():
                    await self._await_beep(control, command)
                case Answer() | Reject() | OpenStream():
                    await self._instruct(control, command)
        except CarrierError as error:
            _log.warning("command failed", extra={**self._facts(command), "error": type(error).__name__})
            return _failed(command, error)
        except Exception as error:  # noqa: BLE001  see below
            # An adapter broke its word. The carrier may or may not have acted, so this is silence, and a bug of ours.
            _log.exception("command broke", extra=self._facts(command))
            return _failed(command, CarrierSilent(type(error).__name__))
        return CommandDone(effect=command.id)

    async def _instruct(self, control: CallControl, command: Answer | Reject | OpenStream) -> None:
        if not isinstance(control, TakesCommands):
            raise CarrierRejected("this carrier reads our answers and takes no such command", code="unsupported")
        call = self._call().id
        match command:
            case Answer():
                await control.answer(command.leg, call=call, effect=command.id)
            case Reject():
                reason: Literal["rejected", "busy"] = "busy" if command.reason == "busy" else "rejected"
                await control.reject(command.leg, effect=command.id, reason=reason)
            case OpenStream():
                address = await self._context.ports.public_address.now()
                token = secrets.token_urlsafe(16)
                await self._context.log.post(call, (), stream_token=bound_token(token, command.leg))
                connect = Connect(call=call, stream_url=address.stream_url, token=token, resume_url="")
                await control.start_stream(command.leg, effect=command.id, connect=connect)

    async def _await_beep(self, control: CallControl, command: AwaitBeep) -> None:
        """A carrier that does not offer it tells of a machine when its greeting is over: there is no wait."""
        if isinstance(control, SupportsAwaitBeep):
            await control.await_beep(command.leg, call=self._call().id, effect=command.id)

    async def _dial(self, control: CallControl, dial: Dial) -> Event:
        leg = await control.dial(
            call=self._call().id,
            effect=dial.id,
            to=dial.to,
            from_=dial.from_,
            ring_timeout_s=dial.ring_timeout_s,
            time_limit_s=dial.time_limit_s,
            on_machine=dial.on_machine,
        )
        return Dialled(leg=leg, provisional=control.dial_names_request)

    async def _look(self, control: CallControl, command: FindLeg | LookUp) -> LegSeen:
        match command:
            case FindLeg(to=to, from_=from_, since=since):
                seen = await control.find(call=self._call().id, to=to, from_=from_, since=since)
            case LookUp(leg=leg):
                seen = await control.look_up(leg)
        # Where a dial names our request, a look may have found nothing but that request in the carrier's queue.
        return LegSeen(status=seen.status, leg=seen.leg, reason=seen.reason, provisional=control.dial_names_request)

    def _facts(self, command: Command) -> dict[str, object]:
        return {"call_id": self._lease.call, "epoch": self._lease.epoch, "command": command.name}


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
        case SendDigits():
            # Keys whose fate is unknown are never pressed again; those that never left could be.
            return CommandFailed(effect=command.id, reason=str(error), retryable=isinstance(error, CarrierUnreachable))


def _refused_at_the_gate(command: Command) -> Event:
    """Somebody claimed it before us (or our own claim's answer was lost): its outcome is unknown."""
    return _failed(command, CarrierSilent("claimed before; the outcome is not known"))


def _no_carrier(command: Command) -> Event:
    return _failed(command, CarrierRejected("this carrier is not configured on this worker", code="no-carrier"))
