"""One running door per carrier for all attacks on it, one behind a proxy; each with a database of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.attacks.door import Door, open_door
from tests.contract.attacks.letters import CONFIG, PLIVO, TELNYX
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
def twilio_door(redis_url: str, place: Path) -> Iterator[Door]:
    with open_door(CONFIG, f"{redis_url}/0", place / "twilio") as door:
        yield door


@pytest.fixture(scope="package")
def proxied_door(redis_url: str, place: Path) -> Iterator[Door]:
    """Twilio's, with the proxy on 127.0.0.1."""
    with open_door(_PROXIED, f"{redis_url}/1", place / "proxied") as door:
        yield door


@pytest.fixture(scope="package")
def guarded_door(redis_url: str, place: Path) -> Iterator[Door]:
    """Twilio's, which lets one caller in."""
    guarded = {**CONFIG, "inboundPolicy": "allowlist", "allowFrom": ["+15550001234"]}
    with open_door(guarded, f"{redis_url}/4", place / "guarded") as door:
        yield door


@pytest.fixture(scope="package")
def telnyx_door(redis_url: str, place: Path) -> Iterator[Door]:
    with open_door(TELNYX, f"{redis_url}/2", place / "telnyx") as door:
        yield door


@pytest.fixture(scope="package")
def plivo_door(redis_url: str, place: Path) -> Iterator[Door]:
    with open_door(PLIVO, f"{redis_url}/3", place / "plivo") as door:
        yield door
