"""Hangup causes of Plivo calls: code, name, cause and source (Plivo, "Hangup causes and codes"). Pure."""

from dataclasses import dataclass

__all__ = [
    "BUSY",
    "CANCELLED",
    "END_OF_XML",
    "MACHINE",
    "NORMAL",
    "NO_ANSWER",
    "REJECTED",
    "RING_TIMEOUT",
    "TIME_LIMIT",
    "UNALLOCATED",
    "Cause",
    "invalid_xml",
    "unreachable",
]


@dataclass(frozen=True)
class Cause:
    """`source` is who is reported to have hung up; "" takes the party that did."""

    code: int
    name: str
    cause: str
    source: str = ""


CANCELLED = Cause(1000, "Cancelled", "ORIGINATOR_CANCEL")
NO_ANSWER = Cause(3000, "No Answer", "NO_ANSWER", "Carrier")
BUSY = Cause(3010, "Busy Line", "USER_BUSY", "Callee")
REJECTED = Cause(3020, "Rejected", "CALL_REJECTED", "Answer XML")
UNALLOCATED = Cause(3050, "Unallocated Number", "UNALLOCATED_NUMBER", "Carrier")
NORMAL = Cause(4000, "Normal Hangup", "NORMAL_CLEARING")
END_OF_XML = Cause(4010, "End Of XML Instructions", "NORMAL_CLEARING", "Plivo")
TIME_LIMIT = Cause(4000, "Normal Hangup", "ALLOTTED_TIMEOUT", "Plivo")
RING_TIMEOUT = Cause(6010, "Ring Timeout Reached", "NO_ANSWER", "Plivo")
MACHINE = Cause(9100, "Machine Detected", "NORMAL_CLEARING", "Plivo")

_URLS = {"answer": (1, "Answer"), "action": (2, "Action"), "transfer": (3, "Transfer"), "redirect": (4, "Redirect")}


def unreachable(kind: str) -> Cause:
    """The customer's server did not answer a request of this kind: answer, action, transfer or redirect."""
    number, word = _URLS[kind]
    return Cause(7010 + number, f"Error Reaching {word} URL", "NORMAL_CLEARING", "Error")


def invalid_xml(kind: str) -> Cause:
    """The response is not Plivo XML."""
    number, word = _URLS[kind]
    return Cause(8010 + number, f"Invalid {word} XML", "NORMAL_CLEARING", "Error")
