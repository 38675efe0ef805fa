"""Answering machine detection: who answered, and when the greeting is over, as events of the ordered kind."""

from simulators.phone.line import Line
from simulators.phone.machine import greeting_over
from simulators.telnyx.call import Call

__all__ = ["detect"]

_PREMIUM = {"human": "human_residence", "unknown": "not_sure", "fax": "fax_detected"}
_PLAIN = {"human": "human", "unknown": "not_sure"}


async def detect(call: Call, line: Line) -> None:
    """Send the result, and for a machine, if ordered, the end of its greeting."""
    await line.pause(call.persona.verdict_after_ms)
    who = call.persona.answered_by
    call.answered_by = who
    premium = call.machine_detection.startswith("premium")
    name = "call.machine.premium" if premium else "call.machine"
    result = _PREMIUM.get(who, "machine") if premium else _PLAIN.get(who, "machine")
    call.note("verdict", answered_by=result, at_ms=line.now_ms)
    call.notify(f"{name}.detection.ended", {**call.parties, "result": result})
    if result != "machine" or call.machine_detection == "detect":
        return
    beep = await greeting_over(call, line) or who == "machine_end_beep"
    if not beep and call.machine_detection == "detect_beep":
        return
    silent = "no_beep_detected" if premium else "ended"
    call.notify(f"{name}.greeting.ended", {**call.parties, "result": "beep_detected" if beep else silent})
