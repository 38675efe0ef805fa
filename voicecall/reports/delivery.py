"""Delivers one report to the configured webhook: one signed request, and what its answer means.

Does not repeat: `workers/reporting.py` does, with growing pauses (`pause_s`). Only the configured URL is requested;
redirects are not followed, and of an answer nothing but its status and `Retry-After` is read.
"""

from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson

from voicecall.http_client import retry_after_s
from voicecall.reports.signing import headers_of
from voicecall.settings.model.reports import ReportWebhook

__all__ = ["Delivery", "deliver", "pause_s"]

_TYPE: Final = "call.report"
_FIRST_PAUSE_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """`reason`: why it was not accepted, "" when it was. `retry_after_s`: when the receiver wants it again."""

    reason: str = ""
    retry_after_s: float | None = None

    @property
    def is_accepted(self) -> bool:
        return not self.reason


async def deliver(http: aiohttp.ClientSession, webhook: ReportWebhook, report: dict[str, Any], at: float) -> Delivery:
    """Send it at `at` (epoch seconds). Any answer of the 200s accepts it. Never raises for what a receiver does."""
    if webhook.url is None or webhook.secret is None:
        return Delivery(reason="no webhook is configured")
    body = orjson.dumps({"type": _TYPE, "timestamp": report["at"], "data": report})
    headers = {"Content-Type": "application/json", **headers_of(report["reportId"], at, body, webhook.secret)}
    timeout = aiohttp.ClientTimeout(total=webhook.timeout_ms / 1000)
    try:
        posted = http.post(webhook.url, data=body, headers=headers, timeout=timeout, allow_redirects=False)
        async with posted as answer:
            if 200 <= answer.status < 300:
                return Delivery()
            return Delivery(reason=f"answered {answer.status}", retry_after_s=retry_after_s(answer.headers))
    except TimeoutError:
        return Delivery(reason=f"no answer within {webhook.timeout_ms} ms")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Delivery(reason=f"not reached: {type(error).__name__}")


def pause_s(tries: int, asked_s: float | None = None) -> float:
    """How long after the try number `tries` (from 1) the next one comes: 5 s, doubled each time, an hour at most.

    `asked_s`: what the receiver asked for counts when it is longer, up to an hour too.
    """
    pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(tries - 1, 20))
    return min(_LONGEST_PAUSE_S, max(pause, asked_s or 0.0))
