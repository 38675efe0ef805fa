"""A media socket of one call, independent of its messages: connect, feed from the line's clock, close, count.

Connects the line, which keeps time, to the socket, which carries JSON. Each carrier adds its handshake and its messages
(`simulators.<carrier>.media`). A protocol error is written into the ledger and otherwise ignored.
"""

import asyncio
import itertools
import time
from abc import ABC, abstractmethod
from array import array
from binascii import a2b_base64
from typing import Any
from urllib.parse import urlsplit

import orjson

from simulators.phone.call import Call
from simulators.phone.faults import Rule
from simulators.phone.line import Line
from simulators.phone.websocket import Closed, Refused, WebSocket, connect

__all__ = ["Stream", "StreamFailed"]


class StreamFailed(Exception):
    """The socket could not be opened. `status` is the HTTP status it was refused with, 0 when there was none."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Stream(ABC):
    """One media stream, from upgrade to close."""

    protocol_error = 0
    """The carrier's code for a message it does not understand."""

    def __init__(self, call: Call, line: Line, url: str, sid: str) -> None:
        self.sid = sid
        self.url = url
        self.opened_at: float | None = None
        self.closed_at: float | None = None
        self.ended_by = ""
        self.error = 0
        self.faults = False
        """Whether a fault rule cut the socket."""
        self.line = line
        self.chunk = 0
        """Frames sent."""
        self._call = call
        self._socket: WebSocket | None = None
        self._arrivals = array("d")
        self._bytes = 0
        self._counts: dict[str, int] = {}
        self._marks: list[dict[str, Any]] = []
        self._returned = 0
        self._clears: list[dict[str, Any]] = []
        self._errors: list[dict[str, Any]] = []
        self._timers: list[asyncio.TimerHandle] = []

    # --- what a carrier adds

    @abstractmethod
    def headers(self) -> dict[str, str]:
        """The headers of the upgrade besides those of RFC 6455: signatures, tokens."""

    @abstractmethod
    def hello(self) -> None:
        """Send the messages that introduce the call."""

    @abstractmethod
    def goodbye(self) -> None:
        """Send the message that announces the end."""

    @abstractmethod
    def carry(self, said: bytes | None) -> None:
        """Send the 20 ms the callee just said (None: silence). Runs fifty times a second per call."""

    @abstractmethod
    def dtmf(self, digit: str) -> None:
        """Send a key of the callee."""

    @abstractmethod
    def mark_passed(self, name: str, why: str) -> None:
        """Return a mark to the customer, "reached" or "cleared"."""

    @abstractmethod
    def understand(self, event: str, message: dict[str, Any]) -> str:
        """Act on a message; returns what is wrong with it, or "". It may raise KeyError, TypeError, ValueError."""

    def objected(self, what: str) -> None:
        """Report a message that was not understood, if the carrier does."""
        del what

    @abstractmethod
    def inject(self, rule: Rule) -> None:
        """Apply a fault that is specific to this carrier's sockets."""

    def facts(self) -> dict[str, str]:
        """The fields that fault rules match."""
        call = self._call
        return {"call_sid": call.sid, "from": call.from_, "to": call.to, "url": self.url}

    # --- lifetime

    async def open(self) -> None:
        """Connect, introduce the call, and let the line's clock drive it. Raises StreamFailed."""
        headers = {**self.headers(), "Host": urlsplit(self.url).netloc}
        failure: Exception = OSError("no route")
        for route in self._call.exchange.public.routes(self.url):
            try:
                self._socket = await connect(route, headers=headers, on_text=self._take)
                break
            except Refused as error:
                raise StreamFailed(str(error), error.status) from error
            except (OSError, TimeoutError) as error:
                failure = error
        if self._socket is None:
            raise StreamFailed(repr(failure)) from failure
        self._begin()

    async def wait_closed(self) -> Closed:
        """Return when the customer has closed, or lost, the socket."""
        if self._socket is None:
            raise RuntimeError("open() comes first")
        return await asyncio.shield(self._socket.closed)

    def finish(self, by: str) -> bool:
        """End the stream: announce the end and close, if the socket is still open.

        Returns False when it had not been opened, or was finished before.
        """
        if self.opened_at is None or self.closed_at is not None:
            return False
        self.closed_at = time.time()
        self.ended_by = by
        for timer in self._timers:
            timer.cancel()
        self.line.carry = None
        self.line.hearing.on_mark = None
        self._call.stream = None
        # The audio that the customer queued on this socket is dropped with it.
        self.line.hearing.clear()
        if self._socket is not None:
            self.goodbye()
            self._socket.close()
        self._call.note("stream.stopped", stream_sid=self.sid, by=by)
        return True

    def _begin(self) -> None:
        call, line = self._call, self.line
        self.opened_at = time.time()
        self.hello()
        call.stream = self
        line.hearing.on_mark = self._mark_passed
        line.carry = self.carry
        call.note("stream.started", stream_sid=self.sid, url=self.url)
        facts = self.facts()
        while (rule := call.exchange.faults.take("stream", facts)) is not None:
            self._timers.append(asyncio.get_running_loop().call_later(rule.ms / 1000, self._inject, rule))

    def _inject(self, rule: Rule) -> None:
        self._call.note("injected", stream_sid=self.sid, do=rule.do, clean=rule.clean)
        if rule.do == "cut":
            self.cut(clean=rule.clean)
        else:
            self.inject(rule)

    def cut(self, *, clean: bool) -> None:
        """Break the socket, or close it cleanly without announcing the end."""
        if self._socket is None:
            return
        self.faults = True
        if clean:
            self._socket.close()
        else:
            self._socket.abort()

    # --- out

    def write(self, message: bytes) -> None:
        """Send a message that is JSON already."""
        if self._socket is not None:
            self._socket.send(message)

    def send(self, message: dict[str, Any]) -> None:
        """Send a message."""
        self.write(orjson.dumps(message))

    def _mark_passed(self, name: str, why: str) -> None:
        # Marks come back in the order they were set, whatever their names.
        mark = self._marks[self._returned]
        self._returned += 1
        mark |= {"returned_at": time.time(), "returned_ms": self.line.now_ms, "why": why}
        self.mark_passed(name, why)

    # --- in

    def _take(self, raw: bytes) -> None:
        try:
            message = orjson.loads(raw)
            event = message["event"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            self._object("not a JSON object with an event", raw)
            return
        try:
            wrong = self.understand(event, message)
        except (KeyError, TypeError, ValueError) as error:
            # binascii.Error is a ValueError, so invalid base64 is caught here too.
            wrong = f"{event}: {error}"
        if wrong:
            self._object(wrong, raw)
        else:
            self._counts[event] = self._counts.get(event, 0) + 1

    def audio(self, payload: str, *, at_most_ms: int = 0) -> int:
        """Queue base64 mu-law, or drop it if more than `at_most_ms` would be queued (0: no limit).

        Returns the queued milliseconds. Raises ValueError for invalid audio.
        """
        audio = a2b_base64(payload, strict_mode=True)
        if not audio:
            raise ValueError("no audio")
        hearing = self.line.hearing
        waiting = (hearing.queued - hearing.played + len(audio)) // 8
        if at_most_ms and waiting > at_most_ms:
            raise ValueError(f"the buffer holds {at_most_ms} ms")
        self._arrivals.append(time.time())
        self._bytes += len(audio)
        hearing.put(audio)
        return waiting

    def mark(self, name: str) -> None:
        """Set a mark behind the queued audio. Raises ValueError without a name."""
        if not name:
            raise ValueError("a mark needs a name")
        hearing = self.line.hearing
        ahead_ms = (hearing.queued - hearing.played) // 8
        self._marks.append(
            {"name": name, "at": time.time(), "ms": self.line.now_ms, "ahead_ms": ahead_ms, "returned_at": None}
        )
        hearing.mark(name)

    def clear(self) -> None:
        """Drop the queued audio."""
        clear = {"at": time.time(), "ms": self.line.now_ms, "dropped_ms": self.line.hearing.clear()}
        self._clears.append(clear)
        self._call.note("stream.clear", stream_sid=self.sid, **clear)

    def _object(self, what: str, raw: bytes) -> None:
        error = {"at": time.time(), "error": what, "message": raw[:200].decode("utf-8", "replace")}
        # Keep the first hundred only, so that a faulty customer cannot fill the memory.
        if len(self._errors) < 100:
            self._errors.append(error)
            self._call.note("stream.error", stream_sid=self.sid, code=self.protocol_error, **error)
        self._counts["error"] = self._counts.get("error", 0) + 1
        self.objected(what)

    # --- reporting

    def report(self) -> dict[str, Any]:
        """What was sent and received, with a summary of the arrival times."""
        return {
            "sid": self.sid,
            "url": self.url,
            "opened_at": self.opened_at,
            "closed_at": self.closed_at,
            "ended_by": self.ended_by,
            "error": self.error,
            "sent_frames": self.chunk,
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
        """Epoch seconds of each media message."""
        return self._arrivals.tolist()


def _gaps(arrivals: "array[float]") -> dict[str, float] | None:
    """The intervals between media messages; pauses above a second lie between two replies and are left out."""
    gaps = sorted(gap for gap in (b - a for a, b in itertools.pairwise(arrivals)) if gap < 1.0)
    if not gaps:
        return None
    picks = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    last = len(gaps) - 1
    return {name: round(gaps[int(last * share)] * 1000, 2) for name, share in picks.items()} | {"count": len(gaps)}
