"""Plivo's end of the media WebSocket of one call (Plivo, "Audio streaming").

Plivo's peculiarities: no `connected` message, numbers are JSON numbers, a cleared checkpoint is never reported, at most
40 s are queued, and the upgrade is signed as if it were a GET over http.
"""

import asyncio
import time
import uuid
from binascii import b2a_base64
from dataclasses import dataclass
from typing import Any

from simulators.phone.faults import Rule
from simulators.phone.line import SILENCE, Line
from simulators.phone.stream import Stream as AnyStream
from simulators.phone.stream import StreamFailed
from simulators.plivo.call import Call, Callback

__all__ = ["Order", "run"]

_BUFFER_MS = 40_000
_FULL_AT = (30, 60, 90)
_CONNECTS = 3
_RECONNECT_S = 0.3
_LARGEST_PAYLOAD = 64 * 1024
_SILENCE64 = b2a_base64(SILENCE, newline=False)
_MEDIA = (
    b'{"event":"media","sequenceNumber":%d,"streamId":"%b","media":'
    b'{"track":"inbound","timestamp":"%d","chunk":%d,"payload":"%b"},"extra_headers":%b}'
)


@dataclass(frozen=True)
class Order:
    """A stream as ordered, in XML or by REST."""

    url: str
    two_way: bool
    timeout_s: float = 86_400.0
    extra_headers: str = ""
    callback: Callback | None = None


class _Stream(AnyStream):
    def __init__(self, call: Call, line: Line, order: Order, sid: str) -> None:
        super().__init__(call, line, order.url, sid)
        self.order = order
        self._leg = call
        self._sequence = 0
        self._says_stop = True
        self._fullest = 0
        self._id_on_wire = self.sid.encode()
        self._extra = b'"%b"' % order.extra_headers.encode().replace(b'"', b"")

    def headers(self) -> dict[str, str]:
        scheme, _, rest = self.url.partition("://")
        del scheme
        # On a live call only the http:// form of the stream's URL matches, even if wss:// was dialled.
        return {"User-Agent": "Plivo", **self._leg.exchange.keys.headers("GET", f"http://{rest}", ())}

    def send_status(self, event: str, **facts: str) -> None:
        """Send a stream status callback, if one was ordered."""
        if self.order.callback is not None:
            fields = [pair for pair in self._leg.fields(event) if pair[0] not in ("BillRate", "SessionStart")]
            stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
            fields += [("StreamID", self.sid), ("Timestamp", stamp), ("ServiceURL", self.url), *facts.items()]
            self._leg.notify("stream", self.order.callback, fields)

    # --- out

    def hello(self) -> None:
        start = {
            "callId": self._leg.sid,
            "streamId": self.sid,
            "accountId": self._leg.exchange.auth_id,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        }
        self._sequence += 1
        headers = self.order.extra_headers
        self.send({"event": "start", "sequenceNumber": self._sequence, "start": start, "extra_headers": headers})

    def goodbye(self) -> None:
        if self._says_stop:
            self._number({"event": "stop"})

    def carry(self, said: bytes | None) -> None:
        """Send the 20 ms the callee just said. Built without dictionaries, for speed."""
        self._sequence += 1
        self.chunk += 1
        payload = _SILENCE64 if said is None else b2a_base64(said, newline=False)
        stamp = int(time.time() * 1000)
        self.write(_MEDIA % (self._sequence, self._id_on_wire, stamp, self.chunk, payload, self._extra))

    def dtmf(self, digit: str) -> None:
        stamp = str(int(time.time() * 1000))
        self._number({"event": "dtmf", "dtmf": {"track": "inbound", "digit": digit, "timestamp": stamp}})

    def mark_passed(self, name: str, why: str) -> None:
        """Only a mark whose audio was played is reported."""
        if why == "reached":
            self._number({"event": "playedStream", "name": name})

    def inject(self, rule: Rule) -> None:
        del rule
        self._says_stop = False

    def _number(self, message: dict[str, Any]) -> None:
        self._sequence += 1
        self.send({**message, "sequenceNumber": self._sequence, "streamId": self.sid})

    # --- in

    def understand(self, event: str, message: dict[str, Any]) -> str:
        if message.get("streamId", self.sid) != self.sid:
            return "names another stream"
        if event == "playAudio":
            self._play(message["media"])
        elif event == "checkpoint":
            self._named(message)
            self.mark(str(message["name"]))
        elif event == "clearAudio":
            self._named(message)
            self.clear()
            self._fullest = 0
            self._number({"event": "clearedAudio"})
        elif event == "sendDTMF":
            self._leg.note("digits", digits=str(message["dtmf"]))
        else:
            return f"unknown event {str(event)[:40]!r}"
        return ""

    def _named(self, message: dict[str, Any]) -> None:
        if "streamId" not in message:
            raise ValueError("no streamId")

    def _play(self, media: dict[str, Any]) -> None:
        if not self.order.two_way:
            raise ValueError("this stream is not bidirectional")
        if media["contentType"] != "audio/x-mulaw" or int(media["sampleRate"]) != 8000:
            raise ValueError(f"{media['contentType']} at {media['sampleRate']} is not what was ordered")
        if len(media["payload"]) > _LARGEST_PAYLOAD:
            raise ValueError("a payload of more than 64 KB")
        waiting = self.audio(media["payload"], at_most_ms=_BUFFER_MS)
        full = waiting * 100 // _BUFFER_MS
        passed = [mark for mark in _FULL_AT if self._fullest < mark <= full]
        self._fullest = max(passed, default=self._fullest if full >= _FULL_AT[0] else 0)
        for mark in passed:
            self.send_status("DegradedStream", BufferUsage=str(mark))


async def run(call: Call, line: Line, order: Order, sid: str = "") -> None:
    """Stream until the socket or the call is over, and report both ends."""
    stream = _Stream(call, line, order, sid or str(uuid.uuid4()))
    call.streams.append(stream)
    try:
        await _open(stream)
        stream.send_status("StartStream")
        async with asyncio.timeout(order.timeout_s):
            closed = await stream.wait_closed()
        ended = stream.finish("fault" if stream.faults else "customer")
        if ended:
            stream.send_status("StopStream" if closed.clean else "DroppedStream")
    except StreamFailed as failure:
        stream.error = 1
        call.note("error", code=1, about=f"stream {stream.sid}: {failure}")
        stream.send_status("DroppedStream", Reason=str(failure))
    except TimeoutError:
        call.note("stream.timeout", stream_sid=stream.sid)
    finally:
        # The stream is still open here only if the call ends or moves on, or the stream is stopped or times out.
        if stream.finish("call"):
            stream.send_status("StopStream")


async def _open(stream: _Stream) -> None:
    """Connect; a failure is retried twice."""
    for attempt in range(1, _CONNECTS + 1):
        try:
            await stream.open()
        except StreamFailed:
            if attempt == _CONNECTS:
                raise
            await asyncio.sleep(_RECONNECT_S)
        else:
            return
