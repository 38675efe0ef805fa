"""The account: its secret and its courier, beside what every box has. Holds no logic."""

from dataclasses import dataclass, field

from simulators.mock.webhooks import Webhooks
from simulators.phone.mischief import Mischief
from simulators.phone.services import Services

__all__ = ["Exchange"]


@dataclass(kw_only=True)
class Exchange(Services):
    """The services of one account."""

    secret: str
    mischief: Mischief = field(default_factory=lambda: Mischief(frozenset({"cut", "omit_stop"})))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.webhooks = Webhooks(self.secret, self)
