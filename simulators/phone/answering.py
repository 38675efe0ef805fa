"""Answering a call: opens the line, starts the callee's script and the billing; and connecting it with another number.

Knows no carrier.
"""

from simulators.phone.call import Call
from simulators.phone.callee import act
from simulators.phone.line import Line
from simulators.phone.persona import Persona, Wait
from simulators.tones import encode_mulaw

__all__ = ["answer", "connect_with", "say"]

_LONGEST_TALK_MS = 3_600_000


def answer(call: Call) -> Line:
    """Open the call's line; returns the open one if the call is already answered."""
    if call.line is not None:
        return call.line
    line = call.start_line()
    call.act(act(call, line, call.persona))
    return line


async def say(call: Call, text: str) -> None:
    """Play a text to the callee in the carrier's own TTS, which speaks tone code too."""
    line = answer(call)
    call.note("said_natively", text=text, start_ms=line.now_ms)
    await line.play(encode_mulaw(text))


async def connect_with(call: Call, to: str, person: Persona, *, ring_ms: float) -> str:
    """Call a person for this leg, and let both talk as long as the person waits: what became of it."""
    line = answer(call)
    if person.refusal == "no-answer" or person.answer_after_ms > ring_ms:
        await line.pause(ring_ms)
        return "no-answer"
    if person.refusal is not None:
        return person.refusal
    await line.pause(person.answer_after_ms)
    call.note("bridged", to=to)
    await line.pause(sum(step.ms for step in person.steps if isinstance(step, Wait)) or _LONGEST_TALK_MS)
    return "completed"
