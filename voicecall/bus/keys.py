"""The names of the keys and channels in Redis: one object per deployment, bound to its namespace.

Used within `bus/`, and by the processes for their heartbeats. Channels are common to all databases of a server, so the
default namespace names the database: two deployments with different databases never meet. The keys of one call share a
hash tag, which keeps them in one slot; the scripts also use a few global keys, so one Redis (with replicas) holds
everything, not a cluster (ADR 0005).
"""

import hashlib
import re
from typing import Final, Self

from voicecall.call.ids import CallId, LegId, NodeId
from voicecall.settings import read_address

__all__ = ["Keys", "digest"]

_CHANNEL: Final = re.compile(r"(?:(?P<namespace>[^:]+):)?(?:agents:ask|node:worker-[^:]+|media:ingress-[^:]+)\Z")


class Keys:
    """`namespace`: what every name begins with; "" for names without a prefix, as in builds up to 0.2.0."""

    CHANNEL_PATTERNS: Final = ("*agents:ask", "*node:worker-*", "*media:ingress-*")
    """Match a channel of every running gateway, worker and ingress of a server, in any namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.prefix = f"{namespace}:" if namespace else ""
        """What every name begins with."""
        self.calls_live = self._name("calls:live")
        """Sorted set of live calls; the score is the time (ms, Redis clock) after which the call may have no owner."""
        self.calls_inbound = self._name("calls:inbound")
        """Sorted set of admitted inbound calls, by time; those not live any more go when slots are counted."""
        self.calls_ended = self._name("calls:ended")
        """Sorted set of ended calls not yet archived; the score is the time at which a job should be started for it."""
        self.calls_kept = self._name("calls:kept")
        """Sorted set of archived calls; the score is the time until which they stay readable in Redis too."""
        self.reports_due = self._name("reports:due")
        """Sorted set of ended calls whose report is not made, delivered or archived; the score is when to go on."""
        self.callbacks_due = self._name("callbacks:due")
        """Sorted set of call-backs that are not placed yet; the score is when to try."""
        self.callbacks_all = self._name("callbacks:all")
        """Sorted set of call-backs, by when they were asked for; those that are gone go when it is read."""
        self.callbacks_missed = self._name("callbacks:missed")
        """Sorted set of the newest call-backs of missed calls, by time: their rate is limited."""
        self.feed = self._name("feed")
        """Capped stream of commits, and the channel on which each is published."""
        self.dead = self._name("dead")
        """Capped stream of dead letters: call, seq, reason, bytes."""
        self.exposure = self._name("exposure")
        """Hash: holder, webhook, stream; expiring. The public address, where it comes from a tunnel."""
        self.nodes = self._name("nodes")
        """Sorted set of worker nodes; the score is the time of the last poll of each (ms, Redis clock)."""
        self.silent_prefix = self._name("nodes:silent:")
        """Prefix of strings, expiring: a node without a listener that one poller has been given."""
        self.listened_prefix = self._name("listened:")
        """Prefix of strings, expiring: the server (run and history of replication) on which a node or ingress has
        listened to its channel. Without a listener there, it is gone; on any other server it is on its way."""
        self.ingresses = self._name("ingresses")
        """Sorted set of the ingresses that take requests; the score is when each last said so (s, Redis clock)."""
        self.node_prefix = self._name("node:")
        """Prefix of the channels on which nodes are nudged."""
        self.call_prefix = self._name("call:{")
        """Prefix of every key of a call, for scripts that read the calls from a set."""
        self.jobs = self._name("jobs")
        """dramatiq's namespace: the prefix of its own keys, without the colon."""
        self.agents_ask = self._name("agents:ask")
        """Channel on which turns are offered to every gateway."""

    @classmethod
    def at(cls, redis_url: str, namespace: str | None = None) -> Self:
        """The names in `namespace`; None: in that of the URL's database, `vc0` for database 0."""
        return cls(namespace if namespace is not None else cls.default(read_address(redis_url).database))

    @staticmethod
    def default(database: object) -> str:
        """The namespace of a deployment that sets none."""
        return f"vc{database or 0}"

    @staticmethod
    def namespace_of(channel: str) -> str | None:
        """The namespace of a channel that `CHANNEL_PATTERNS` found; None for a channel of another program."""
        found = _CHANNEL.match(channel)
        return (found["namespace"] or "") if found else None

    def listened(self, node: NodeId) -> str:
        """As `listened_prefix`, of one of them."""
        return self.listened_prefix + node

    def log(self, call: CallId) -> str:
        """Stream of every event; entry `0-<seq>`, never trimmed while the call is live."""
        return self._of_call(call, "log")

    def state(self, call: CallId) -> str:
        """Hash: snapshot, applied, epoch, phase, step (id of the newest commit), over ("1" at the end), handed (the
        epoch of the newest owner that handed the call over in order), series (digest of the newest series of stream
        tokens, and the highest number used).

        After the end: summed ("1" once a job has claimed it), forget ("1": delete it instead of archiving it), unread
        (ms since when the snapshot is undecodable), gone (deleted from Redis; "1": to be deleted from the archive too,
        "0": the archive keeps it).
        """
        return self._of_call(call, "state")

    def lease(self, call: CallId) -> str:
        """String `<epoch> <node>`, expiring: the right to be the activation."""
        return self._of_call(call, "lease")

    def seen(self, call: CallId) -> str:
        """Hash: digest of a request key -> the answer to its first delivery."""
        return self._of_call(call, "seen")

    def token(self, call: CallId) -> str:
        """Sorted set: digest of a stream token; the score is its expiry in ms."""
        return self._of_call(call, "token")

    def claims(self, call: CallId) -> str:
        """Hash: effect id -> epoch that claimed it."""
        return self._of_call(call, "claims")

    def report(self, call: CallId) -> str:
        """Hash: report (JSON), tries and since of its delivery, delivered and archived once that is done."""
        return self._of_call(call, "report")

    def node(self, name: NodeId) -> str:
        """Channel on which the node is nudged."""
        return f"{self.node_prefix}{name}"

    def media(self, name: NodeId) -> str:
        """Channel that carries bundles of media to the node."""
        return self._name(f"media:{name}")

    def tap(self, listener: str) -> str:
        """Channel that carries the audio of a call to someone who listens in."""
        return self._name(f"tap:{listener}")

    def agents_gateway(self, gateway: str) -> str:
        """Channel on which a gateway is asked to cancel turns that it has."""
        return self._name(f"agents:gateway:{gateway}")

    def agents_asker(self, asker: str) -> str:
        """Channel on which a worker receives the updates of its turns."""
        return self._name(f"agents:asker:{asker}")

    def agents_claim(self, request: str) -> str:
        """String that names the host which has this turn; set once, expires with the turn."""
        return self._name(f"agents:claim:{request}")

    def leg(self, carrier: str, sid: LegId) -> str:
        """String: the call of this leg."""
        return self._name(f"leg:{carrier}:{sid}")

    def callback(self, name: str) -> str:
        """Hash: entry (JSON), state, due (ms), call and detail; expiring once it is over."""
        return self._name(f"callback:{name}")

    def callback_of(self, number: str) -> str:
        """String: the call-back that waits for a missed caller. A digest, because it is a phone number."""
        return self._name(f"callback-of:{digest(number).hex()}")

    def idem(self, key: str) -> str:
        """An API client's idempotency key; a digest, because the client chooses its length and content."""
        return self._name(f"idem:{digest(key).hex()}")

    def operation(self, name: str) -> str:
        """A request that an API client asks about later. A digest: read access to Redis must not give access to it."""
        return self._name(f"op:{digest(name).hex()}")

    def recording_ticket(self, ticket: str) -> str:
        """String, expiring: the call whose recording this ticket opens. A digest, as with operations."""
        return self._name(f"recording:{digest(ticket).hex()}")

    def errand(self, task: str) -> str:
        """String, expiring: a process runs this periodic task for the cluster."""
        return self._name(f"errand:{task}")

    def heartbeat(self, host: str) -> str:
        """String, expiring: the worker on this host is in order."""
        return self._name(f"health:worker:{host}")

    def probe(self, node: str) -> str:
        """String, expiring, by which an ingress or a gateway checks that Redis takes writes."""
        return self._name(f"probe:{node}")

    def pulse(self, gateway: str) -> str:
        """Channel by which a gateway checks that Redis serves."""
        return self._name(f"pulse:{gateway}")

    def _of_call(self, call: CallId, part: str) -> str:
        return f"{self.call_prefix}{call}}}:{part}"

    def _name(self, name: str) -> str:
        return f"{self.prefix}{name}"


def digest(text: str) -> bytes:
    """SHA-256, used in place of secrets and of keys of unbounded length."""
    return hashlib.sha256(text.encode()).digest()
