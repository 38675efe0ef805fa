"""A table of the carriers a stack can use: which simulator to start, what to configure, where its REST API is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["ACCOUNT_SID", "AUTH_TOKEN", "CARRIERS", "CarrierSimulator"]

ACCOUNT_SID: Final = "AC" + "5" * 32
AUTH_TOKEN: Final = "demo-auth-token"  # noqa: S105 - the simulator's, not a real credential
_PLIVO_ID: Final = "MA" + "5" * 18


@dataclass(frozen=True, kw_only=True)
class CarrierSimulator:
    """How to start and configure one carrier.

    `options` go to the simulator's command line; `config` makes the account's configuration from the ready line;
    `variable` and `path` give the address of the REST API. Without `config` the account is set by the `environment`
    alone.
    """

    options: tuple[str, ...]
    config: Callable[[Mapping[str, Any]], dict[str, Any]] = lambda _: {}
    variable: str
    path: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


CARRIERS: Final[Mapping[str, CarrierSimulator]] = {
    "twilio": CarrierSimulator(
        options=("--account-sid", ACCOUNT_SID, "--auth-token", AUTH_TOKEN),
        config=lambda _: {"accountSid": ACCOUNT_SID, "authToken": AUTH_TOKEN},
        variable="TWILIO_API_BASE_URL",
    ),
    "telnyx": CarrierSimulator(
        options=("--api-key", "KEY-demo", "--connection-id", "1234567890"),
        config=lambda ready: {"apiKey": "KEY-demo", "connectionId": "1234567890", "publicKey": ready["public_key"]},
        variable="TELNYX_API_BASE_URL",
        path="/v2",
    ),
    "plivo": CarrierSimulator(
        options=("--auth-id", _PLIVO_ID, "--auth-token", AUTH_TOKEN),
        config=lambda _: {"authId": _PLIVO_ID, "authToken": AUTH_TOKEN},
        variable="PLIVO_API_BASE_URL",
        path="/v1",
    ),
    "mock": CarrierSimulator(
        options=("--secret", AUTH_TOKEN), variable="MOCK_API_BASE_URL", environment={"MOCK_SECRET": AUTH_TOKEN}
    ),
}
