"""All conversations, in the order in which they are printed."""

from typing import Final

from tests.conversations.bad_days import BAD_DAYS
from tests.conversations.turns import TURNS

__all__ = ["CONVERSATIONS"]

CONVERSATIONS: Final = (*TURNS, *BAD_DAYS)
