"""The end reason of a Plivo call, from `CallStatus` and `HangupCauseCode` (Plivo's "Hangup Causes").

Pure; used by webhooks and control.
"""

from typing import Final

from voicecall.call.events import EndReason

__all__ = ["END_STATUSES", "end_reason"]

END_STATUSES: Final = {
    "completed": EndReason.COMPLETED,
    "busy": EndReason.BUSY,
    "failed": EndReason.FAILED,
    "timeout": EndReason.NO_ANSWER,  # it rang until `ring_timeout`
    "no-answer": EndReason.NO_ANSWER,
    "cancel": EndReason.HANGUP_BOT,
    "canceled": EndReason.HANGUP_BOT,
    "cancelled": EndReason.HANGUP_BOT,
    "machine": EndReason.VOICEMAIL,
}
"""Every status of a leg that has ended."""

_VAGUE: Final = frozenset({"", "completed", "failed"})

_CODES: Final = {
    1000: EndReason.HANGUP_BOT,  # cancelled over the API
    1010: EndReason.FAILED,  # out of credits
    1020: EndReason.FAILED,  # too many simultaneous dials
    3000: EndReason.NO_ANSWER,
    3010: EndReason.BUSY,
    3020: EndReason.BUSY,  # rejected
    4000: EndReason.COMPLETED,
    4010: EndReason.HANGUP_BOT,  # the end of the XML document
    4020: EndReason.COMPLETED,
    4030: EndReason.COMPLETED,
    6010: EndReason.NO_ANSWER,  # ring timeout
    6020: EndReason.ERROR,  # a minute without media
    9100: EndReason.VOICEMAIL,
}
_FAMILIES: Final = {
    2: EndReason.FAILED,  # an unreachable destination
    3: EndReason.FAILED,  # a failure of the network
    4: EndReason.FAILED,  # 4240, 4250: a SIP endpoint that was refused
    5: EndReason.FAILED,  # concurrency
    7: EndReason.ERROR,  # Plivo could not reach our URL
    8: EndReason.ERROR,  # ... or could not parse its XML
}


def end_reason(status: str, code: object) -> EndReason:
    """The reason. `status` in lower case; `code` as sent, text or number, possibly malformed.

    The code decides only where the status is missing, "completed" or "failed". Without both: COMPLETED.
    """
    reason = END_STATUSES.get(status, EndReason.COMPLETED)
    text = str(code)
    if status not in _VAGUE or not (text.isascii() and text.isdigit() and len(text) == 4):
        return reason
    number = int(text)
    return _CODES.get(number) or _FAMILIES.get(number // 1000, reason)
