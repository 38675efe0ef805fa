"""Commands to Plivo over REST: dial, transfer, say, send digits, look up, hang up (Plivo's "Voice API: Calls").

Used by a call's lanes and by recovery. A dial is sent once: Plivo has no idempotency key, so a dial whose reply was
lost is searched for (`search`) and never repeated (guarantee P3).
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
from voicecall.call.replies import US_ENGLISH, NativeVoice
from voicecall.carriers.common.rest import Reply, RestClient, RestTimeouts
from voicecall.carriers.plivo.search import LostDial, Search, status_of
from voicecall.carriers.plivo.webhooks import FLOWS, is_call_uuid
from voicecall.carriers.plivo.xml import RETRIES, spoken_by
from voicecall.errors import CarrierRejected, CarrierSilent, CarrierUnreachable
from voicecall.ports import CallControl, LegReport, WebhookUrl, current_url, with_query

__all__ = ["Control"]

_LONGEST_CALL_S: Final = 86_400
_DETECTION_MS: Final = 5000  # until its result
_LONGEST_SPEECH: Final = 3000
_LEGS_REMEMBERED: Final = 4096
_CHARACTERS_PER_S: Final = 14.0  # English at Polly's pace
_DIGITS = re.compile(r"[0-9A-D*#]{1,64}\Z")
_UNKNOWN = LegReport(status=LegStatus.UNKNOWN)


class Control(CallControl):
    """One account. `webhook_url` is public and complete with its path; `http` is borrowed.

    A leg has the id of the reply to `dial`, Plivo's request id. For a call to one number it equals the CallUUID, and a
    queued call has no other. Where they differ, webhooks report the CallUUID. `streams`: calls begin with a document
    that opens a media stream, and does not listen.
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
        voice: NativeVoice = US_ENGLISH,
        streams: bool = False,
        timeouts: RestTimeouts = RestTimeouts(),  # noqa: B008 - frozen, so sharing it is safe
    ) -> None:
        self._account = f"{base_url.rstrip('/')}/Account/{quote(auth_id, safe='')}"
        authorization = aiohttp.encode_basic_auth(auth_id, auth_token)
        self._rest = RestClient(http=http, authorization=authorization, timeouts=timeouts)
        self._webhook_url = webhook_url
        self._voice = voice
        self._streams = streams
        self._listening: OrderedDict[LegId, None] = OrderedDict()
        self._dialled: OrderedDict[LegId, CallId] = OrderedDict()

    async def dial(
        self,
        *,
        call: CallId,
        effect: EffectId,  # noqa: ARG002 - Plivo has no idempotency key
        to: E164,
        from_: E164,
        ring_timeout_s: float,
        time_limit_s: int,
        on_machine: OnMachine | None = None,
    ) -> LegId:
        ours = await self._webhook(call)
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
        # After a redirect, a 5xx or a body that is not Plivo's it may have dialled.
        if not 200 <= reply.status < 300 or not is_call_uuid(leg):
            raise CarrierSilent("the dial's outcome is unknown", status=reply.status)
        self._remember(LegId(leg), call)
        return LegId(leg)

    async def find(self, *, call: CallId, to: E164, from_: E164, since: float) -> LegReport:
        """The one call between these numbers since then, not taken by another call: Plivo's lists do not hold our id.

        Several candidates are UNKNOWN, until a webhook brings our id. `ABSENT` may change while `dial` is in flight.
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
        """Searches live, queued and ended calls. A leg in none of them is UNKNOWN."""
        for query in ("?status=live", "?status=queued", ""):
            reply = await self._peek(self._leg(leg) + query)
            if reply is None:
                break
            if reply.status == 200:
                report = status_of(reply.json())
                # A record without an end may be of a call that ended between two of these requests.
                if report is not None and report.leg in (leg, None):
                    return LegReport(status=report.status, leg=leg, reason=report.reason)
            if reply.status != 404:
                break
        return LegReport(status=LegStatus.UNKNOWN, leg=leg)

    async def hang_up(self, leg: LegId) -> None:
        """The call, or else the request in Plivo's queue; one that has ended already is success."""
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
        call: CallId,  # noqa: ARG002 - the leg suffices
        effect: EffectId,  # noqa: ARG002 - Plivo has no idempotency key
    ) -> bool:
        """Over REST, also with a media stream: the stream's `sendDTMF` is not confirmed."""
        if not _DIGITS.match(digits):
            raise CarrierRejected("not the keys of a telephone", code="digits")
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
        """Speak over the current document, which goes on listening. Returns the estimated seconds.

        A prompt whose answer is waited for (`token`) is a document of its own, for which the leg is transferred: an
        answer to an earlier prompt, however late, then comes to an earlier action URL. So is the first prompt of a call
        whose media stream was given up.

        Plivo does not report what was spoken. A lost reply counts as success, because a prompt that is spoken twice is
        worse than one that is not spoken; after a 503 it was not spoken, and is sent again.
        """
        if not 0 < len(text) <= _LONGEST_SPEECH:
            raise CarrierRejected("a prompt for Plivo has 1 to 3000 characters", code="speech-length")
        spoken = spoken_by(self._voice)
        request = {"text": text, "voice": spoken.voice, "language": spoken.language, "legs": "aleg"}
        with suppress(CarrierSilent):
            if listens and (token or (self._streams and leg not in self._listening)):
                more = f"&say={utterance}&n={secrets.token_urlsafe(9)}"
                await self.send_to(leg, call=call, flow="xml-speak", more=more, repeat_503=True)
                self._listens(leg)
            else:
                await self._post(leg, "Speak/", request, "prompt", repeat_503=True)
        return 1.0 + len(text) / _CHARACTERS_PER_S

    # --- beyond `CallControl`

    async def transfer(
        self,
        leg: LegId,
        *,
        to: str,  # noqa: ARG002 - the document has it
        from_: str,  # noqa: ARG002 - as above
        ring_timeout_s: float,  # noqa: ARG002 - as above
        call: CallId,
        effect: EffectId,
    ) -> None:
        """Give the leg a document that dials; then Plivo requests our webhook again."""
        number = effect.rpartition(".")[2]
        await self.send_to(leg, call=call, flow="dial", more=f"&dial={number}&n={secrets.token_urlsafe(9)}")

    async def send_to(self, leg: LegId, *, call: CallId, flow: str, more: str = "", repeat_503: bool = False) -> None:
        """Make Plivo request the URL of `flow`: the only way to give a live leg another document.

        `more`: further query fields, `&name=value`, unreserved characters only. It ends a media stream; its socket must
        be closed afterwards, not before.
        """
        if flow not in FLOWS:
            raise ValueError(f"unknown flow: {flow}")
        url = f"{await self._webhook(call)}&flow={flow}{more}{RETRIES}"
        request = {"legs": "aleg", "aleg_url": url, "aleg_method": "POST"}
        await self._post(leg, "", request, "transfer", repeat_503=repeat_503)

    async def await_beep(self, leg: LegId, *, call: CallId, effect: EffectId) -> None:  # noqa: ARG002 - Plivo has no idempotency key
        """Stop the prompt, and transfer the leg to a document that waits for the beep."""
        reply = await self._rest.ask("DELETE", self._leg(leg) + "Speak/", harmless=True)
        if reply.status != 404:  # nothing is being spoken
            _accepted(reply, "silence")
        await self.send_to(leg, call=call, flow="greeting", more=f"&n={secrets.token_urlsafe(9)}")

    # --- requests

    async def _post(
        self, leg: LegId, path: str, request: Mapping[str, Any], what: str, *, repeat_503: bool = False
    ) -> None:
        url = self._leg(leg) + path
        _accepted(await self._rest.ask("POST", url, json=request, harmless=False, repeat_503=repeat_503), what)

    async def _peek(self, url: str) -> Reply | None:
        """A GET; None when there is no reply."""
        try:
            return await self._rest.ask("GET", url, harmless=True)
        except (CarrierUnreachable, CarrierSilent):
            return None

    async def _webhook(self, call: CallId) -> str:
        """The webhook URL of one call; further query fields and the fragment of retry rules are appended to it."""
        url = (await current_url(self._webhook_url)).partition("#")[0]
        return with_query(url, f"callId={call}")

    def _leg(self, leg: LegId) -> str:
        return f"{self._account}/Call/{quote(leg, safe='')}/"

    def _listens(self, leg: LegId) -> None:
        """Record that the leg's document listens from now on."""
        self._listening[leg] = None
        if len(self._listening) > _LEGS_REMEMBERED:
            self._listening.popitem(last=False)

    def _remember(self, leg: LegId, call: CallId) -> None:
        """Record the leg's call, so that `find` does not give it to another."""
        self._dialled[leg] = call
        if len(self._dialled) > _LEGS_REMEMBERED:
            self._dialled.popitem(last=False)


def _detection(ours: str, on_machine: OnMachine | None) -> Mapping[str, Any]:
    """With its own URL, detection does not delay the call. Plivo posts there for a machine, and not for a person."""
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
    """Raises CarrierRejected for a 4xx. Plivo gives a message and no code."""
    if 400 <= reply.status < 500:
        error = (reply.json() or {}).get("error")
        message = str(error.get("error", error)) if isinstance(error, dict) else str(error or "")
        raise CarrierRejected(message[:300] or f"HTTP {reply.status}", status=reply.status, code=str(reply.status))


def _accepted(reply: Reply, what: str) -> None:
    """Raises CarrierRejected for a 4xx, CarrierSilent for all but a 2xx, after which it may have acted."""
    _refuse(reply)
    if not 200 <= reply.status < 300:
        raise CarrierSilent(f"the outcome of the {what} is unknown", status=reply.status)
