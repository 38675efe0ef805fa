"""The account: its secret and its webhook sender, beside the shared services. Holds no logic."""

from dataclasses import dataclass, field

from simulators.mock.webhooks import Webhooks
from simulators.phone.faults import Faults
from simulators.phone.services import Services

__all__ = ["Exchange"]


@dataclass(kw_only=True)
class Exchange(Services):
    """The services of one account."""

    secret: str
    faults: Faults = field(default_factory=lambda: Faults(frozenset({"cut", "omit_stop"})))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.webhooks = Webhooks(self.secret, self)
