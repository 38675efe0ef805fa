"""Every Prometheus metric by name. Each process serves at `/metrics` those that its role measures.

A metric that no code of a role changes would read there as "this never happens", so `by` names the roles that show it;
without it, all do. What each is good for stands in docs/metrics.md, which is drawn from here. Label values are from
small fixed sets: never a call id, a phone number, an address or anything taken from a request. Knows Prometheus; does
not know who serves the page.
"""

import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.metrics import MetricWrapperBase

__all__ = [
    "ACTIVATIONS",
    "AGENT_HOSTS",
    "AGENT_TURNS",
    "ARCHIVED",
    "ARCHIVE_PRUNED",
    "BUILD",
    "CALLBACKS",
    "CALLS",
    "CALLS_ACTIVE",
    "CALLS_UNARCHIVED",
    "CALL_SECONDS",
    "CAPACITY_LIMIT",
    "CAPACITY_USED",
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
    "PREEMPTIVE",
    "PREEMPTIVE_WASTED",
    "PROVIDER_ERRORS",
    "PROVIDER_FAILOVERS",
    "PROVIDER_SECONDS",
    "REALTIME_TRUNCATED",
    "RECONCILED",
    "RECORDINGS",
    "RECORDING_SEGMENTS",
    "REDIS_SECONDS",
    "REDIS_UP",
    "REGISTRY",
    "REPLAYS",
    "REPORTS",
    "ROLES",
    "RPC",
    "RPC_SECONDS",
    "SHED",
    "TOKENS_REFUSED",
    "TTS_REWORDED",
    "TURN_JUDGEMENTS",
    "TURN_SECONDS",
    "TURN_SPAN_SECONDS",
    "WEBHOOKS",
    "WEBHOOKS_REJECTED",
    "WEBHOOK_SECONDS",
    "WORKERS",
    "exposition",
    "measure_capacity",
    "roles_of",
    "set_build_info",
]

REGISTRY: Final = CollectorRegistry()

ROLES: Final = ("ingress", "gateway", "worker", "speech-server")
_INGRESS: Final = ("ingress",)
_GATEWAY: Final = ("gateway",)
_WORKER: Final = ("worker",)
_ON_REDIS: Final = ("ingress", "gateway", "worker")
_PAGES: Final = {role: CollectorRegistry() for role in ROLES}
_SHOWN_BY: Final[dict[MetricWrapperBase, tuple[str, ...]]] = {}

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_QUICK: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_SPAN: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2, 5)
_TURN: Final = (0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 3, 5, 8)


T = TypeVar("T", bound=MetricWrapperBase)


def _shown(metric: T, by: tuple[str, ...]) -> T:
    _SHOWN_BY[metric] = by
    for role in by:
        _PAGES[role].register(metric)
    return metric


def _counter(name: str, help_: str, *labels: str, by: tuple[str, ...] = ROLES) -> Counter:
    return _shown(Counter(f"voicecall_{name}", help_, labels, registry=REGISTRY), by)


def _gauge(name: str, help_: str, *labels: str, by: tuple[str, ...] = ROLES) -> Gauge:
    return _shown(Gauge(f"voicecall_{name}", help_, labels, registry=REGISTRY), by)


def _histogram(
    name: str, help_: str, *labels: str, buckets: tuple[float, ...] = _QUICK, by: tuple[str, ...] = ROLES
) -> Histogram:
    return _shown(Histogram(f"voicecall_{name}", help_, labels, buckets=buckets, registry=REGISTRY), by)


# --- calls --------------------------------------------------------------------------------------------------------

CALLS_ACTIVE: Final = _gauge(
    "calls_active", "Live calls whose activation runs in this process", "carrier", "direction", "state", by=_WORKER
)
CALLS: Final = _counter("calls", "Ended calls", "carrier", "direction", "outcome", by=_WORKER)
CALL_SECONDS: Final = _histogram(
    "call_duration_seconds",
    "Seconds from the start of a call to its end",
    buckets=(5, 15, 30, 60, 120, 300, 900),
    by=_WORKER,
)
TURN_SECONDS: Final = _histogram(
    "turn_latency_seconds",
    "Seconds from the end of the caller's speech to the first audio of the reply",
    buckets=_TURN,
    by=_WORKER,
)

TURN_SPAN_SECONDS: Final = _histogram(
    "turn_span_seconds",
    "Seconds of the wait for a reply that went into one part of it, from the caller's last sound on",
    "span",
    buckets=_SPAN,
    by=_WORKER,
)

# --- ingress ------------------------------------------------------------------------------------------------------

WEBHOOKS: Final = _counter(
    "webhook_requests", "Webhooks with a valid signature, by result", "carrier", "result", by=_INGRESS
)
WEBHOOK_SECONDS: Final = _histogram(
    "webhook_duration_seconds", "Seconds from the first byte of a webhook's body to its answer", by=_INGRESS
)
WEBHOOKS_REJECTED: Final = _counter(
    "webhook_rejected", "Rejected requests to the public address", "reason", by=_INGRESS
)
REPLAYS: Final = _counter("replay_detected", "Replayed webhooks", by=_INGRESS)
CONNECTIONS: Final = _counter(
    "connections_refused",
    "Connections that a server refused or closed for a limit, or because it was not HTTP",
    "reason",
)
MEDIA_SOCKETS: Final = _gauge("media_sockets", "Open media sockets", "state", by=_INGRESS)
MEDIA_REJECTED: Final = _counter("media_rejected", "Media sockets closed for a violation", "reason", by=_INGRESS)
MEDIA_FRAMES: Final = _counter("media_frames", "Audio frames of 20 ms", "direction", by=_INGRESS)
MEDIA_DROPPED: Final = _counter("media_dropped", "Dropped media items", "reason", by=_INGRESS)
MEDIA_GAP: Final = _histogram("media_lateness_seconds", "Seconds that the pacer sends a frame late", by=_INGRESS)
FACTS_LOST: Final = _counter("media_facts_lost", "Media events that could not be posted to the log", by=_INGRESS)

# --- the bus ------------------------------------------------------------------------------------------------------

JOURNAL_SECONDS: Final = _histogram(
    "journal_append_duration_seconds", "Seconds from a post to its acknowledgement by Redis", by=_INGRESS
)
EVENTS_PENDING: Final = _gauge("events_pending", "Events read from the log and not committed yet", by=_WORKER)
LEASE_LATENESS: Final = _histogram("lease_renew_lateness_seconds", "Seconds that lease renewals are late", by=_WORKER)
LEASES_LOST: Final = _counter("lease_lost", "Leases lost to another node", by=_WORKER)
FENCED: Final = _counter("fenced", "Actions of stale activations that were stopped, by gate", "gate", by=_INGRESS)
DOORBELL: Final = _counter("doorbell", "Rings for calls", "result", by=_ON_REDIS)
DEAD_LETTERS: Final = _gauge("dead_letters", "Dead letters kept", by=_WORKER)

REDIS_UP: Final = _gauge("redis_up", "1: Redis answered the last request of once a second; 0: it did not", by=_ON_REDIS)
REDIS_SECONDS: Final = _histogram("redis_duration_seconds", "Seconds of that request to Redis and back", by=_ON_REDIS)
WORKERS: Final = _gauge("workers", "Workers that Redis knows as alive, as each ingress sees it", by=_INGRESS)

# --- workers ------------------------------------------------------------------------------------------------------

ACTIVATIONS: Final = _counter("activations", "Activations of calls", "cause", by=_WORKER)
FAILOVER_SECONDS: Final = _histogram(
    "failover_seconds",
    "Seconds from the last sign of life of an owner to the next activation",
    buckets=(0.2, 0.5, 1, 2, 3, 5, 10, 30),
    by=_WORKER,
)
EFFECTS: Final = _counter("effects", "Effects, by outcome", "kind", "result", by=_WORKER)
RECONCILED: Final = _counter("reconcile", "Legs queried at the carrier, by outcome", "result", by=_WORKER)
PROVIDER_SECONDS: Final = _histogram(
    "provider_duration_seconds",
    "Seconds of a request to a carrier or service",
    "provider",
    "op",
    buckets=(*_QUICK, 10, 30),
    by=_WORKER,
)
PROVIDER_ERRORS: Final = _counter(
    "provider_errors", "Failed requests to carriers and services", "provider", "op", by=_WORKER
)
PROVIDER_FAILOVERS: Final = _counter(
    "provider_failover", "Services that took over from another in a call", "service", "from", "to", by=_WORKER
)
TURN_JUDGEMENTS: Final = _counter(
    "turn_judgements", "Pauses given to the turn model; skipped: too many others waited", "result", by=_WORKER
)

PREEMPTIVE: Final = _counter(
    "preemptive", "Replies that were asked for before the turn was over: hit or miss", "outcome", by=_WORKER
)
PREEMPTIVE_WASTED: Final = _counter(
    "preemptive_wasted",
    "What the misses cost: tokens as reported by the model, tokens_estimated from characters, speech_characters",
    "unit",
    by=_WORKER,
)

TTS_REWORDED: Final = _counter(
    "tts_reworded",
    "Sentences that a voice did not read as written; heard: noticed when some was played",
    "result",
    by=_WORKER,
)

REALTIME_TRUNCATED: Final = _counter(
    "realtime_truncated", "Speech of a model that was cut to what the caller heard", by=_WORKER
)

RECORDING_SEGMENTS: Final = _counter(
    "recording_segments", "Segments of recordings: stored, failed (tried again) or lost", "result", by=_INGRESS
)
RECORDINGS: Final = _counter(
    "recordings", "Recordings of ended calls: whole, partial, lost or dropped", "result", by=_WORKER
)
ARCHIVED: Final = _counter("archive", "Ended calls, by result of archiving", "result", by=_WORKER)
REPORTS: Final = _counter("reports", "Reports of calls and their deliveries, by result", "result", by=_WORKER)
CALLBACKS: Final = _counter("callbacks", "Call-backs, by what became of them", "result", by=_GATEWAY)
ARCHIVE_PRUNED: Final = _counter("archive_pruned", "Archived calls deleted after their retention", by=_WORKER)

CALLS_UNARCHIVED: Final = _gauge("calls_unarchived", "Ended calls that are not in the archive yet", by=_WORKER)

# --- gateway, and all processes -----------------------------------------------------------------------------------

RPC: Final = _counter("rpc_requests", "RPC requests", "method", "result", by=_GATEWAY)
RPC_SECONDS: Final = _histogram(
    "rpc_duration_seconds",
    "Seconds from an RPC request to its answer",
    "method",
    buckets=(*_QUICK, 10, 30, 60),
    by=_GATEWAY,
)
AGENT_HOSTS: Final = _gauge("agent_hosts", "Agent hosts connected to this gateway", by=_GATEWAY)
AGENT_TURNS: Final = _counter("agent_turns", "Turns given to agent hosts, by result", "result", by=_GATEWAY)
SHED: Final = _counter("shed", "Work refused under overload", "what", by=(*_INGRESS, *_GATEWAY))
TOKENS_REFUSED: Final = _counter(
    "tokens_refused", "Wrong bearer tokens, by whether their sender had guesses left (`unknown`) or not", "reason"
)
CAPACITY_USED: Final = _gauge("capacity_used", "How much of a limited resource of this process is in use", "resource")
CAPACITY_LIMIT: Final = _gauge("capacity_limit", "The limit of that resource; beyond it work is refused", "resource")
BUILD: Final = _shown(Info("voicecall_build", "Version and role of the running program", registry=REGISTRY), ROLES)
for _page in _PAGES.values():
    ProcessCollector(registry=_page)  # memory, processor time, descriptors, start: `process_…`


def set_build_info(role: str) -> None:
    """Set BUILD: the version of this package ("unknown" when it is not installed), of Python, and the role."""
    try:
        build = version("voicecall")
    except PackageNotFoundError:
        build = "unknown"
    BUILD.info({"version": build, "python": platform.python_version(), "role": role})


def measure_capacity(resource: str, used: Callable[[], float], limit: float) -> None:
    """Show a limited resource from now on: `used` is read at each scrape."""
    CAPACITY_USED.labels(resource).set_function(used)
    CAPACITY_LIMIT.labels(resource).set(limit)


def roles_of(metric: MetricWrapperBase) -> tuple[str, ...]:
    """The roles whose page shows the metric; none for one that was not built by the functions above."""
    return _SHOWN_BY.get(metric, ())


def exposition(role: str) -> bytes:
    """The page of a role at `/metrics`, of content type `CONTENT_TYPE`."""
    page: bytes = generate_latest(_PAGES[role])
    return page
