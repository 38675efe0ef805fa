"""The leg: how a call is born, dialled, answered, and how we learn what became of it.

Pure. Knows what the carrier tells us; does not know speech, agents or sockets. A leg only moves forward, and nothing
brings it back.

    event                  initiated   ringing     answered…listening   over
    Dialled                leg known   -           -                    -
    DialRefused            failed      -           -                    -
    DialLost               FindLeg     -           -                    -
    Ringing                ringing     -           late: nothing        -
    Answered               answered    answered    verdict: machines    -
    HungUp                 over        over        over                 -
    LegSeen alive/unknown  look again  look again  look again           -
    LegSeen ended/absent   over        over        over                 -
    LegSeen nothing found  look again  -           -                    -
    EndRequested               HangUp as soon as there is a leg             "it is over": success
"""

from dataclasses import replace

from voicecall.call import amd, hangup, playback
from voicecall.call.effects import Answer, Dial, FindLeg, LookUp, OpenStream, Reject
from voicecall.call.events import (
    Answered,
    Arrived,
    CallPolicy,
    CallRejected,
    Dialled,
    DialLost,
    DialRefused,
    EndReason,
    GreetingEnded,
    HungUp,
    LegSeen,
    LegStatus,
    Mode,
    Placed,
    Ringing,
    Timer,
)
from voicecall.call.ids import E164, CallId, LegId
from voicecall.call.state import Call, Direction, Phase
from voicecall.call.step import Step

__all__ = [
    "adopt_leg",
    "answered",
    "arrived",
    "call_rejected",
    "dial_lost",
    "dial_refused",
    "dialled",
    "find_leg",
    "greeting_ended",
    "hung_up",
    "leg_answered",
    "leg_seen",
    "look_up_due",
    "placed",
    "provisional",
    "request_stream",
    "ringing",
    "schedule_look_up",
]

_CARRIER_CAP_MARGIN_S = 30  # the carrier's own time limit lies this far behind ours (reliability P5)
_BIRTH_MARGIN_S = 60.0  # a call that never gets answered is over after ring + maximum + this
_LOOK_UP_S = 30.0  # no sign of life for this long: ask (reliability P4)
_LOOK_UP_MAX_S = 300.0
_LOOK_UP_LOST_S = 2.0  # the same while the media socket is gone, or a dial is lost
_FIRST_STREAM_S = 15.0
_FIND_TRIES = 4  # a carrier's list may lag behind its own reply


# --- birth --------------------------------------------------------------------------------------------------------


def placed(event: Placed, call_id: CallId) -> Step:
    """An outbound call: dial, and be sure that it ends one day."""
    call = Call(
        id=call_id,
        carrier=event.carrier,
        direction=Direction.OUTBOUND,
        mode=event.mode,
        from_=event.from_,
        to=event.to,
        policy=event.policy,
        started_at=event.at,
        session_key=event.session_key,
        agent_id=event.agent_id,
        requester=event.requester,
        brief=event.brief,
        opening_digits=event.opening_digits,
        dial_request=event.request,
        opening_text=event.message.strip(),
        voicemail_text=(event.policy.machine_message or event.message).strip(),
    )
    step = Step(call, event.at).request(
        Dial(
            to=event.to,
            from_=event.from_,
            ring_timeout_s=event.policy.ring_timeout_s,
            time_limit_s=int(event.policy.max_duration_s) + _CARRIER_CAP_MARGIN_S,
            on_machine=event.policy.on_machine,
        )
    )
    return _arm_lifetime(step)


def arrived(event: Arrived, known: Call | None, call_id: CallId) -> Step:
    """An inbound call we let in. `known` is set when other news of this leg came first: it keeps what it has seen."""
    fresh = Call(
        id=call_id,
        carrier=event.carrier,
        direction=Direction.INBOUND,
        mode=Mode.CONVERSATION,
        from_=event.from_,
        to=event.to,
        policy=event.policy,
        started_at=event.at,
        session_key=event.session_key,
        agent_id=event.agent_id,
        route=event.route,
        leg=event.leg,
        phase=Phase.RINGING,
        opening_text=event.greeting.strip(),
    )
    if known is None:
        return _answer_inbound(schedule_look_up(_arm_lifetime(Step(fresh, event.at))), event)
    merged = replace(
        known,
        carrier=fresh.carrier,
        from_=fresh.from_,
        to=fresh.to,
        policy=fresh.policy,
        session_key=fresh.session_key,
        agent_id=fresh.agent_id,
        route=fresh.route,
        opening_text=fresh.opening_text,
    )
    step = Step(merged, event.at)
    if merged.is_over:
        return step
    return _answer_inbound(schedule_look_up(_arm_lifetime(step.forward(Phase.RINGING))), event)


def _answer_inbound(step: Step, event: Arrived) -> Step:
    """The door's reply may have picked up, and greeted, by itself; a carrier that reads none is told."""
    if event.policy.by_command and step.call.answered_at is None:
        return step.request(Answer(leg=event.leg))
    if not event.greeted:
        return step
    greeting = step.call.opening_text
    step = leg_answered(step).replace(opening_text="")
    return playback.carrier_greeted(step, greeting) if greeting else playback.rest(step)


def call_rejected(event: CallRejected, known: Call | None, call_id: CallId) -> Step:
    """A refused caller: recorded, and over as it begins. `known` is set when other news of this leg came first."""
    call = known or provisional(event.at, event.leg, call_id).call
    call = replace(call, carrier=event.carrier, from_=event.from_, to=event.to, leg=event.leg, detail=event.reason)
    busy = event.reason == "busy"
    step = hangup.finalise(Step(call, event.at), EndReason.BUSY if busy else EndReason.HANGUP_BOT)
    if call.is_over or not event.by_command:
        return step
    return step.emit(Reject(leg=event.leg, reason="busy" if busy else "rejected"))


def provisional(at: float, leg: LegId | None, call_id: CallId) -> Step:
    """News of an inbound leg overtook its arrival: keep a place for it, and ask for nothing."""
    call = Call(
        id=call_id,
        carrier="",
        direction=Direction.INBOUND,
        mode=Mode.CONVERSATION,
        from_="unknown",
        to="unknown",
        policy=CallPolicy(),
        started_at=at,
        leg=leg,
    )
    return Step(call, at)


def _arm_lifetime(step: Step) -> Step:
    policy, born = step.call.policy, step.call.started_at
    if step.call.answered_at is None:
        step = step.arm(Timer.MAX_DURATION, born + policy.ring_timeout_s + policy.max_duration_s + _BIRTH_MARGIN_S)
        if policy.stale_after_s > 0:
            step = step.arm(Timer.STALE, born + policy.stale_after_s)
        return step
    return step.arm(Timer.MAX_DURATION, step.call.answered_at + policy.max_duration_s)


# --- the dial and what became of it -------------------------------------------------------------------------------


def dialled(step: Step, event: Dialled) -> Step:
    if step.call.leg is not None:
        return step  # a webhook told first
    return adopt_leg(step, event.leg, provisional=event.provisional)


def dial_refused(step: Step, event: DialRefused) -> Step:
    if step.call.leg is not None:
        return step.ignored()
    detail = f"{event.code}: {event.message}" if event.code else event.message
    return hangup.finalise(step.settle(Dial, FindLeg).replace(detail=detail), step.call.ending or EndReason.FAILED)


def dial_lost(step: Step, event: DialLost) -> Step:
    """The carrier may have dialled: ask it. Dialling again could ring somebody twice."""
    if step.call.leg is not None:
        return step.ignored()
    return find_leg(step.settle(Dial).replace(detail=event.detail))


def find_leg(step: Step) -> Step:
    """Ask the carrier for the leg of a dial whose outcome is unknown."""
    call = step.call
    return step.request(FindLeg(to=E164(call.to), from_=E164(call.from_), since=call.started_at))


def adopt_leg(step: Step, leg: LegId, *, provisional: bool = False) -> Step:
    """Learn the carrier's id of our leg from whoever names it first; settles the dial, whatever became of its reply.

    A `provisional` name gives way to one that is not, once; from then on news under another name is of another call.
    """
    call = step.call
    if call.leg is not None:
        renamed = call.leg_is_provisional and not provisional
        if renamed:
            return step.replace(leg=leg, leg_is_provisional=False)
        return step if call.leg == leg else step.ignored()
    step = step.settle(Dial, FindLeg).replace(leg=leg, leg_is_provisional=provisional, look_ups=0, dial_request=None)
    step = step.resolve(call.dial_request, ok=True)
    return hangup.send_hangup(step, leg) if call.ending is not None else schedule_look_up(step)


# --- what the carrier says ----------------------------------------------------------------------------------------


def ringing(step: Step, event: Ringing) -> Step:
    return adopt_leg(step, event.leg).forward(Phase.RINGING)


def answered(step: Step, event: Answered) -> Step:
    return amd.amd_result(leg_answered(adopt_leg(step, event.leg)), event.by)


def greeting_ended(step: Step, event: GreetingEnded) -> Step:
    """News of a machine; it must have answered, whatever became of the news of that."""
    if not step.call.uses_amd or step.call.ending is not None:
        return step.ignored()
    return amd.greeting_ended(leg_answered(adopt_leg(step, event.leg)))


def leg_answered(step: Step) -> Step:
    """Somebody is on the line: by the carrier's word, or because their audio socket opened."""
    if step.call.answered_at is not None:
        return step
    step = step.replace(answered_at=step.at).forward(Phase.ANSWERED).disarm(Timer.STALE)
    step = step.arm(Timer.MAX_DURATION, step.at + step.call.policy.max_duration_s)
    step = amd.await_amd_result(step.settle(Answer))
    if step.call.policy.streaming and step.call.stream is None:
        step = request_stream(step)
        # An answered call without a stream is a silent one: it gets this long to open its socket.
        return schedule_look_up(step.arm(Timer.RECONNECT, step.at + _FIRST_STREAM_S))
    return step


def request_stream(step: Step) -> Step:
    """A carrier that reads no answers must be asked for its media socket; others bring it by themselves."""
    call = step.call
    if not call.policy.by_command or call.leg is None or call.ending is not None or step.is_pending(OpenStream):
        return step
    return step.request(OpenStream(leg=call.leg))


def hung_up(step: Step, event: HungUp) -> Step:
    if event.leg is not None:
        step = adopt_leg(step, event.leg)
    return hangup.finalise(step, step.call.ending or event.reason)


def leg_seen(step: Step, event: LegSeen) -> Step:
    """The carrier's answer when asked. Trouble at the carrier never ends a call (reliability P4)."""
    step = step.settle(LookUp, FindLeg)
    if event.leg is not None:
        step = adopt_leg(step, event.leg, provisional=event.provisional)
    call = step.call
    match event.status:
        case LegStatus.ENDED:
            return hangup.finalise(step, call.ending or event.reason or EndReason.COMPLETED)
        case LegStatus.ABSENT if call.leg is not None and event.leg is None:
            return schedule_look_up(step)  # a search that a webhook overtook: the leg it did not find is there
        case LegStatus.ABSENT if call.leg is not None:
            return hangup.finalise(step, call.ending or (EndReason.COMPLETED if call.answered_at else EndReason.FAILED))
        case LegStatus.ABSENT if call.look_ups + 1 >= _FIND_TRIES:
            step = step.replace(detail=call.detail or "the carrier never took the dial")
            return hangup.finalise(step, call.ending or EndReason.FAILED)
        case _:
            return schedule_look_up(step.replace(look_ups=call.look_ups + 1))


def schedule_look_up(step: Step) -> Step:
    """Ask the carrier if it stays silent: soon when something is amiss, ever more rarely when all seems well."""
    call = step.call
    if call.leg is None or Timer.RECONNECT in call.timers:
        return step.arm(Timer.LOOK_UP, step.at + _LOOK_UP_LOST_S)
    return step.arm(Timer.LOOK_UP, step.at + min(_LOOK_UP_S * 2**call.look_ups, _LOOK_UP_MAX_S))


def look_up_due(step: Step) -> Step:
    call = step.call
    if step.is_pending(LookUp, FindLeg, Dial):
        return schedule_look_up(step)
    if call.leg is None:
        return find_leg(step)
    quiet_s = step.at - call.last_signal_at
    if quiet_s < _LOOK_UP_S and Timer.RECONNECT not in call.timers:
        return step.replace(look_ups=0).arm(Timer.LOOK_UP, call.last_signal_at + _LOOK_UP_S)
    return step.request(LookUp(leg=call.leg))
