"""`<Stream>`: the media WebSocket of one call, spoken from Twilio's side (wire reference §4.1).

Between the line, which keeps time, and the socket, which carries JSON: frames out each 20 ms, queued audio, marks and
clears in. Whatever breaks the protocol is written into the ledger and otherwise ignored, as Twilio does.
"""

import asyncio
import binascii
import itertools
import time
from array import array
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from simulators.phone.line import FRAME_MS, SILENCE, Line
from simulators.phone.mischief import Rule
from simulators.phone.websocket import Closed, Refused, WebSocket, connect
from simulators.twilio.call import Call, new_sid
from simulators.twilio.signature import sign

__all__ = ["Stream", "StreamFailed"]

HANDSHAKE_REFUSED = 31920
CLOSED_ABNORMALLY = 31921
PROTOCOL_ERROR = 31924

_SILENCE64 = binascii.b2a_base64(SILENCE, newline=False)
_MEDIA = (
    b'{"event":"media","sequenceNumber":"%d","media":'
    b'{"track":"inbound","chunk":"%d","timestamp":"%d","payload":"%b"},"streamSid":"%b"}'
)


class StreamFailed(Exception):
    """The socket could not be opened. `code` is Twilio's error code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Stream:
    """One media stream, from upgrade to close."""

    def __init__(self, call: Call, line: Line, url: str, parameters: Mapping[str, str], name: str = "") -> None:
        self.sid = new_sid("MZ")
        self.url = url
        self.name = name or self.sid
        self.opened_at: float | None = None
        self.closed_at: float | None = None
        self.ended_by = ""
        self.error = 0
        self.mischief = False
        """Whether the box itself cut the socket, on demand."""
        self._call = call
        self._line = line
        self._parameters = dict(parameters)
        self._socket: WebSocket | None = None
        self._sequence = 0
        self._chunk = 0
        self._sid_on_wire = self.sid.encode()
        self._wrong_sids = 0
        self._arrivals = array("d")
        self._bytes = 0
        self._counts: dict[str, int] = {}
        self._marks: list[dict[str, Any]] = []
        self._returned = 0
        self._clears: list[dict[str, Any]] = []
        self._errors: list[dict[str, Any]] = []
        self._timers: list[asyncio.TimerHandle] = []

    # --- life

    async def open(self) -> None:
        """Connect, sign, introduce the call. Raises StreamFailed."""
        exchange = self._call.exchange
        headers = {
            "User-Agent": "Twilio.TmeWs/1.0",
            "X-Twilio-Signature": sign(exchange.token, self.url),
            "Host": urlsplit(self.url).netloc,
        }
        failure: Exception = OSError("no route")
        for route in exchange.public.routes(self.url):
            try:
                self._socket = await connect(route, headers=headers, on_text=self._take)
                break
            except Refused as error:
                raise StreamFailed(HANDSHAKE_REFUSED, str(error)) from error
            except (OSError, TimeoutError) as error:
                failure = error
        if self._socket is None:
            raise StreamFailed(HANDSHAKE_REFUSED, repr(failure)) from failure
        self._introduce()

    async def wait_closed(self) -> Closed:
        """Return when the customer's side has closed, or lost, the socket."""
        if self._socket is None:
            raise RuntimeError("open() comes first")
        return await asyncio.shield(self._socket.closed)

    def finish(self, by: str) -> bool:
        """The stream is over: say `stop` and close, if the socket is still there.

        Whether this ended it: False when it had not been opened or was finished before.
        """
        if self.opened_at is None or self.closed_at is not None:
            return False
        self.closed_at = time.time()
        self.ended_by = by
        for timer in self._timers:
            timer.cancel()
        self._line.carry = None
        self._line.ear.on_mark = None
        self._call.stream = None
        # What the customer had queued belongs to this socket and falls silent with it.
        self._line.ear.clear()
        if self._socket is not None:
            stop = {"accountSid": self._call.exchange.account_sid, "callSid": self._call.sid}
            self._send({"event": "stop", "stop": stop})
            self._socket.close()
        self._call.note("stream.stopped", stream_sid=self.sid, by=by)
        return True

    def news(self, event: str, error: str = "") -> list[tuple[str, str]]:
        """The fields of a stream status callback: `stream-started`, `stream-stopped` or `stream-error`."""
        fields = [
            ("AccountSid", self._call.exchange.account_sid),
            ("CallSid", self._call.sid),
            ("StreamSid", self.sid),
            ("StreamName", self.name),
            ("StreamEvent", event),
            ("Timestamp", datetime.now(UTC).isoformat(timespec="milliseconds")),
        ]
        return [*fields, ("StreamError", error)] if error else fields

    def _introduce(self) -> None:
        call, line = self._call, self._line
        self.opened_at = time.time()
        self._send_raw(b'{"event":"connected","protocol":"Call","version":"1.0.0"}')
        start = {
            "accountSid": call.exchange.account_sid,
            "streamSid": self.sid,
            "callSid": call.sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": self._parameters,
        }
        self._send({"event": "start", "start": start})
        call.stream = self
        line.ear.on_mark = self._return_mark
        line.carry = self._carry
        call.note("stream.started", stream_sid=self.sid, url=self.url)
        facts = {"CallSid": call.sid, "From": call.from_, "To": call.to, "url": self.url}
        while (rule := call.exchange.mischief.take("stream", facts)) is not None:
            self._timers.append(asyncio.get_running_loop().call_later(rule.ms / 1000, self._misbehave, rule))

    def _misbehave(self, rule: Rule) -> None:
        self._call.note("mischief", stream_sid=self.sid, do=rule.do, clean=rule.clean)
        if rule.do == "wrong_sid":
            self._wrong_sids = rule.frames
            self._sid_on_wire = new_sid("MZ").encode()
        elif self._socket is not None:
            self.mischief = True
            if rule.clean:
                self._socket.close()
            else:
                self._socket.abort()

    # --- out

    def _carry(self, said: bytes | None) -> None:
        """Send the 20 ms the callee just said. Runs fifty times a second per call: no dictionaries here."""
        self._sequence += 1
        payload = _SILENCE64 if said is None else binascii.b2a_base64(said, newline=False)
        # `timestamp` counts from the stream's start; the first frame ends 20 ms into it.
        stamp = self._chunk * FRAME_MS
        self._chunk += 1
        self._send_raw(_MEDIA % (self._sequence, self._chunk, stamp, payload, self._sid_on_wire))
        if self._wrong_sids:
            self._wrong_sids -= 1
            if not self._wrong_sids:
                self._sid_on_wire = self.sid.encode()

    def dtmf(self, digit: str) -> None:
        """The callee pressed a key."""
        self._send({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": digit}})

    def _return_mark(self, name: str, why: str) -> None:
        # Marks come back in the order they were set, whatever their names.
        mark = self._marks[self._returned]
        self._returned += 1
        mark |= {"returned_at": time.time(), "returned_ms": self._line.now_ms, "why": why}
        self._send({"event": "mark", "mark": {"name": name}})

    def _send(self, message: dict[str, Any]) -> None:
        self._sequence += 1
        self._send_raw(orjson.dumps({**message, "sequenceNumber": str(self._sequence), "streamSid": self.sid}))

    def _send_raw(self, message: bytes) -> None:
        if self._socket is not None:
            self._socket.send(message)

    # --- in

    def _take(self, raw: bytes) -> None:
        try:
            message = orjson.loads(raw)
            event = message["event"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            self._object("not a JSON object with an event", raw)
            return
        if message.get("streamSid") != self.sid:
            self._object("names another stream", raw)
            return
        try:
            if event == "media":
                self._media(message["media"]["payload"])
            elif event == "mark":
                self._mark(str(message["mark"]["name"]))
            elif event == "clear":
                self._clear()
            else:
                self._object(f"unknown event {str(event)[:40]!r}", raw)
                return
        except (KeyError, TypeError, ValueError) as error:
            # binascii.Error is a ValueError: bad base64 ends here too.
            self._object(f"{event}: {error}", raw)
            return
        self._counts[event] = self._counts.get(event, 0) + 1

    def _media(self, payload: str) -> None:
        audio = binascii.a2b_base64(payload, strict_mode=True)
        if not audio:
            raise ValueError("no audio")
        self._arrivals.append(time.time())
        self._bytes += len(audio)
        self._line.ear.put(audio)

    def _mark(self, name: str) -> None:
        if not name:
            raise ValueError("a mark needs a name")
        ahead_ms = (self._line.ear.queued - self._line.ear.played) // 8
        self._marks.append(
            {"name": name, "at": time.time(), "ms": self._line.now_ms, "ahead_ms": ahead_ms, "returned_at": None}
        )
        self._line.ear.mark(name)

    def _clear(self) -> None:
        clear = {"at": time.time(), "ms": self._line.now_ms, "dropped_ms": self._line.ear.clear()}
        self._clears.append(clear)
        self._call.note("stream.clear", stream_sid=self.sid, **clear)

    def _object(self, what: str, raw: bytes) -> None:
        error = {"at": time.time(), "error": what, "message": raw[:200].decode("utf-8", "replace")}
        # The first hundred tell the story; a customer gone mad must not fill the box's memory.
        if len(self._errors) < 100:
            self._errors.append(error)
            self._call.note("stream.error", stream_sid=self.sid, code=PROTOCOL_ERROR, **error)
        self._counts["error"] = self._counts.get("error", 0) + 1

    # --- evidence

    def report(self) -> dict[str, Any]:
        """What went over the socket, with the arrival times summed up."""
        return {
            "sid": self.sid,
            "url": self.url,
            "parameters": self._parameters,
            "opened_at": self.opened_at,
            "closed_at": self.closed_at,
            "ended_by": self.ended_by,
            "error": self.error,
            "sent_frames": self._chunk,
            "unsent": 0 if self._socket is None else self._socket.unsent,
            "received": dict(self._counts),
            "media_bytes": self._bytes,
            "media_first_at": self._arrivals[0] if self._arrivals else None,
            "media_last_at": self._arrivals[-1] if self._arrivals else None,
            "gaps_ms": _gaps(self._arrivals),
            "marks": self._marks,
            "clears": self._clears,
            "errors": self._errors,
        }

    def arrivals(self) -> list[float]:
        """Epoch seconds of each media message, for who wants to do their own sums."""
        return self._arrivals.tolist()


def _gaps(arrivals: "array[float]") -> dict[str, float] | None:
    """Times between media messages; pauses above a second lie between two replies and are not counted."""
    gaps = sorted(gap for gap in (b - a for a, b in itertools.pairwise(arrivals)) if gap < 1.0)
    if not gaps:
        return None
    picks = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    last = len(gaps) - 1
    return {name: round(gaps[int(last * share)] * 1000, 2) for name, share in picks.items()} | {"count": len(gaps)}
