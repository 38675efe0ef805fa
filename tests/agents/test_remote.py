"""Which settings choose agent hosts."""

import pytest

from voicecall.agents.remote import agent_named, asks_hosts


@pytest.mark.parametrize(
    ("model", "hosts", "agent"),
    [("openclaw", True, None), ("remote/support", True, "support"), ("remote/", True, None), ("openai/x", False, "x")],
)
def test_which_settings_mean_agent_hosts(model: str, hosts: bool, agent: str | None) -> None:
    assert (asks_hosts(model), agent_named(model)) == (hosts, agent)
