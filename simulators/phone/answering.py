"""Answering a call: opens the line, starts the callee's script and the billing. Knows no carrier."""

from simulators.phone.call import Call
from simulators.phone.callee import act
from simulators.phone.line import Line
from simulators.tones import encode_mulaw

__all__ = ["answer", "say"]


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
