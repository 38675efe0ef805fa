"""Every metric of the house by its name (reliability 5.2): doors and workers count here, `/metrics` shows it.

One registry per process. Labels are words from small fixed sets: never a call id, a number, an address or anything a
stranger sent. Knows Prometheus; does not know who serves it.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

__all__ = [
    "ACTIVATIONS",
    "AGENT_HOSTS",
    "AGENT_TURNS",
    "ARCHIVED",
    "ARCHIVE_PRUNED",
    "BUILD",
    "CALLS",
    "CALLS_ACTIVE",
    "CALL_SECONDS",
    "CONNECTIONS",
    "CONTENT_TYPE",
    "DEAD_LETTERS",
    "DOORBELL",
    "EFFECTS",
    "EVENTS_PENDING",
    "FACTS_LOST",
    "FAILOVER_SECONDS",
    "FENCED",
    "JOURNAL_SECONDS",
    "LEASES_LOST",
    "LEASE_LATENESS",
    "MEDIA_DROPPED",
    "MEDIA_FRAMES",
    "MEDIA_GAP",
    "MEDIA_REJECTED",
    "MEDIA_SOCKETS",
    "PROVIDER_ERRORS",
    "PROVIDER_SECONDS",
    "RECONCILED",
    "REGISTRY",
    "REPLAYS",
    "RPC",
    "RPC_SECONDS",
    "SHED",
    "TURN_SECONDS",
    "WEBHOOKS",
    "WEBHOOKS_REJECTED",
    "WEBHOOK_SECONDS",
    "exposition",
]

REGISTRY: Final = CollectorRegistry()

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_QUICK: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_SPOKEN: Final = (0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 3, 5, 8)


def _counter(name: str, help_: str, *labels: str) -> Counter:
    return Counter(f"voice_{name}", help_, labels, registry=REGISTRY)


def _gauge(name: str, help_: str, *labels: str) -> Gauge:
    return Gauge(f"voice_{name}", help_, labels, registry=REGISTRY)


def _histogram(name: str, help_: str, *labels: str, buckets: tuple[float, ...] = _QUICK) -> Histogram:
    return Histogram(f"voice_{name}", help_, labels, buckets=buckets, registry=REGISTRY)


# --- calls --------------------------------------------------------------------------------------------------------

CALLS_ACTIVE: Final = _gauge("calls_active", "Calls this process holds", "carrier", "direction", "state")
CALLS: Final = _counter("calls", "Calls that ended", "carrier", "direction", "outcome")
CALL_SECONDS: Final = _histogram("call_duration_seconds", "From start to end", buckets=(5, 15, 30, 60, 120, 300, 900))
TURN_SECONDS: Final = _histogram("turn_latency_seconds", "End of speech to first audio out", buckets=_SPOKEN)

# --- the public door ----------------------------------------------------------------------------------------------

WEBHOOKS: Final = _counter("webhook_requests", "Verified webhooks by what became of them", "carrier", "result")
WEBHOOK_SECONDS: Final = _histogram("webhook_duration_seconds", "First byte of the body to the answer")
WEBHOOKS_REJECTED: Final = _counter("webhook_rejected", "Requests that were not let in", "reason")
REPLAYS: Final = _counter("replay_detected", "Webhooks seen before")
CONNECTIONS: Final = _counter("connections_refused", "Connections closed by the door itself", "reason")
MEDIA_SOCKETS: Final = _gauge("media_sockets", "Open media sockets", "state")
MEDIA_REJECTED: Final = _counter("media_rejected", "Media sockets closed for what they did", "reason")
MEDIA_FRAMES: Final = _counter("media_frames", "Frames of 20 ms", "direction")
MEDIA_DROPPED: Final = _counter("media_dropped", "Media that went nowhere", "reason")
MEDIA_GAP: Final = _histogram("media_gap_seconds", "How late the pacer sends what is due")
FACTS_LOST: Final = _counter("media_facts_lost", "Facts about media that could not be posted")

# --- the bus ------------------------------------------------------------------------------------------------------

JOURNAL_SECONDS: Final = _histogram("journal_append_seconds", "One post, to the acknowledgement")
EVENTS_PENDING: Final = _gauge("events_pending", "Events read and not committed")
LEASE_LATENESS: Final = _histogram("lease_renew_lateness_seconds", "How late leases are renewed")
LEASES_LOST: Final = _counter("lease_lost", "Leases somebody else took")
FENCED: Final = _counter("fenced", "What a stale owner tried", "gate")
DOORBELL: Final = _counter("doorbell", "Rings", "result")
DEAD_LETTERS: Final = _gauge("dead_letters", "Mail nobody could read")

# --- workers ------------------------------------------------------------------------------------------------------

ACTIVATIONS: Final = _counter("activations", "Calls taken up", "cause")
FAILOVER_SECONDS: Final = _histogram(
    "failover_seconds", "From the last sign of the old owner", buckets=(0.2, 0.5, 1, 2, 3, 5, 10, 30)
)
EFFECTS: Final = _counter("effects", "Effects by what became of them", "kind", "result")
RECONCILED: Final = _counter("reconcile", "Legs the carrier was asked about", "result")
PROVIDER_SECONDS: Final = _histogram(
    "provider_seconds", "Requests to carriers and services", "provider", "op", buckets=(*_QUICK, 10, 30)
)
PROVIDER_ERRORS: Final = _counter("provider_errors", "Requests that failed", "provider", "op")

ARCHIVED: Final = _counter("archive", "Ended calls by what became of them", "result")
ARCHIVE_PRUNED: Final = _counter("archive_pruned", "Ended calls that were kept long enough")

# --- every door ---------------------------------------------------------------------------------------------------

RPC: Final = _counter("rpc_requests", "Requests of local callers", "method", "result")
RPC_SECONDS: Final = _histogram("rpc_duration_seconds", "Request to answer", "method", buckets=(*_QUICK, 10, 30, 60))
AGENT_HOSTS: Final = _gauge("agent_hosts", "Agent hosts on this gateway's sockets")
AGENT_TURNS: Final = _counter("agent_turns", "Turns given to agent hosts, by how they ended", "result")
SHED: Final = _counter("shed", "Work refused to protect the rest", "what")
BUILD: Final = Info("voice_build", "What runs here", registry=REGISTRY)


def exposition() -> bytes:
    """The page of `/metrics`, of content type `CONTENT_TYPE`."""
    page: bytes = generate_latest(REGISTRY)
    return page
