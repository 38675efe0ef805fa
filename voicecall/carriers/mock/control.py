"""Commands to a mock carrier over HTTP and JSON, at `MOCK_API_BASE_URL`. The control to copy for a new carrier.

POST /calls · GET /calls/<leg> · POST /calls/<leg>/hangup, /digits, /say, /hush · GET /find?call=<call id>.
The carrier keeps the call id of a dial, so a dial whose reply was lost is found by it.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from voicecall.call.events import EndReason, LegStatus, OnMachine
from voicecall.call.ids import E164, NO_TURN, CallId, EffectId, LegId
from voicecall.carriers.common.rest import Reply, RestClient, RestTimeouts
from voicecall.errors import CarrierRejected, CarrierSilent, CarrierUnreachable
from voicecall.ports import CallControl, LegReport, WebhookUrl, current_url, with_query

__all__ = ["Control"]

_STATUSES: Final = {status.value: status for status in LegStatus}
_REASONS: Final = {reason.value: reason for reason in EndReason}


class Control(CallControl):
    """`secret`: bearer token of commands. `webhook_url`: where webhooks are posted. `http` is borrowed."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        base_url: str,
        secret: str | None,
        webhook_url: WebhookUrl,
        timeouts: RestTimeouts = RestTimeouts(),  # noqa: B008 - frozen, so sharing it is safe
    ) -> None:
        self._base = base_url.rstrip("/")
        self._rest = RestClient(http=http, authorization=f"Bearer {secret}" if secret else "", timeouts=timeouts)
        self._webhook_url = webhook_url

    async def dial(
        self,
        *,
        call: CallId,
        effect: EffectId,
        to: E164,
        from_: E164,
        ring_timeout_s: float,
        time_limit_s: int,
        on_machine: OnMachine | None = None,
    ) -> LegId:
        request = {
            "call": call,
            "effect": effect,
            "to": to,
            "from": from_,
            "ringTimeoutS": ring_timeout_s,
            "timeLimitS": time_limit_s,
            "webhookUrl": with_query(await current_url(self._webhook_url), f"callId={call}"),
            "detectMachine": on_machine is not None,
        }
        reply = await self._rest.ask("POST", f"{self._base}/calls", json=request, harmless=False)
        leg = _accepted(reply, "dial").get("leg")
        if not isinstance(leg, str) or not leg:
            raise CarrierSilent("the dial's reply names no leg", status=reply.status)
        return LegId(leg)

    async def find(self, *, call: CallId, to: E164, from_: E164, since: float) -> LegReport:  # noqa: ARG002 - the call id suffices
        return await self._report(f"{self._base}/find?call={call}", None)

    async def look_up(self, leg: LegId) -> LegReport:
        return await self._report(self._leg(leg), leg)

    async def hang_up(self, leg: LegId) -> None:
        reply = await self._rest.ask("POST", f"{self._leg(leg)}/hangup", json={}, harmless=True)
        if reply.status != 404:
            _accepted(reply, "hang-up")

    async def send_digits(self, leg: LegId, digits: str, *, call: CallId, effect: EffectId) -> bool:  # noqa: ARG002 - once
        reply = await self._rest.ask("POST", f"{self._leg(leg)}/digits", json={"digits": digits}, harmless=False)
        _accepted(reply, "key press")
        return True

    async def transfer(
        self, leg: LegId, *, to: str, from_: str, ring_timeout_s: float, call: CallId, effect: EffectId
    ) -> None:
        """Ends the media socket; `call.transferred` reports how it ended, and asks how the call goes on."""
        order = {"call": call, "to": to, "from": from_, "ringTimeoutS": ring_timeout_s, "effect": effect}
        reply = await self._rest.ask("POST", f"{self._leg(leg)}/transfer", json=order, harmless=False)
        _accepted(reply, "transfer")

    async def say(
        self, leg: LegId, text: str, *, call: CallId, utterance: int, token: str, listens: bool
    ) -> float | None:
        """`call.said` reports when the prompt was played, `call.speech` what the caller said."""
        order = {"call": call, "text": text, "utterance": utterance, "turnToken": token or NO_TURN, "listens": listens}
        reply = await self._rest.ask("POST", f"{self._leg(leg)}/say", json=order, harmless=False, repeat_503=True)
        _accepted(reply, "prompt")
        return None

    async def await_beep(self, leg: LegId, *, call: CallId, effect: EffectId) -> None:  # noqa: ARG002 - the leg suffices
        """Cut the prompt. `call.beep` follows by itself."""
        reply = await self._rest.ask("POST", f"{self._leg(leg)}/hush", json={}, harmless=True)
        _accepted(reply, "silence")

    async def _report(self, url: str, leg: LegId | None) -> LegReport:
        """UNKNOWN when the carrier cannot be reached, fails, or its reply cannot be read."""
        try:
            reply = await self._rest.ask("GET", url, harmless=True)
        except (CarrierUnreachable, CarrierSilent):
            return LegReport(status=LegStatus.UNKNOWN, leg=leg)
        if reply.status == 404:
            return LegReport(status=LegStatus.ABSENT, leg=leg)
        body: Mapping[str, Any] = (reply.json() if reply.status == 200 else None) or {}
        status = _STATUSES.get(str(body.get("status")), LegStatus.UNKNOWN)
        named = body.get("leg")
        reason = _REASONS.get(str(body.get("reason"))) if status is LegStatus.ENDED else None
        return LegReport(status=status, leg=LegId(named) if isinstance(named, str) else leg, reason=reason)

    def _leg(self, leg: LegId) -> str:
        return f"{self._base}/calls/{quote(leg, safe='')}"


def _accepted(reply: Reply, what: str) -> Mapping[str, Any]:
    """The body of a 2xx. Raises CarrierRejected for a 4xx, CarrierSilent for all else: it may have acted."""
    body = reply.json() or {}
    if 400 <= reply.status < 500:
        message, code = str(body.get("message", f"HTTP {reply.status}"))[:300], str(body.get("code", ""))[:20]
        raise CarrierRejected(message, status=reply.status, code=code)
    if not 200 <= reply.status < 300:
        raise CarrierSilent(f"the {what}'s outcome is unknown", status=reply.status)
    return body
