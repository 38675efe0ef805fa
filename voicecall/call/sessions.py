"""Which memory a call belongs to: the key under which an agent finds what was said before (behaviour 9.2).

Pure. Whoever begins a call asks here once, and the key stays with the call; what an agent keeps under it, it knows.
"""

from enum import StrEnum
from typing import Final

from voicecall.call.ids import CallId, digits_of

__all__ = ["MAIN_AGENT", "SessionScope", "session_key"]

MAIN_AGENT: Final = "main"
"""The agent of a call for which no other is configured."""


class SessionScope(StrEnum):
    """What calls share a memory: those with one phone number, none, or all with the agent's other conversations."""

    PER_PHONE = "per-phone"
    PER_CALL = "per-call"
    MAIN = "main"


def session_key(scope: SessionScope, *, agent_id: str, call: CallId, phone: str, asked: str = "") -> str:
    """The key, lower-case. `phone`: the other party's. `asked`: a key that a local caller named; it wins.

    An asked key lives under the agent, whatever it says, so that nobody reads another agent's memory by naming it.
    """
    agent = f"agent:{agent_id}".lower()
    if asked.strip():
        key = asked.strip().lower()
        return key if key.startswith(f"{agent}:") else f"{agent}:{key}"
    if scope is SessionScope.MAIN:
        return f"{agent}:main"
    if scope is SessionScope.PER_CALL:
        return f"{agent}:voice:call:{call}"
    return f"{agent}:voice:{digits_of(phone) or call}"
