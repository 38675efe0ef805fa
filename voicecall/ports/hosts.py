"""The port to agent hosts: programs that connect to the gateway and write the replies of calls' turns.

Filled by `voicecall/bus/agents/client.py`, which reaches the gateways over Redis; used by `voicecall/agents/remote.py`.
The protocol between a gateway and a host is described in docs/agent-hosts.md.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Protocol

from voicecall.call.ids import CallId
from voicecall.call.state import Direction
from voicecall.errors import ServiceError
from voicecall.ports.speech import OnStep, TurnText, unreported

__all__ = ["AgentHosts", "TurnNotStarted", "TurnRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """One turn for a host. `agent` None: the host's default agent. `avoid`: hosts that failed to start this turn.

    `number_verified`, `on_step`: as in `Question`. `begin_s`: how long a host that took it has to begin; None: as long
    as usual.
    """

    call: CallId
    turn: int
    epoch: int = 0
    session_key: str
    agent: str | None
    text: str
    transcript: tuple[TurnText, ...]
    direction: Direction = Direction.INBOUND
    number_verified: bool = False
    system_prompt: str
    timeout_s: float
    begin_s: float | None = None
    avoid: tuple[str, ...] = ()
    on_step: OnStep = field(default=unreported, compare=False, repr=False)


class TurnNotStarted(ServiceError):
    """A host took the turn, then left or stayed silent before it began: it did not act, so another may be asked."""

    def __init__(self, host: str, message: str) -> None:
        super().__init__("agent-host", message)
        self.host = host


class AgentHosts(Protocol):
    def ask(self, ask: TurnRequest) -> AsyncGenerator[str]:
        """Yield pieces of the reply as the host sends them. Closing the iterator cancels the turn at the host.

        Raises TurnNotStarted, and ServiceError for every other failure, `timeout_s` included; its `retryable` is True
        while no text has been yielded.
        """
        ...
