"""Records that one service took over from another in a call: one log line and one metric, for every kind of service.

Used by the fail-over of speech recognition, speech synthesis and agents. Decides nothing.
"""

import logging
from typing import Final

from voicecall.metrics import PROVIDER_FAILOVERS

__all__ = ["record_failover"]

_log: Final = logging.getLogger(__name__)


def record_failover(service: str, *, failed: str, used: str, reason: str, **fields: object) -> None:
    """`service`: stt, tts or agent. `failed`, `used`: providers' names. `reason` is fit for a log: no key, no text."""
    PROVIDER_FAILOVERS.labels(service, failed, used).inc()
    facts = {"service": service, "failed": failed, "used": used, "reason": reason, **fields}
    _log.warning("another provider took over", extra=facts)
