"""When a webhook is retried: a policy, and the overrides a customer writes behind `#` in a webhook URL. Pure."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urldefrag

__all__ = ["CONNECT", "READ", "Limits", "RetryPolicy", "read_policy"]

CONNECT = "ct"
"""Failure class: no TCP or TLS connection. READ: connected, but no response. A status fails as "4xx" or "5xx"."""
READ = "rt"


@dataclass(frozen=True)
class RetryPolicy:
    """How often and after which failures a webhook is retried. `attempts` counts the first try too."""

    attempts: int
    on: frozenset[str]
    """Failure classes, statuses ("429"), or "all"."""
    connect_s: float
    read_s: float
    total_s: float
    pause_s: float = 0.1
    """Milliseconds before the first retry; each later one waits `backoff` times longer."""
    backoff: float = 1.0
    pauses_s: tuple[float, ...] = ()
    """The pauses one by one, if the customer has listed them."""

    def pause_after(self, attempt: int) -> float:
        """Seconds between attempt number `attempt` (from 1) and the next."""
        if self.pauses_s:
            return self.pauses_s[min(attempt, len(self.pauses_s)) - 1]
        return float(self.pause_s * self.backoff ** (attempt - 1))

    def retries(self, failure: str, status: int = 0) -> bool:
        """Whether a failure of this class is retried."""
        return "all" in self.on or failure in self.on or str(status) in self.on


@dataclass(frozen=True)
class Limits:
    """The maximum times a fragment may ask for, in milliseconds."""

    connect_ms: int
    read_ms: int
    total_ms: int


def read_policy(url: str, default: RetryPolicy, limits: Limits) -> tuple[str, RetryPolicy]:
    """Split a webhook URL into what is requested and signed, and the policy its fragment asks for.

    Out-of-range values are clamped to the carrier's ranges and unknown names ignored, so that a typo loses no calls.
    """
    bare, fragment = urldefrag(url)
    asked = dict(parse_qsl(fragment))
    return bare, RetryPolicy(
        attempts=1 + int(_within(asked.get("rc"), 0, 5, default.attempts - 1)),
        on=frozenset(asked["rp"].split(",")) if "rp" in asked else default.on,
        connect_s=_within(asked.get("ct"), 100, limits.connect_ms, default.connect_s * 1000) / 1000,
        read_s=_within(asked.get("rt"), 100, limits.read_ms, default.read_s * 1000) / 1000,
        total_s=_within(asked.get("tt"), 100, limits.total_ms, default.total_s * 1000) / 1000,
        pause_s=default.pause_s,
        backoff=default.backoff,
    )


def _within(text: str | None, low: float, high: float, default: float) -> float:
    if text is None or not text.isdigit():
        return default
    return min(max(float(text), low), high)
