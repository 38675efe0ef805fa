"""Commands to Twilio over REST: dial, find a lost dial, look up, say, send digits, hang up ("Call Resource").

Used by a call's lanes and by recovery. A dial is sent once: Twilio has no idempotency key, so a dial whose reply was
lost is searched for in the list of calls and never repeated (guarantee P3).
"""

import re
import secrets
from collections import OrderedDict
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from voicecall.call.events import EndReason, LegStatus, OnMachine
from voicecall.call.ids import E164, NO_TURN, CallId, EffectId, LegId
from voicecall.call.replies import US_ENGLISH, NativeVoice
from voicecall.carriers.common.rest import Reply, RestClient, RestTimeouts
from voicecall.carriers.twilio import twiml
from voicecall.carriers.twilio.webhooks import END_REASONS, is_call_sid
from voicecall.errors import CarrierRejected, CarrierSilent, CarrierUnreachable
from voicecall.ports import CallControl, LegReport, WebhookUrl, current_url, with_query

__all__ = ["Control"]

_ALIVE = frozenset({"queued", "initiated", "ringing", "in-progress"})
_ALREADY_OVER = frozenset({"20404", "21220"})
_EVENTS = ("initiated", "ringing", "answered", "completed")
_PAGE: Final = 50
_CLOCK_SLACK_S: Final = 2.0  # Twilio's times are whole seconds of its own clock
_LEGS_REMEMBERED: Final = 4096
_LONGEST_TWIML: Final = 4000  # characters of a document in a request
_DIGITS = re.compile(r"[0-9*#wW]{1,64}\Z")
_UNKNOWN = LegReport(status=LegStatus.UNKNOWN)


class Control(CallControl):
    """One account. `webhook_url` is public and complete with its path; `http` is borrowed."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        account_sid: str,
        auth_token: str,
        webhook_url: WebhookUrl,
        base_url: str = "https://api.twilio.com",
        voice: NativeVoice = US_ENGLISH,
        timeouts: RestTimeouts = RestTimeouts(),  # noqa: B008 - frozen, so sharing it is safe
    ) -> None:
        self._calls = f"{base_url.rstrip('/')}/2010-04-01/Accounts/{quote(account_sid, safe='')}/Calls"
        authorization = aiohttp.encode_basic_auth(account_sid, auth_token)
        self._rest = RestClient(http=http, authorization=authorization, timeouts=timeouts)
        self._webhook_url = webhook_url
        self._voice = voice
        self._dialled: OrderedDict[LegId, CallId] = OrderedDict()

    async def dial(
        self,
        *,
        call: CallId,
        effect: EffectId,  # noqa: ARG002 - Twilio has no idempotency key
        to: E164,
        from_: E164,
        ring_timeout_s: float,
        time_limit_s: int,
        on_machine: OnMachine | None = None,
    ) -> LegId:
        ours = await self._webhook(call)
        form = [
            ("To", to),
            ("From", from_),
            ("Url", ours + twiml.RETRIES),
            ("Method", "POST"),
            ("StatusCallback", f"{ours}&type=status{twiml.RETRIES}"),
            ("StatusCallbackMethod", "POST"),
            *(("StatusCallbackEvent", event) for event in _EVENTS),
            ("Timeout", str(min(max(round(ring_timeout_s), 1), 600))),
            ("TimeLimit", str(time_limit_s)),
            *_detection(ours, on_machine),
        ]
        reply = await self._rest.ask("POST", f"{self._calls}.json", form=form, harmless=False)
        _refuse(reply)
        sid = (reply.json() or {}).get("sid")
        # After a redirect, a 5xx or a body that is not Twilio's it may have dialled.
        if not 200 <= reply.status < 300 or not is_call_sid(sid):
            raise CarrierSilent("the dial's outcome is unknown", status=reply.status)
        self._remember(LegId(sid), call)
        return LegId(sid)

    async def find(self, *, call: CallId, to: E164, from_: E164, since: float) -> LegReport:
        """The one call between these numbers since then, not taken by another call: Twilio's list does not hold our id.

        Several candidates are UNKNOWN, until a webhook brings our id. `ABSENT` may change while `dial` is in flight.
        """
        # No StartTime filter: a queued call has not started, and would not be listed.
        query = f"To={quote(to, safe='')}&From={quote(from_, safe='')}&PageSize={_PAGE}"
        reply = await self._peek(f"{self._calls}.json?{query}")
        page = reply.json() if reply is not None and reply.status == 200 else None
        rows = (page or {}).get("calls")
        if not isinstance(rows, list):
            return _UNKNOWN
        candidates: list[LegReport] = []
        horizon = since - _CLOCK_SLACK_S
        # Twilio lists the newest first: after a full page without an older call there may be another.
        complete = len(rows) < _PAGE
        for row in rows:
            report, created = _row(row)
            if report is None or report.leg is None or created is None:
                return _UNKNOWN
            owner = self._dialled.get(report.leg)
            if owner == call:
                return report
            complete = complete or created < horizon
            if owner is None and created >= horizon and _is_dial(row, to, from_):
                candidates.append(report)
        if len(candidates) > 1 or not complete:
            return _UNKNOWN
        if not candidates:
            return LegReport(status=LegStatus.ABSENT)
        self._remember(candidates[0].leg, call)
        return candidates[0]

    async def look_up(self, leg: LegId) -> LegReport:
        reply = await self._peek(self._leg(leg))
        if reply is not None and reply.status == 404:
            return LegReport(status=LegStatus.ABSENT, leg=leg)
        if reply is not None and reply.status == 200:
            report, _ = _row(reply.json())
            if report is not None and report.leg == leg:
                return report
        return LegReport(status=LegStatus.UNKNOWN, leg=leg)

    async def hang_up(self, leg: LegId) -> None:
        reply = await self._rest.ask("POST", self._leg(leg), form=[("Status", "completed")], harmless=True)
        if reply.status == 404 or _error(reply)[0] in _ALREADY_OVER:
            return
        _refuse(reply)
        if not 200 <= reply.status < 300:
            raise CarrierSilent("the hang-up's outcome is unknown", status=reply.status)

    async def send_digits(self, leg: LegId, digits: str, *, call: CallId, effect: EffectId) -> bool:
        """Update the live call with a document that plays the digits and then requests our webhook again.

        Twilio has no other way, and it ends the current stream or prompt (`keys_replace` in the manifest).
        """
        if not _DIGITS.match(digits):
            raise CarrierRejected("not the keys of a telephone", code="digits")
        pressed = f"&pressed={effect.rpartition('.')[2]}"
        back = f"{await self._webhook(call)}{pressed}{twiml.RETRIES}"
        document = twiml.keys(digits.replace("W", "ww"), back_url=back)
        reply = await self._rest.ask("POST", self._leg(leg), form=[("Twiml", document.decode())], harmless=False)
        _refuse(reply)
        if not 200 <= reply.status < 300:
            raise CarrierSilent("whether the digits were sent is unknown", status=reply.status)
        return False

    async def transfer(
        self, leg: LegId, *, to: str, from_: str, ring_timeout_s: float, call: CallId, effect: EffectId
    ) -> None:
        """Update the live call with `<Dial>`, which ends its stream; then Twilio requests our webhook again."""
        action = f"{await self._webhook(call)}&dialled={effect.rpartition('.')[2]}{twiml.RETRIES}"
        document = twiml.dial(to, caller_id=from_, ring_timeout_s=ring_timeout_s, action_url=action)
        reply = await self._rest.ask("POST", self._leg(leg), form=[("Twiml", document.decode())], harmless=False)
        _refuse(reply)
        if not 200 <= reply.status < 300:
            raise CarrierSilent("whether the call is being transferred is unknown", status=reply.status)

    async def say(
        self, leg: LegId, text: str, *, call: CallId, utterance: int, token: str, listens: bool
    ) -> float | None:
        """Update the live call with a prompt. Not for a call with a media stream, which it would end."""
        said = f"&said={utterance}&n={secrets.token_urlsafe(6)}"
        answer = f"{said}&turnToken={quote(token or NO_TURN, safe='')}"
        ours = await self._webhook(call)
        document = twiml.prompt(
            text,
            heard_url=f"{ours}{answer}{twiml.RETRIES}" if listens else None,
            silent_url=f"{ours}{said}{twiml.RETRIES}",
            voice=self._voice,
        ).decode()
        if len(document) > _LONGEST_TWIML:
            raise CarrierRejected(f"a prompt for Twilio is a document of {_LONGEST_TWIML} characters", code="twiml")
        form = [("Twiml", document)]
        reply = await self._rest.ask("POST", self._leg(leg), form=form, harmless=False, repeat_503=True)
        _refuse(reply)
        if not 200 <= reply.status < 300:
            raise CarrierSilent("the prompt's outcome is unknown", status=reply.status)
        return None

    async def _peek(self, url: str) -> Reply | None:
        """A GET; None when there is no reply."""
        try:
            return await self._rest.ask("GET", url, harmless=True)
        except (CarrierUnreachable, CarrierSilent):
            return None

    async def _webhook(self, call: CallId) -> str:
        """The webhook URL of one call; further query fields and the fragment of retry rules may be appended to it."""
        url = (await current_url(self._webhook_url)).partition("#")[0]
        return with_query(url, f"callId={call}")

    def _leg(self, leg: LegId) -> str:
        return f"{self._calls}/{quote(leg, safe='')}.json"

    def _remember(self, leg: LegId | None, call: CallId) -> None:
        """Record the leg's call, so that `find` does not give it to another."""
        if leg is not None:
            self._dialled[leg] = call
        if len(self._dialled) > _LEGS_REMEMBERED:
            self._dialled.popitem(last=False)


def _detection(ours: str, on_machine: OnMachine | None) -> list[tuple[str, str]]:
    """Asynchronous detection, which does not delay the call. For a message the result comes at the beep."""
    if on_machine is None:
        return []
    return [
        ("MachineDetection", "DetectMessageEnd" if on_machine is OnMachine.LEAVE_MESSAGE else "Enable"),
        ("AsyncAmd", "true"),
        ("AsyncAmdStatusCallback", f"{ours}&type=amd{twiml.RETRIES}"),
        ("AsyncAmdStatusCallbackMethod", "POST"),
    ]


def _row(row: Any) -> tuple[LegReport | None, float | None]:
    """The report for a call resource of Twilio, and its time of creation. An unknown status is UNKNOWN."""
    if not isinstance(row, dict) or not is_call_sid(row.get("sid")):
        return None, None
    leg, status = LegId(row["sid"]), row.get("status")
    created = _epoch(row.get("date_created"))
    if isinstance(status, str) and status in _ALIVE:
        return LegReport(status=LegStatus.ALIVE, leg=leg), created
    reason: EndReason | None = END_REASONS.get(status) if isinstance(status, str) else None
    return LegReport(status=LegStatus.ENDED if reason else LegStatus.UNKNOWN, leg=leg, reason=reason), created


def _is_dial(row: dict[str, Any], to: E164, from_: E164) -> bool:
    """Whether it is a call between these numbers that was made over REST."""
    return row.get("direction", "outbound-api") == "outbound-api" and (row.get("to"), row.get("from")) == (to, from_)


def _epoch(text: Any) -> float | None:
    """Epoch seconds of an RFC 2822 date, which Twilio writes in UTC."""
    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    # "-0000" and a missing zone are parsed without one.
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _error(reply: Reply) -> tuple[str, str]:
    """Code and message of Twilio's error; empty when the body is not Twilio's."""
    body = reply.json() or {}
    return str(body.get("code", ""))[:20], str(body.get("message", ""))[:300]


def _refuse(reply: Reply) -> None:
    """Raises CarrierRejected for a 4xx."""
    if 400 <= reply.status < 500:
        code, message = _error(reply)
        raise CarrierRejected(message or f"HTTP {reply.status}", status=reply.status, code=code)
