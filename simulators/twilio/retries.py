"""Twilio's retry rules: one more try after a failed connection, unless the URL's fragment asks for more. Pure."""

from simulators.phone.retries import CONNECT, Limits, RetryPolicy, read_policy

__all__ = ["CALL_LIMIT_S", "DEFAULT", "retry_policy"]

CALL_LIMIT_S = 15.0
"""Twilio gives a webhook fifteen seconds, all attempts together; no setting extends that."""

DEFAULT = RetryPolicy(attempts=2, on=frozenset({CONNECT}), connect_s=5.0, read_s=CALL_LIMIT_S, total_s=CALL_LIMIT_S)
_LIMITS = Limits(connect_ms=10_000, read_ms=15_000, total_ms=15_000)


def retry_policy(url: str) -> tuple[str, RetryPolicy]:
    """Split a webhook URL into what is requested and signed, and the policy its fragment asks for."""
    return read_policy(url, DEFAULT, _LIMITS)
