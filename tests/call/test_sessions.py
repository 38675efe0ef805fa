"""Session keys: which memory a call belongs to."""

import pytest

from voicecall.call.ids import CallId
from voicecall.call.sessions import SessionScope, session_key

CALL = CallId("8f3f5a53-8a53-4e0f-9d4c-4a2d1c1b0a01")
PER_PHONE, PER_CALL, MAIN = SessionScope.PER_PHONE, SessionScope.PER_CALL, SessionScope.MAIN


@pytest.mark.parametrize(
    ("scope", "phone", "asked", "key"),
    [
        (PER_PHONE, "+15550002000", "", "agent:support:voice:15550002000"),
        (PER_PHONE, "unknown", "", f"agent:support:voice:{CALL}"),
        (PER_PHONE, "", "", f"agent:support:voice:{CALL}"),
        (PER_CALL, "+15550002000", "", f"agent:support:voice:call:{CALL}"),
        (MAIN, "+15550002000", "", "agent:support:main"),
        (PER_CALL, "+15550002000", " Order-7 ", "agent:support:order-7"),
        (MAIN, "+15550002000", "agent:support:order-7", "agent:support:order-7"),
        (MAIN, "+15550002000", "agent:other:order-7", "agent:support:agent:other:order-7"),
        (MAIN, "+15550002000", "agent:supporter:x", "agent:support:agent:supporter:x"),
    ],
)
def test_a_memory_is_found_under_its_agent_by_scope(scope: SessionScope, phone: str, asked: str, key: str) -> None:
    """Lower-case; a requested key takes precedence, and is always prefixed with the agent."""
    assert session_key(scope, agent_id="Support", call=CALL, phone=phone, asked=asked) == key


@pytest.mark.parametrize(
    "caller",
    [
        "sip:15550002000@elsewhere.example",
        "sips:+15550002000@elsewhere.example",
        "tel:+15550002000",
        "15550002000",
        "+1 (555) 000-2000",
        "+15550002000\n",
        "+15550002000;ext=1",
        "Anna +15550002000",
        "+266696687",
        "+7378742883",
    ],
)
def test_b5_what_is_not_exactly_one_number_gets_no_other_callers_memory(caller: str) -> None:
    """Anyone can write digits into a `sip:` address; withheld caller ids are shared by all who withhold theirs."""
    key = session_key(PER_PHONE, agent_id="Support", call=CALL, phone=caller)
    assert key == f"agent:support:voice:{CALL}"
