"""The cost of a leg as reported by a carrier, as the event `Billed`. Used by every codec.

Pure. A value that is not a count or a decimal number is left out: a malformed cost must not refuse the webhook.
"""

import re
from typing import Final

from voicecall.call.events import Billed
from voicecall.call.ids import LegId

__all__ = ["billed"]

_COUNT: Final = re.compile(r"[0-9]{1,9}\Z")
_PRICE: Final = re.compile(r"-?([0-9]{1,9}(?:\.[0-9]{1,9})?)\Z")
_CURRENCY: Final = re.compile(r"[A-Z]{3}\Z")


def billed(
    leg: LegId, count: object, *, unit_s: int = 1, price: object = "", currency: object = ""
) -> tuple[Billed, ...]:
    """The event, or nothing. `count`: units of `unit_s` seconds each. The price may be negative, as a debit."""
    counted = _COUNT.match(str(count))
    paid = _PRICE.match(str(price))
    if counted is None and paid is None:
        return ()
    known = paid is not None and _CURRENCY.match(str(currency)) is not None
    return (
        Billed(
            leg=leg,
            seconds=None if counted is None else int(counted[0]) * unit_s,
            price=None if paid is None else paid[1],
            currency=str(currency) if known else None,
        ),
    )
