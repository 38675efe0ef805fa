"""Answering machine detection, if it was ordered: the result, and for a machine the end of its greeting."""

from simulators.mock.call import Call
from simulators.phone.line import Line
from simulators.phone.machine import greeting_over

__all__ = ["detect"]


async def detect(call: Call, line: Line) -> None:
    """Send the result while the call goes on. An uncertain result is not sent, which means a person."""
    await line.pause(call.persona.verdict_after_ms)
    who = call.answered_by = call.persona.answered_by
    verdict = "machine" if who.startswith("machine") else who
    if verdict not in ("human", "machine", "fax"):
        return
    call.note("verdict", answered_by=verdict, at_ms=line.now_ms)
    call.notify("call.detected", answeredBy=verdict)
    if verdict == "machine":
        await greeting_over(call, line)
        call.notify("call.beep")
