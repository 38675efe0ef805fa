"""What a call is for: kept with it, and in nobody's feed."""

import json

from tests.gateway.conftest import House
from voicecall.call.brief import Brief
from voicecall.call.ids import CallId

BRIEF = {
    "task": " Move the table. ",
    "context": "Under Ada's name.",
    "language": "fr",
    "disclosures": ["A machine calls."],
    "approvals": "half past eight",
    "voicemailMessage": "We call again.",
    "maxDurationSeconds": 60,
}


async def test_a_brief_becomes_part_of_the_call(home: House) -> None:
    """The agent is told of it on every turn; time and voicemail become terms (behaviour 12)."""
    call = await home.initiate(brief=BRIEF, requesterSessionKey="agent:main:main")
    state = await home.worker.log.read(CallId(call))
    assert state is not None
    assert state.brief == Brief(
        task="Move the table.",
        context="Under Ada's name.",
        language="fr",
        disclosures=("A machine calls.",),
        approvals=("half past eight",),
    )
    assert (state.policy.max_duration_s, state.policy.machine_message) == (60.0, "We call again.")
    assert state.requester == "agent:main:main"


async def test_a_brief_cannot_lengthen_a_call(home: House) -> None:
    """The configured maximum is a promise to whoever pays."""
    call = await home.initiate(brief={"task": "Talk", "maxDurationSeconds": 86_400})
    state = await home.worker.log.read(CallId(call))
    assert state is not None
    assert state.policy.max_duration_s == 300.0


async def test_a_brief_is_told_to_nobody_else(home: House) -> None:
    """Neither feed nor record holds what was confided to the agent, nor keys that may be a PIN."""
    call = await home.initiate(brief=BRIEF, dtmfSequence="7391#")
    line = await home.socket()
    await line.ask("voicecall.subscribe", {"last": 1000})
    await line.event("Answered")
    _, frame = await home.post("voicecall.status", {"callId": call})
    told = json.dumps([*line.frames, frame])
    for secret in ("Ada's", "Move the table", "7391", "We call again"):
        assert secret not in told
    assert home.worker.digits == ["7391#"]


async def test_the_same_key_with_another_brief_is_a_conflict(home: House) -> None:
    """And with the same one it is the same call."""
    asked = {"message": "Hi", "idempotencyKey": "k", "brief": BRIEF}
    first, again = [(await home.post("voicecall.initiate", asked))[1] for _ in range(2)]
    assert first == again
    status, frame = await home.post("voicecall.initiate", {**asked, "brief": {"task": "Something else"}})
    assert (status, frame["error"]["code"]) == (409, "CONFLICT")
