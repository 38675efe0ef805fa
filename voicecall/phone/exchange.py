"""The exchange: which phones there are, which legs, and which phone rings. Used by `tabs` and `orders`."""

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from voicecall.phone.handset import Handset
from voicecall.phone.leg import Leg, LegState, Services

__all__ = ["Exchange", "Numbers", "Order"]

_LEGS_KEPT: Final = 1_000
_HANDSETS: Final = 32

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """`phone`: of every test phone. `agents`: the system's own, the first one is called unless another is chosen."""

    phone: str
    agents: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An outbound call as the worker orders it. `effect` names one dial: a repetition is the same leg."""

    call: str
    effect: str
    to: str
    from_: str
    ring_timeout_s: float
    time_limit_s: float
    webhook_url: str
    detects: bool


class Exchange:
    """`webhook_url`: where inbound calls are announced. `grace_s`: how long a call waits for a tab that is lost."""

    def __init__(self, services: Services, numbers: Numbers, *, webhook_url: str, grace_s: float) -> None:
        self.numbers = numbers
        self.grace_s = grace_s
        self._services = services
        self._webhook_url = webhook_url
        self._handsets: dict[str, Handset] = {}
        self._legs: OrderedDict[str, Leg] = OrderedDict()
        self._ringing: dict[str, set[str]] = {}  # of a leg that is not answered: the phones that ring
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}

    # --- phones

    def handset(self, device: str) -> Handset | None:
        """The phone of a tab, a new one for a new tab; None when there are too many."""
        if device not in self._handsets and len(self._handsets) < _HANDSETS:
            self._handsets[device] = Handset(device)
        return self._handsets.get(device)

    def leg_of(self, handset: Handset) -> Leg | None:
        return self._legs.get(handset.leg)

    def present(self, handset: Handset) -> None:
        """The phone has a socket: it rings for the calls that are not answered yet, unless it is in one."""
        self._disarm("grace", handset.device)
        if not handset.leg:
            for leg in self._ringing:
                self._offer(self._legs[leg], handset)

    def absent(self, handset: Handset) -> None:
        """The phone's socket is lost: it rings no longer; its call waits for it."""
        for leg in [leg for leg, phones in self._ringing.items() if handset.device in phones]:
            self._ringing[leg].discard(handset.device)
        if handset.leg:
            self._arm("grace", handset.device, self.grace_s, lambda: self._given_up(handset))
        else:
            self._handsets.pop(handset.device, None)

    def call(self, handset: Handset, to: str) -> str:
        """The phone calls the agent. Returns why it cannot; "" when it does."""
        if handset.leg:
            return "this phone is in a call"
        if to not in self.numbers.agents:
            return "that is none of the configured numbers"
        leg = self._leg(inbound=True, from_=self.numbers.phone, to=to, webhook_url=self._webhook_url)
        leg.handset, handset.leg = handset, leg.id
        self._silence(handset)
        handset.send("calling", **leg.facts())
        leg.arrive()
        return ""

    def answer(self, handset: Handset, name: str) -> str:
        """The phone answers a call that rings. Returns why it cannot; "" when it does."""
        leg = self._legs.get(name)
        if leg is None or name not in self._ringing:
            return "that call does not ring any more"
        if handset.leg:
            return "this phone is in a call"
        self._stop_ringing(leg, "answered on another phone", besides=handset)
        self._silence(handset)
        leg.pick_up(handset)
        return ""

    def decline(self, handset: Handset, name: str) -> None:
        """The phone does not take a call that rings; when no phone is left that might, the line is busy."""
        phones = self._ringing.get(name)
        if phones is not None and handset.device in phones:
            phones.discard(handset.device)
            handset.send("over", leg=name, reason="declined")
            if not phones:
                self._legs[name].end("busy")

    def send_all(self, event: str, **members: Any) -> None:
        for handset in self._handsets.values():
            handset.send(event, **members)

    # --- orders of the system

    def dial(self, order: Order) -> tuple[Leg, bool]:
        """The leg of this order, and whether it is new: every phone that is free rings."""
        known = next((leg for leg in self._legs.values() if leg.effect == order.effect), None)
        if known is not None:
            return known, False
        leg = self._leg(
            inbound=False,
            from_=order.from_,
            to=order.to,
            webhook_url=order.webhook_url,
            call=order.call,
            effect=order.effect,
            detects=order.detects,
        )
        self._ringing[leg.id] = set()
        leg.ring()
        self._arm("ring", leg.id, order.ring_timeout_s, lambda: self._unanswered(leg))
        self._arm("limit", leg.id, order.time_limit_s, lambda: leg.end("timeout"))
        for handset in list(self._handsets.values()):
            if handset.is_present and not handset.leg:
                self._offer(leg, handset)
        return leg, True

    def leg(self, name: str) -> Leg | None:
        return self._legs.get(name)

    def dialled_for(self, call: str) -> Leg | None:
        """The newest leg that was dialled for this call of the system's."""
        return next((leg for leg in reversed(self._legs.values()) if not leg.inbound and leg.call == call), None)

    async def close(self) -> None:
        """End every call."""
        for leg in list(self._legs.values()):
            leg.end("failed")
            await leg.close()
        for timer in self._timers.values():
            timer.cancel()

    # --- helpers

    def _leg(self, **facts: Any) -> Leg:
        leg = Leg(self._services, on_over=self._over, **facts)
        self._legs[leg.id] = leg
        for old in [name for name, each in self._legs.items() if each.is_over][: max(0, len(self._legs) - _LEGS_KEPT)]:
            del self._legs[old]
        return leg

    def _over(self, leg: Leg) -> None:
        self._stop_ringing(leg, leg.reason)
        self._disarm("limit", leg.id)
        if leg.handset is not None and not leg.handset.is_present:
            self._disarm("grace", leg.handset.device)
            self._handsets.pop(leg.handset.device, None)
        elif leg.handset is not None:
            self.present(leg.handset)  # calls that ring meanwhile

    def _offer(self, leg: Leg, handset: Handset) -> None:
        self._ringing[leg.id].add(handset.device)
        handset.send("ringing", **leg.facts())

    def _silence(self, handset: Handset) -> None:
        """A phone that is in a call does not ring for others."""
        for leg, phones in self._ringing.items():
            if handset.device in phones:
                phones.discard(handset.device)
                handset.send("over", leg=leg, reason="busy")

    def _stop_ringing(self, leg: Leg, reason: str, *, besides: Handset | None = None) -> None:
        for device in self._ringing.pop(leg.id, ()):
            if besides is None or device != besides.device:
                self._handsets[device].send("over", leg=leg.id, reason=reason)
        self._disarm("ring", leg.id)

    def _unanswered(self, leg: Leg) -> None:
        if leg.state is LegState.RINGING:
            leg.end("no-answer")

    def _given_up(self, handset: Handset) -> None:
        leg = self.leg_of(handset)
        _log.info("phone did not come back", extra={"leg": handset.leg})
        if leg is not None:
            leg.end("completed")

    def _arm(self, kind: str, name: str, seconds: float, due: Any) -> None:
        self._disarm(kind, name)
        self._timers[kind, name] = asyncio.get_running_loop().call_later(seconds, due)

    def _disarm(self, kind: str, name: str) -> None:
        timer = self._timers.pop((kind, name), None)
        if timer is not None:
            timer.cancel()
