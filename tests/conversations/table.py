"""All conversations, in the order in which they are printed."""

from typing import Final

from tests.conversations.turns import TURNS

__all__ = ["CONVERSATIONS"]

CONVERSATIONS: Final = TURNS
