"""The call's ears: keeps the door pointed at this activation and carries the caller's audio to recognition.

Audio never enters `decide`; only facts about it do. Knows the roles `MediaBus` and `SpeechToText`, and how frames are
counted; does not know what was said or what it means.
"""

import asyncio
import logging
from collections import deque
from typing import Final

from actors.context import ActorContext, Report
from actors.ending import end
from voicecall.call.events import SpeechStopped, SttFailed
from voicecall.call.state import Call, Direction, MediaStream
from voicecall.errors import ServiceError
from voicecall.ports import Attach, CallerAudio, Detach, Lease, SttEvent, SttSession

__all__ = ["Listener"]

_log = logging.getLogger(__name__)

_ATTACH_EVERY_S: Final = 1.0
_FRAME: Final = 160  # bytes of 20 ms
_GAP_FRAMES: Final = 25  # a hole up to half a second is filled with silence, so that time stays true
_SILENCE: Final = b"\xff"
_PAUSE_S: Final = 0.2  # words that take longer after a pause are worth knowing about
_KEPT_BEFORE_OPEN: Final = 250  # pieces of audio that wait while recognition is still opening: about five seconds


class Listener:
    """One activation's ears. `follow` it with each committed state; `hear` what the door sends; `close` it once."""

    def __init__(self, context: ActorContext, lease: Lease, report: Report) -> None:
        self._context = context
        self._lease = lease
        self._report = report
        self._stream: MediaStream | None = None
        self._next_attach: asyncio.TimerHandle | None = None
        self._next_frame = 0  # number of the frame that should come next; 0 before the first
        self._early: deque[bytes] = deque(maxlen=_KEPT_BEFORE_OPEN)
        self._opening: asyncio.Task[None] | None = None
        self._hearing: SttSession | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._closed = False

    def follow(self, call: Call) -> None:
        """Point the door here, open recognition as soon as somebody may speak, and let go when the call is over."""
        if call.is_over:
            self._detach()
            return
        if call.stream != self._stream:
            self._stream, self._next_frame = call.stream, 0
            self._attach()
        if self._opening is None and not self._closed and _may_speak(call):
            self._opening = asyncio.ensure_future(self._open())

    def hear(self, audio: CallerAudio) -> None:
        """Take audio of the caller: in order, without repeats. What belongs to another stream is dropped."""
        if self._stream is None or audio.stream != self._stream.id or self._closed:
            return
        mulaw = audio.mulaw
        if self._next_frame:
            ahead = audio.first - self._next_frame
            if ahead < 0:
                mulaw = mulaw[-ahead * _FRAME :]
            elif ahead <= _GAP_FRAMES:
                mulaw = _SILENCE * (ahead * _FRAME) + mulaw
        if not mulaw:
            return
        self._next_frame = audio.first + -(-len(audio.mulaw) // _FRAME)
        if self._hearing is not None:
            self._hearing.feed(mulaw)
        else:
            self._early.append(mulaw)

    async def close(self) -> None:
        """Stop listening and stop claiming the door. Says nothing to it: another activation may have it by now."""
        self._closed = True
        self._stop_attaching()
        self._forget_pause()
        if self._opening is not None:
            await end(self._opening)
        if self._hearing is not None:
            hearing, self._hearing = self._hearing, None
            try:
                await hearing.close()
            except Exception:  # noqa: BLE001  see below
                # Nobody needs this session any more; that it did not end cleanly is for the log.
                _log.exception("recognition did not close", extra=self._facts())

    async def _open(self) -> None:
        try:
            hearing = await self._context.ports.stt.open(self._lease.call, self._on_event)
        except ServiceError as error:
            self._fail(str(error))
            return
        except Exception as error:  # noqa: BLE001  see below
            # An adapter broke its word: for the caller the same as a service that is down.
            _log.exception("recognition broke", extra=self._facts())
            self._fail(type(error).__name__)
            return
        self._hearing = hearing
        while self._early:
            hearing.feed(self._early.popleft())

    def _on_event(self, event: SttEvent) -> None:
        self._forget_pause()
        if isinstance(event, SpeechStopped):
            # The transcript follows within moments, and supersedes it: a commit for the pause would only delay it.
            self._pause = asyncio.get_running_loop().call_later(_PAUSE_S, self._report_pause)
        elif not self._closed:
            self._report(event)

    def _report_pause(self) -> None:
        self._pause = None
        if not self._closed:
            self._report(SpeechStopped())

    def _forget_pause(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _fail(self, reason: str) -> None:
        _log.warning("recognition failed", extra={**self._facts(), "reason": reason})
        self._early.clear()
        if not self._closed:
            self._report(SttFailed(reason=reason))

    def _attach(self) -> None:
        """Tell the door who owns this call, now and every second: a hint may be lost, and so may a door's memory."""
        self._stop_attaching()
        stream, lease = self._stream, self._lease
        if stream is None:
            return
        if self._context.lease_guard.alive:
            attach = Attach(call=lease.call, epoch=lease.epoch, node=self._context.node, stream=stream.id)
            self._context.media.send(stream.ingress, attach)
        self._next_attach = asyncio.get_running_loop().call_later(_ATTACH_EVERY_S, self._attach)

    def _stop_attaching(self) -> None:
        if self._next_attach is not None:
            self._next_attach.cancel()
            self._next_attach = None

    def _detach(self) -> None:
        self._stop_attaching()
        stream, self._stream = self._stream, None
        if stream is not None and self._context.lease_guard.alive:
            self._context.media.send(stream.ingress, Detach(call=self._lease.call, epoch=self._lease.epoch))

    def _facts(self) -> dict[str, object]:
        return {"call_id": self._lease.call, "epoch": self._lease.epoch}


def _may_speak(call: Call) -> bool:
    """Somebody is or will be on the line within moments: time to open recognition, so that no first word waits."""
    arriving = call.direction is Direction.INBOUND and call.leg is not None and bool(call.carrier)
    return call.policy.streaming and (call.stream is not None or call.phase.is_connected or arriving)
