"""One GET to a carrier's API for `voicecall doctor`, with the reason when there is no good answer.

Used by each carrier's `inspection`. Knows no carrier.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any, Final

from voicecall.carriers.common.rest import RestClient
from voicecall.errors import CarrierSilent, CarrierUnreachable

__all__ = ["Seen", "fetch"]

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An answer. `status` 0 and `trouble` when there was none; `server_time` in epoch seconds, from the Date header."""

    status: int
    body: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    server_time: float | None = None
    asked_at: float = 0.0
    trouble: str = ""

    @property
    def is_good(self) -> bool:
        return self.status == 200


async def fetch(rest: RestClient, url: str) -> Seen:
    """GET the URL. Raises nothing: that a carrier does not answer is a finding."""
    before = time.time()
    try:
        reply = await rest.ask("GET", url, harmless=True)
    except (CarrierUnreachable, CarrierSilent) as error:
        return Seen(status=error.status or 0, asked_at=before, trouble=str(error))
    return Seen(
        status=reply.status,
        body=reply.json() or _NOTHING,
        server_time=_seconds(reply.date),
        asked_at=(before + time.time()) / 2,
        trouble="" if reply.status == 200 else f"HTTP {reply.status}",
    )


def _seconds(date: str | None) -> float | None:
    try:
        return None if date is None else parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
