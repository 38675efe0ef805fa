"""JSON as chat services write it, which is not always JSON: raw line breaks, NaN, halves of characters, cut bytes.

Pure; used by `stream`. Some services escape each UTF-16 half of an emoji by itself and send the halves in two deltas,
some report `NaN` as a probability. A reply is not lost for that. Webhooks are read strictly, elsewhere.
"""

import json
from typing import Any

import orjson

__all__ = ["Halves", "loads", "whole"]

_FIRST_HALVES = ("\ud800", "\udbff")  # high surrogates, which a low one must follow


def loads(data: bytes) -> Any:
    """The value. Raises ValueError for what is no JSON even so, or nested too deeply."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(data.decode("utf-8", "replace"), strict=False)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def whole(text: str) -> str:
    """Halves of characters put together; one without its other half becomes U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Halves:
    """Puts together the characters of a text that arrives in pieces."""

    def __init__(self) -> None:
        self._first = ""

    def feed(self, piece: str) -> str:
        """What is complete: a first half at the end waits for the next piece."""
        if not piece:
            return ""
        piece, self._first = self._first + piece, ""
        if _FIRST_HALVES[0] <= piece[-1] <= _FIRST_HALVES[1]:
            piece, self._first = piece[:-1], piece[-1]
        return whole(piece)
