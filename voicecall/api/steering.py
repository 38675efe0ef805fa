"""How an operator steers a live call: the modes of `voicecall.steer`."""

from enum import StrEnum

__all__ = ["SteerMode"]


class SteerMode(StrEnum):
    GUIDANCE = "guidance"
    """A hint to the agent, which the caller does not hear."""

    SAY = "say"
    """The agent's voice says it."""

    ASK = "ask"
    """The agent asks the caller in its own words; the answer is returned."""
