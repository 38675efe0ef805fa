"""The names of everything we keep in Redis, in one place.

Used by the rest of `bus/` and by nobody else. The keys of one call share a hash tag, so that they lie together; the
scripts also touch a few global keys, which is why one Redis (with replicas) holds the whole house (ADR 0002).
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
"""Sorted set of calls that are not over; the score is the time (ms, Redis clock) until which an owner is assured."""

CALLS_ENDED: Final = "calls:ended"
"""Sorted set of calls that are over and not archived; the score is the time until which somebody is at it."""

CALLS_KEPT: Final = "calls:kept"
"""Sorted set of calls that are archived; the score is the time until which they stay readable here too."""

FEED: Final = "feed"
"""Capped stream of commits, and the channel on which each is echoed."""

DEAD: Final = "dead"
"""Capped stream of what nobody could read: bytes, reason, call, place."""

EXPOSURE: Final = "exposure"
"""Hash: holder, webhook, stream; expiring. Where carriers reach a house whose public URL comes from a tunnel."""

NODE: Final = "node:"
"""Prefix of the channels on which nodes are nudged."""

MEDIA: Final = "media:"
"""Prefix of the channels that carry bundles of media."""


def call_key(call: CallId, part: str) -> str:
    return f"call:{{{call}}}:{part}"


def log(call: CallId) -> str:
    """Stream of every event; entry `0-<seq>`, never trimmed while the call lives."""
    return call_key(call, "log")


def state(call: CallId) -> str:
    """Hash: snapshot, applied, epoch, phase, step (id of the newest commit), over ("1" at the end).

    And afterwards: summed ("1" once it was summed up), forget ("1": keep nothing of it), unread (ms since when nobody
    could read the snapshot), gone (nothing is kept here: "1" anywhere, "0" but in the archive).
    """
    return call_key(call, "state")


def lease(call: CallId) -> str:
    """String `<epoch> <node>`, expiring: the right to be the activation."""
    return call_key(call, "lease")


def seen(call: CallId) -> str:
    """Hash: digest of a request key -> the answer first given to it."""
    return call_key(call, "seen")


def token(call: CallId) -> str:
    """Sorted set: digest of a stream token, scored with the ms of its end."""
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
    """A caller's idempotency key; digested, because its length and content are the caller's."""
    return f"idem:{digest(key).hex()}"


def operation(name: str) -> str:
    """What a local caller began and asks about later. Digested: who reads Redis must not be able to ask for it."""
    return f"op:{digest(name).hex()}"


def digest(text: str) -> bytes:
    """SHA-256: what stands in Redis for secrets and for keys of unbounded length."""
    return hashlib.sha256(text.encode()).digest()
