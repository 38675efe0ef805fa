"""Limits on texts and keys of a request. The services check them; schemas and command help state them."""

from typing import Final

__all__ = ["KEYS", "LONGEST_KEY", "LONGEST_MESSAGE", "LONGEST_STEER"]

LONGEST_MESSAGE: Final = 4096
"""Characters in one message; OpenAI's speech endpoint accepts no more in one request."""

LONGEST_STEER: Final = 500
"""Characters of what an operator instructs the agent, has it ask, or says on a call."""

LONGEST_KEY: Final = 256
"""Characters in a session key or an idempotency key."""

KEYS: Final = r"[0-9*#wWpP,]{1,64}"
"""A sequence of keypad keys and pauses."""
