"""What every fact about a call has: its time.

Pure. The facts themselves are in `events`, those of the line's sound in `sound`.
"""

from dataclasses import dataclass

__all__ = ["Event"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Anything that happened to one call. `at`: epoch seconds of the Redis clock, 0.0 until the log stamps it."""

    at: float = 0.0
