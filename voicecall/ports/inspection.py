"""What the carrier itself says about the operator's account, asked with read-only requests.

Each carrier's folder fills one (`<name>/inspection.py`); `voicecall doctor` evaluates it.
"""

from dataclasses import dataclass

__all__ = ["Inspection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """`status`: HTTP status of the authenticated request, 0 without an answer; `account`: its name at the carrier.

    `server_time`: the carrier's clock, epoch seconds, and `asked_at` this machine's at that moment. `webhook_url`:
    where the account sends inbound calls, None when that could not be read; `setting`: where an operator changes it.
    `trouble`: why something could not be read.
    """

    status: int
    account: str = ""
    server_time: float | None = None
    asked_at: float = 0.0
    webhook_url: str | None = None
    setting: str = ""
    trouble: str = ""
