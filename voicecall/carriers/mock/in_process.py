"""A mock carrier that is nowhere: dials succeed at once, and the call is driven by webhooks posted over HTTP.

For development and tests without a simulator. Knows only the legs that this process dialled.
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
        to: E164,  # noqa: ARG002 - nobody is called
        from_: E164,  # noqa: ARG002
        ring_timeout_s: float,  # noqa: ARG002
        time_limit_s: int,  # noqa: ARG002
        on_machine: OnMachine | None = None,  # noqa: ARG002 - who posts the webhooks may tell
    ) -> LegId:
        leg = leg_of(call)
        self._legs.setdefault(leg, LegReport(status=LegStatus.ALIVE, leg=leg))
        return leg

    async def find(self, *, call: CallId, to: E164, from_: E164, since: float) -> LegReport:  # noqa: ARG002 - the id says all
        return self._legs.get(leg_of(call), LegReport(status=LegStatus.ABSENT))

    async def look_up(self, leg: LegId) -> LegReport:
        # A leg that another process dialled, or that a webhook brought: only webhooks can end it.
        return self._legs.get(leg, LegReport(status=LegStatus.UNKNOWN, leg=leg))

    async def hang_up(self, leg: LegId) -> None:
        if leg in self._legs:
            self._legs[leg] = LegReport(status=LegStatus.ENDED, leg=leg, reason=EndReason.HANGUP_BOT)

    async def send_digits(self, leg: LegId, digits: str, *, call: CallId, effect: EffectId) -> bool:  # noqa: ARG002
        """Nobody hears them."""
        return True

    async def say(
        self,
        leg: LegId,  # noqa: ARG002 - nobody listens
        text: str,  # noqa: ARG002
        *,
        call: CallId,  # noqa: ARG002
        utterance: int,  # noqa: ARG002
        token: str,  # noqa: ARG002
        listens: bool,  # noqa: ARG002
    ) -> float | None:
        """Heard as soon as it is said."""
        return 0.0
