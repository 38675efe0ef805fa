"""Answering machine detection: what picked up, and when its greeting is over, told as the asked-for kind tells it."""

from simulators.phone.line import Line
from simulators.phone.persona import Say
from simulators.telnyx.call import Call

__all__ = ["detect"]

_THINKS_MS = 200
_LONGEST_GREETING_MS = 30_000
_PREMIUM = {"human": "human_residence", "unknown": "not_sure", "fax": "fax_detected"}
_PLAIN = {"human": "human", "unknown": "not_sure"}


async def detect(call: Call, line: Line) -> None:
    """Tell the result, and for a machine, where it was asked for, the end of its greeting."""
    await line.pause(_THINKS_MS)
    who = call.persona.answered_by
    call.answered_by = who
    premium = call.machine_detection.startswith("premium")
    name = "call.machine.premium" if premium else "call.machine"
    result = _PREMIUM.get(who, "machine") if premium else _PLAIN.get(who, "machine")
    call.tell(f"{name}.detection.ended", {**call.parties, "result": result})
    if result != "machine" or call.machine_detection == "detect":
        return
    await _greeting_over(call, line)
    beep = who == "machine_end_beep"
    silent = "no_beep_detected" if premium else "ended"
    call.tell(f"{name}.greeting.ended", {**call.parties, "result": "beep_detected" if beep else silent})


async def _greeting_over(call: Call, line: Line) -> None:
    """A machine's greeting is the first thing its persona says; one that says nothing has finished."""
    if not any(isinstance(step, Say) for step in call.persona.steps):
        return
    give_up = line.now_ms + _LONGEST_GREETING_MS
    await line.until(lambda: bool(call.spoken and call.spoken[0]["complete"]) or line.now_ms >= give_up)
