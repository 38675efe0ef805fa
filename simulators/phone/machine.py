"""When an answering machine has played its greeting, for a carrier's detection. Knows no carrier."""

from simulators.phone.call import Call
from simulators.phone.line import Line
from simulators.phone.persona import Beep, Say

__all__ = ["greeting_over"]

_LONGEST_GREETING_MS = 30_000


async def greeting_over(call: Call, line: Line, *, within_ms: float = _LONGEST_GREETING_MS) -> bool:
    """Wait until the machine records: after its beep, else after its first utterance. Returns whether it has beeped.

    A machine that does neither counts as finished when its script ends.
    """
    steps = call.persona.steps
    beeps = any(isinstance(step, Beep) for step in steps)
    if not beeps and not any(isinstance(step, Say) for step in steps):
        return False
    give_up = line.now_ms + within_ms

    def over() -> bool:
        return call.beeped_ms is not None if beeps else bool(call.spoken and call.spoken[0]["complete"])

    await line.until(lambda: over() or line.now_ms >= give_up)
    return call.beeped_ms is not None
