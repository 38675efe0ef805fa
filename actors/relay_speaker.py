"""Speaks utterances where the carrier speaks over its media socket: the text goes to the ingress that holds it.

Run by the voice lane, through `speaker`. The ingress reports what was heard, as it does for audio. Knows no voice.
"""

from collections.abc import Callable

from actors.context import ActorContext, Report
from actors.metering import effect_counted
from voicecall.call import events as e
from voicecall.call.effects import Speak
from voicecall.call.state import Call
from voicecall.ports import Lease, Say

__all__ = ["RelaySpeaker"]


class RelaySpeaker:
    """`call` gives the committed state."""

    def __init__(self, context: ActorContext, lease: Lease, call: Callable[[], Call], report: Report) -> None:
        self._context = context
        self._lease = lease
        self._call = call
        self._report = report

    @property
    def is_meant(self) -> bool:
        """Whether the carrier speaks over the socket of this call."""
        return self._call().is_relayed

    async def speak(self, speak: Speak) -> None:
        """Have it said, or report `SpeechFailed`."""
        call = self._call()
        with effect_counted(speak) as result:
            if call.stream is None:
                result.value = "failed"
                self._report(e.SpeechFailed(utterance=speak.utterance, reason="no media stream"))
                return
            await self._context.lease_guard.until_held()
            said = next((each for each in call.utterances if each.no == speak.utterance), None)
            say = Say(
                call=self._lease.call,
                epoch=self._lease.epoch,
                utterance=speak.utterance,
                text=speak.text,
                interruptible=said is None or not said.protected,
            )
            self._context.media.send(call.stream.ingress, say)
