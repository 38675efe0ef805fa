"""Telnyx's `client_state` as we use it: the call, and the prompt and turn that the leg is at.

Base64 text that a command sets, and that later webhooks and the media socket's start frame return. Pure; used by
webhooks, media and control. It holds no secret, because webhooks are not encrypted beyond TLS.
"""

import re
from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass

from voicecall.call.ids import CallId, is_call_id

__all__ = ["ClientState", "read_client_state"]

_LONGEST = 512  # characters of base64; the ones that we write are less than half as long
_TRANSFER = "transfer:"
_PROMPT = re.compile(r"[0-9]{1,6}\Z")


@dataclass(frozen=True, slots=True)
class ClientState:
    """`utterance` 0: no prompt yet. `token`: the turn token that the caller's answer returns, or empty.

    `transfer`: of the leg to someone to whom the call is transferred, the number of that effect; 0 of every other leg.
    """

    call: CallId
    utterance: int = 0
    token: str = ""
    transfer: int = 0

    def encoded(self) -> str:
        text = f"{self.call} {self.utterance} {self.token}" if self.utterance else self.call
        if self.transfer:  # an earlier build reads this as of a leg that it does not know
            text = f"{self.call} 0 {_TRANSFER}{self.transfer}"
        return b2a_base64(text.encode(), newline=False).decode("ascii")


def read_client_state(value: object) -> ClientState | None:
    """None when it was not written by us, as on a leg of another program, or on an inbound leg before its answer."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or not value.isascii():
        return None
    try:
        call, *prompt = a2b_base64(value, strict_mode=True).decode().split(" ", 2)
    except ValueError:
        return None
    if not is_call_id(call) or (prompt and (len(prompt) != 2 or not _PROMPT.match(prompt[0]))):
        return None
    if not prompt:
        return ClientState(CallId(call))
    number = prompt[1].removeprefix(_TRANSFER)
    if number != prompt[1]:
        return ClientState(CallId(call), transfer=int(number)) if _PROMPT.match(number) else None
    return ClientState(CallId(call), int(prompt[0]), prompt[1])
