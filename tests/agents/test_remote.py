"""Which settings choose agent hosts."""

from collections.abc import AsyncGenerator

import pytest

from voicecall.agents.remote import HostAgent, agent_named, asks_hosts
from voicecall.errors import ServiceError
from voicecall.ports import TurnRequest


@pytest.mark.parametrize(
    ("model", "hosts", "agent"),
    [("openclaw", True, None), ("remote/support", True, "support"), ("remote/", True, None), ("openai/x", False, "x")],
)
def test_which_settings_mean_agent_hosts(model: str, hosts: bool, agent: str | None) -> None:
    assert (asks_hosts(model), agent_named(model)) == (hosts, agent)


class Hosts:
    """No host is connected."""

    async def ask(self, ask: TurnRequest) -> AsyncGenerator[str]:
        raise ServiceError("agent-host", f"nobody answers turn {ask.turn}")
        yield ""


def test_a_host_is_never_asked_in_vain() -> None:
    """It may have acted by the time the request is discarded, and it remembers the turn."""
    assert not HostAgent(Hosts()).is_discardable
