"""Waiting times between tries when Redis does not answer: growing, jittered, never ending.

Pure but for the dice. Whoever waits decides when to give up.
"""

import random
from collections.abc import Iterator

__all__ = ["backoff"]


def backoff(*, first_s: float = 0.1, most_s: float = 2.0) -> Iterator[float]:
    """Seconds to wait after each failed try (reliability 5.5): doubling up to `most_s`, halved at random."""
    delay_s = first_s
    while True:
        yield delay_s * random.uniform(0.5, 1.0)
        delay_s = min(2 * delay_s, most_s)
