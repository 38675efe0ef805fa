"""Attacks 37 and 38: callers without a number, or with almost an allowed one, at an ingress with an allowlist."""

import pytest

from tests.contract.attacks.requests import form, new_leg, twilio
from tests.contract.attacks.target import Target
from tests.contract.attacks.test_sockets import events_of
from voicecall.call.events import Arrived, CallRejected
from voicecall.call.ids import LegId, inbound_call_id


def turned_away(target: Target, caller: str | None) -> None:
    """Assert that the caller is rejected in TwiML and recorded, and that no token is made."""
    leg = new_leg()
    fields = form(leg, From=caller or "")
    if caller is None:
        del fields["From"]
    answer = target.exchange(twilio(fields))
    assert answer.status == 200
    assert b"<Reject" in answer.body
    assert b"token" not in answer.body
    (event,) = events_of(target, inbound_call_id("twilio", LegId(leg)))
    assert isinstance(event, CallRejected)


@pytest.mark.parametrize(
    "caller", [None, "", " ", "anonymous", "Anonymous", "Restricted", "unknown", "+266696687", "+7378742833", "sip:a@b"]
)
def test_attack_37_a_caller_without_a_number(guarded_target: Target, caller: str | None) -> None:
    turned_away(guarded_target, caller)


@pytest.mark.parametrize(
    "caller",
    [
        "+99915550001234",
        "+155500012345",
        "+1555000123",
        "+015550001234",
        "0015550001234",
        "15550001234",
        "5550001234",
        "+1 555 000 1234",
        "+15550001234;ext=1",
        "+15550001234,+15550001234",
        "+\uff115550001234",
    ],
)
def test_attack_38_a_caller_almost_on_the_list(guarded_target: Target, caller: str) -> None:
    """Only exactly equal E.164 numbers match."""
    turned_away(guarded_target, caller)


def test_attack_38_the_caller_on_the_list_is_let_in(guarded_target: Target) -> None:
    """Without it the two tests above would prove nothing."""
    leg = new_leg()
    assert b"<Stream" in guarded_target.exchange(twilio(form(leg, From="+15550001234"))).body
    assert isinstance(events_of(guarded_target, inbound_call_id("twilio", LegId(leg)))[0], Arrived)
