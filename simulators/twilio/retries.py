"""When a webhook is tried again: the connection overrides a customer writes behind `#` in a webhook URL. Pure."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urldefrag

__all__ = ["CONNECT", "READ", "RetryPolicy", "retry_policy"]

CONNECT = "ct"
"""Failure class: no TCP or TLS connection. READ: connected, but no answer in time. Statuses fail as "4xx" and "5xx"."""
READ = "rt"

CALL_LIMIT_S = 15.0
"""Twilio gives a call request fifteen seconds, all attempts together, and nobody can buy more."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often and why one webhook is tried again. `attempts` counts the first try too."""

    attempts: int = 2
    on: frozenset[str] = frozenset({CONNECT})
    connect_s: float = 5.0
    read_s: float = CALL_LIMIT_S
    total_s: float = CALL_LIMIT_S

    def retries(self, failure: str) -> bool:
        """Whether a failure of this class earns another attempt."""
        return "all" in self.on or failure in self.on


def retry_policy(url: str) -> tuple[str, RetryPolicy]:
    """Split a webhook URL into what is requested and signed, and the policy its fragment asks for.

    Out-of-range values are clamped into Twilio's ranges, unknown names ignored: a typo must not lose calls.
    """
    bare, fragment = urldefrag(url)
    asked = dict(parse_qsl(fragment))
    default = RetryPolicy()
    return bare, RetryPolicy(
        attempts=1 + int(_within(asked.get("rc"), 0, 5, default.attempts - 1)),
        on=frozenset(asked["rp"].split(",")) if "rp" in asked else default.on,
        connect_s=_within(asked.get("ct"), 100, 10_000, default.connect_s * 1000) / 1000,
        read_s=_within(asked.get("rt"), 100, 15_000, default.read_s * 1000) / 1000,
        total_s=_within(asked.get("tt"), 100, 15_000, default.total_s * 1000) / 1000,
    )


def _within(text: str | None, low: float, high: float, default: float) -> float:
    if text is None or not text.isdigit():
        return default
    return min(max(float(text), low), high)
