"""The journeys. None knows which carrier it is on; `stage.streaming` is read only where a media socket is checked.

Each is judged by the carrier's ledger, by what was decoded from the audio, and by the system's own record.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from simulators.stack.clients import RpcError
from tests.contract.conformance.stage import (
    GREETING,
    HELLO,
    PLACES,
    PLACES_OF_CALLERS,
    STORY,
    STRANGER,
    TALE,
    Stage,
    lines,
    ours,
    texts,
)
from voicecall.call.phrases import ENGLISH

__all__ = ["CROWDED", "JOURNEYS"]

NOTICE = "Your table for two is ready."
Journey = Callable[[Stage], Awaitable[None]]


async def outbound_notify(stage: Stage) -> None:
    """A notice is heard once and whole, and then the system hangs up."""
    to = await stage.person()
    record = await stage.over(await stage.dial(to, NOTICE, mode="notify"))
    leg = await stage.leg(record)
    assert [(heard["text"], heard["complete"]) for heard in leg["heard"]] == [(NOTICE, True)]
    assert leg["ended_by"] != "callee"
    assert (record["endReason"], lines(record)) == ("hangup-bot", [("bot", NOTICE)])
    assert await stage.legs_to(to) == [leg["sid"]]
    assert await stage.complaints(leg["sid"]) == []


async def outbound_conversation(stage: Stage) -> None:
    """Greeting, two questions, two answers, and the callee hangs up."""
    to = await stage.person(*_TWO_TURNS)
    record = await stage.over(await stage.dial(to))
    leg = await stage.leg(record)
    _two_turns_were_held(record, leg)
    assert await stage.complaints(leg["sid"]) == []


async def inbound_allowed(stage: Stage) -> None:
    """An allowed caller is accepted, greeted and answered."""
    sid = await stage.ring_us(
        {"wait_heard": "help you"},
        {"say": "how is the weather"},
        {"wait_heard": "raining", "quiet_ms": 1500},
        {"hangup": True},
    )
    record, leg = await stage.caller_over(sid), await stage.leg(sid)
    assert texts(leg) == [HELLO, "It is raining."]
    assert lines(record) == [("bot", HELLO), ("user", "how is the weather"), ("bot", "It is raining.")]
    assert (record["direction"], record["state"], leg["ended_by"]) == ("inbound", "completed", "callee")
    assert await stage.complaints(sid) == []


async def refused(stage: Stage) -> None:
    """Another caller is rejected in the carrier's own language: not answered, not billed, nothing said or streamed."""
    sid = await stage.ring_us(number=STRANGER)
    record, leg = await stage.caller_over(sid), await stage.leg(sid)
    assert (leg["answered_at"], leg["billed_seconds"], leg["streams"]) == (None, 0, [])
    assert (record["state"], record["transcript"]) == ("hangup-bot", [])
    assert await stage.complaints(sid) == []


async def over_capacity(stage: Stage) -> None:
    """At its limit a dial is refused or a caller hears "busy", neither for the other's sake; a freed slot is used."""
    ringing = [await stage.person({"answer_after_ms": 60_000}) for _ in range(PLACES)]
    calls = await asyncio.gather(*(stage.dial(to) for to in ringing))
    one_more = await stage.person({"wait_heard": NOTICE}, {"hangup": True})
    with pytest.raises(RpcError, match="Maximum concurrent calls") as full:
        await stage.dial(one_more)
    assert full.value.code == "RESOURCE_EXHAUSTED"
    assert await stage.legs_to(one_more) == []
    callers = [await stage.ring_us() for _ in range(PLACES_OF_CALLERS)]
    for sid in callers:
        await stage.until_leg(sid, lambda seen: seen["answered_at"] is not None)
    caller = await stage.leg(await stage.ring_us())
    assert (caller["status"], caller["billed_seconds"], caller["streams"]) == ("busy", 0, [])
    await stage.rpc("end", callId=calls[0])
    record = await stage.over(await stage.dial(one_more, NOTICE, mode="notify"))
    assert texts(await stage.leg(record)) == [NOTICE]
    found = [(await stage.rpc("status", sid=sid))["call"]["callId"] for sid in callers]
    await asyncio.gather(*(stage.rpc("end", callId=call) for call in (*calls[1:], *found)))


async def barge_in(stage: Stage) -> None:
    """A caller who interrupts gets the floor, hears the beginning of the reply, then the answer to what was said."""
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "a story please"},
        {"interrupt_after_chars": 25, "say": "that is enough"},
        {"wait_heard": "As you like"},
        {"hangup": True},
    )
    record = await stage.over(await stage.dial(to))
    leg = await stage.leg(record)
    greeting, cut, last = leg["heard"]
    assert (greeting["text"], last["text"]) == (GREETING, "As you like.")
    assert not cut["complete"]
    assert STORY.startswith(cut["text"].rstrip("\ufffd"))
    assert [text for speaker, text in lines(record) if speaker == "user"] == ["a story please", "that is enough"]
    assert ours(record)[-1] == "As you like."
    assert await stage.complaints(leg["sid"]) == []


async def cough(stage: Stage) -> None:
    """A16: a cough in the middle of a reply costs nothing of it: every character is heard, once."""
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "a tale please"},
        {"noise_ms": 200, "after_chars": 20},
        {"wait_heard": "thanked the frog"},
        {"hangup": True},
    )
    record = await stage.over(await stage.dial(to))
    leg = await stage.leg(record)
    heard = await stage.heard_across_pauses(leg["sid"])
    assert all(each.complete for each in heard)
    assert " ".join(each.text for each in heard) == f"{GREETING} {TALE}"
    if stage.streaming:  # a carrier's own voice may be reported long after it: at a hang-up the record is an estimate
        assert " ".join(ours(record)) == f"{GREETING} {TALE}"
    assert len([clear for stream in leg["streams"] for clear in stream["clears"]]) == int(stage.streaming)
    assert await stage.complaints(leg["sid"]) == []


async def keys_in(stage: Stage) -> None:
    """A17: what the caller presses is kept, in order, and the agent hears of it; the conversation goes on."""
    to = await stage.person(
        {"wait_heard": GREETING},
        {"press": "42"},
        {"wait_heard": "Forty-two"},
        {"say": "how is the weather"},
        {"wait_heard": "raining"},
        {"hangup": True},
    )
    call = await stage.dial(to)
    record = await stage.over(call)
    leg = await stage.leg(record)
    assert record["metadata"]["digits"] == "42"
    assert lines(record)[1] == ("user", "the caller pressed 42")
    assert texts(leg) == [GREETING, "Forty-two it is.", "It is raining."]
    assert await stage.complaints(leg["sid"]) == []


async def keys_out(stage: Stage) -> None:
    """Keys sent in mid-sentence are heard there once; nothing is cut or said twice; the conversation continues."""
    to = await stage.person(
        {"wait_heard": GREETING, "quiet_ms": 3000},
        {"say": "how is the weather"},
        {"wait_heard": "raining", "quiet_ms": 1000},
        {"hangup": True},
    )
    call = await stage.dial(to)
    record = await stage.record(call, lambda seen: ours(seen) == [GREETING])
    await stage.rpc("dtmf", callId=call, digits="12#")
    leg = await stage.leg(await stage.over(call))
    assert [line["digits"] for line in await stage.reported_of(record["providerCallId"], "digits")] == ["12#"]
    assert texts(leg) == [GREETING, "It is raining."]
    assert lines(await stage.over(call)) == [
        ("bot", GREETING),
        ("user", "how is the weather"),
        ("bot", "It is raining."),
    ]
    assert await stage.complaints(leg["sid"]) == []


async def handed_over(stage: Stage) -> None:
    """To one who is busy: the caller comes back to the agent. To one who answers: they speak, and the call is over."""
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "get me your boss"},
        {"wait_heard": "another line", "quiet_ms": 1000},
        {"say": "then a free person"},
    )
    record = await stage.over(await stage.dial(to))
    leg = await stage.leg(record)
    heard = [GREETING, "I ask my boss.", "My boss is on another line.", "I am connecting you."]
    assert texts(leg) == heard
    facts = record["metadata"]
    assert [(use["name"], use["outcome"]) for use in facts["toolCalls"]] == [
        ("transfer_call", "failed"),
        ("transfer_call", "done"),
    ]
    assert facts["toolCalls"][0]["result"] == "busy"
    assert (record["state"], facts["detail"]) == ("completed", "transferred to free")
    assert leg["ended_by"] != "callee"
    assert await stage.complaints(leg["sid"]) == []


async def caller_hangs_up(stage: Stage) -> None:
    """A caller who hangs up in the middle of a reply ends the call; the rest of the reply is not spoken."""
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "a story please"},
        {"hangup": True, "after_chars": 15},
    )
    record = await stage.over(await stage.dial(to))
    leg = await stage.leg(record)
    assert not leg["heard"][-1]["complete"]
    assert STORY.startswith(texts(leg)[-1].rstrip("\ufffd"))
    assert (record["state"], leg["ended_by"]) == ("completed", "callee")
    assert await stage.complaints(leg["sid"]) == []


async def agent_hangs_up(stage: Stage) -> None:
    """`end` returns when the carrier has hung up, and ending twice is no error."""
    to = await stage.person({"wait_heard": GREETING})
    call = await stage.dial(to)
    record = await stage.record(call, lambda seen: ours(seen) == [GREETING])
    await stage.until_leg(record["providerCallId"], lambda seen: texts(seen) == [GREETING])
    await stage.rpc("end", callId=call)
    leg = await stage.leg(record)
    assert (leg["status"], leg["ended_by"], texts(leg)) == ("completed", "api", [GREETING])
    await stage.rpc("end", callId=call)
    assert (await stage.over(call))["endReason"] == "hangup-bot"
    assert await stage.complaints(leg["sid"]) == []


async def webhooks_thrice(stage: Stage) -> None:
    """Every webhook comes three times in random order (guarantee P18), and it is one conversation."""
    to = await stage.person({"answer_after_ms": 300}, *_TWO_TURNS)
    await stage.webhooks_come_thrice(to)
    record = await stage.over(await stage.dial(to))
    leg = await stage.leg(record)
    _two_turns_were_held(record, leg)
    assert await stage.legs_to(to) == [leg["sid"]]
    bodies = [line["body"] for line in await stage.reported_of(leg["sid"], "webhook")]
    assert len(bodies) >= 6
    sockets = [*(stream for stream in leg["streams"] if stream["opened_at"]), *leg.get("relays", ())]
    assert len(sockets) == int(stage.streaming)


async def lost_reply(stage: Stage) -> None:
    """The carrier dials and then answers 500: no number is called twice, and the call that rings goes on."""
    to = await stage.person({"answer_after_ms": 500}, *_TWO_TURNS)
    await stage.dial_is_lost(to)
    record = await stage.over(await stage.dial(to))
    leg = await stage.leg(record)
    _two_turns_were_held(record, leg)
    assert await stage.legs_to(to) == [leg["sid"]]
    assert len(await stage.reported_of(leg["sid"], "rest.lost_reply")) == 1


async def lost_commands(stage: Stage) -> None:
    """The carrier obeys and then answers 500: each text is heard once, and the call ends as ordered."""
    await stage.a_pick_up_is_lost()
    caller = await stage.ring_us({"wait_heard": "help you", "quiet_ms": 500}, {"hangup": True})
    to = await stage.person({"answer_after_ms": 1500}, {"wait_heard": GREETING}, {"say": "how is the weather"})
    call = await stage.dial(to)
    (sid,) = await stage.legs_to(to)
    await stage.commands_are_lost(sid)
    await stage.record(call, lambda seen: seen["state"] == "listening" and ours(seen)[-1] == "It is raining.")
    await stage.rpc("end", callId=call)
    record, leg = await stage.over(call), await stage.leg(sid)
    assert texts(leg) == [GREETING, "It is raining."]
    assert lines(record) == [("bot", GREETING), ("user", "how is the weather"), ("bot", "It is raining.")]
    assert (record["endReason"], leg["ended_by"]) == ("hangup-bot", "api")
    assert len(await stage.reported_of(sid, "rest.lost_reply")) >= (1 if stage.streaming else 2)
    assert texts(await stage.leg(caller)) == [HELLO]
    assert (await stage.caller_over(caller))["state"] == "completed"


async def busy_carrier(stage: Stage) -> None:
    """A22: the carrier answers the first command of each kind with 503 and does nothing: the notice is heard, once."""
    to = await stage.person({"answer_after_ms": 1500})
    call = await stage.dial(to, NOTICE, mode="notify")
    (sid,) = await stage.legs_to(to)
    await stage.commands_find_it_busy(sid)
    record, leg = await stage.over(call), await stage.leg(sid)
    assert [(heard["text"], heard["complete"]) for heard in leg["heard"]] == [(NOTICE, True)]
    assert (record["endReason"], lines(record)) == ("hangup-bot", [("bot", NOTICE)])


async def words_late(stage: Stage) -> None:
    """Speech from before a question that is reported after it does not answer it; the next speech does (attack 23)."""
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "is anyone there"},
        {"wait_heard": "your name"},
        {"wait_ms": 2000},
        {"say": "my name is Ada"},
    )
    await stage.words_are_late(to, ms=1000)
    call = await stage.dial(to)
    if stage.streaming:
        await stage.record(call, lambda seen: ("user", "is anyone there") in lines(seen))
    else:
        await stage.until_struck("webhook.late")
    answer = await stage.rpc("continue", callId=call, message="What is your name?")
    assert answer["transcript"] == "my name is Ada"
    await stage.rpc("end", callId=call)
    assert await stage.complaints((await stage.over(call))["providerCallId"]) == []


async def socket_cut(stage: Stage) -> None:
    """After a media socket breaks, the carrier opens another one with another token, and the reply continues."""
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "a tale please"},
        {"cut_socket": True, "after_chars": 40},
        {"wait_heard": "thanked the frog", "within_ms": 15_000},
        {"say": "thanks a lot"},
        {"wait_heard": "welcome"},
        {"hangup": True},
    )
    record = await stage.over(await stage.dial(to))
    leg = await stage.leg(record)
    heard = texts(leg)
    assert heard[0] == GREETING
    assert heard[-1] == "You are welcome."
    # A long reply is spoken clause by clause, so each part may have been heard in several pieces.
    cut = heard.index(ENGLISH.cut_off)
    assert TALE.startswith(" ".join(heard[1:cut]).rstrip("\ufffd"))
    assert TALE.endswith(" ".join(heard[cut + 1 : -1]))
    assert [stream["ended_by"] for stream in leg["streams"]] == ["fault", "call"]
    assert (record["state"], ours(record)[-1]) == ("completed", "You are welcome.")
    assert await stage.legs_to(to) == [leg["sid"]]


async def machine_answers(stage: Stage) -> None:
    """After its greeting and beep the machine has recorded the message, whole and once; then the call ends."""
    to = await stage.person(
        {"answered_by": "machine"},
        {"verdict_after_ms": 1200},
        {"say": "you have reached nobody at all please leave a message"},
        {"beep": True},
    )
    record = await stage.over(await stage.dial(to, NOTICE))
    leg = await stage.leg(record)
    beep = leg["beeped_ms"]
    assert [(heard["text"], heard["complete"]) for heard in leg["heard"] if heard["end_ms"] > beep] == [(NOTICE, True)]
    assert leg["heard"][-1]["start_ms"] >= beep
    assert (record["endReason"], record["metadata"]["answeredBy"]) == ("hangup-bot", "machine")
    assert (ours(record)[-1], record["metadata"]["turnCount"]) == (NOTICE, 0)
    assert leg["ended_by"] != "callee"
    assert len(await stage.reported_of(leg["sid"], "verdict")) == 1
    assert await stage.complaints(leg["sid"]) == []


async def machine_gets_nothing(stage: Stage) -> None:
    """Without a message a machine is hung up on, and the record says that it was one."""
    to = await stage.person({"answered_by": "machine"}, {"say": "please leave a message"}, {"beep": True})
    call = (await stage.rpc("start", to=to, mode="notify"))["callId"]
    record = await stage.over(call)
    leg = await stage.leg(record)
    assert (record["endReason"], record["metadata"]["detail"]) == ("voicemail", "answered by a machine")
    assert (texts(leg), lines(record), leg["status"]) == ([], [], "completed")
    assert leg["ended_by"] != "callee"
    assert await stage.complaints(leg["sid"]) == []


_TWO_TURNS: Final = (
    {"wait_heard": GREETING},
    {"say": "how is the weather"},
    {"wait_heard": "raining"},
    {"say": "and tomorrow"},
    {"wait_heard": "snow", "quiet_ms": 1000},
    {"hangup": True},
)


def _two_turns_were_held(record: Any, leg: Any) -> None:
    ended = (record["state"], record["metadata"].get("detail", ""), leg["status"], leg["ended_by"])
    assert (ended[0], *ended[2:]) == ("completed", "completed", "callee"), ended
    assert texts(leg) == [GREETING, "It is raining.", "It will snow."]
    assert lines(record) == [
        ("bot", GREETING),
        ("user", "how is the weather"),
        ("bot", "It is raining."),
        ("user", "and tomorrow"),
        ("bot", "It will snow."),
    ]


JOURNEYS: Final[dict[str, Journey]] = {
    "outbound notify": outbound_notify,
    "outbound conversation": outbound_conversation,
    "inbound allowed": inbound_allowed,
    "refused": refused,
    "over capacity": over_capacity,
    "barge-in": barge_in,
    "cough": cough,
    "keys in": keys_in,
    "keys out": keys_out,
    "handed over": handed_over,
    "caller hangs up": caller_hangs_up,
    "agent hangs up": agent_hangs_up,
    "webhooks thrice": webhooks_thrice,
    "lost reply": lost_reply,
    "lost commands": lost_commands,
    "busy carrier": busy_carrier,
    "words late": words_late,
    "socket cut": socket_cut,
    "machine answers": machine_answers,
    "machine gets nothing": machine_gets_nothing,
}
CROWDED: Final = frozenset({"over capacity"})
"""Played after all others: it needs every place of the stack."""
