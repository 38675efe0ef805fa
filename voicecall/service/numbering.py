"""Numbers that are not dialled: emergency, short, premium, shared-cost, personal and satellite (attack 41).

Used before a request is accepted, because such a call costs money or blocks an emergency line. The kinds are those of
`phonenumbers`, Google's numbering plans. It classifies assigned numbers only, so whole ranges are refused by their
leading digits first: unassigned numbers in them are abused for revenue-share fraud.
"""

from typing import Final

import phonenumbers
from phonenumbers import PhoneNumberType, shortnumberinfo

from voicecall.call.ids import E164

__all__ = ["refusal_of"]

_SHORT: Final = "it is an emergency or short number"

# The shortest subscriber numbers in use have seven digits with their country code; 112 and service codes are shorter.
_SHORTEST: Final = 7

_RANGES: Final[dict[str, tuple[str, ...]]] = {
    "satellite": ("870", "881", "882", "883"),  # the library calls them mobile or VoIP
    "premium": (
        "979",  # international premium rate
        "1900",
        *("449", "4470"),  # 070 is personal in the library, and charged like premium
        *("3389", "3909", "39144", "39166", "39199", "39892", "39895", "39899"),
        *("34803", "34806", "34807", "34905", "34907", "31900", "31906", "31909"),
        *("41900", "41901", "41906", "439", "49900", "49137", "32900", "32902", "32903", "32904", "32905", "32906"),
        *("61190", "64900", "81990", "4870", "46900", "46939", "46944", "4590", "47820", "47829", "358600", "358700"),
    ),
    "shared-cost": (
        *("808", "4484", "4487", "49180", "3381", "3382", "39840", "39841", "39847", "39848", "34901", "34902"),
    ),
    "personal or reserved": ("878", "888", "991", "999"),
}
"""Leading digits after `+`."""

_KINDS: Final = {
    PhoneNumberType.PREMIUM_RATE: "premium",
    PhoneNumberType.SHARED_COST: "shared-cost",
    PhoneNumberType.PERSONAL_NUMBER: "personal",
}
# In North America the area code N11, and the exchange 976 of any area code.
_SERVICE_CODES: Final = frozenset({"211", "311", "411", "511", "611", "711", "811", "911"})


def refusal_of(number: E164) -> str | None:
    """Why this number is not dialled, as a short clause; None when it may be."""
    digits = number[1:]
    if len(digits) < _SHORTEST:
        return _SHORT
    if digits[0] == "1":
        if digits[1:4] in _SERVICE_CODES:
            return _SHORT
        if digits[4:7] == "976":
            return "it is a premium number"
    for kind, prefixes in _RANGES.items():
        if digits.startswith(prefixes):
            return f"it is a {kind} number"
    return _refusal_by_plan(number)


def _refusal_by_plan(number: E164) -> str | None:
    """By the country's numbering plan. A number that no plan assigns is dialled: plans change, and 555 is fictional."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None
    kind = _KINDS.get(phonenumbers.number_type(parsed))
    if kind is not None:
        return f"it is a {kind} number"
    is_short = not phonenumbers.is_valid_number(parsed) and shortnumberinfo.is_valid_short_number(parsed)
    return _SHORT if is_short else None
