"""What a call is for, as whoever placed it told us: kept with the call, told to its agent on every turn.

Pure. The lengths were checked at the door (`voicecall.client.Brief`); how it is put to a model is the agent's affair.
"""

from dataclasses import dataclass

__all__ = ["Brief"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """`approvals`: what the agent may agree to. What became a term of the call (time, voicemail) is not here."""

    task: str
    context: str = ""
    language: str = ""
    identity: str = ""
    disclosures: tuple[str, ...] = ()
    approvals: tuple[str, ...] = ()
    success_criteria: tuple[str, ...] = ()
