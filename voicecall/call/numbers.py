"""Reads a phone number as people write it, `+1 (555) 000-1234`, or as it is pasted, with invisible characters in it.

What carries no meaning is removed; anything else that is not part of the number is refused by its name. Used where a
request names a number. Who may call in is decided on the exact text instead (`admission`). Pure.
"""

import re
import unicodedata
from typing import Final

from voicecall.call.ids import E164, parse_e164

__all__ = ["NotANumber", "read_number", "why_no_number"]

_SEPARATORS: Final = frozenset("-.()/\t\N{MINUS SIGN}\N{MIDDLE DOT}")
_NARROW: Final = {ord(char) + 0xFEE0: char for char in "+-.()/0123456789"}
"""Of the full-width characters that Chinese and Japanese keyboards write."""

_SCHEME: Final = re.compile(r"\s*([a-z][a-z0-9+.-]*:)", re.IGNORECASE)
_EXTENSION: Final = re.compile(r"\+?[0-9]+(?:;ext=|[;,#x]|ext)[0-9]+\Z", re.IGNORECASE)
_WITHOUT_MEANING: Final = frozenset({"Zs", "Pd", "Cf"})
"""Unicode's spaces of every width, dashes, and format characters: direction marks, joiners, the byte order mark."""

# A 0 that is dialled inside of the country only. In some countries it is part of the E.164 number all the same (Italy).
_TRUNK_PREFIX: Final = re.compile(r"\(\s*0\s*\)")


class NotANumber(ValueError):
    """The text is not one E.164 number; the message says why, without repeating the text."""


def read_number(text: str) -> E164:
    """The number in the text. Raises NotANumber."""
    visible = "".join(char for char in text if unicodedata.category(char) != "Cf").translate(_NARROW)
    if scheme := _SCHEME.match(visible):
        raise NotANumber(f'it begins with "{scheme[1][:20]}", as an address does; leave that out')
    if _TRUNK_PREFIX.search(visible):
        raise NotANumber('it holds "(0)", which is dialled inside of the country only; leave it out')
    plain = "".join(char for char in visible if not _is_separator(char))
    number = parse_e164(plain)
    if number is None:
        raise NotANumber(why_no_number(plain))
    return number


def why_no_number(text: str) -> str:
    """Why this text is not exactly one E.164 number, as a clause: the first odd character, or what is missing."""
    odd = next((char for char in text if char not in "+0123456789"), "")
    if odd:
        extends = ", which begins an extension: leave that out" if _EXTENSION.match(text) else ""
        return f"it holds {_named(odd)}{extends}"
    digits = text.removeprefix("+")
    if not digits:
        return "it holds no digits"
    if "+" in digits:
        return "it holds + after the first digit"
    if digits == text:
        return "it does not begin with + and the code of a country"
    return "no country's code begins with 0" if digits[0] == "0" else f"it has {len(digits)} digits"


def _is_separator(char: str) -> bool:
    return char in _SEPARATORS or unicodedata.category(char) in _WITHOUT_MEANING


def _named(char: str) -> str:
    """A character that can be seen in quotes, any other by its code point and name."""
    if char.isascii() and char.isprintable() and char != " ":
        return f'"{char}"'
    return f"U+{ord(char):04X} {unicodedata.name(char, '')}".rstrip()
