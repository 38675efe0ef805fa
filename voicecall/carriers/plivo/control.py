"""Commands to Plivo over REST (carriers 5.3): dial, transfer, say, press keys, look up, hang up.

Used by a call's lanes and by reconciliation. A dial is sent once: Plivo has no idempotency key, so what got lost is
looked for (`search`) and never repeated (reliability P3).
"""

import re
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from voicecall.call.events import LegStatus, OnMachine
from voicecall.call.ids import E164, CallId, EffectId, LegId
from voicecall.carriers.common.polly import polly_voice
from voicecall.carriers.common.rest import Reply, RestClient, Timeouts
from voicecall.carriers.plivo.search import LostDial, Search, status_of
from voicecall.carriers.plivo.webhooks import FLOWS, is_call_uuid
from voicecall.carriers.plivo.xml import RETRIES
from voicecall.errors import CarrierRejected, CarrierSilent, CarrierUnreachable
from voicecall.ports import CallControl, LegReport, WebhookUrl, current_url

__all__ = ["Control"]

_LONGEST_CALL_S: Final = 86_400
_DETECTION_MS: Final = 5000  # to its verdict
_LONGEST_SPEECH: Final = 3000
_LEGS_REMEMBERED: Final = 4096
_CHARACTERS_PER_S: Final = 14.0  # English at Polly's pace
_DIGITS = re.compile(r"[0-9A-D*#]{1,64}\Z")
_UNKNOWN = LegReport(status=LegStatus.UNKNOWN)


class Control(CallControl):
    """One account. `webhook_url` is public and complete with its path; `http` is shared and not ours to close.

    A leg is known by the id that `dial` was answered with, Plivo's request id: for a call to one number it is the
    CallUUID too (carriers 5.3), and a call still in Plivo's queue has no other. Where they differ, webhooks tell.
    """

    dial_names_request = True

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        auth_id: str,
        auth_token: str,
        webhook_url: WebhookUrl,
        base_url: str = "https://api.plivo.com/v1",
        voice: str | None = None,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen, so shared by nobody's mistake
    ) -> None:
        self._account = f"{base_url.rstrip('/')}/Account/{quote(auth_id, safe='')}"
        authorization = aiohttp.encode_basic_auth(auth_id, auth_token)
        self._rest = RestClient(http=http, authorization=authorization, timeouts=timeouts)
        self._webhook_url = webhook_url
        self._voice = voice
        self._dialled: OrderedDict[LegId, CallId] = OrderedDict()

    async def dial(
        self,
        *,
        call: CallId,
        effect: EffectId,  # noqa: ARG002 - Plivo has no place for an idempotency key
        to: E164,
        from_: E164,
        ring_timeout_s: float,
        time_limit_s: int,
        on_machine: OnMachine | None = None,
    ) -> LegId:
        ours = await self._ours(call)
        request = {
            "to": to.removeprefix("+"),
            "from": from_.removeprefix("+"),
            **_url("answer", ours),
            **_url("ring", ours),
            **_url("hangup", ours),
            # Not `hangup_on_ring`: that would also cut a call which was answered in time.
            "ring_timeout": min(max(round(ring_timeout_s), 1), 600),
            "time_limit": min(time_limit_s, _LONGEST_CALL_S),
            **_detection(ours, on_machine),
        }
        reply = await self._rest.ask("POST", f"{self._account}/Call/", json=request, harmless=False)
        _refuse(reply)
        named = (reply.json() or {}).get("request_uuid")
        leg = named[0] if isinstance(named, list) and named else named
        # A redirect, a 5xx or a page that is not Plivo's: it may have dialled before it said that.
        if not 200 <= reply.status < 300 or not is_call_uuid(leg):
            raise CarrierSilent("the dial's outcome is unknown", status=reply.status)
        self._remember(LegId(leg), call)
        return LegId(leg)

    async def find(self, *, call: CallId, to: E164, from_: E164, since: float) -> LegReport:
        """Our id is not in Plivo's lists, so: the one call between these numbers, made since then, and nobody else's.

        Several candidates are UNKNOWN: a webhook with our id will tell. `ABSENT` may change while `dial` is on its way.
        """
        lost = LostDial(to=to.removeprefix("+"), from_=from_.removeprefix("+"), since=since)
        owners = {leg: owner for leg, owner in self._dialled.items() if owner != call}
        mine = next((leg for leg, owner in self._dialled.items() if owner == call), None)
        if mine is not None:
            return await self.look_up(mine)
        report = await Search(self._account, self._peek).find(lost, taken=frozenset(owners))
        if report.leg is not None:
            self._remember(report.leg, call)
        return report

    async def look_up(self, leg: LegId) -> LegReport:
        """Live, queued, or in the records of what is over. In none of them is no proof that there never was one."""
        for query in ("?status=live", "?status=queued", ""):
            reply = await self._peek(self._leg(leg) + query)
            if reply is None:
                break
            if reply.status == 200:
                report = status_of(reply.json())
                # A record without an end may be of a call that ended between our questions.
                if report is not None and report.leg in (leg, None):
                    return LegReport(status=report.status, leg=leg, reason=report.reason)
            if reply.status != 404:
                break
        return LegReport(status=LegStatus.UNKNOWN, leg=leg)

    async def hang_up(self, leg: LegId) -> None:
        """The call, or else the request that still waits in Plivo's queue; gone already is success."""
        reply = await self._rest.ask("DELETE", self._leg(leg), harmless=True)
        if reply.status == 404:
            url = f"{self._account}/Request/{quote(leg, safe='')}/"
            reply = await self._rest.ask("DELETE", url, harmless=True)
        if reply.status != 404:
            _accepted(reply, "hang-up")

    async def send_digits(
        self,
        leg: LegId,
        digits: str,
        *,
        call: CallId,  # noqa: ARG002 - the leg says it all
        effect: EffectId,  # noqa: ARG002 - Plivo has no place for an idempotency key
    ) -> bool:
        """Over REST with a media stream too: the stream's own `sendDTMF` has no answer that says what became of it."""
        if not _DIGITS.match(digits):
            raise CarrierRejected("these are no keys of a telephone", code="digits")
        await self._post(leg, "DTMF/", {"digits": digits, "leg": "aleg"}, "key press")
        return True

    async def say(
        self,
        leg: LegId,
        text: str,
        *,
        call: CallId,
        utterance: int,
        token: str,
        listens: bool,
    ) -> float | None:
        """Speak over what the leg is doing; it listens on as its last document said. The seconds are estimated.

        A question that waits for its answer (`token`) is a document of its own instead, for which the leg comes to us:
        what was said to an earlier one, however late we are told, names an earlier action URL.

        Plivo never tells what was said, so a lost answer is taken for a yes: twice is worse than not at all, which a
        caller breaks by speaking.
        """
        if not 0 < len(text) <= _LONGEST_SPEECH:
            raise CarrierRejected("a sentence for Plivo has 1 to 3000 characters", code="speech-length")
        order = {"text": text, "voice": polly_voice(self._voice), "language": "en-US", "legs": "aleg"}
        with suppress(CarrierSilent):
            if token and listens:
                more = f"&say={utterance}&n={secrets.token_urlsafe(9)}"
                await self.transfer(leg, call=call, flow="xml-speak", more=more)
            else:
                await self._post(leg, "Speak/", order, "prompt")
        return 1.0 + len(text) / _CHARACTERS_PER_S

    # --- beyond the role

    async def transfer(self, leg: LegId, *, call: CallId, flow: str, more: str = "") -> None:
        """Make Plivo ask us anew, at the URL of `flow`: the only way to give a live leg another document.

        `more`: further query fields, `&name=value`, unreserved characters only. A media stream is cut by it: close
        the socket afterwards, never before (carriers 5.3).
        """
        if flow not in FLOWS:
            raise ValueError(f"no flow of ours: {flow}")
        url = f"{await self._ours(call)}&flow={flow}{more}{RETRIES}"
        order = {"legs": "aleg", "aleg_url": url, "aleg_method": "POST"}
        await self._post(leg, "", order, "transfer")

    async def await_beep(self, leg: LegId, *, call: CallId, effect: EffectId) -> None:  # noqa: ARG002 - no place for a key
        """Cut the prompt, and have the leg wait for the beep: Plivo hears it, and asks us what then."""
        reply = await self._rest.ask("DELETE", self._leg(leg) + "Speak/", harmless=True)
        if reply.status != 404:  # nothing is being said
            _accepted(reply, "silence")
        await self.transfer(leg, call=call, flow="greeting", more=f"&n={secrets.token_urlsafe(9)}")

    # --- how it is said

    async def _post(self, leg: LegId, path: str, order: Mapping[str, Any], what: str) -> None:
        _accepted(await self._rest.ask("POST", self._leg(leg) + path, json=order, harmless=False), what)

    async def _peek(self, url: str) -> Reply | None:
        """A GET; None when there is no answer, which is an answer too: unknown."""
        try:
            return await self._rest.ask("GET", url, harmless=True)
        except (CarrierUnreachable, CarrierSilent):
            return None

    async def _ours(self, call: CallId) -> str:
        """Our webhook for one call; more of the query, and the fragment that orders retries, must follow it."""
        url = (await current_url(self._webhook_url)).partition("#")[0]
        return f"{url}{'&' if '?' in url else '?'}callId={call}"

    def _leg(self, leg: LegId) -> str:
        return f"{self._account}/Call/{quote(leg, safe='')}/"

    def _remember(self, leg: LegId, call: CallId) -> None:
        """So that no other call takes this leg for its own."""
        self._dialled[leg] = call
        if len(self._dialled) > _LEGS_REMEMBERED:
            self._dialled.popitem(last=False)


def _detection(ours: str, on_machine: OnMachine | None) -> Mapping[str, Any]:
    """With a URL of its own it holds nothing up. Plivo posts there for a machine, and for a person never."""
    if on_machine is None:
        return {}
    return {
        "machine_detection": "true",
        "machine_detection_time": _DETECTION_MS,
        "machine_detection_url": f"{ours}&flow=machine{RETRIES}",
        "machine_detection_method": "POST",
    }


def _url(flow: str, ours: str) -> dict[str, str]:
    return {f"{flow}_url": f"{ours}&flow={flow}{RETRIES}", f"{flow}_method": "POST"}


def _refuse(reply: Reply) -> None:
    """Raise CarrierRejected for a 4xx: understood, and no. Plivo has words for it and no codes."""
    if 400 <= reply.status < 500:
        said = (reply.json() or {}).get("error")
        words = str(said.get("error", said)) if isinstance(said, dict) else str(said or "")
        raise CarrierRejected(words[:300] or f"HTTP {reply.status}", status=reply.status, code=str(reply.status))


def _accepted(reply: Reply, what: str) -> None:
    """Raises CarrierRejected for a 4xx, CarrierSilent for anything but a 2xx: it may have acted."""
    _refuse(reply)
    if not 200 <= reply.status < 300:
        raise CarrierSilent(f"the outcome of the {what} is unknown", status=reply.status)
