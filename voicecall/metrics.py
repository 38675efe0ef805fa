"""Every Prometheus metric by name. Each process updates its own registry and serves it at `/metrics`.

Label values are from small fixed sets: never a call id, a phone number, an address or anything taken from a request.
Knows Prometheus; does not know who serves the page.
"""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

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
    "PREEMPTIVE",
    "PREEMPTIVE_WASTED",
    "PROVIDER_ERRORS",
    "PROVIDER_FAILOVERS",
    "PROVIDER_SECONDS",
    "REALTIME_TRUNCATED",
    "RECONCILED",
    "RECORDINGS",
    "RECORDING_SEGMENTS",
    "REGISTRY",
    "REPLAYS",
    "REPORTS",
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
    "exposition",
    "set_build_info",
]

REGISTRY: Final = CollectorRegistry()

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_QUICK: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_SPAN: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2, 5)
_TURN: Final = (0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 3, 5, 8)


def _counter(name: str, help_: str, *labels: str) -> Counter:
    return Counter(f"voice_{name}", help_, labels, registry=REGISTRY)


def _gauge(name: str, help_: str, *labels: str) -> Gauge:
    return Gauge(f"voice_{name}", help_, labels, registry=REGISTRY)


def _histogram(name: str, help_: str, *labels: str, buckets: tuple[float, ...] = _QUICK) -> Histogram:
    return Histogram(f"voice_{name}", help_, labels, buckets=buckets, registry=REGISTRY)


# --- calls --------------------------------------------------------------------------------------------------------

CALLS_ACTIVE: Final = _gauge(
    "calls_active", "Live calls whose activation runs in this process", "carrier", "direction", "state"
)
CALLS: Final = _counter("calls", "Ended calls", "carrier", "direction", "outcome")
CALL_SECONDS: Final = _histogram(
    "call_duration_seconds", "Seconds from the start of a call to its end", buckets=(5, 15, 30, 60, 120, 300, 900)
)
TURN_SECONDS: Final = _histogram(
    "turn_latency_seconds", "Seconds from the end of the caller's speech to the first audio of the reply", buckets=_TURN
)

TURN_SPAN_SECONDS: Final = _histogram(
    "turn_span_seconds",
    "Seconds of the wait for a reply that went into one part of it, from the caller's last sound on",
    "span",
    buckets=_SPAN,
)

# --- ingress ------------------------------------------------------------------------------------------------------

WEBHOOKS: Final = _counter("webhook_requests", "Webhooks with a valid signature, by result", "carrier", "result")
WEBHOOK_SECONDS: Final = _histogram(
    "webhook_duration_seconds", "Seconds from the first byte of a webhook's body to its answer"
)
WEBHOOKS_REJECTED: Final = _counter("webhook_rejected", "Rejected requests to the public address", "reason")
REPLAYS: Final = _counter("replay_detected", "Replayed webhooks")
CONNECTIONS: Final = _counter(
    "connections_refused",
    "Connections that a server refused or closed for a limit, or because it was not HTTP",
    "reason",
)
MEDIA_SOCKETS: Final = _gauge("media_sockets", "Open media sockets", "state")
MEDIA_REJECTED: Final = _counter("media_rejected", "Media sockets closed for a violation", "reason")
MEDIA_FRAMES: Final = _counter("media_frames", "Audio frames of 20 ms", "direction")
MEDIA_DROPPED: Final = _counter("media_dropped", "Dropped media items", "reason")
MEDIA_GAP: Final = _histogram("media_gap_seconds", "Seconds that the pacer sends a frame late")
FACTS_LOST: Final = _counter("media_facts_lost", "Media events that could not be posted to the log")

# --- the bus ------------------------------------------------------------------------------------------------------

JOURNAL_SECONDS: Final = _histogram("journal_append_seconds", "Seconds from a post to its acknowledgement by Redis")
EVENTS_PENDING: Final = _gauge("events_pending", "Events read from the log and not committed yet")
LEASE_LATENESS: Final = _histogram("lease_renew_lateness_seconds", "Seconds that lease renewals are late")
LEASES_LOST: Final = _counter("lease_lost", "Leases lost to another node")
FENCED: Final = _counter("fenced", "Actions of stale activations that were stopped, by gate", "gate")
DOORBELL: Final = _counter("doorbell", "Rings for calls", "result")
DEAD_LETTERS: Final = _gauge("dead_letters", "Dead letters kept")

# --- workers ------------------------------------------------------------------------------------------------------

ACTIVATIONS: Final = _counter("activations", "Activations of calls", "cause")
FAILOVER_SECONDS: Final = _histogram(
    "failover_seconds",
    "Seconds from the last sign of life of an owner to the next activation",
    buckets=(0.2, 0.5, 1, 2, 3, 5, 10, 30),
)
EFFECTS: Final = _counter("effects", "Effects, by outcome", "kind", "result")
RECONCILED: Final = _counter("reconcile", "Legs queried at the carrier, by outcome", "result")
PROVIDER_SECONDS: Final = _histogram(
    "provider_seconds", "Seconds of a request to a carrier or service", "provider", "op", buckets=(*_QUICK, 10, 30)
)
PROVIDER_ERRORS: Final = _counter("provider_errors", "Failed requests to carriers and services", "provider", "op")
PROVIDER_FAILOVERS: Final = _counter(
    "provider_failover", "Services that took over from another in a call", "service", "from", "to"
)
TURN_JUDGEMENTS: Final = _counter(
    "turn_judgements", "Pauses given to the turn model; skipped: too many others waited", "result"
)

PREEMPTIVE: Final = _counter(
    "preemptive", "Replies that were asked for before the turn was over: hit or miss", "outcome"
)
PREEMPTIVE_WASTED: Final = _counter(
    "preemptive_wasted",
    "What the misses cost: tokens as reported by the model, tokens_estimated from characters, speech_characters",
    "unit",
)

TTS_REWORDED: Final = _counter(
    "tts_reworded", "Sentences that a voice did not read as written; heard: noticed when some was played", "result"
)

REALTIME_TRUNCATED: Final = _counter("realtime_truncated", "Speech of a model that was cut to what the caller heard")

RECORDING_SEGMENTS: Final = Counter(
    "voicecall_recording_segments",
    "Segments of recordings: stored, failed (tried again) or lost",
    ["result"],
    registry=REGISTRY,
)
RECORDINGS: Final = Counter(
    "voicecall_recordings",
    "Recordings of ended calls: whole, partial, lost or dropped",
    ["result"],
    registry=REGISTRY,
)
ARCHIVED: Final = _counter("archive", "Ended calls, by result of archiving", "result")
REPORTS: Final = _counter("reports", "Reports of calls and their deliveries, by result", "result")
CALLBACKS: Final = _counter("callbacks", "Call-backs, by what became of them", "result")
ARCHIVE_PRUNED: Final = _counter("archive_pruned", "Archived calls deleted after their retention")

# --- gateway, and all processes -----------------------------------------------------------------------------------

RPC: Final = _counter("rpc_requests", "RPC requests", "method", "result")
RPC_SECONDS: Final = _histogram(
    "rpc_duration_seconds", "Seconds from an RPC request to its answer", "method", buckets=(*_QUICK, 10, 30, 60)
)
AGENT_HOSTS: Final = _gauge("agent_hosts", "Agent hosts connected to this gateway")
AGENT_TURNS: Final = _counter("agent_turns", "Turns given to agent hosts, by result", "result")
SHED: Final = _counter("shed", "Work refused under overload", "what")
TOKENS_REFUSED: Final = _counter(
    "tokens_refused", "Wrong bearer tokens, by whether their sender had guesses left (`unknown`) or not", "reason"
)
BUILD: Final = Info("voice_build", "Version of the running program", registry=REGISTRY)


def set_build_info() -> None:
    """Set BUILD: the version of this package ("unknown" when it is not installed) and of Python."""
    try:
        build = version("voicecall")
    except PackageNotFoundError:
        build = "unknown"
    BUILD.info({"version": build, "python": platform.python_version()})


def exposition() -> bytes:
    """The page served at `/metrics`, of content type `CONTENT_TYPE`."""
    page: bytes = generate_latest(REGISTRY)
    return page
