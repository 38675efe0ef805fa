"""What the environment says of this machine: Redis, addresses to listen on, carriers' APIs, tokens between processes.

It differs from machine to machine, while the configuration is the same for all.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from typing import Final

from voicecall.environ import Variables
from voicecall.errors import ConfigError
from voicecall.manifests import CARRIERS
from voicecall.manifests.fields import split_url
from voicecall.manifests.manifest import CarrierManifest
from voicecall.settings.redis_address import address_problem

__all__ = ["SPEECH_SERVER", "Deployment", "ListenAddress", "ListenScope", "load_deployment"]

_LISTENER: Final = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:]+)\]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]{1,5})\Z")

_HOST: Final = re.compile(r"[A-Za-z0-9._-]+\Z")
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_NAMESPACE: Final = re.compile(r"[A-Za-z0-9._-]{1,32}\Z")


class ListenScope(StrEnum):
    """Which tokens of the gateway may listen in on calls."""

    WRITE = "write"  # those that may act
    READ = "read"  # those that may read, too
    OFF = "off"  # none


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An address to listen on. Port 0: the operating system chooses one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


SPEECH_SERVER: Final = ListenAddress("127.0.0.1", 3338)
"""Where the offline speech server listens, unless the environment says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """`gateway_*old_token` are accepted too, while a token is being changed. A `gateway_rate` of 0 is no limit.

    `api_base_urls`: carriers' REST APIs as the environment names them, without trailing slash, by the carrier's name;
    `carrier_secrets`: secrets of carriers that are not part of the configuration. `gateway_rate`: requests a second of
    one token in the long run, `gateway_burst`: at once. `gateway_listen`: whose tokens may listen in on calls.
    `namespace`: prefix of every key and channel in Redis; None: the default, which names the database; "": none.
    `jobs_redis_url`: where dramatiq's queues are; None: with all else.
    `worker_slots`: calls of one worker; `boot_patience_s`: how long it waits for Redis at its start.
    `speech_server`: where the offline speech server listens; `speech_threads`: inferences of it at a time; 0: one for
    each core. `phone_url`: the exchange of test phones; None: none.
    """

    redis_url: str = field(default="redis://127.0.0.1:6379/0", repr=False)  # may hold a password
    jobs_redis_url: str | None = field(default=None, repr=False)  # as above
    namespace: str | None = None
    api_base_urls: Mapping[str, str] = field(default_factory=dict)
    carrier_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    gateway_bind: str = "127.0.0.1"
    gateway_port: int = 3335
    gateway_token: str | None = field(default=None, repr=False)
    gateway_old_token: str | None = field(default=None, repr=False)
    gateway_read_token: str | None = field(default=None, repr=False)
    gateway_old_read_token: str | None = field(default=None, repr=False)
    gateway_rate: int = 200
    gateway_burst: int = 1000
    gateway_max_bytes: int = 65_536
    gateway_listen: ListenScope = ListenScope.WRITE
    gateway_url: str = "http://127.0.0.1:3335"
    phone_url: str | None = None
    ingress_health: ListenAddress = ListenAddress("127.0.0.1", 3336)
    worker_health: ListenAddress | None = None
    worker_slots: int = 500
    boot_patience_s: int = 10
    speech_server: ListenAddress = SPEECH_SERVER
    speech_token: str | None = field(default=None, repr=False)
    speech_threads: int = 0

    @property
    def gateway(self) -> ListenAddress:
        return ListenAddress(self.gateway_bind, self.gateway_port)

    @property
    def queue_url(self) -> str:
        """Address of the Redis that holds dramatiq's queues."""
        return self.jobs_redis_url or self.redis_url

    def api_base_url(self, carrier: CarrierManifest) -> str:
        """Address of the carrier's REST API: from the environment, else the carrier's own; "" when it has none."""
        return self.api_base_urls.get(carrier.name) or carrier.api_base_url

    def has_other_api(self, carrier: CarrierManifest) -> bool:
        """Whether the environment names another address than the carrier's own: a simulator or a test server."""
        return self.api_base_url(carrier) != carrier.api_base_url

    def secret(self, carrier: CarrierManifest) -> str | None:
        return self.carrier_secrets.get(carrier.name)


def load_deployment(environ: Mapping[str, str]) -> Deployment:
    """Read the environment; a blank variable counts as missing, and `NAME_FILE` names a file that holds its value.

    Raises ConfigError with every problem.
    """
    variables = Variables(environ)
    reading = _Reading(variables)
    bind = reading.host("VOICECALL_GATEWAY_BIND") or Deployment.gateway_bind
    port = reading.port("VOICECALL_GATEWAY_PORT", 3335)
    reachable = "127.0.0.1" if bind in {"0.0.0.0", "::"} else bind  # noqa: S104 - compared, not bound
    deployment = Deployment(
        redis_url=reading.redis("REDIS_URL") or "redis://127.0.0.1:6379/0",
        jobs_redis_url=reading.redis("VOICECALL_JOBS_REDIS_URL"),
        namespace=reading.namespace("VOICECALL_NAMESPACE"),
        api_base_urls={name: url for name, each in CARRIERS.items() if (url := reading.url(each.api_variable))},
        carrier_secrets={
            name: secret
            for name, each in CARRIERS.items()
            if each.secret_variable and (secret := reading.secret(each.secret_variable))
        },
        gateway_bind=bind,
        gateway_port=port,
        gateway_token=reading.secret("VOICECALL_GATEWAY_TOKEN"),
        gateway_old_token=reading.secret("VOICECALL_GATEWAY_TOKEN_OLD"),
        gateway_read_token=reading.secret("VOICECALL_GATEWAY_READ_TOKEN"),
        gateway_old_read_token=reading.secret("VOICECALL_GATEWAY_READ_TOKEN_OLD"),
        gateway_rate=reading.count("VOICECALL_GATEWAY_RATE", 200, range(1_000_001)),
        gateway_burst=reading.count("VOICECALL_GATEWAY_BURST", 1000, range(1, 1_000_001)),
        gateway_max_bytes=reading.count("VOICECALL_GATEWAY_MAX_BYTES", 65_536, range(16_384, 1_048_577)),
        gateway_listen=reading.listen_scope("VOICECALL_GATEWAY_LISTEN"),
        gateway_url=reading.url("VOICECALL_GATEWAY_URL") or ListenAddress(reachable, port).url,
        phone_url=reading.url("VOICECALL_PHONE_URL"),
        ingress_health=reading.listener("VOICECALL_INGRESS_HEALTH") or ListenAddress("127.0.0.1", 3336),
        worker_health=reading.listener("VOICECALL_WORKER_HEALTH"),
        worker_slots=reading.count("VOICECALL_WORKER_SLOTS", 500, range(1, 1_000_001)),
        boot_patience_s=reading.count("VOICECALL_BOOT_PATIENCE_S", 10, range(1, 86_401)),
        speech_server=reading.listener("VOICECALL_SPEECH_LISTEN") or SPEECH_SERVER,
        speech_token=reading.secret("VOICECALL_SPEECH_TOKEN"),
        speech_threads=reading.count("VOICECALL_SPEECH_THREADS", 0, range(257)),
    )
    reading.check_logging()
    if problems := variables.problems + reading.problems:
        raise ConfigError(problems)
    return deployment


class _Reading:
    """Reads variables of the environment, and collects their problems."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str) -> str | None:
        return self._environ.get(name, "").strip() or None

    def secret(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None and (not value.isascii() or not value.isprintable() or " " in value):
            self.problems.append(f"{name}: *** holds blanks or odd characters; copy the bare secret again")
        return value

    def url(self, name: str) -> str | None:
        value = self.text(name)
        parts = split_url(value) if value is not None else None
        if value is not None and (parts is None or parts.scheme not in {"http", "https"}):
            self.problems.append(f"{name}: {value[:60]!r} is not an absolute http(s) URL; write http://host:port")
        return value.rstrip("/") if value is not None else None

    def redis(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None and (problem := address_problem(value)) is not None:
            self.problems.append(f"{name}: {problem}")
        return value

    def namespace(self, name: str) -> str | None:
        """Of this variable alone, blank means something: names without a prefix."""
        value = self._environ.get(name)
        if value is None:
            return None
        if value.strip() and not _NAMESPACE.match(value.strip()):
            self.problems.append(
                f"{name}: {value[:40]!r} is no namespace; write up to 32 letters, digits, '.', '_', '-'"
            )
        return value.strip()

    def host(self, name: str) -> str | None:
        """A name or an address without port; an IPv6 address may stand in brackets, as in a URL."""
        value = self.text(name)
        if value is None:
            return None
        host = value[1:-1] if value.startswith("[") and value.endswith("]") else value
        if not _HOST.match(host) and not _is_ipv6(host):
            self.problems.append(
                f"{name}: {value[:60]!r} is not an address to listen on; write one without port, as in 127.0.0.1"
            )
        return host

    def check_logging(self) -> None:
        """The variables that `logs` reads before anything else; it takes the defaults for what it does not know."""
        level, pii = self.text("VOICECALL_LOG_LEVEL"), self.text("VOICECALL_LOG_PII")
        if level is not None and level.upper() not in _LEVELS:
            self.problems.append(f"VOICECALL_LOG_LEVEL: {level[:20]!r} is no level; choose {', '.join(_LEVELS)}")
        if pii not in {None, "0", "1"}:
            self.problems.append("VOICECALL_LOG_PII: write 1 to keep personal data in the logs, or leave it out")

    def port(self, name: str, default: int) -> int:
        value = self.text(name)
        if value is None:
            return default
        if not re.fullmatch("[0-9]{1,5}", value) or int(value) > 65_535:
            self.problems.append(f"{name}: {value[:20]!r} is not a port; write a number from 0 to 65535")
            return default
        return int(value)

    def count(self, name: str, default: int, allowed: range) -> int:
        value = self.text(name)
        if value is None:
            return default
        if not re.fullmatch("[0-9]{1,9}", value) or int(value) not in allowed:
            bounds = f"from {allowed[0]} to {allowed[-1]}"
            self.problems.append(f"{name}: {value[:20]!r} is not a number {bounds}; write one, or leave it out")
            return default
        return int(value)

    def listen_scope(self, name: str) -> ListenScope:
        value = self.text(name) or ListenScope.WRITE
        try:
            return ListenScope(value.lower())
        except ValueError:
            self.problems.append(f"{name}: {value[:20]!r} is none of {', '.join(ListenScope)}; write one of them")
            return ListenScope.WRITE

    def listener(self, name: str) -> ListenAddress | None:
        value = self.text(name)
        found = _LISTENER.match(value) if value is not None else None
        if value is not None and (found is None or int(found["port"]) > 65_535):
            self.problems.append(f"{name}: {value[:60]!r} is not an address; write host:port, as in 127.0.0.1:3336")
            return None
        return ListenAddress(found["six"] or found["host"] or "127.0.0.1", int(found["port"])) if found else None


def _is_ipv6(host: str) -> bool:
    try:
        return ip_address(host).version == 6
    except ValueError:
        return False
