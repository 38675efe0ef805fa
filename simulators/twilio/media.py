"""`<Stream>`: Twilio's end of the media WebSocket of one call (Twilio, "Media Streams: WebSocket messages")."""

from binascii import b2a_base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from simulators.phone.faults import Rule
from simulators.phone.line import FRAME_MS, SILENCE, Line
from simulators.phone.stream import Stream as AnyStream
from simulators.twilio.call import Call, new_sid
from simulators.twilio.signature import sign

__all__ = ["CLOSED_ABNORMALLY", "HANDSHAKE_REFUSED", "PROTOCOL_ERROR", "Stream"]

HANDSHAKE_REFUSED = 31920
CLOSED_ABNORMALLY = 31921
PROTOCOL_ERROR = 31924

_SILENCE64 = b2a_base64(SILENCE, newline=False)
_MEDIA = (
    b'{"event":"media","sequenceNumber":"%d","media":'
    b'{"track":"inbound","chunk":"%d","timestamp":"%d","payload":"%b"},"streamSid":"%b"}'
)


class Stream(AnyStream):
    """One media stream, from upgrade to close."""

    protocol_error = PROTOCOL_ERROR

    def __init__(self, call: Call, line: Line, url: str, parameters: Mapping[str, str], name: str = "") -> None:
        super().__init__(call, line, url, new_sid("MZ"))
        self.name = name or self.sid
        self._account = call.exchange.account_sid
        self._token = call.exchange.token
        self._parameters = dict(parameters)
        self._sequence = 0
        self._sid_on_wire = self.sid.encode()
        self._wrong_sids = 0

    def headers(self) -> dict[str, str]:
        return {"User-Agent": "Twilio.TmeWs/1.0", "X-Twilio-Signature": sign(self._token, self.url)}

    def facts(self) -> dict[str, str]:
        call = self._call
        return {**super().facts(), "CallSid": call.sid, "From": call.from_, "To": call.to}

    def callback_fields(self, event: str, error: str = "") -> list[tuple[str, str]]:
        """The fields of a stream status callback: `stream-started`, `stream-stopped` or `stream-error`."""
        fields = [
            ("AccountSid", self._account),
            ("CallSid", self._call.sid),
            ("StreamSid", self.sid),
            ("StreamName", self.name),
            ("StreamEvent", event),
            ("Timestamp", datetime.now(UTC).isoformat(timespec="milliseconds")),
        ]
        return [*fields, ("StreamError", error)] if error else fields

    # --- out

    def hello(self) -> None:
        self.write(b'{"event":"connected","protocol":"Call","version":"1.0.0"}')
        start = {
            "accountSid": self._account,
            "streamSid": self.sid,
            "callSid": self._call.sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": self._parameters,
        }
        self._number({"event": "start", "start": start})

    def goodbye(self) -> None:
        self._number({"event": "stop", "stop": {"accountSid": self._account, "callSid": self._call.sid}})

    def carry(self, said: bytes | None) -> None:
        """Send the 20 ms the callee just said. Built without dictionaries, for speed."""
        self._sequence += 1
        payload = _SILENCE64 if said is None else b2a_base64(said, newline=False)
        # `timestamp` counts from the stream's start; the first frame ends 20 ms into it.
        stamp = self.chunk * FRAME_MS
        self.chunk += 1
        self.write(_MEDIA % (self._sequence, self.chunk, stamp, payload, self._sid_on_wire))
        if self._wrong_sids:
            self._wrong_sids -= 1
            if not self._wrong_sids:
                self._sid_on_wire = self.sid.encode()

    def dtmf(self, digit: str) -> None:
        self._number({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": digit}})

    def mark_passed(self, name: str, why: str) -> None:
        """Twilio returns a mark either way."""
        del why
        self._number({"event": "mark", "mark": {"name": name}})

    def inject(self, rule: Rule) -> None:
        self._wrong_sids = rule.frames
        self._sid_on_wire = new_sid("MZ").encode()

    def _number(self, message: dict[str, Any]) -> None:
        self._sequence += 1
        self.send({**message, "sequenceNumber": str(self._sequence), "streamSid": self.sid})

    # --- in

    def understand(self, event: str, message: dict[str, Any]) -> str:
        if message.get("streamSid") != self.sid:
            return "names another stream"
        if event == "media":
            self.audio(message["media"]["payload"])
        elif event == "mark":
            self.mark(str(message["mark"]["name"]))
        elif event == "clear":
            self.clear()
        else:
            return f"unknown event {str(event)[:40]!r}"
        return ""

    def report(self) -> dict[str, Any]:
        return {**super().report(), "parameters": self._parameters}
