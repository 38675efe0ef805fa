"""The moment somebody picks up: the line opens, the person begins to act, the billing runs. Knows no carrier."""

from simulators.phone.call import Call
from simulators.phone.callee import act
from simulators.phone.line import Line
from simulators.tones import encode_mulaw

__all__ = ["answer", "say"]


def answer(call: Call) -> Line:
    """Open the call's line, once; the line that is already open otherwise."""
    if call.line is not None:
        return call.line
    line = call.start_line()
    call.act(act(call, line, call.persona))
    return line


async def say(call: Call, text: str) -> None:
    """Let the callee hear a text in the carrier's own voice, which is tone code too."""
    line = answer(call)
    call.note("said_natively", text=text, start_ms=line.now_ms)
    await line.play(encode_mulaw(text))
