"""Which numbers nobody may have dialled: emergency, short, premium, shared-cost and satellite (reliability attack 41).

Pure. Asked before anything is posted. The table names ranges by their leading digits after `+`; it errs on the side of
refusing, because a wrong call there costs money or somebody's rescue. It knows numbers, not owners.
"""

from typing import Final

from voicecall.call.ids import E164

__all__ = ["refusal_of"]

# The shortest subscriber numbers in use have seven digits with their country code; services and 112 are shorter.
_SHORTEST: Final = 7

_RANGES: Final[dict[str, tuple[str, ...]]] = {
    "satellite": ("870", "881", "882", "883"),
    "premium": (
        "979",  # international premium rate
        "1900",
        *("449", "4470"),  # personal numbers are charged and abused like premium ones
        *("3389", "3909", "39144", "39166", "39199", "39892", "39895", "39899"),
        *("34803", "34806", "34807", "34905", "34907", "31900", "31906", "31909"),
        *("41900", "41901", "41906", "439", "49900", "49137", "32900", "32902", "32903", "32904", "32905", "32906"),
        *("61190", "64900", "81990", "4870", "46900", "46939", "46944", "4590", "47820", "47829", "358600", "358700"),
    ),
    "shared-cost": (
        "808",
        "4484",
        "4487",
        "49180",
        "3381",
        "3382",
        "39840",
        "39841",
        "39847",
        "39848",
        "34901",
        "34902",
    ),
    "personal or reserved": ("878", "888", "991", "999"),
}
_SERVICE_CODES: Final = frozenset({"211", "311", "411", "511", "611", "711", "811", "911"})


def refusal_of(number: E164) -> str | None:
    """Why this number is not dialled, in a few words; None when it may be."""
    digits = number[1:]
    if len(digits) < _SHORTEST:
        return "it is an emergency or short number"
    if digits[0] == "1":
        if digits[1:4] in _SERVICE_CODES:
            return "it is an emergency or short number"
        if digits[4:7] == "976":
            return "it is a premium number"
    for kind, prefixes in _RANGES.items():
        if digits.startswith(prefixes):
            return f"it is a {kind} number"
    return None
