"""The carrier's own voice, where no media stream is meant: one prompt at a time, each replacing the one before.

Used by `voice` for a call without a stream. Passes the same gate as every command to a carrier: a prompt is said at
most once, whoever was killed in between. Knows the role `CallControl`; what was heard, the carrier tells by webhook.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from actors.backoff import backoff
from actors.context import ActorContext, Report
from voicecall.call.effects import Speak
from voicecall.call.events import PlaybackBegan, PlaybackDone, SpeechFailed
from voicecall.call.state import Call
from voicecall.errors import BusUnavailable, CarrierError, CarrierSilent, Fenced
from voicecall.ports import Lease

__all__ = ["NativeSpeaker"]

_log = logging.getLogger(__name__)

_S_PER_CHARACTER: Final = 0.1  # slower than any voice
_LOST_AFTER_S: Final = 6.0  # a carrier that listens behind its prompt for a moment tells us after that moment


class NativeSpeaker:
    """Speaks for one activation. `call` gives the committed state."""

    def __init__(
        self,
        context: ActorContext,
        lease: Lease,
        call: Callable[[], Call],
        report: Report,
        *,
        lost_after_s: float = _LOST_AFTER_S,
    ) -> None:
        self._context = context
        self._lease = lease
        self._call = call
        self._report = report
        self._lost_after_s = lost_after_s

    @property
    def is_meant(self) -> bool:
        return self._call().is_native

    async def speak(self, speak: Speak) -> None:
        """Report `PlaybackBegan` when the carrier took it, or `SpeechFailed`; the end too, when the carrier knows it.

        Whether it took it may be unknown (`CarrierSilent`): then it failed only if nothing is told within the time
        it takes, and `lost_after_s`.

        Holds the voice's lane until the call has settled the prompt, which cancels this: a second prompt at the carrier
        would cut the first.
        """
        call = self._call()
        control = self._context.ports.on(call.route).controls.get(call.carrier)
        if control is None or call.leg is None:
            self._report(SpeechFailed(utterance=speak.utterance, reason="no way to the caller"))
            return
        if not await self._claimed(speak):
            return
        try:
            seconds = await control.say(
                call.leg,
                speak.text,
                call=call.id,
                utterance=speak.utterance,
                token=speak.token,
                listens=speak.listens,
            )
        except CarrierSilent as error:
            # It may be on the caller's ear, where an apology would cut it. If it is, the carrier will say so.
            _log.warning("prompt may be lost", extra={"call_id": call.id, "error": type(error).__name__})
            await asyncio.sleep(len(speak.text) * _S_PER_CHARACTER + self._lost_after_s)
            self._report(SpeechFailed(utterance=speak.utterance, reason=str(error)))
            return
        except CarrierError as error:
            _log.warning("prompt failed", extra={"call_id": call.id, "error": type(error).__name__})
            self._report(SpeechFailed(utterance=speak.utterance, reason=str(error)))
            return
        self._report(PlaybackBegan(utterance=speak.utterance))
        if seconds is not None:
            await asyncio.sleep(seconds)
            self._report(PlaybackDone(utterance=speak.utterance, heard_ms=0, total_ms=None, complete=True))
        await asyncio.get_running_loop().create_future()

    async def _claimed(self, speak: Speak) -> bool:
        for delay_s in backoff():
            await self._context.lease_guard.wait()
            try:
                return await self._context.leases.claim(self._lease, speak.id)
            except Fenced:
                return False
            except BusUnavailable:
                await asyncio.sleep(delay_s)
        raise AssertionError("backoff never ends")
