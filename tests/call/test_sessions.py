"""Which memory a call belongs to."""

import pytest

from voicecall.call.ids import CallId
from voicecall.call.sessions import SessionScope, session_key

CALL = CallId("8f3f5a53-8a53-4e0f-9d4c-4a2d1c1b0a01")
PER_PHONE, PER_CALL, MAIN = SessionScope.PER_PHONE, SessionScope.PER_CALL, SessionScope.MAIN


@pytest.mark.parametrize(
    ("scope", "phone", "asked", "key"),
    [
        (PER_PHONE, "+1 (555) 000-2000", "", "agent:desk:voice:15550002000"),
        (PER_PHONE, "unknown", "", f"agent:desk:voice:{CALL}"),
        (PER_PHONE, "", "", f"agent:desk:voice:{CALL}"),
        (PER_CALL, "+15550002000", "", f"agent:desk:voice:call:{CALL}"),
        (MAIN, "+15550002000", "", "agent:desk:main"),
        (PER_CALL, "+15550002000", " Order-7 ", "agent:desk:order-7"),
        (MAIN, "+15550002000", "agent:desk:order-7", "agent:desk:order-7"),
        (MAIN, "+15550002000", "agent:other:order-7", "agent:desk:agent:other:order-7"),
        (MAIN, "+15550002000", "agent:desktop:x", "agent:desk:agent:desktop:x"),
    ],
)
def test_a_memory_is_found_under_its_agent_by_scope(scope: SessionScope, phone: str, asked: str, key: str) -> None:
    """Lower-case; an asked key wins, and stays under the agent whatever it says (behaviour 9.2)."""
    assert session_key(scope, agent_id="Desk", call=CALL, phone=phone, asked=asked) == key
