"""Numbers that are not dialled: emergency, short, premium, shared-cost, personal and satellite, and other countries'
(attack 41).

Used before a request is accepted, because such a call costs money or blocks an emergency line. The kinds and countries
are those of `phonenumbers`, Google's numbering plans. What they classify as an ordinary number is one. They classify
assigned numbers only, and unassigned numbers in expensive ranges are abused for revenue-share fraud: those ranges are
refused by their leading digits.
"""

from collections.abc import Sequence
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType, shortnumberinfo

from voicecall.call.ids import E164

__all__ = ["EVERY_COUNTRY", "country_refusal", "refusal_of"]

EVERY_COUNTRY: Final = "*"

_SHORT: Final = "it is an emergency or short number"

# The shortest subscriber numbers in use have seven digits with their country code; 112 and service codes are shorter.
_SHORTEST: Final = 7

_KINDS: Final = {
    PhoneNumberType.PREMIUM_RATE: "premium",
    PhoneNumberType.SHARED_COST: "shared-cost",
    PhoneNumberType.PERSONAL_NUMBER: "personal",
    PhoneNumberType.PAGER: "pager",
}
_ORDINARY: Final = frozenset(
    {
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.VOIP,
    }
)

_OTHER_KINDS: Final[dict[str, tuple[str, ...]]] = {
    "satellite": ("870", "881", "882", "883"),
    "personal or reserved": ("878", "888", "991", "999"),
}
"""Leading digits after `+` that the library does not know, or takes for mobile or VoIP."""

_RANGES: Final[dict[str, tuple[str, ...]]] = {
    "premium": (
        "979",  # international premium rate
        *("1900", "1976"),
        *("449", "4470"),  # 070 is personal in the library, and charged like premium
        *("3389", "39144", "39166", "39199", "39892", "39895", "39899"),
        *("34803", "34806", "34807", "34905", "34907", "31900", "31906", "31909"),
        *("41900", "41901", "41906", "439", "49900", "49137", "49118"),
        *("32900", "32902", "32903", "32904", "32905", "32906"),
        *("61190", "64900", "81990", "4870", "46900", "46939", "46944", "4590", "47820", "47829", "358600", "358700"),
    ),
    "shared-cost": (
        *("808", "4484", "4487", "49180", "3381", "3382", "39840", "39841", "39847", "39848", "34901", "34902"),
    ),
}
"""Leading digits after `+` of ranges whose unassigned numbers the library does not classify."""

_AREA: Final = 3  # digits of the shortest area code in the country codes that several countries share
_ELSEWHERE: Final = {"7840": "GE", "7940": "GE"}
"""Countries of leading digits that the library takes for the main country's: Abkhazia uses two codes of +7."""
_FICTIONAL: Final = "+1555"  # in no plan: the numbers of examples

# In North America the area code N11, and the exchange 976 of any area code, which the library does not know.
_SERVICE_CODES: Final = frozenset({"211", "311", "411", "511", "611", "711", "811", "911"})


def refusal_of(number: E164) -> str | None:
    """Why this number is not dialled anywhere, as a short clause; None when it may be."""
    digits = number[1:]
    if len(digits) < _SHORTEST:
        return _SHORT
    if digits[0] == "1":
        if digits[1:4] in _SERVICE_CODES:
            return _SHORT
        if digits[4:7] == "976":
            return "it is a premium number"
    parsed = _parsed(number)
    kind = _kind_of(digits, PhoneNumberType.UNKNOWN if parsed is None else phonenumbers.number_type(parsed))
    if kind is not None:
        return f"it is a {kind} number"
    if parsed is None or phonenumbers.is_valid_number(parsed):
        return None
    # A number that no plan assigns is dialled: plans change, and 555 is fictional.
    return _SHORT if shortnumberinfo.is_valid_short_number(parsed) else None


def country_refusal(number: E164, *, caller: E164, allowed: Sequence[str] | None) -> str | None:
    """Why this number is not dialled from here: it is in none of the `allowed` countries; None when it may be.

    Countries are ISO 3166 codes, `EVERY_COUNTRY` allows all. Without a list, the country of `caller` is allowed: area
    codes of one country code belong to several countries (+1 809 is the Dominican Republic).
    """
    countries = (_country_of(caller) or _main_country(caller),) if allowed is None else tuple(allowed)
    country = _country_of(number)
    if EVERY_COUNTRY in countries or country in countries:
        return None
    # Some numbers belong to several countries, such as the toll-free ones of North America.
    parsed = _parsed(number) if number[1:5] not in _ELSEWHERE else None
    if parsed is not None and any(phonenumbers.is_valid_number_for_region(parsed, each) for each in countries):
        return None
    listed = ", ".join(countries) or "no country"
    known = f"its country is {country}" if country else "no country is known for it"
    return f"{known}, and outbound.allowCountries allows {listed}"


def _kind_of(digits: str, by_library: int) -> str | None:
    for kind, prefixes in _OTHER_KINDS.items():
        if digits.startswith(prefixes):
            return kind
    if by_library in _ORDINARY:
        return None
    for kind, prefixes in _RANGES.items():
        if digits.startswith(prefixes):
            return kind
    return _KINDS.get(by_library)


def _country_of(number: E164) -> str | None:
    """The country by the leading digits; None where its country code is several countries' and no plan has the range.

    Such ranges are abused, or lead to a third country.
    """
    parsed = _parsed(number)
    if parsed is None:
        return None
    found = _ELSEWHERE.get(number[1:5]) or phonenumbers.region_code_for_number(parsed)
    if found is not None:
        return found
    is_shared = len(phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(parsed.country_code or 0, ())) > 1
    if not is_shared or number.startswith(_FICTIONAL):
        return _main_country(number)
    return _country_of_range(number, len(str(parsed.country_code)))


def _country_of_range(number: E164, code: int) -> str | None:
    """The country that has assigned numbers with the same leading digits, `_AREA` after those of its code at least."""
    for size in range(len(number) - 1, code + _AREA, -1):
        for digit in "2345678901":
            neighbour = _parsed(E164(number[:size] + digit * (len(number) - size)))
            found = None if neighbour is None else phonenumbers.region_code_for_number(neighbour)
            if found is not None:
                return found
    return None


def _main_country(number: E164) -> str:
    """The first country of the country code."""
    parsed = _parsed(number)
    code = 0 if parsed is None else parsed.country_code or 0
    return phonenumbers.region_code_for_country_code(code)


def _parsed(number: E164) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None
