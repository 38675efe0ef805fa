"""How long texts and keys of a request may be: the gateway checks them, schemas and commands state them."""

from typing import Final

__all__ = ["KEYS", "LONGEST_KEY", "LONGEST_MESSAGE"]

LONGEST_MESSAGE: Final = 4096
"""Characters in one message; the voices take no more (behaviour 8.2)."""

LONGEST_KEY: Final = 256
"""Characters in the name of a session, or in an idempotency key."""

KEYS: Final = r"[0-9*#wWpP,]{1,64}"
"""What a keypad has, and pauses."""
