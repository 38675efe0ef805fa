"""Runs one use of `voice_call`: one action, sent to the gateway, and always an answer.

Used by the MCP server and by `voicecall tool run`. Invalid parameters, refusals and connection failures are answers
with an `error` for the agent to read, never exceptions. Knows the client; knows no agent protocol.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import orjson

from voicecall.api import methods
from voicecall.client import AsyncVoicecall, GatewayDown, Refused, TokenRefused
from voicecall.tool.actions import (
    Action,
    AnswerQuestion,
    BadParameters,
    ContinueCall,
    EndCall,
    GetReport,
    GetStatus,
    InitiateCall,
    LegacyAction,
    SendDtmf,
    SpeakToUser,
    SteerCall,
    read,
)

__all__ = ["Payload", "content_of", "use"]

Payload = dict[str, Any]

_RINGING: Final = frozenset({"initiated", "ringing"})
_POLL_S: Final = 0.5
_POLLS: Final = 240  # two minutes; no carrier lets a call ring for longer

_METHODS: Final[Mapping[type[Action], str]] = {
    InitiateCall: methods.INITIATE.name,
    ContinueCall: methods.CONTINUE.name,
    SpeakToUser: methods.SPEAK.name,
    SendDtmf: methods.DTMF.name,
    SteerCall: methods.STEER.name,
    AnswerQuestion: methods.ANSWER.name,
    EndCall: methods.END.name,
    GetStatus: methods.STATUS.name,
    GetReport: methods.REPORT.name,
}


async def use(gateway: AsyncVoicecall, parameters: Mapping[str, Any]) -> Payload:
    """The payload of the method behind the action, or `{"error": sentence}`."""
    try:
        action = read(parameters)
        method, params = _request(action)
        if isinstance(action, ContinueCall | SpeakToUser):
            await _wait_while_ringing(gateway, action.call_id)
        return await gateway.request(method, params)
    except BadParameters as bad:
        return {"error": str(bad)}
    except Refused as refused:
        suffix = f" (call {refused.call_id})" if refused.call_id else ""
        return {"error": f"{refused.message}{suffix}"}
    except TokenRefused as refused:
        return {"error": f"the gateway refuses the token ({refused}); set VOICECALL_GATEWAY_TOKEN to the gateway's"}
    except GatewayDown as down:
        return {"error": f"no gateway at {gateway.url} ({down}); start it with `voicecall gateway`"}


def content_of(payload: Payload) -> str:
    """The payload as the text an agent reads."""
    return orjson.dumps(payload, option=orjson.OPT_INDENT_2).decode()


async def _wait_while_ringing(gateway: AsyncVoicecall, call_id: str) -> None:
    """Wait while the call rings, so that an agent may speak right after it placed the call."""
    for _ in range(_POLLS):
        payload = await gateway.request(methods.STATUS.name, {"callId": call_id})
        if not payload.get("found") or payload["call"]["state"] not in _RINGING:
            return
        await asyncio.sleep(_POLL_S)


def _request(action: Action) -> tuple[str, Payload]:
    """The method's name, and its parameters as they are sent."""
    if isinstance(action, LegacyAction):
        return _legacy(action)
    return _METHODS[type(action)], action.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"action"})


def _legacy(action: LegacyAction) -> tuple[str, Payload]:
    if action.mode == "status":
        if not action.sid:
            raise BadParameters("sid required for status")
        return methods.STATUS.name, {"sid": action.sid}
    if not action.to:
        raise BadParameters("to required for call")
    return methods.START.name, {"to": action.to, "message": action.message or ""}
