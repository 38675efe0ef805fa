"""Telnyx's end of the media WebSocket of one call (Telnyx, "Media streaming over WebSockets")."""

import random
import uuid
from binascii import b2a_base64
from typing import Any

from simulators.phone.faults import Rule
from simulators.phone.line import FRAME_BYTES, FRAME_MS, SILENCE, Line
from simulators.phone.stream import Stream as AnyStream
from simulators.phone.stream import StreamFailed
from simulators.telnyx.call import Call
from simulators.telnyx.codecs import carried, sample_rate
from simulators.telnyx.requests import Streaming

__all__ = ["INVALID_MEDIA", "MALFORMED_FRAME", "UNKNOWN_ERROR", "Stream", "run"]

UNKNOWN_ERROR = 100002
MALFORMED_FRAME = 100003
INVALID_MEDIA = 100004
_TITLES = {UNKNOWN_ERROR: "unknown_error", MALFORMED_FRAME: "malformed_frame", INVALID_MEDIA: "invalid_media"}
_LONGEST_BYTES = 30 * 8000
_SILENCE64 = b2a_base64(SILENCE, newline=False)
_MEDIA = (
    b'{"event":"media","sequence_number":"%d","media":'
    b'{"track":"inbound","chunk":"%d","timestamp":"%d","payload":"%b"},"stream_id":"%b"}'
)


class Stream(AnyStream):
    """One media stream, from upgrade to close."""

    protocol_error = MALFORMED_FRAME

    def __init__(self, call: Call, line: Line, order: Streaming) -> None:
        super().__init__(call, line, order.url, str(uuid.uuid4()))
        self.order = order
        self._leg = call
        self._codec = call.codec
        self._sequence = 0
        self._id_on_wire = self.sid.encode()
        self._shuffled = 0
        self._block_size = 0
        self._block: list[bytes] = []
        self._says_stop = True

    def headers(self) -> dict[str, str]:
        token = self.order.token
        return {"User-Agent": "telnyx-streaming"} | ({"Authorization": f"Bearer {token}"} if token else {})

    # --- out

    def hello(self) -> None:
        self.write(b'{"event":"connected","version":"1.0.0"}')
        call = self._leg
        start: dict[str, Any] = {
            "user_id": call.exchange.connection_id,
            "call_control_id": call.sid,
            "call_session_id": call.session_id,
            "from": call.from_,
            "to": call.to,
            "tags": [],
            "client_state": call.client_state,
            "media_format": {"encoding": call.codec, "sample_rate": sample_rate(call.codec), "channels": 1},
        }
        if self.order.parameters:
            start["custom_parameters"] = dict(self.order.parameters)
        self._number({"event": "start", "start": start})

    def goodbye(self) -> None:
        self._flush_block()
        if self._says_stop:
            about = {"user_id": self._leg.exchange.connection_id, "call_control_id": self._leg.sid}
            self._number({"event": "stop", "stop": about})

    def carry(self, said: bytes | None) -> None:
        """Send the 20 ms the callee just said. Built without dictionaries, for speed."""
        self._sequence += 1
        if self._codec == "PCMU":
            payload = _SILENCE64 if said is None else b2a_base64(said, newline=False)
        else:
            payload = b2a_base64(carried(self._codec, SILENCE if said is None else said), newline=False)
        stamp = self.chunk * FRAME_MS
        self.chunk += 1
        message = _MEDIA % (self._sequence, self.chunk, stamp, payload, self._id_on_wire)
        if self._shuffled:
            self._hold(message)
        else:
            self.write(message)

    def dtmf(self, digit: str) -> None:
        self._number({"event": "dtmf", "dtmf": {"digit": digit}})

    def mark_passed(self, name: str, why: str) -> None:
        """Telnyx returns a mark either way."""
        del why
        self._number({"event": "mark", "mark": {"name": name}})

    def objected(self, what: str) -> None:
        self._error(INVALID_MEDIA if what.startswith("media:") else MALFORMED_FRAME, what)

    def inject(self, rule: Rule) -> None:
        if rule.do == "shuffle":
            self._shuffled, self._block_size = rule.frames, rule.copies
        elif rule.do == "error":
            self._error(UNKNOWN_ERROR, "requested by a fault rule")
        else:
            self._says_stop = False

    def _hold(self, message: bytes) -> None:
        self._shuffled -= 1
        self._block.append(message)
        if len(self._block) >= self._block_size or not self._shuffled:
            self._flush_block()

    def _flush_block(self) -> None:
        """Send the frames held back, in another order than they came in."""
        block, self._block = self._block, []
        order = list(range(len(block)))
        while len(order) > 1 and order == sorted(order):
            random.shuffle(order)
        for index in order:
            self.write(block[index])

    def _error(self, code: int, detail: str) -> None:
        about = {"code": code, "title": _TITLES[code], "detail": detail}
        self.send({"event": "error", "payload": about, "stream_id": self.sid})

    def _number(self, message: dict[str, Any]) -> None:
        self._sequence += 1
        self.send({**message, "sequence_number": str(self._sequence), "stream_id": self.sid})

    # --- in

    def understand(self, event: str, message: dict[str, Any]) -> str:
        if event == "media":
            self._play(message["media"]["payload"])
        elif event == "mark":
            self.mark(str(message["mark"]["name"]))
        elif event == "clear":
            self.clear()
        else:
            return f"unknown event {str(event)[:40]!r}"
        return ""

    def _play(self, payload: str) -> None:
        if not self.order.two_way:
            raise ValueError("this stream is not bidirectional rtp")
        size = len(payload) * 3 // 4 - payload.count("=", -2)
        if not FRAME_BYTES <= size <= _LONGEST_BYTES:
            raise ValueError(f"{size} bytes are not between 20 ms and 30 s")
        self.audio(payload)


async def run(call: Call, line: Line, order: Streaming) -> None:
    """Stream until the socket or the call is over, and report both ends. The call outlives its stream."""
    stream = Stream(call, line, order)
    call.streams.append(stream)
    about = {"stream_id": stream.sid, "stream_url": order.url}

    def failed(reason: str) -> None:
        stream.error = UNKNOWN_ERROR
        call.note("error", code=UNKNOWN_ERROR, about=f"stream {stream.sid}: {reason}")
        parameters = {"stream_url": order.url, "track": "inbound_track"}
        facts = {"failure_reason": reason, "stream_params": parameters, "stream_type": "websocket"}
        call.notify("streaming.failed", {"stream_id": stream.sid, **facts})

    try:
        await stream.open()
        call.notify("streaming.started", about)
        closed = await stream.wait_closed()
        ended = stream.finish("fault" if stream.faults else "customer")
        if not closed.clean:
            failed("connection_lost")
        elif ended:
            call.notify("streaming.stopped", about)
    except StreamFailed as failure:
        failed("connection_failed")
        call.note("stream.refused", stream_sid=stream.sid, why=str(failure))
    finally:
        # The stream is still open here only if the call ends or after a streaming_stop.
        if stream.finish("call"):
            call.notify("streaming.stopped", about)
