"""The TwiML interpreter of the simulator of Twilio: each verb, what follows what, and an update cutting in."""

from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import web

from simulators.twilio.twiml import BadTwiml, read_twiml, resolve
from tests.simulators.twilio_customer import (
    ME,
    PUBLIC,
    YOU,
    Customer,
    SimulatorClient,
    customer_of,
    running_simulator,
    twiml,
)

World = tuple[Customer, SimulatorClient]


@pytest.fixture(scope="module")
def process() -> Iterator[str]:
    with running_simulator("--webhook", f"{PUBLIC}/voice") as url:
        yield url


@pytest.fixture
async def world(process: str) -> AsyncIterator[World]:
    async with customer_of(process) as world:
        await world[1].persona({"answer_after_ms": 20})
        yield world


def verbs_of(report: dict[str, object]) -> list[str]:
    verbs = report["verbs"]
    assert isinstance(verbs, list)
    return [verb["verb"] for verb in verbs]


async def test_what_is_said_is_heard_and_takes_its_time(world: World) -> None:
    """The carrier's own voice is audio heard by the callee: it can be read back, with times."""
    _, simulator = world
    sid = await simulator.dial(Twiml=twiml("<Say>Hello there.</Say>", "<Say loop='2'>Again.</Say>"))
    report = await simulator.ended(sid)
    assert [(said["text"], said["complete"]) for said in report["heard"]] == [
        ("Hello there.", True),
        ("Again.", True),
        ("Again.", True),
    ]
    hello = report["heard"][0]
    assert hello["end_ms"] - hello["start_ms"] == 12 * 40 + 40
    assert abs(hello["start_at"] - report["answered_at"]) < 0.2
    assert report["ended_at"] - report["answered_at"] >= 1.0
    assert (report["status"], report["ended_by"]) == ("completed", "twiml")


async def test_an_outbound_document_is_fetched_when_the_callee_answers(world: World) -> None:
    """The answer fetch says `in-progress`; relative and absolute redirects are followed from where they stand."""
    customer, simulator = world
    customer.page("/flow/one", twiml("<Redirect>two</Redirect>"))
    customer.page("/flow/two", twiml(f"<Redirect method='GET'>{PUBLIC}/three</Redirect>"))
    customer.page("/three", twiml("<Hangup/>", "<Say>never</Say>"))
    sid = await simulator.dial(Url=f"{PUBLIC}/flow/one#rc=3")
    report = await simulator.ended(sid)
    assert [(r.path, r.method) for r in customer.requests] == [
        ("/flow/one", "POST"),
        ("/flow/two", "POST"),
        ("/three", "GET"),
    ]
    assert all(r["CallStatus"] == "in-progress" for r in customer.requests)
    assert verbs_of(report) == ["Redirect", "Redirect", "Hangup"]
    assert report["heard"] == []


async def test_an_empty_response_ends_the_call(world: World) -> None:
    """Nothing left to do is the end of a call, not of a document."""
    customer, simulator = world
    customer.page("/empty", "<Response/>")
    report = await simulator.ended(await simulator.dial(Url=f"{PUBLIC}/empty"))
    assert (report["status"], report["ended_by"]) == ("completed", "twiml")


async def test_an_inbound_caller_is_answered_by_the_first_verb_that_speaks(world: World) -> None:
    """The first request says `ringing`; Pause lets it ring, Say answers."""
    customer, simulator = world
    customer.page("/voice", twiml("<Pause length='0.2'/>", "<Say>Yes?</Say>"))
    sid = (await simulator.sim("POST", "inbound", {"from": YOU, "to": ME}))["sid"]
    report = await simulator.ended(sid)
    asked = customer.requests[0]
    assert (asked["CallStatus"], asked["Direction"], asked["From"], asked["To"]) == ("ringing", "inbound", YOU, ME)
    assert [entry["status"] for entry in report["history"]] == ["ringing", "in-progress", "completed"]
    assert report["answered_at"] - report["created_at"] >= 0.2
    assert [said["text"] for said in report["heard"]] == ["Yes?"]


@pytest.mark.parametrize(("reason", "status"), [("", "no-answer"), ("reason='busy'", "busy")])
async def test_a_rejected_caller_is_never_answered_and_costs_nothing(world: World, reason: str, status: str) -> None:
    """Reject as the first verb: the one way to refuse without a bill."""
    customer, simulator = world
    customer.page("/voice", twiml(f"<Reject {reason}/>"))
    sid = (await simulator.sim("POST", "inbound", {"from": YOU, "to": ME}))["sid"]
    report = await simulator.ended(sid)
    assert (report["status"], report["billed_seconds"], report["answered_at"]) == (status, 0, None)


async def test_a_hangup_or_a_late_reject_is_billed(world: World) -> None:
    """Only a Reject that comes first spares the bill."""
    customer, simulator = world
    for document in (twiml("<Hangup/>"), twiml("<Say>Hm.</Say>", "<Reject/>")):
        customer.page("/voice", document)
        sid = (await simulator.sim("POST", "inbound", {"from": YOU, "to": ME}))["sid"]
        report = await simulator.ended(sid)
        assert (report["status"], report["billed_seconds"]) == ("completed", 1)


async def test_gathered_speech_is_posted_in_the_callers_own_words(world: World) -> None:
    """The action gets SpeechResult; its answer is what happens next."""
    customer, simulator = world
    await simulator.persona({"answer_after_ms": 20}, {"wait_heard": "weather"}, {"say": "Sunny, I hope."})
    gather = "<Gather input='speech' speechTimeout='auto' action='/heard'><Say>How is the weather?</Say></Gather>"
    customer.page("/voice", twiml(gather, "<Say>too late</Say>"))
    customer.page("/heard", twiml("<Say>So do I.</Say>"))
    report = await simulator.ended(await simulator.dial(Url=f"{PUBLIC}/voice"))
    heard = await customer.request("/heard")
    assert heard["SpeechResult"] == "Sunny, I hope."
    assert 0 < float(heard["Confidence"]) <= 1
    assert [said["text"] for said in report["heard"]] == ["How is the weather?", "So do I."]


async def test_speech_cuts_the_prompt_of_a_gather(world: World) -> None:
    """Barge-in: what the callee did not let finish is heard only in part."""
    customer, simulator = world
    await simulator.persona({"answer_after_ms": 20}, {"interrupt_after_chars": 5, "say": "Stop."})
    prompt = "This is a very long prompt indeed."
    gather = f"<Gather input='speech' speechTimeout='auto' action='/heard'><Say>{prompt}</Say></Gather>"
    customer.page("/voice", twiml(gather))
    customer.page("/heard", twiml("<Hangup/>"))
    report = await simulator.ended(await simulator.dial(Url=f"{PUBLIC}/voice"))
    (cut,) = report["heard"]
    assert not cut["complete"]
    assert prompt.startswith(cut["text"].rstrip("\ufffd"))
    assert 5 <= len(cut["text"]) <= 9


async def test_gathered_digits_end_at_their_number_or_their_key(world: World) -> None:
    """The attributes numDigits and finishOnKey; the finishing key is reported but is no digit."""
    customer, simulator = world
    await simulator.persona({"answer_after_ms": 20}, {"wait_ms": 100}, {"press": "12#"})
    for attributes, digits, key in (("numDigits='2'", "12", ""), ("", "12", "#")):
        customer.page("/voice", twiml(f"<Gather {attributes} action='/keys'/>"))
        customer.page("/keys", twiml("<Hangup/>"))
        await simulator.ended(await simulator.dial(Url=f"{PUBLIC}/voice"))
        pressed = customer.requests[-1]
        assert (pressed.path, pressed["Digits"], pressed.get("FinishedOnKey")) == ("/keys", digits, key)


async def test_a_gather_that_hears_nothing_goes_on_to_the_next_verb(world: World) -> None:
    """Unless `actionOnEmptyResult`: then the action is requested without input."""
    customer, simulator = world
    gather = "<Gather input='speech' timeout='1' action='/heard' {}/>"
    customer.page("/voice", twiml(gather.format(""), "<Say>Bye.</Say>"))
    report = await simulator.ended(await simulator.dial(Url=f"{PUBLIC}/voice"))
    assert [said["text"] for said in report["heard"]] == ["Bye."]
    assert [r.path for r in customer.requests] == ["/voice"]

    customer.page("/voice", twiml(gather.format("actionOnEmptyResult='true'")))
    customer.page("/heard", twiml("<Hangup/>"))
    await simulator.ended(await simulator.dial(Url=f"{PUBLIC}/voice"))
    assert customer.requests[-1].fields[-1] == ("SpeechResult", "")


async def test_an_update_cuts_the_running_verb_and_runs_its_own(world: World) -> None:
    """What was being said stops in mid-word; the new TwiML begins at once."""
    _, simulator = world
    text = "A sentence so long that nobody would wait for its end."
    sid = await simulator.dial(Twiml=twiml(f"<Say>{text}</Say>", "<Say>never</Say>"))
    await simulator.line("said_natively", call_sid=sid)
    status, _ = await simulator.rest("POST", f"/{sid}.json", {"Twiml": twiml("<Say>Now this.</Say>")})
    assert status == 200
    report = await simulator.ended(sid)
    *cut, new = [said["text"] for said in report["heard"]]
    assert new == "Now this."
    assert all(text.startswith(part.rstrip("\ufffd")) and part != text for part in cut)


async def test_digits_are_played_and_the_unsupported_is_written_down(world: World) -> None:
    """Record and Enqueue are not performed; the call goes on and the ledger says so."""
    _, simulator = world
    document = twiml("<Play digits='1w2'/>", "<Record/>", "<Enqueue>q</Enqueue>", "<Say>Done.</Say>")
    sid = await simulator.dial(Twiml=document, SendDigits="99")
    report = await simulator.ended(sid)
    assert (await simulator.line("digits", call_sid=sid))["digits"] == "99"
    assert (await simulator.line("digits", call_sid=sid, digits="1w2"))["digits"] == "1w2"
    assert await simulator.errors(sid) == [12200, 12200]
    assert [said["text"] for said in report["heard"]] == ["Done."]
    assert report["heard"][0]["start_ms"] >= 400 + 900


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (web.Response(text="<Response><Say>", content_type="text/xml"), 12100),
        (web.Response(text="<Answer/>", content_type="text/xml"), 12100),
        (web.Response(text="{}", content_type="application/json"), 12300),
    ],
)
async def test_what_is_not_twiml_ends_in_an_apology(world: World, reply: web.Response, code: int) -> None:
    """The caller hears an error voice, which is what a customer's mistake sounds like."""
    customer, simulator = world
    customer.page("/bad", reply)
    sid = await simulator.dial(Url=f"{PUBLIC}/bad")
    report = await simulator.ended(sid)
    assert await simulator.errors(sid) == [code]
    assert report["ended_by"] == "error"


async def test_a_machine_that_answers_is_reported_as_one(world: World) -> None:
    """Synchronous detection: AnsweredBy comes with the answer fetch."""
    customer, simulator = world
    await simulator.persona({"answer_after_ms": 20}, {"answered_by": "machine_start"})
    customer.page("/voice", twiml("<Hangup/>"))
    await simulator.ended(await simulator.dial(Url=f"{PUBLIC}/voice", MachineDetection="Enable"))
    assert customer.requests[0]["AnsweredBy"] == "machine_start"


@pytest.mark.parametrize(
    ("mode", "who", "script", "word"),
    [
        ("Enable", "human", (), "human"),
        ("Enable", "machine", ({"say": "leave a message"}, {"beep": True}), "machine_start"),
        ("DetectMessageEnd", "machine", ({"say": "leave it"}, {"beep": True}), "machine_end_beep"),
        ("DetectMessageEnd", "machine", ({"say": "leave it"},), "machine_end_silence"),
        ("DetectMessageEnd", "fax", (), "fax"),
    ],
)
async def test_a_verdict_may_come_while_the_call_goes_on(
    world: World, mode: str, who: str, script: tuple[dict[str, object], ...], word: str
) -> None:
    """Asynchronous detection: a request of its own, without a CallStatus; the answer fetch knows nothing of it."""
    customer, simulator = world
    await simulator.persona({"answer_after_ms": 20}, {"answered_by": who}, {"verdict_after_ms": 40}, *script)
    customer.page("/voice", twiml("<Pause length='20'/>"))
    order = {"AsyncAmd": "true", "AsyncAmdStatusCallback": f"{PUBLIC}/amd", "MachineDetection": mode}
    sid = await simulator.dial(Url=f"{PUBLIC}/voice", **order)
    assert (await simulator.line("verdict", call_sid=sid))["answered_by"] == word
    reported = await customer.request("/amd")
    assert (reported["AnsweredBy"], reported["CallSid"], reported.get("CallStatus")) == (word, sid, "")
    assert customer.requests[0].get("AnsweredBy") == ""


async def test_the_callee_may_hang_up_first(world: World) -> None:
    """The ledger names the party, which Twilio's webhooks do not."""
    _, simulator = world
    await simulator.persona({"answer_after_ms": 20}, {"wait_heard": 1}, {"say": "Bye."}, {"hangup": True})
    sid = await simulator.dial(Twiml=twiml("<Say>Hi.</Say>", "<Pause length='50'/>"))
    report = await simulator.ended(sid)
    assert (report["status"], report["ended_by"]) == ("completed", "callee")
    assert [(said["text"], said["complete"]) for said in report["said"]] == [("Bye.", True)]


def test_entities_are_refused_before_they_are_read() -> None:
    """TwiML needs no document type; everything evil in XML does."""
    with pytest.raises(BadTwiml):
        read_twiml('<!DOCTYPE x [<!ENTITY a "b">]><Response><Say>&a;</Say></Response>')


@pytest.mark.parametrize(
    ("base", "url", "absolute"),
    [
        ("https://x/a/b#rc=1", "c", "https://x/a/c"),
        ("https://x/a/b?q=1", "/c#rc=2", "https://x/c#rc=2"),
        ("https://x/a/b#rc=1", "", "https://x/a/b#rc=1"),
        ("", "c", ""),
        ("https://x/", "ftp://y", ""),
    ],
)
def test_relative_urls_are_read_from_the_document_that_holds_them(base: str, url: str, absolute: str) -> None:
    """Inline TwiML has no base: a relative URL in it leads nowhere."""
    assert resolve(base, url) == absolute
