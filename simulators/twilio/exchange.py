"""The account: its keys and its webhook sender, beside the shared services. Holds no logic."""

from dataclasses import dataclass

from simulators.phone.services import Services
from simulators.twilio.webhooks import Webhooks

__all__ = ["Exchange"]


@dataclass(kw_only=True)
class Exchange(Services):
    """The services of one account."""

    account_sid: str
    token: str

    def __post_init__(self) -> None:
        super().__post_init__()
        self.webhooks = Webhooks(self.token, self)
