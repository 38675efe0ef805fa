"""The inbound policy: whether a caller is admitted.

Pure. The ingress asks before it renders anything. Knows numbers, not carriers and not the load. A caller id is never
proof of identity: `Admit` answers the call and authenticates no one.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from voicecall.call.ids import E164, parse_e164

__all__ = ["Admission", "Admit", "Deny", "InboundPolicy", "admit", "number_of"]


class InboundPolicy(StrEnum):
    DISABLED = "disabled"
    ALLOWLIST = "allowlist"
    PAIRING = "pairing"  # reserved: the same as ALLOWLIST
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Admit:
    """Answer this call."""


@dataclass(frozen=True, slots=True)
class Deny:
    """Do not answer. `reason` is a metric label: "disabled", "anonymous" or "unlisted"."""

    reason: str


Admission = Admit | Deny

# What Twilio sends for a withheld caller id: ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE, as typed on a
# keypad. They parse as E.164 and belong to no caller, so an allowlist that contains them does not admit them.
_WITHHELD: Final = frozenset({"+266696687", "+7378742883", "+2562533", "+8566696", "+86282452253"})


def admit(policy: InboundPolicy, allowed: Collection[E164], caller: str) -> Admission:
    """Decide on one inbound call. `caller` is the carrier's text, whatever it holds.

    With an allowlist, only a caller id that *is* one E.164 number and equals an entry digit for digit is admitted: no
    prefixes, suffixes, blanks, `00`, `tel:` or `sip:` (attacks 37 and 38).
    """
    match policy:
        case InboundPolicy.DISABLED:
            return Deny("disabled")
        case InboundPolicy.OPEN:
            return Admit()
        case InboundPolicy.ALLOWLIST | InboundPolicy.PAIRING:
            return _on_list(allowed, caller)
        case _:
            assert_never(policy)


def number_of(caller: str) -> E164 | None:
    """The caller's number; None when the caller id is withheld, or is anything but exactly one E.164 number."""
    number = parse_e164(caller)
    return None if number in _WITHHELD else number


def _on_list(allowed: Collection[E164], caller: str) -> Admission:
    number = number_of(caller)
    if number is None:
        return Deny("anonymous")
    return Admit() if number in allowed else Deny("unlisted")
