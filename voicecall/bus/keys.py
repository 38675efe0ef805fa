"""The names of the keys and channels in Redis.

Used within `bus/` only. The keys of one call share a hash tag, which keeps them in one slot; the scripts also use a few
global keys, so one Redis (with replicas) holds everything, not a cluster (ADR 0005).
"""

import hashlib
from typing import Final

from voicecall.call.ids import CallId, LegId, NodeId

__all__ = [
    "CALLS_ENDED",
    "CALLS_KEPT",
    "CALLS_LIVE",
    "DEAD",
    "EXPOSURE",
    "FEED",
    "INGRESSES",
    "MEDIA",
    "NODE",
    "call_key",
    "claims",
    "digest",
    "idem",
    "lease",
    "leg",
    "log",
    "media",
    "node",
    "operation",
    "seen",
    "state",
    "token",
]

CALLS_LIVE: Final = "calls:live"
"""Sorted set of live calls; the score is the time (ms, Redis clock) after which the call may have no owner."""

CALLS_ENDED: Final = "calls:ended"
"""Sorted set of ended calls not yet archived; the score is the time at which a job should be started for it."""

CALLS_KEPT: Final = "calls:kept"
"""Sorted set of archived calls; the score is the time until which they stay readable in Redis too."""

FEED: Final = "feed"
"""Capped stream of commits, and the channel on which each is published."""

DEAD: Final = "dead"
"""Capped stream of dead letters: call, seq, reason, bytes."""

EXPOSURE: Final = "exposure"
"""Hash: holder, webhook, stream; expiring. The public address, where it comes from a tunnel."""

INGRESSES: Final = "ingresses"
"""Sorted set of the ingresses that take requests; the score is when each last said so (seconds, Redis clock)."""

NODE: Final = "node:"
"""Prefix of the channels on which nodes are nudged."""

MEDIA: Final = "media:"
"""Prefix of the channels that carry bundles of media."""


def call_key(call: CallId, part: str) -> str:
    return f"call:{{{call}}}:{part}"


def log(call: CallId) -> str:
    """Stream of every event; entry `0-<seq>`, never trimmed while the call is live."""
    return call_key(call, "log")


def state(call: CallId) -> str:
    """Hash: snapshot, applied, epoch, phase, step (id of the newest commit), over ("1" at the end), handed (the epoch
    of the newest owner that handed the call over in order).

    After the end: summed ("1" once a job has claimed it), forget ("1": delete it instead of archiving it), unread (ms
    since when the snapshot is undecodable), gone (deleted from Redis; "1": to be deleted from the archive too, "0": the
    archive keeps it).
    """
    return call_key(call, "state")


def lease(call: CallId) -> str:
    """String `<epoch> <node>`, expiring: the right to be the activation."""
    return call_key(call, "lease")


def seen(call: CallId) -> str:
    """Hash: digest of a request key -> the answer to its first delivery."""
    return call_key(call, "seen")


def token(call: CallId) -> str:
    """Sorted set: digest of a stream token; the score is its expiry in ms."""
    return call_key(call, "token")


def claims(call: CallId) -> str:
    """Hash: effect id -> epoch that claimed it."""
    return call_key(call, "claims")


def node(name: NodeId) -> str:
    return f"{NODE}{name}"


def media(name: NodeId) -> str:
    return f"{MEDIA}{name}"


def leg(carrier: str, sid: LegId) -> str:
    return f"leg:{carrier}:{sid}"


def idem(key: str) -> str:
    """An API client's idempotency key; a digest, because the client chooses its length and content."""
    return f"idem:{digest(key).hex()}"


def operation(name: str) -> str:
    """A request that an API client asks about later. A digest: read access to Redis must not give access to it."""
    return f"op:{digest(name).hex()}"


def digest(text: str) -> bytes:
    """SHA-256, used in place of secrets and of keys of unbounded length."""
    return hashlib.sha256(text.encode()).digest()
