"""The mock carrier's end of the media socket of one call: flat frames, base64 mu-law, marks that are returned."""

import uuid
from binascii import b2a_base64
from typing import Any

from simulators.mock.call import Call
from simulators.phone.faults import Rule
from simulators.phone.line import SILENCE, Line
from simulators.phone.stream import Stream as AnyStream
from simulators.phone.stream import StreamFailed

__all__ = ["run"]

_BUFFER_MS = 60_000
_SILENCE64 = b2a_base64(SILENCE, newline=False)
_AUDIO = b'{"event":"audio","stream":"%b","n":%d,"payload":"%b"}'


class _Stream(AnyStream):
    def __init__(self, call: Call, line: Line, url: str, token: str) -> None:
        super().__init__(call, line, url, f"st-{uuid.uuid4()}")
        self._leg = call
        self._token = token
        self._name = self.sid.encode()
        self._says_stop = True

    def headers(self) -> dict[str, str]:
        """No additional headers: the token in `start` authenticates the socket."""
        return {"User-Agent": "mock-carrier"}

    # --- out

    def hello(self) -> None:
        self._send_event("start", leg=self._leg.sid, call=self._leg.customer_id, token=self._token)

    def goodbye(self) -> None:
        if self._says_stop:
            self._send_event("stop")

    def carry(self, said: bytes | None) -> None:
        """Send the 20 ms the callee just said. Built without dictionaries, for speed."""
        self.chunk += 1
        payload = _SILENCE64 if said is None else b2a_base64(said, newline=False)
        self.write(_AUDIO % (self._name, self.chunk, payload))

    def dtmf(self, digit: str) -> None:
        self._send_event("key", digit=digit)

    def mark_passed(self, name: str, why: str) -> None:
        """Return a mark, whether its audio was played or dropped."""
        del why
        self._send_event("mark", name=name)

    def inject(self, rule: Rule) -> None:
        del rule
        self._says_stop = False

    def _send_event(self, event: str, **members: str) -> None:
        self.send({"event": event, "stream": self.sid, **members})

    # --- in

    def understand(self, event: str, message: dict[str, Any]) -> str:
        if message["stream"] != self.sid:
            return "names another stream"
        if event == "audio":
            self.audio(message["payload"], at_most_ms=_BUFFER_MS)
        elif event == "mark":
            self.mark(message["name"])
        elif event == "clear":
            self.clear()
        else:
            return f"unknown event {str(event)[:40]!r}"
        return ""


async def run(call: Call, line: Line, url: str, token: str) -> None:
    """Stream until the socket or the call is over. The call outlives its socket."""
    stream = _Stream(call, line, url, token)
    call.streams.append(stream)
    try:
        await stream.open()
        await stream.wait_closed()
        stream.finish("fault" if stream.faults else "customer")
    except StreamFailed as failure:
        stream.error = 1
        call.note("error", code=1, about=f"stream {stream.sid}: {failure}")
    finally:
        # The stream is still open here only if the call ends or a native prompt was ordered.
        stream.finish("call")
