"""Speaks by the carrier's own TTS, where a call has no media stream: one prompt at a time, each replacing the last.

Used by `speaker`. A prompt is claimed like every carrier command, so it is spoken at most once, whichever process dies
in between. Knows the role `CallControl`; how much was heard, the carrier reports by webhook.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from actors.context import ActorContext, Report
from actors.metering import EffectResult, effect_counted, request_timed
from voicecall.aio import backoff
from voicecall.call.effects import Speak
from voicecall.call.events import PlaybackBegan, PlaybackDone, SpeechFailed
from voicecall.call.ids import NO_TURN
from voicecall.call.state import Call
from voicecall.errors import BusUnavailable, CarrierError, CarrierSilent, Fenced
from voicecall.ports import Lease

__all__ = ["NativeSpeaker"]

_log = logging.getLogger(__name__)

_S_PER_CHARACTER: Final = 0.1  # slower than any voice speaks
_LOST_AFTER_S: Final = 6.0  # a carrier that listens for a moment after its prompt reports only after that moment


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
        """Report `PlaybackBegan` when the carrier accepted the prompt, or `SpeechFailed`.

        `PlaybackDone` is reported here only when the carrier says how long the prompt takes; else by webhook. Without
        an answer (`CarrierSilent`) the prompt counts as failed only when no webhook mentions it within the time it
        takes plus `lost_after_s`.

        Returns after a failure; otherwise runs until it is cancelled, which happens when the call has settled the
        prompt: it occupies the lane so long, because a second prompt at the carrier would cut the first.
        """
        with effect_counted(speak) as result:
            await self._speak(speak, result)

    async def _speak(self, speak: Speak, result: EffectResult) -> None:
        call = self._call()
        control = self._context.ports.on(call.route).controls.get(call.carrier)
        if control is None or call.leg is None:
            self._fail(speak, "no way to the caller", result)
            return
        if not await self._claim(speak):
            result.value = "fenced"
            return
        try:
            with request_timed(call.carrier, speak.name):
                seconds = await control.say(
                    call.leg,
                    speak.text,
                    call=call.id,
                    utterance=speak.utterance,
                    # What runs on the leg may still wait for a media socket, and hear nothing: a prompt with a token
                    # brings what listens behind it.
                    token=speak.token or (NO_TURN if call.stream_given_up else ""),
                    listens=speak.listens,
                )
        except CarrierSilent as error:
            # The caller may be hearing it, and an apology would cut it. If so, the carrier will report it.
            _log.warning("prompt unanswered", extra={"call_id": call.id, "error": type(error).__name__})
            result.value = "unanswered"
            await asyncio.sleep(len(speak.text) * _S_PER_CHARACTER + self._lost_after_s)
            self._fail(speak, str(error), result, retryable=True)
            return
        except CarrierError as error:
            _log.warning("prompt failed", extra={"call_id": call.id, "error": type(error).__name__})
            self._fail(speak, str(error), result, retryable=error.retryable)
            return
        result.value = "done"
        self._report(PlaybackBegan(utterance=speak.utterance))
        if seconds is not None:
            await asyncio.sleep(seconds)
            self._report(PlaybackDone(utterance=speak.utterance, heard_ms=0, total_ms=None, complete=True))
        await asyncio.get_running_loop().create_future()

    def _fail(self, speak: Speak, reason: str, result: EffectResult, *, retryable: bool = False) -> None:
        result.value = "failed"
        self._report(SpeechFailed(utterance=speak.utterance, reason=reason, retryable=retryable))

    async def _claim(self, speak: Speak) -> bool:
        for delay_s in backoff():
            await self._context.lease_guard.until_held()
            try:
                return await self._context.leases.claim(self._lease, speak.id)
            except Fenced:
                return False
            except BusUnavailable:
                await asyncio.sleep(delay_s)
        raise AssertionError("backoff never ends")
