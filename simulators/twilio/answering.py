"""The moment somebody picks up: the line opens, the person begins to act, the billing runs. Knows no TwiML."""

from simulators.phone.line import Line
from simulators.twilio.call import Call
from simulators.twilio.callee import act

__all__ = ["answer"]


def answer(call: Call) -> Line:
    """Open the call's line, once; the line that is already open otherwise."""
    if call.line is not None:
        return call.line
    line = call.start_line()
    call.act(act(call, line, call.persona))
    return line
