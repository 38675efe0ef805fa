"""The inbound policy, against caller ids as carriers and attackers send them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicecall.call.admission import Admit, Deny, InboundPolicy, admit
from voicecall.call.ids import E164

LISTED = E164("+15550001234")
LIST = frozenset({LISTED})
LISTS = (InboundPolicy.ALLOWLIST, InboundPolicy.PAIRING)


@pytest.mark.parametrize("policy", LISTS)
def test_a_listed_caller_is_admitted(policy: InboundPolicy) -> None:
    """Pairing is reserved and behaves like the allowlist."""
    assert admit(policy, LIST, "+15550001234") == Admit()


@pytest.mark.parametrize("policy", LISTS)
@pytest.mark.parametrize("caller", ["", "anonymous", "Anonymous", "Restricted", "unknown", "+266696687", "+7378742883"])
def test_a_withheld_caller_id_is_never_on_a_list(policy: InboundPolicy, caller: str) -> None:
    """CVE-2026-28446: an absent caller id was admitted (attack 37)."""
    assert admit(policy, LIST, caller) == Deny("anonymous")


def test_a_list_with_the_anonymous_number_does_not_admit_withheld_callers() -> None:
    """It parses as a number and stands for every withheld caller id."""
    assert admit(InboundPolicy.ALLOWLIST, {E164("+266696687")}, "+266696687") == Deny("anonymous")


@pytest.mark.parametrize(
    "caller",
    [
        "+99915550001234",
        "+1555000123",
        "+155500012340",
        "+015550001234",
        "0015550001234",
        "15550001234",
        "+1 555 000 1234",
        " +15550001234",
        "+15550001234\n",
        "tel:+15550001234",
        "sip:+15550001234@evil.example",
        "+15550001234;ext=1",
        "+15550001234,,1#",
        "+\uff11\uff15\uff15\uff15\uff10\uff10\uff10\uff11\uff12\uff13\uff14",
    ],
)
def test_only_the_exact_number_matches(caller: str) -> None:
    """No suffix, prefix, blanks, other scripts or wrapping (attack 38)."""
    assert isinstance(admit(InboundPolicy.ALLOWLIST, LIST, caller), Deny)


@given(st.text())
def test_no_text_but_a_listed_number_passes_a_list(caller: str) -> None:
    assert isinstance(admit(InboundPolicy.ALLOWLIST, LIST, caller), Admit) == (caller == LISTED)


@given(st.text())
def test_disabled_admits_no_caller_and_open_every_caller(caller: str) -> None:
    assert admit(InboundPolicy.DISABLED, {LISTED}, caller) == Deny("disabled")
    assert admit(InboundPolicy.OPEN, frozenset(), caller) == Admit()
