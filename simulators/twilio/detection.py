"""Asynchronous answering machine detection: the result is posted to its own URL while the call goes on."""

from simulators.phone.line import Line
from simulators.phone.machine import greeting_over
from simulators.twilio.call import Call

__all__ = ["detect"]


async def detect(call: Call, line: Line) -> None:
    """Post the result once. `DetectMessageEnd` waits for the end of a machine's greeting."""
    await line.pause(call.persona.verdict_after_ms)
    who = call.persona.answered_by
    if who.startswith("machine"):
        who = await _machine(call, line)
    call.answered_by = who
    call.note("verdict", answered_by=who, at_ms=line.now_ms)
    detected = [
        ("CallSid", call.sid),
        ("AccountSid", call.exchange.account_sid),
        ("AnsweredBy", who),
        ("MachineDetectionDuration", str(line.now_ms)),
    ]
    call.notify("amd", call.amd_callback, detected)


async def _machine(call: Call, line: Line) -> str:
    if call.machine_detection != "DetectMessageEnd":
        return "machine_start"
    beep = await greeting_over(call, line) or call.persona.answered_by == "machine_end_beep"
    return "machine_end_beep" if beep else "machine_end_silence"
