"""The account: API key, connection, key pair and webhook sender, beside the shared services. Holds no logic."""

from dataclasses import dataclass, field

from simulators.phone.faults import Faults
from simulators.phone.services import Services
from simulators.telnyx.signature import Signer
from simulators.telnyx.webhooks import Routes, Webhooks

__all__ = ["Exchange"]


@dataclass(kw_only=True)
class Exchange(Services):
    """The services of one account with one connection. `inbound` is what the connection is configured with."""

    api_key: str
    connection_id: str
    signer: Signer = field(default_factory=Signer)
    inbound: Routes = field(default_factory=lambda: Routes(""))
    faults: Faults = field(default_factory=lambda: Faults(frozenset({"cut", "shuffle", "error", "omit_stop"})))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.webhooks = Webhooks(self.signer, self)
