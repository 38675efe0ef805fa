"""What an operator wants to know of the account at the carrier, asked of the carrier itself, harming nothing.

Each carrier's folder fills one (`<name>/inspection.py`); `voicecall doctor` judges it.
"""

from dataclasses import dataclass

__all__ = ["Inspection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """`status`: of the authenticated request, 0 when nobody answered; `account`: how the carrier calls us.

    `server_time`: the carrier's clock, epoch seconds, and `asked_at` ours at that moment. `webhook_url`: where it is
    set to tell us of inbound calls, None when that could not be read; `setting`: where an operator changes it.
    `trouble`: why something could not be read.
    """

    status: int
    account: str = ""
    server_time: float | None = None
    asked_at: float = 0.0
    webhook_url: str | None = None
    setting: str = ""
    trouble: str = ""
