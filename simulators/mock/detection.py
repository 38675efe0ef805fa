"""Who picked up, for whoever asked when dialling: the verdict, and for a machine the moment from which it records."""

from simulators.mock.call import Call
from simulators.phone.line import Line
from simulators.phone.persona import Say

__all__ = ["detect"]

_THINKS_MS = 200
_LONGEST_GREETING_MS = 30_000


async def detect(call: Call, line: Line) -> None:
    """Tell while the call goes on. Of a doubtful voice nothing is told, which means a person."""
    await line.pause(_THINKS_MS)
    who = call.answered_by = call.persona.answered_by
    verdict = "machine" if who.startswith("machine") else who
    if verdict not in ("human", "machine", "fax"):
        return
    call.tell("call.detected", answeredBy=verdict)
    if verdict == "machine":
        await _greeting_over(call, line)
        call.tell("call.beep")


async def _greeting_over(call: Call, line: Line) -> None:
    """A machine's greeting is the first thing its persona says; one that says nothing has finished."""
    if not any(isinstance(step, Say) for step in call.persona.steps):
        return
    give_up = line.now_ms + _LONGEST_GREETING_MS
    await line.until(lambda: bool(call.spoken and call.spoken[0]["complete"]) or line.now_ms >= give_up)
