"""Session keys: which memory a call belongs to, under which an agent finds what was said before.

Pure. Chosen once when a call begins, and stored with it. What an agent keeps under a key is the agent's affair.
"""

from enum import StrEnum
from typing import Final

from voicecall.call.admission import number_of
from voicecall.call.ids import CallId

__all__ = ["MAIN_AGENT", "SessionScope", "session_key"]

MAIN_AGENT: Final = "main"
"""The agent of a call for which no other is configured."""


class SessionScope(StrEnum):
    """Which calls share a memory: those with one phone number, none, or all with the agent's other conversations."""

    PER_PHONE = "per-phone"
    PER_CALL = "per-call"
    MAIN = "main"


def session_key(scope: SessionScope, *, agent_id: str, call: CallId, phone: str, asked: str = "") -> str:
    """The key, lower-case. `phone`: the remote party's. `asked`: a key that the API client named; it takes precedence.

    An asked key is prefixed with the agent, so that naming one gives no access to another agent's memory. Only a text
    that is one E.164 number has a memory of its own: a `sip:` address or a name may hold the digits of another caller.
    """
    agent = f"agent:{agent_id}".lower()
    if asked.strip():
        key = asked.strip().lower()
        return key if key.startswith(f"{agent}:") else f"{agent}:{key}"
    if scope is SessionScope.MAIN:
        return f"{agent}:main"
    if scope is SessionScope.PER_CALL:
        return f"{agent}:voice:call:{call}"
    number = number_of(phone)
    return f"{agent}:voice:{call if number is None else number[1:]}"
