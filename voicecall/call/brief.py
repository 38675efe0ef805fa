"""What an outbound call is for, as the API client that placed it stated; given to the agent on every turn.

Pure. Lengths are checked by the API (`voicecall.client.CallBrief`); how it is worded for a model is the agent's affair.
"""

from dataclasses import dataclass

__all__ = ["CallBrief"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBrief:
    """`approvals`: what the agent may agree to. Time limit and voicemail are in the call's `CallPolicy` instead."""

    task: str
    context: str = ""
    language: str = ""
    identity: str = ""
    disclosures: tuple[str, ...] = ()
    approvals: tuple[str, ...] = ()
    success_criteria: tuple[str, ...] = ()
