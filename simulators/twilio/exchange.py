"""The account: its keys and its webhook sender, beside the shared services. Holds no logic."""

from collections.abc import Callable
from dataclasses import dataclass, field

from simulators.phone.persona import Persona
from simulators.phone.services import Services
from simulators.twilio.webhooks import Webhooks

__all__ = ["Exchange"]


@dataclass(kw_only=True)
class Exchange(Services):
    """The services of one account. `persona`: who answers a number."""

    account_sid: str
    token: str
    persona: Callable[[str], Persona] = field(default=lambda _: Persona())

    def __post_init__(self) -> None:
        super().__post_init__()
        self.webhooks = Webhooks(self.token, self)
