"""The role of agent hosts: programs that connect to our gateway and find the words for calls.

Filled by `voicecall/bus/agents/client.py`, which reaches them over Redis; met by
`voicecall/agents/remote.py`. What travels
between a gateway and a host is told in docs/agent-hosts.md.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from voicecall.call.ids import CallId
from voicecall.errors import ServiceError
from voicecall.ports.speech import TurnText

__all__ = ["AgentHosts", "Ask", "NotBegun"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One turn for a host. `agent` None: whichever agent it has. `avoid`: hosts that let this turn down before."""

    call: CallId
    turn: int
    epoch: int = 0
    session_key: str
    agent: str | None
    text: str
    transcript: tuple[TurnText, ...]
    system_prompt: str
    timeout_s: float
    avoid: tuple[str, ...] = ()


class NotBegun(ServiceError):
    """A host took the turn and went away, or stayed silent, before it began: nobody acted, another may be asked."""

    def __init__(self, host: str, message: str) -> None:
        super().__init__("agent-host", message)
        self.host = host


class AgentHosts(Protocol):
    def ask(self, ask: Ask) -> AsyncGenerator[str]:
        """Words as the host sends them. Closing the iterator cancels the turn at the host.

        Raises NotBegun, and ServiceError for the rest, also when `timeout_s` is over: `retryable` tells that no word
        was given out yet and asking again may help.
        """
        ...
