"""Doing what an agent asks of `voice_call`: one action through the gateway, and always an answer (behaviour 10.3).

Used by the MCP server and by `voicecall tool run`. Never raises for what was asked or for what went wrong on the way:
an agent reads sentences, not stack traces. Knows the client; does not know how agents are spoken to.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import orjson

from voicecall.client import AsyncVoicecall, GatewayDown, Refused, TokenRefused
from voicecall.tool.actions import (
    Action,
    BadParameters,
    ContinueCall,
    EndCall,
    GetStatus,
    InitiateCall,
    Older,
    SendDtmf,
    SpeakToUser,
    read,
)

__all__ = ["Payload", "content_of", "use"]

Payload = dict[str, Any]

_RINGING: Final = frozenset({"initiated", "ringing"})
_LOOK_S: Final = 0.5
_LOOKS: Final = 240  # two minutes; no carrier lets it ring for longer

_METHODS: Final[Mapping[type[Action], str]] = {
    InitiateCall: "voicecall.initiate",
    ContinueCall: "voicecall.continue",
    SpeakToUser: "voicecall.speak",
    SendDtmf: "voicecall.dtmf",
    EndCall: "voicecall.end",
    GetStatus: "voicecall.status",
}


async def use(gateway: AsyncVoicecall, parameters: Mapping[str, Any]) -> Payload:
    """The payload of the method behind the action, or `{"error": sentence}`."""
    try:
        action = read(parameters)
        method, params = _request(action)
        if isinstance(action, ContinueCall | SpeakToUser):
            await _picked_up(gateway, action.call_id)
        return await gateway.request(method, params)
    except BadParameters as bad:
        return {"error": str(bad)}
    except Refused as refused:
        about = f" (call {refused.call_id})" if refused.call_id else ""
        return {"error": f"{refused.message}{about}"}
    except TokenRefused as refused:
        return {"error": f"the gateway refuses the token ({refused}); set VOICECALL_GATEWAY_TOKEN to the gateway's"}
    except GatewayDown as down:
        return {"error": f"no gateway at {gateway.url} ({down}); start it with `python -m gateway`"}


def content_of(payload: Payload) -> str:
    """The payload as the text an agent reads."""
    return orjson.dumps(payload, option=orjson.OPT_INDENT_2).decode()


async def _picked_up(gateway: AsyncVoicecall, call_id: str) -> None:
    """Wait while it rings: an agent that has just placed a call speaks next, whether or not somebody answered yet."""
    for _ in range(_LOOKS):
        payload = await gateway.request("voicecall.status", {"callId": call_id})
        if not payload.get("found") or payload["call"]["state"] not in _RINGING:
            return
        await asyncio.sleep(_LOOK_S)


def _request(action: Action) -> tuple[str, Payload]:
    """The method, and its parameters as they are sent."""
    if isinstance(action, Older):
        return _older(action)
    return _METHODS[type(action)], action.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"action"})


def _older(asked: Older) -> tuple[str, Payload]:
    if asked.mode == "status":
        if not asked.sid:
            raise BadParameters("sid required for status")
        return "voicecall.status", {"sid": asked.sid}
    if not asked.to:
        raise BadParameters("to required for call")
    return "voicecall.start", {"to": asked.to, "message": asked.message}
