"""Commands to Telnyx over REST: dial, answer, reject, speak, transcribe, stream, send DTMF, hang up ("Call Control").

Used by a call's lanes and by recovery. Every command carries a `command_id` made from its effect, and Telnyx ignores a
second command with the same id for a minute, so commands to a leg are repeated after silence within that time. A dial
is not repeated; the outcome of a lost one is looked up (guarantee P3).
"""

import re
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Literal
from urllib.parse import quote

import aiohttp

from voicecall.call.events import LegStatus, OnMachine
from voicecall.call.ids import E164, CallId, EffectId, LegId
from voicecall.call.replies import US_ENGLISH, Connect, NativeVoice, Relay
from voicecall.carriers.common.native_voice import ENGLISH, Native, native
from voicecall.carriers.common.rest import Reply, RestClient, RestTimeouts
from voicecall.carriers.common.stream_path import personal_url
from voicecall.carriers.telnyx.client_state import ClientState, read_client_state
from voicecall.carriers.telnyx.webhooks import is_call_control_id
from voicecall.errors import CarrierRejected, CarrierSilent, CarrierUnreachable
from voicecall.ports import CallControl, LegReport, WebhookUrl, current_url

__all__ = ["Control", "command_id"]

_ALREADY_OVER: Final = "90018"
_NO_SUCH_LEG: Final = "90015"
_GONE: Final = frozenset({_ALREADY_OVER, _NO_SUCH_LEG})
_STREAMS_ALREADY: Final = "90045"
_TRANSCRIBES_ALREADY: Final = "90054"
_LONGEST_CALL_S: Final = 14_400
_LONGEST_SPEECH: Final = 3000  # characters of one `speak`
_PAGE: Final = 250
_LEGS_REMEMBERED: Final = 4096
_STUCK_S: Final = 2.5
_DIGITS = re.compile(r"[0-9A-D*#wW]{1,64}\Z")
_COMMANDS: Final = uuid.UUID("0c9d53a1-52f0-5a51-8a57-2e3b9f0e7d42")
_CODECS: Final = "PCMU,PCMA"
_AZURE: Final = {
    "uk-UA": "Azure.uk-UA-PolinaNeural",
    "vi-VN": "Azure.vi-VN-HoaiMyNeural",
    "th-TH": "Azure.th-TH-PremwadeeNeural",
    "id-ID": "Azure.id-ID-GadisNeural",
    "uz-UZ": "Azure.uz-UZ-MadinaNeural",
}
"""`preferred_codecs`: of a leg in another codec the media stream may come in that codec, which is not decoded."""
_UNKNOWN = LegReport(status=LegStatus.UNKNOWN)


def command_id(effect: str) -> str:
    """A UUID derived from the effect's id: the same however often the command is sent, and by which process."""
    return str(uuid.uuid5(_COMMANDS, effect))


class Control(CallControl):
    """One Call Control connection. `webhook_url` is public and complete with its path; `http` is borrowed.

    Where a method takes `connect`, Telnyx opens the media socket it describes once the leg is answered. With `relay`
    the socket carries text.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        api_key: str,
        connection_id: str,
        webhook_url: WebhookUrl,
        base_url: str = "https://api.telnyx.com/v2",
        voice: NativeVoice = US_ENGLISH,
        relay: Relay | None = None,
        timeouts: RestTimeouts = RestTimeouts(),  # noqa: B008 - frozen, so sharing it is safe
    ) -> None:
        self._base = base_url.rstrip("/")
        self._rest = RestClient(http=http, authorization=f"Bearer {api_key}", timeouts=timeouts)
        self._connection_id = connection_id
        self._webhook_url = webhook_url
        self._voice = _native(voice)
        self._relay = relay
        self._transcribed: OrderedDict[LegId, None] = OrderedDict()
        self._streamed_since: OrderedDict[LegId, float] = OrderedDict()

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
        connect: Connect | None = None,
    ) -> LegId:
        request = {
            "connection_id": self._connection_id,
            "to": to,
            "from": from_,
            "command_id": command_id(effect),
            "timeout_secs": min(max(round(ring_timeout_s), 5), 600),
            "time_limit_secs": min(time_limit_s, _LONGEST_CALL_S),
            "preferred_codecs": _CODECS,
            **await self._callbacks(call),
            **_detection(on_machine),
            **_stream(connect),
        }
        reply = await self._rest.ask("POST", f"{self._base}/calls", json=request, harmless=False)
        _refuse(reply)
        leg = _data(reply).get("call_control_id")
        # After a redirect, a 5xx or a body that is not Telnyx's it may have dialled.
        if not 200 <= reply.status < 300 or not is_call_control_id(leg):
            raise CarrierSilent("the dial's outcome is unknown", status=reply.status)
        return LegId(str(leg))

    async def find(self, *, call: CallId, to: E164, from_: E164, since: float) -> LegReport:  # noqa: ARG002 - client_state suffices
        """The live leg with our `client_state`. Else UNKNOWN, until `call.initiated` reports the leg."""
        path = f"/connections/{quote(self._connection_id, safe='')}/active_calls?page%5Bsize%5D={_PAGE}"
        reply = await self._peek(self._base + path)
        rows = (reply.json() or {}).get("data") if reply is not None and reply.status == 200 else None
        for row in rows if isinstance(rows, list) else ():
            state = read_client_state(row.get("client_state")) if isinstance(row, dict) else None
            if state is not None and state.call == call:
                leg = row.get("call_control_id")
                return LegReport(status=LegStatus.ALIVE, leg=LegId(str(leg))) if is_call_control_id(leg) else _UNKNOWN
        return _UNKNOWN

    async def look_up(self, leg: LegId) -> LegReport:
        reply = await self._peek(self._leg(leg))
        if reply is None:
            return LegReport(status=LegStatus.UNKNOWN, leg=leg)
        code = _error(reply)[0]
        if reply.status == 404 or code == _NO_SUCH_LEG:
            return LegReport(status=LegStatus.ABSENT, leg=leg)
        if code == _ALREADY_OVER:
            return LegReport(status=LegStatus.ENDED, leg=leg)
        row = _data(reply) if reply.status == 200 else {}
        if row.get("call_control_id") != leg:
            return LegReport(status=LegStatus.UNKNOWN, leg=leg)
        if row.get("is_alive") is True:
            return LegReport(status=LegStatus.ALIVE, leg=leg)
        # A leg that is being dialled is not alive either; only an ended one has an end time.
        over = row.get("is_alive") is False and bool(row.get("end_time"))
        return LegReport(status=LegStatus.ENDED if over else LegStatus.UNKNOWN, leg=leg)

    async def hang_up(self, leg: LegId) -> None:
        body = {"command_id": command_id(f"hangup:{leg}")}
        reply = await self._rest.ask("POST", f"{self._leg(leg)}/actions/hangup", json=body, harmless=True)
        if reply.status != 404 and _error(reply)[0] not in _GONE:
            _accepted(reply, "hang-up")

    async def send_digits(
        self,
        leg: LegId,
        digits: str,
        *,
        call: CallId,  # noqa: ARG002 - the leg suffices
        effect: EffectId,
    ) -> bool:
        """`w` and `W` pause for half a second and a second."""
        if not _DIGITS.match(digits):
            raise CarrierRejected("not the keys of a telephone", code="digits")
        await self._command(leg, "send_dtmf", effect, digits=digits)
        return True

    async def transfer(
        self, leg: LegId, *, to: str, from_: str, ring_timeout_s: float, call: CallId, effect: EffectId
    ) -> None:
        """Telnyx calls `to` and bridges it; the end of that leg reports the outcome, by its own `client_state`."""
        state = ClientState(call, transfer=int(effect.rpartition(".")[2])).encoded()
        await self._command(
            leg,
            "transfer",
            effect,
            **{"to": to, "from": from_, "timeout_secs": min(max(round(ring_timeout_s), 5), 600)},
            target_leg_client_state=state,
            **await self._callbacks(call),
        )

    async def say(
        self, leg: LegId, text: str, *, call: CallId, utterance: int, token: str, listens: bool
    ) -> float | None:
        """Speak, replacing the prompt before. `call.speak.ended` returns `utterance`, `call.transcription` `token`."""
        if not 0 < len(text) <= _LONGEST_SPEECH:
            raise CarrierRejected("a prompt for Telnyx has 1 to 3000 characters", code="speech-length")
        if listens:
            await self.start_transcription(leg, call=call, language=_recognised(self._voice.language))
        await self._command(
            leg,
            "speak",
            f"say:{call}:{utterance}",
            payload=text,
            voice=self._voice.voice,
            language=self._voice.language,
            stop="all",
            client_state=ClientState(call, utterance, token).encoded(),
        )
        return None

    # --- beyond `CallControl`: what other carriers read from the answer to a webhook

    async def answer(self, leg: LegId, *, call: CallId, effect: EffectId, connect: Connect | None = None) -> None:
        """Answer an inbound leg. Its later webhooks carry our call id."""
        callbacks = await self._callbacks(call)
        await self._command(leg, "answer", effect, preferred_codecs=_CODECS, **callbacks, **_stream(connect))

    async def reject(self, leg: LegId, *, effect: EffectId, reason: Literal["rejected", "busy"]) -> None:
        """Reject an inbound leg. One that has ended already, or is unknown, is success."""
        cause = "USER_BUSY" if reason == "busy" else "CALL_REJECTED"
        try:
            await self._command(leg, "reject", effect, cause=cause)
        except CarrierRejected as error:
            if error.status != 404 and error.code not in _GONE:
                raise

    async def start_stream(self, leg: LegId, *, effect: EffectId, connect: Connect) -> None:
        """Open a media socket for an answered leg, after its socket was lost.

        Telnyx streams to one socket at a time. One that is being opened, or whose loss Telnyx is about to notice,
        counts as success: without a socket this is called again. A stream that still stands then is stopped first.
        """
        if self._relay is not None:
            await self._command(leg, "conversation_relay_start", effect, **_session(connect, self._relay))
            return
        try:
            await self._command(leg, "streaming_start", effect, **_stream(connect))
        except CarrierRejected as error:
            if error.code != _STREAMS_ALREADY:
                raise
            if not self._is_stuck(leg):
                return
            with suppress(CarrierRejected):  # it has ended meanwhile
                await self._command(leg, "streaming_stop", f"{effect}:stop")
            await self._command(leg, "streaming_start", f"{effect}:again", **_stream(connect))
        self._streamed_since.pop(leg, None)

    async def await_beep(self, leg: LegId, *, call: CallId, effect: EffectId) -> None:  # noqa: ARG002 - the leg suffices
        """Stop every prompt. `call.machine.greeting.ended` follows without a further command."""
        await self._command(leg, "playback_stop", effect, stop="all")

    async def start_transcription(self, leg: LegId, *, call: CallId, language: str = "en") -> None:
        """Transcribe the caller by Telnyx until the leg ends; `call.transcription` reports each utterance.

        Sent once per leg; a transcription that another process has started is success.
        """
        if leg in self._transcribed:
            return
        config = {"transcription_engine": "Google", "language": language, "interim_results": False}
        try:
            await self._command(
                leg,
                "transcription_start",
                f"transcription:{call}",
                transcription_engine="Google",
                transcription_engine_config=config,
                transcription_tracks="inbound",
            )
        except CarrierRejected as error:
            if error.code != _TRANSCRIBES_ALREADY:
                raise
        self._transcribed[leg] = None
        if len(self._transcribed) > _LEGS_REMEMBERED:
            self._transcribed.popitem(last=False)

    def _is_stuck(self, leg: LegId) -> bool:
        """Whether a stream has stood without a socket for longer than Telnyx needs to notice its loss."""
        now = time.monotonic()
        since = self._streamed_since.setdefault(leg, now)
        if len(self._streamed_since) > _LEGS_REMEMBERED:
            self._streamed_since.popitem(last=False)
        return now - since >= _STUCK_S

    # --- requests

    async def _command(self, leg: LegId, action: str, effect: str, **fields: Any) -> None:
        """Repeated after silence: Telnyx acts once per `command_id`."""
        body = {**fields, "command_id": command_id(effect)}
        _accepted(await self._rest.ask("POST", f"{self._leg(leg)}/actions/{action}", json=body, harmless=True), action)

    async def _peek(self, url: str) -> Reply | None:
        """A GET; None when there is no reply."""
        try:
            return await self._rest.ask("GET", url, harmless=True)
        except (CarrierUnreachable, CarrierSilent):
            return None

    async def _callbacks(self, call: CallId) -> dict[str, str]:
        return {
            "client_state": ClientState(call).encoded(),
            "webhook_url": await current_url(self._webhook_url),
            "webhook_url_method": "POST",
        }

    def _leg(self, leg: LegId) -> str:
        return f"{self._base}/calls/{quote(leg, safe='')}"


def _native(voice: NativeVoice) -> Native:
    """Polly's voice; Azure's where Polly has none of the language; US English where neither has one."""
    found = native(voice)
    name = f"AWS.{found.voice}" if found.voice is not None else _AZURE.get(found.language)
    return Native(name, found.language) if name is not None else Native(f"AWS.{ENGLISH.voice}", ENGLISH.language)


def _recognised(language: str) -> str:
    """The language for Telnyx's transcription, which has no regions."""
    return {"arb": "ar", "cmn-CN": "zh"}.get(language, language.partition("-")[0])


def _detection(on_machine: OnMachine | None) -> Mapping[str, str]:
    """Neither kind delays the call. "greeting_end" is not used: silence before the beep would end its wait."""
    if on_machine is None:
        return {}
    kind = "detect_beep" if on_machine is OnMachine.LEAVE_MESSAGE else "detect"
    return {"answering_machine_detection": kind}


def _stream(connect: Connect | None) -> Mapping[str, Any]:
    """A media stream in mu-law both ways, so that nothing is resampled."""
    if connect is None:
        return {}
    return {
        "stream_url": personal_url(connect.stream_url, connect.call, connect.token),
        "stream_track": "inbound_track",
        "stream_codec": "PCMU",
        "stream_bidirectional_mode": "rtp",
        "stream_bidirectional_codec": "PCMU",
        "stream_bidirectional_sampling_rate": 8000,
        "stream_bidirectional_target_legs": "self",
        "stream_auth_token": connect.token,
    }


def _session(connect: Connect, relay: Relay) -> Mapping[str, Any]:
    """A session in which Telnyx hears and speaks; what is not configured is its default."""
    chosen = {
        "language": relay.language.partition("-")[0],
        "voice": relay.voice,
        "transcription_engine": relay.recogniser,
    }
    return {
        "url": personal_url(connect.stream_url, connect.call, connect.token),
        "interruptible": relay.interruptible,
        "dtmf_detection": True,
        **{name: value for name, value in chosen.items() if value},
    }


def _data(reply: Reply) -> Mapping[str, Any]:
    data = (reply.json() or {}).get("data")
    return data if isinstance(data, dict) else {}


def _error(reply: Reply) -> tuple[str, str]:
    """Code and message of Telnyx's first error; empty when the body is not Telnyx's."""
    errors = (reply.json() or {}).get("errors") if reply.status >= 400 else None
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, dict):
        return "", ""
    texts = [str(first[name]) for name in ("title", "detail") if first.get(name)]
    return str(first.get("code", ""))[:20], ": ".join(texts)[:300]


def _refuse(reply: Reply) -> None:
    """Raises CarrierRejected for a 4xx."""
    if 400 <= reply.status < 500:
        code, message = _error(reply)
        raise CarrierRejected(message or f"HTTP {reply.status}", status=reply.status, code=code)


def _accepted(reply: Reply, what: str) -> None:
    """Raises CarrierRejected for a 4xx, CarrierSilent for all but a 2xx, after which it may have acted."""
    _refuse(reply)
    if not 200 <= reply.status < 300:
        raise CarrierSilent(f"the outcome of {what} is unknown", status=reply.status)
