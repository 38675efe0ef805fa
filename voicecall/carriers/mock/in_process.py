"""The control of a mock carrier without an API: dials succeed at once, and webhooks posted by hand drive the call.

For development and tests without a simulator (docs/mock.md). Knows only the legs that this process dialled.
"""

from voicecall.call.events import EndReason, LegStatus, OnMachine
from voicecall.call.ids import E164, CallId, EffectId, LegId
from voicecall.carriers.mock.webhooks import leg_of
from voicecall.ports import CallControl, LegReport

__all__ = ["InProcess"]


class InProcess(CallControl):
    def __init__(self) -> None:
        self._legs: dict[LegId, LegReport] = {}

    async def dial(
        self,
        *,
        call: CallId,
        effect: EffectId,  # noqa: ARG002 - the call's id makes a dial unique
        to: E164,  # noqa: ARG002 - no phone rings
        from_: E164,  # noqa: ARG002
        ring_timeout_s: float,  # noqa: ARG002
        time_limit_s: int,  # noqa: ARG002
        on_machine: OnMachine | None = None,  # noqa: ARG002 - a posted webhook may report a machine
    ) -> LegId:
        leg = leg_of(call)
        self._legs.setdefault(leg, LegReport(status=LegStatus.ALIVE, leg=leg))
        return leg

    async def find(self, *, call: CallId, to: E164, from_: E164, since: float) -> LegReport:  # noqa: ARG002 - the call id suffices
        return self._legs.get(leg_of(call), LegReport(status=LegStatus.ABSENT))

    async def look_up(self, leg: LegId) -> LegReport:
        # A leg of another process, or of a webhook, can be ended only by a webhook.
        return self._legs.get(leg, LegReport(status=LegStatus.UNKNOWN, leg=leg))

    async def hang_up(self, leg: LegId) -> None:
        if leg in self._legs:
            self._legs[leg] = LegReport(status=LegStatus.ENDED, leg=leg, reason=EndReason.HANGUP_BOT)

    async def send_digits(self, leg: LegId, digits: str, *, call: CallId, effect: EffectId) -> bool:  # noqa: ARG002
        """Does nothing: there is no phone."""
        return True

    async def say(
        self,
        leg: LegId,  # noqa: ARG002 - nothing is spoken
        text: str,  # noqa: ARG002
        *,
        call: CallId,  # noqa: ARG002
        utterance: int,  # noqa: ARG002
        token: str,  # noqa: ARG002
        listens: bool,  # noqa: ARG002
    ) -> float | None:
        """Played at once: 0 seconds."""
        return 0.0
