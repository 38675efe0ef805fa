"""The agent's tools: what it may call on a call, what becomes of each call, and when it is asked again.

Pure. The agent writes calls at the end of an answer (`AgentDone.calls`). Those that concern the call itself are carried
out by rules here; the operator's own run outside, as the effect `RunTool`. A call is open while something pending
carries its number, whatever that is; when nothing does any more, its outcome is unknown, and the agent learns that.
When none of a turn is open, the agent is asked again, with the results. What a tool returns is data.

Knows no schema and no transport of a tool.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from voicecall.call import dtmf, playback, recovery, transcript, turns
from voicecall.call.effects import AskAgent, AskOwner, RunTool, SendDigits, Transfer
from voicecall.call.events import (
    AgentDone,
    AgentSaid,
    CommandDone,
    CommandFailed,
    PlaybackDone,
    Reactivated,
    Timer,
    ToolRequest,
)
from voicecall.call.state import Call, Direction, Note, Party, PendingReply, PendingTransfer, ToolOutcome, ToolUse
from voicecall.call.step import Step
from voicecall.text.speakable import speakable

__all__ = [
    "ASK_OWNER",
    "BUILT_IN",
    "END_CALL",
    "NOTE",
    "SEND_DTMF",
    "TRANSFER_CALL",
    "agent_done",
    "agent_slow",
    "command_done",
    "command_failed",
    "is_named",
    "offered",
    "owner_silent",
    "playback_done",
    "reactivated",
    "restricted",
    "transfer_overdue",
    "watch",
]

END_CALL: Final = "end_call"
NOTE: Final = "note"
SEND_DTMF: Final = "send_dtmf"
ASK_OWNER: Final = "ask_owner"
TRANSFER_CALL: Final = "transfer_call"

_KEPT: Final = 24  # calls, the newest: what the agent is given again
_AT_ONCE: Final = 8
_LONGEST_ARGUMENTS: Final = 16_000
_NOTES: Final = 32
_NOTE_NAME: Final = 64
_NOTE_VALUE: Final = 1000
_QUESTION: Final = 500
_KEYS: Final = re.compile(r"[0-9A-D*#wWpP,]{1,32}\Z")
_SPEAKS_UP: Final = frozenset({ASK_OWNER, TRANSFER_CALL})
"""Tools whose outcome the caller waits for, so that the agent is asked about it although no one has spoken."""

_UNKNOWN: Final = "the outcome is unknown: it may have been carried out; do not call this again without asking"
_TRANSFER_BEGINS_S: Final = 20.0  # beyond the time that the number may ring


def is_named(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns is the name, or ends in `*` and begins it."""
    return any(name.startswith(each[:-1]) if each.endswith("*") else name == each for each in patterns)


def restricted(names: Iterable[str], only: Iterable[str]) -> tuple[str, ...]:
    """What both offer: names and patterns of `names` that `only` allows, and of `only` that `names` allow."""
    names, only = tuple(names), tuple(only)
    kept = [name for name in names if is_named(name.removesuffix("*"), only) or name in only]
    return tuple(dict.fromkeys((*kept, *(name for name in only if is_named(name, names)))))


def offered(call: Call, turn: int) -> tuple[str, ...]:
    """The tools that the agent may call in its reply to `turn`, as patterns; none after too many steps in a row."""
    policy = call.policy.tools
    if _rounds(call, turn) >= policy.max_steps or call.is_notice:
        return ()
    return policy.offered if call.is_proven else restricted(policy.offered, policy.unproven)


def _rounds(call: Call, turn: int) -> int:
    """How many times in a row the agent has called tools in this turn."""
    return max((use.round for use in call.tools.uses if use.turn == turn), default=0)


# --- the agent calls tools ----------------------------------------------------------------------------------------


def agent_done(step: Step, event: AgentDone) -> Step:
    """The answer is complete; with calls of tools, the reply goes on when they have their results."""
    if not event.calls or event.turn != step.call.turn or step.call.floor.reply is None:
        return turns.agent_done(step, event)
    policy, number = step.call.policy.tools, _rounds(step.call, event.turn) + 1
    if number > policy.max_steps:  # it was not offered any
        return turns.agent_done(step, replace(event, calls=None))
    patterns = offered(step.call, event.turn)
    step = _say_so_far(step.settle(AskAgent).disarm(Timer.REPLY))
    step = step.arm(Timer.FILLER, step.at + policy.filler_after_s)
    for request in event.calls[:_AT_ONCE]:
        step = _call(step, request, event, number, patterns)
    return _ends_call(step, event) if _has_ended(step.call, number) else step


def _say_so_far(step: Step) -> Step:
    """Where the carrier speaks, a reply is said in one piece: here the piece before the tools."""
    reply = step.call.floor.reply
    if reply is None or not reply.text:
        return step
    return playback.say(step.set_floor(reply=PendingReply()), reply.text, turn=step.call.turn)


def _call(step: Step, request: ToolRequest, event: AgentDone, number: int, patterns: tuple[str, ...]) -> Step:
    call = step.call
    use = ToolUse(
        no=call.tools.made + 1,
        turn=event.turn,
        round=number,
        after=sum(line.speaker is Party.USER for line in call.transcript),
        id=request.id,
        name=request.name[:_NOTE_NAME],
        arguments=request.arguments[:_LONGEST_ARGUMENTS],
        wrote=event.wrote or "",
        asked_at=step.at,
    )
    step = step.set_tools(uses=(*call.tools.uses, use)[-_KEPT:], made=use.no)
    try:
        arguments = _checked(request, patterns)
        return BUILT_IN.get(use.name, _own)(step, use, arguments)
    except _Refused as refusal:
        return _settle(step, use.no, ToolOutcome.REFUSED, str(refusal))


class _Refused(Exception):
    """The call is not carried out. The message is for the agent."""


def _checked(request: ToolRequest, patterns: tuple[str, ...]) -> Mapping[str, Any]:
    """The arguments. Raises _Refused."""
    if not is_named(request.name, patterns):
        raise _Refused("there is no such tool on this call")
    if len(request.arguments) > _LONGEST_ARGUMENTS:
        raise _Refused(f"the arguments are over {_LONGEST_ARGUMENTS} characters")
    try:
        arguments = json.loads(request.arguments or "{}")
    except (ValueError, RecursionError):
        raise _Refused("the arguments are no valid JSON; call it again with a JSON object") from None
    if not isinstance(arguments, dict):
        raise _Refused("the arguments are no JSON object")
    return arguments


def _text(arguments: Mapping[str, Any], name: str, longest: int, *, required: bool = True) -> str:
    """One argument as text. Raises _Refused."""
    value = arguments.get(name)
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    if required and not text.strip():
        raise _Refused(f"the argument {name} is missing")
    if len(text) > longest:
        raise _Refused(f"the argument {name} is over {longest} characters")
    return text.strip()


# --- tools that concern the call itself ---------------------------------------------------------------------------


def _end_call(step: Step, use: ToolUse, arguments: Mapping[str, Any]) -> Step:
    """The call ends when the farewell was heard. Refused to a model that slips: before the caller has said anything."""
    if not use.after:
        raise _Refused("the other party has not said anything yet; go on with the call")
    if any(other.no != use.no for other in _open(step.call)):
        raise _Refused("another tool is not finished; answer with its result first")
    _text(arguments, "farewell", _QUESTION, required=False)
    return _settle(step, use.no, ToolOutcome.DONE, "the call ends when the farewell was heard")


def _has_ended(call: Call, number: int) -> bool:
    uses = (use for use in call.tools.uses if use.turn == call.turn and use.round == number)
    return any(use.name == END_CALL and use.outcome is ToolOutcome.DONE for use in uses) and not list(_open(call))


def _ends_call(step: Step, event: AgentDone) -> Step:
    """The reply ends with the farewell, of which the argument is one if the answer has none of its own."""
    call = step.call
    use = next(use for use in reversed(call.tools.uses) if use.name == END_CALL)
    farewell = json.loads(use.arguments or "{}").get("farewell")
    said = event.wrote or transcript.said_of_turn(call, event.turn)
    if isinstance(farewell, str) and farewell.strip() and not said:
        step = turns.agent_said(step, AgentSaid(turn=event.turn, text=speakable(farewell)))
    return turns.agent_done(_all_reported(step), replace(event, ends_call=True, calls=None))


def _note(step: Step, use: ToolUse, arguments: Mapping[str, Any]) -> Step:
    name, value = _text(arguments, "name", _NOTE_NAME), _text(arguments, "value", _NOTE_VALUE)
    others = tuple(note for note in step.call.tools.notes if note.name != name)
    if len(others) >= _NOTES:
        raise _Refused(f"there are {_NOTES} notes already")
    step = step.set_tools(notes=(*others, Note(name=name, value=value)))
    return _settle(step, use.no, ToolOutcome.DONE, "noted")


def _send_dtmf(step: Step, use: ToolUse, arguments: Mapping[str, Any]) -> Step:
    """Press keys: as tones in the media stream where the carrier's command would tear it down."""
    digits, leg = _text(arguments, "digits", _NOTE_NAME), step.call.leg
    if _KEYS.match(digits) is None:
        raise _Refused("write up to 32 of 0-9 * # A-D, and w for a pause of half a second")
    if leg is None or not step.call.phase.is_connected:
        raise _Refused("the call is not connected")
    if not step.call.policy.digits_replace_media:
        return step.request(SendDigits(leg=leg, digits=digits, tool=use.no))
    if step.call.stream is not None:
        return playback.play_tones(step, digits, tool=use.no)
    return dtmf.queue(step, digits, tool=use.no)


def _ask_owner(step: Step, use: ToolUse, arguments: Mapping[str, Any]) -> Step:
    """Ask who placed the call, and say so to the caller."""
    question = _text(arguments, "question", _QUESTION)
    if step.call.owner_question is not None:
        raise _Refused("another question is not answered yet")
    step = step.request(AskOwner(tool=use.no, question=question))
    step = step.arm(Timer.OWNER, step.at + step.call.policy.tools.owner_s)
    said = use.wrote or transcript.said_of_turn(step.call, step.call.turn)
    return step if said else playback.say(step, step.call.phrases.asking_owner)


def _transfer_call(step: Step, use: ToolUse, arguments: Mapping[str, Any]) -> Step:
    """Hand the other party over to one of the configured numbers, as soon as they have heard what was said."""
    policy, name = step.call.policy.tools, _text(arguments, "to", _NOTE_NAME)
    target = next((target for target in policy.transfers if target.name == name), None)
    if target is None:
        raise _Refused(f"there is no one of this name; the names are {', '.join(t.name for t in policy.transfers)}")
    if step.call.tools.transfer is not None:
        raise _Refused("the call is being transferred already")
    pending = PendingTransfer(tool=use.no, turn=use.turn, name=name, number=target.number)
    step = step.set_tools(transfer=pending)
    said = use.wrote or transcript.said_of_turn(step.call, step.call.turn)
    return step if said else playback.say(step, step.call.phrases.fillers[0])


def _proceed(step: Step) -> Step:
    """Order the transfer when nothing is being said; drop it when the other party has spoken on, or it has failed."""
    call, pending = step.call, step.call.tools.transfer
    if pending is None:
        return step
    if all(use.no != pending.tool for use in _open(call)):
        return step.set_tools(transfer=None).disarm(Timer.TRANSFER)
    if pending.asked or call.leg is None or call.utterances or call.caller_is_speaking:
        return step
    if call.turn != pending.turn or call.floor.held is not None:
        return _settle(step, pending.tool, ToolOutcome.FAILED, "not transferred: the other party went on speaking")
    policy, ours = call.policy.tools, call.to if call.direction is Direction.INBOUND else call.from_
    order = Transfer(
        tool=pending.tool, leg=call.leg, to=pending.number, from_=ours, ring_timeout_s=policy.transfer_ring_s
    )
    step = step.request(order).set_tools(transfer=replace(pending, asked=True))
    return step.disarm(Timer.FILLER).arm(Timer.TRANSFER, step.at + policy.transfer_ring_s + _TRANSFER_BEGINS_S)


def transfer_overdue(step: Step) -> Step:
    """A stream that is still open shows that the carrier has not begun. Without one they may be speaking.

    A carrier that is commanded keeps the stream, and answers each command.
    """
    call = step.call
    if not call.is_transferring or call.stream is None or call.policy.by_command:
        return step
    for effect in step.call.pending.values():
        if isinstance(effect, Transfer):
            step = _settle(step.settle(Transfer), effect.tool, ToolOutcome.FAILED, "the carrier did not transfer it")
    return step


def _own(step: Step, use: ToolUse, arguments: Mapping[str, Any]) -> Step:
    """A tool of the operator's, which runs outside."""
    del arguments
    is_repeatable = is_named(use.name, step.call.policy.tools.idempotent)
    return step.request(
        RunTool(
            tool=use.no,
            called=use.name,
            arguments=use.arguments or "{}",
            key=f"{step.call.id}-{use.no}",
            idempotent=is_repeatable,
        )
    )


BUILT_IN: Final[Mapping[str, Callable[[Step, ToolUse, Mapping[str, Any]], Step]]] = {
    END_CALL: _end_call,
    NOTE: _note,
    SEND_DTMF: _send_dtmf,
    ASK_OWNER: _ask_owner,
    TRANSFER_CALL: _transfer_call,
}
"""What each tool does that concerns the call itself. Raises _Refused."""


# --- what becomes of a call ---------------------------------------------------------------------------------------


def command_done(step: Step, event: CommandDone) -> Step:
    """A command was accepted, or a tool has its result."""
    tool = _tool_of(step.call, event)
    if event.request is not None:
        step = step.resolve(event.request, ok=tool > 0, text="" if tool else "no question waits for this answer")
    if tool:
        step = _settle(step, tool, ToolOutcome.DONE, "done" if event.result is None else event.result)
    if isinstance(step.call.pending.get(event.effect), Transfer) and step.call.tools.transfer is not None:
        step = step.replace(detail=f"transferred to {step.call.tools.transfer.name}")
    return dtmf.command_done(step, event)


def command_failed(step: Step, event: CommandFailed) -> Step:
    tool = _tool_of(step.call, event)
    is_back = isinstance(step.call.pending.get(event.effect), Transfer) and not step.call.is_native
    if is_back and step.call.stream is None:
        step = step.arm(Timer.RECONNECT, step.at + step.call.policy.reconnect_s)
    if tool:
        outcome = ToolOutcome.UNKNOWN if event.unknown else ToolOutcome.FAILED
        step = _settle(step, tool, outcome, f"{event.reason}: {_UNKNOWN}" if event.unknown else event.reason)
    return dtmf.command_failed(step, event)


def _tool_of(call: Call, event: CommandDone | CommandFailed) -> int:
    """The number of the tool call whose outcome this is, or 0."""
    match call.pending.get(event.effect):
        case RunTool(tool=tool) | AskOwner(tool=tool) | SendDigits(tool=tool) | Transfer(tool=tool):
            return tool
        case _:
            return 0


def playback_done(step: Step, event: PlaybackDone) -> Step:
    """Tones that were played to the end are pressed keys."""
    utterance = playback.find(step.call, event.utterance)
    if utterance is not None and utterance.tool and event.complete:
        step = _settle(step, utterance.tool, ToolOutcome.DONE, "pressed")
    return playback.playback_done(step, event)


def owner_silent(step: Step) -> Step:
    """Who placed the call has not answered in time."""
    question = step.call.owner_question
    if question is None:
        return step
    step = step.settle(AskOwner)
    return _settle(step, question.tool, ToolOutcome.FAILED, "no answer came; go on without it")


def reactivated(step: Step, event: Reactivated) -> Step:
    """A new owner: a reply that waits for tools goes on when they have their results."""
    return recovery.reactivated(step, event, waits_for_tools=bool(list(_open_of_turn(step.call))))


def agent_slow(step: Step) -> Step:
    """There is no reply yet: say a filler, and while tools run, one after some time again."""
    if step.call.is_transferring:
        return step
    step = turns.agent_slow(step)
    if not list(_open_of_turn(step.call)) or not step.call.reply_due:
        return step
    return step.arm(Timer.FILLER, step.at + step.call.policy.tools.filler_every_s)


def watch(step: Step) -> Step:
    """After each event: settle what nothing carries any more, and ask the agent again when nothing is open."""
    step = _proceed(step)
    for use in _open(step.call):
        if use.no not in _carried(step.call):
            step = _settle(step, use.no, ToolOutcome.UNKNOWN, _UNKNOWN)
    if step.call.is_ending or not step.call.tools.uses:
        return step
    if step.call.reply_due:
        waits = step.is_pending(AskAgent) or any(True for _ in _open_of_turn(step.call))
        return step if waits or not _rounds(step.call, step.call.turn) else _ask_again(step)
    return _ask_again(step) if _has_unreported(step.call) and _is_quiet(step.call) else step


def _ask_again(step: Step) -> Step:
    wait = step.call.floor.wait
    if wait is not None and wait.asked_at is not None and wait.first_text_at is None:
        uses = [use for use in step.call.tools.uses if use.turn == step.call.turn and not use.reported]
        began_at = min((use.asked_at for use in uses), default=step.at)
        names = tuple(dict.fromkeys((*wait.tools, *(use.name for use in uses))))
        step = step.set_floor(wait=replace(wait, tool_s=wait.tool_s + step.at - began_at, tools=names))
    return turns.ask_agent(_all_reported(step))


def _all_reported(step: Step) -> Step:
    return step.set_tools(
        uses=tuple(replace(u, reported=u.reported or u.outcome is not ToolOutcome.OPEN) for u in step.call.tools.uses)
    )


def _open(call: Call) -> Iterable[ToolUse]:
    return (use for use in call.tools.uses if use.outcome is ToolOutcome.OPEN)


def _open_of_turn(call: Call) -> Iterable[ToolUse]:
    return (use for use in _open(call) if use.turn == call.turn)


def _has_unreported(call: Call) -> bool:
    """Someone waits for the outcome of a tool that the agent does not know."""
    return any(u.name in _SPEAKS_UP and not u.reported and u.outcome is not ToolOutcome.OPEN for u in call.tools.uses)


def _is_quiet(call: Call) -> bool:
    """The agent may speak up: neither party speaks, and it is not known that either is about to."""
    floor = call.floor
    busy = (
        call.utterances or call.is_transferring or call.caller_is_speaking or floor.held is not None or call.dtmf.typed
    )
    ends = call.playback.hangup_after is not None or call.pending_continue is not None
    return not (busy or ends) and call.has_voice


def _carried(call: Call) -> set[int]:
    """The numbers of the calls that something pending belongs to."""
    effects = {e.tool for e in call.pending.values() if isinstance(e, RunTool | AskOwner | SendDigits | Transfer)}
    pending = call.tools.transfer
    effects |= set() if pending is None or pending.asked else {pending.tool}
    return effects | {q.tool for q in call.dtmf.queued} | {u.tool for u in call.utterances if not u.cut}


def _settle(step: Step, no: int, outcome: ToolOutcome, result: str) -> Step:
    """The outcome of a call is known; only the first one counts."""
    longest = step.call.policy.tools.result_chars
    text = result if len(result) <= longest else f"{result[:longest]} [cut off: {len(result)} characters]"
    return step.set_tools(
        uses=tuple(
            replace(use, outcome=outcome, result=text, ended_at=step.at)
            if use.no == no and use.outcome is ToolOutcome.OPEN
            else use
            for use in step.call.tools.uses
        )
    )
