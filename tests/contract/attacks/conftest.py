"""One running ingress per carrier, one behind a proxy and one with an allowlist; each with its own database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.attacks.requests import CONFIG, PLIVO, TELNYX
from tests.contract.attacks.target import Target, open_target
from tests.fakes.redis_server import start_redis

_PROXIED = {
    **CONFIG,
    "webhookSecurity": {
        "allowedHosts": ["calls.example"],
        "trustForwardingHeaders": True,
        "trustedProxyIPs": ["127.0.0.1"],
    },
}


@pytest.fixture(scope="package")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attacks")


@pytest.fixture(scope="package")
def redis_url(place: Path) -> Iterator[str]:
    server = start_redis(place / "redis")
    yield server.url.rpartition("/")[0] if server.url.count("/") > 2 else server.url
    server.stop()


@pytest.fixture(scope="package")
def twilio_target(redis_url: str, place: Path) -> Iterator[Target]:
    with open_target(CONFIG, f"{redis_url}/0", place / "twilio") as target:
        yield target


@pytest.fixture(scope="package")
def proxied_target(redis_url: str, place: Path) -> Iterator[Target]:
    """Twilio's, behind a proxy on 127.0.0.1."""
    with open_target(_PROXIED, f"{redis_url}/1", place / "proxied") as target:
        yield target


@pytest.fixture(scope="package")
def listed_target(redis_url: str, place: Path) -> Iterator[Target]:
    """Twilio's, behind a proxy on 127.0.0.1 that is listed and nothing more."""
    listed = {**CONFIG, "webhookSecurity": {"trustedProxyIPs": ["127.0.0.1"]}}
    with open_target(listed, f"{redis_url}/5", place / "listed") as target:
        yield target


@pytest.fixture(scope="package")
def unsigned_target(redis_url: str, place: Path) -> Iterator[Target]:
    """The mock carrier's, on loopback, without a secret."""
    unsigned = {"provider": "mock", "fromNumber": "+15550009999", "inboundPolicy": "open"}
    with open_target(unsigned, f"{redis_url}/7", place / "unsigned") as target:
        yield target


@pytest.fixture(scope="package")
def guarded_target(redis_url: str, place: Path) -> Iterator[Target]:
    """Twilio's, with an allowlist of one caller."""
    guarded = {**CONFIG, "inboundPolicy": "allowlist", "allowFrom": ["+15550001234"]}
    with open_target(guarded, f"{redis_url}/4", place / "guarded") as target:
        yield target


@pytest.fixture(scope="package")
def telnyx_target(redis_url: str, place: Path) -> Iterator[Target]:
    with open_target(TELNYX, f"{redis_url}/2", place / "telnyx") as target:
        yield target


@pytest.fixture(scope="package")
def plivo_target(redis_url: str, place: Path) -> Iterator[Target]:
    with open_target(PLIVO, f"{redis_url}/3", place / "plivo") as target:
        yield target
