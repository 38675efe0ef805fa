"""The brief of a call: stored with the call, absent from the feed and the record."""

import json

from tests.gateway.conftest import System
from voicecall.call.brief import CallBrief
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


async def test_a_brief_becomes_part_of_the_call(system: System) -> None:
    """Its agent gets it on every turn; duration and voicemail message become the call's policy."""
    call = await system.initiate(brief=BRIEF, requesterSessionKey="agent:main:main")
    state = await system.worker.log.read(CallId(call))
    assert state is not None
    assert state.brief == CallBrief(
        task="Move the table.",
        context="Under Ada's name.",
        language="fr",
        disclosures=("A machine calls.",),
        approvals=("half past eight",),
    )
    assert (state.policy.max_duration_s, state.policy.machine_message) == (60.0, "We call again.")
    assert state.requester == "agent:main:main"


async def test_a_brief_cannot_lengthen_a_call(system: System) -> None:
    """The configured maximum limits the cost of every call."""
    call = await system.initiate(brief={"task": "Talk", "maxDurationSeconds": 86_400})
    state = await system.worker.log.read(CallId(call))
    assert state is not None
    assert state.policy.max_duration_s == 300.0


async def test_a_brief_is_neither_in_the_feed_nor_in_the_record(system: System) -> None:
    """It is for the agent alone; so are keys, which may be a PIN."""
    call = await system.initiate(brief=BRIEF, dtmfSequence="7391#")
    line = await system.socket()
    await line.ask("voicecall.subscribe", {"last": 1000})
    await line.event("Answered")
    _, frame = await system.post("voicecall.status", {"callId": call})
    sent = json.dumps([*line.frames, frame])
    for secret in ("Ada's", "Move the table", "7391", "We call again"):
        assert secret not in sent
    assert system.worker.digits == ["7391#"]


async def test_the_same_key_with_another_brief_is_a_conflict(system: System) -> None:
    """With the same brief it is the same call."""
    asked = {"message": "Hi", "idempotencyKey": "k", "brief": BRIEF}
    first, again = [(await system.post("voicecall.initiate", asked))[1] for _ in range(2)]
    assert first == again
    status, frame = await system.post("voicecall.initiate", {**asked, "brief": {"task": "Something else"}})
    assert (status, frame["error"]["code"]) == (409, "CONFLICT")
