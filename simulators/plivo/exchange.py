"""The account: its id, its keys and its webhook sender, beside the shared services. Holds no logic."""

from collections.abc import Callable
from dataclasses import dataclass, field

from simulators.phone.faults import Faults
from simulators.phone.persona import Persona
from simulators.phone.services import Services
from simulators.plivo.signature import Keys
from simulators.plivo.webhooks import Webhooks

__all__ = ["Exchange"]


@dataclass(kw_only=True)
class Exchange(Services):
    """The services of one account."""

    auth_id: str
    keys: Keys
    posts_empty_input: bool = False
    """Whether GetInput requests its action without input: Plivo's pages disagree, so both are supported."""
    persona: Callable[[str], Persona] = field(default=lambda _: Persona())
    """Who answers a number."""
    faults: Faults = field(default_factory=lambda: Faults(frozenset({"cut", "omit_stop"})))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.webhooks = Webhooks(self.keys, self)
