"""What of ours travels in Telnyx's `client_state`: the call, and which prompt it hears, for which turn.

Base64 text that a command sets and every later webhook brings back; the media socket's start does too. Pure; webhooks,
media and control use it. No secret ever goes in: whoever may read a webhook reads it.
"""

import re
from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass

from voicecall.call.ids import CallId, is_call_id

__all__ = ["ClientState", "read_client_state"]

_LONGEST = 512  # characters of base64; ours have less than half of it
_PROMPT = re.compile(r"[0-9]{1,6}\Z")


@dataclass(frozen=True, slots=True)
class ClientState:
    """`utterance` 0: nothing was said yet. `token`: what the caller's answer brings back (behaviour 5.8), or empty."""

    call: CallId
    utterance: int = 0
    token: str = ""

    def written(self) -> str:
        text = f"{self.call} {self.utterance} {self.token}" if self.utterance else self.call
        return b2a_base64(text.encode(), newline=False).decode("ascii")


def read_client_state(value: object) -> ClientState | None:
    """None when it is not of our making, as on a leg that somebody else dialled, or on one that nobody answered yet."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or not value.isascii():
        return None
    try:
        call, *prompt = a2b_base64(value, strict_mode=True).decode().split(" ", 2)
    except ValueError:
        return None
    if not is_call_id(call):
        return None
    if not prompt:
        return ClientState(CallId(call))
    if len(prompt) != 2 or not _PROMPT.match(prompt[0]):
        return None
    return ClientState(CallId(call), int(prompt[0]), prompt[1])
