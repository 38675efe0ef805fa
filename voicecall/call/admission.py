"""May this caller in? The inbound policy of behaviour 4.5, hardened against what caller ids really look like.

Pure. The public door asks it before it answers anything else; it knows numbers, and neither carriers nor the load.
A caller id is never proof of identity: `Admit` opens the line and vouches for nobody.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from voicecall.call.ids import E164, parse_e164

__all__ = ["Admission", "Admit", "Deny", "InboundPolicy", "admit"]


class InboundPolicy(StrEnum):
    DISABLED = "disabled"
    ALLOWLIST = "allowlist"
    PAIRING = "pairing"  # reserved: behaves exactly like ALLOWLIST
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Admit:
    """Answer this call."""


@dataclass(frozen=True, slots=True)
class Deny:
    """Do not answer. `reason` is a metric label: "disabled", "anonymous" or "unlisted"."""

    reason: str


Admission = Admit | Deny

# What Twilio puts where a caller hid: ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE, as typed on a keypad.
# They parse as E.164 and are nobody's number, so not even a list that names them lets them in.
_WITHHELD: Final = frozenset({"+266696687", "+7378742883", "+2562533", "+8566696", "+86282452253"})


def admit(policy: InboundPolicy, allowed: Collection[E164], caller: str) -> Admission:
    """Decide on one inbound call. `caller` is the carrier's text, whatever it holds.

    With a list, only a caller id that *is* one E.164 number and equals an entry digit for digit gets in: no prefixes,
    suffixes, blanks, `00`, `tel:` or `sip:` (reliability 3.2, attacks 37 and 38).
    """
    match policy:
        case InboundPolicy.DISABLED:
            return Deny("disabled")
        case InboundPolicy.OPEN:
            return Admit()
        case InboundPolicy.ALLOWLIST | InboundPolicy.PAIRING:
            return _look_up(allowed, caller)
        case _:
            assert_never(policy)


def _look_up(allowed: Collection[E164], caller: str) -> Admission:
    number = parse_e164(caller)
    if number is None or number in _WITHHELD:
        return Deny("anonymous")
    return Admit() if number in allowed else Deny("unlisted")
