"""The simulator of Plivo: REST, signed forms, XML, hangup causes. The official SDK is the oracle where it can be."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlencode

import plivo
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from plivo.utils import validate_v3_signature

from simulators.plivo.document import BadXml, read_document
from simulators.plivo.signature import Keys, sign
from tests.simulators.carrier_process import running_carrier
from tests.simulators.plivo_customer import (
    ACCOUNT,
    ANSWER,
    MAIN,
    ME,
    OPTIONS,
    TOKEN,
    YOU,
    PlivoSimulator,
    document,
    world_of,
)
from tests.simulators.twilio_customer import PUBLIC, Customer, Received

World = tuple[Customer, PlivoSimulator]
HANG_UP = document("<Hangup/>")
STAY = document("<Wait length='30'/>")
HANGUP_URL = f"{PUBLIC}/hangup"


@pytest.fixture(scope="module")
def ready() -> Iterator[dict[str, Any]]:
    with running_carrier("simulators.plivo", *OPTIONS) as printed:
        yield printed


@pytest.fixture
async def world(ready: dict[str, Any]) -> AsyncIterator[World]:
    async with world_of(ready) as world:
        await world[1].persona({"answer_after_ms": 10}, number=f"+{YOU}")
        yield world


def genuine(request: Received, url: str, token: str = TOKEN, header: str = "X-Plivo-Signature-V3") -> bool:
    """Whether Plivo's own validator accepts a request for this address."""
    fields = dict(request.fields)
    nonce = request.headers["X-Plivo-Signature-V3-Nonce"]
    return bool(validate_v3_signature(request.method, url, nonce, token, request.headers[header], fields))


# --- signatures

WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1)


@given(st.dictionaries(st.text(min_size=1), st.text()), st.dictionaries(WORDS, WORDS))
def test_the_sdk_accepts_every_post_the_simulator_signs(fields: dict[str, str], query: dict[str, str]) -> None:
    """With and without query, with and without fields, whatever they hold."""
    url = "https://voice.example.com/hook" + (f"?{urlencode(query)}" if query else "")
    signature = sign(TOKEN, "POST", url, list(fields.items()), "12345")
    assert validate_v3_signature("POST", url, "12345", TOKEN, signature, dict(fields))
    assert not validate_v3_signature("POST", url, "12346", TOKEN, signature, dict(fields))


@given(st.dictionaries(WORDS, WORDS))
def test_the_sdk_accepts_every_get_the_simulator_signs(query: dict[str, str]) -> None:
    """A GET's fields are in its URL."""
    url = "https://voice.example.com/hook" + (f"?{urlencode(query)}" if query else "")
    headers = Keys(TOKEN, MAIN).headers("GET", url, ())
    nonce = headers["X-Plivo-Signature-V3-Nonce"]
    assert validate_v3_signature("GET", url, nonce, TOKEN, headers["X-Plivo-Signature-V3"])
    assert validate_v3_signature("GET", url, nonce, MAIN, headers["X-Plivo-Signature-Ma-V3"])


# --- a call's life


async def test_an_outbound_call_is_reported_in_signed_forms(world: World) -> None:
    """Ring, StartApp, Hangup: numbers without plus, both ids, three headers that Plivo's own validator accepts."""
    customer, simulator = world
    customer.page("/answer", document("<Speak>Hello there</Speak><Hangup/>"))
    sid = await simulator.call(ring_url=f"{PUBLIC}/ring?x=1", hangup_url=HANGUP_URL)
    report = await simulator.ended(sid)
    ring, answer = await customer.request("/ring"), await customer.request("/answer")
    hangup = await customer.request("/hangup")
    assert genuine(ring, f"{PUBLIC}/ring?x=1")
    assert genuine(answer, ANSWER)
    assert genuine(answer, ANSWER, MAIN, "X-Plivo-Signature-Ma-V3")
    assert not genuine(answer, f"{ANSWER}/")
    assert (ring["Event"], ring["CallStatus"]) == ("Ring", "ringing")
    assert (answer["Event"], answer["CallStatus"], answer["Direction"]) == ("StartApp", "in-progress", "outbound")
    assert (answer["CallUUID"], answer["RequestUUID"]) == (sid, report["request_uuid"])
    assert (answer["From"], answer["To"]) == (ME, YOU)
    assert (hangup["Event"], hangup["CallStatus"]) == ("Hangup", "completed")
    assert (hangup["HangupCauseCode"], hangup["HangupSource"]) == ("4000", "Answer XML")
    assert [heard["text"] for heard in report["heard"]] == ["Hello there"]
    assert (report["status"], report["ended_by"]) == ("completed", "xml")


async def test_a_get_carries_its_fields_in_the_query_and_its_signature_covers_them(world: World) -> None:
    """answer_method GET."""
    customer, simulator = world
    customer.page("/answer", HANG_UP)
    sid = await simulator.call(answer_method="GET")
    await simulator.ended(sid)
    got = await customer.request("/answer")
    assert (got.method, got["CallUUID"]) == ("GET", sid)
    assert genuine(got, f"{ANSWER}?{urlencode(got.fields)}")


@pytest.mark.parametrize(
    ("persona", "order", "status", "code", "cause"),
    [
        ({"busy": True}, {}, "busy", "3010", "USER_BUSY"),
        ({"failed": True}, {}, "failed", "3050", "UNALLOCATED_NUMBER"),
        ({"no_answer": True}, {"ring_timeout": 1}, "timeout", "6010", "NO_ANSWER"),
    ],
)
async def test_an_unanswered_call_ends_with_its_cause(
    world: World, persona: dict[str, Any], order: dict[str, Any], status: str, code: str, cause: str
) -> None:
    """CallStatus and cause are Plivo's own words; nothing is billed, no document asked."""
    customer, simulator = world
    await simulator.persona({"answer_after_ms": 10}, persona, number=f"+{YOU}")
    sid = await simulator.call(hangup_url=HANGUP_URL, **order)
    await simulator.ended(sid)
    hangup = await customer.request("/hangup")
    assert (hangup["CallStatus"], hangup["HangupCauseCode"], hangup["HangupCause"]) == (status, code, cause)
    assert (hangup["Duration"], hangup["AnswerTime"]) == ("0", "")
    assert [request.path for request in customer.requests if request["CallUUID"] == sid] == ["/hangup"]


async def test_an_inbound_call_asks_first_and_is_answered_by_the_first_element(world: World) -> None:
    """The document is asked while it rings; its end hangs up with 4010."""
    customer, simulator = world
    customer.page("/answer", document("<Speak>Welcome</Speak>"))
    sid = await simulator.inbound()
    report = await simulator.ended(sid)
    first = customer.requests[0]
    assert (first["CallStatus"], first["Direction"], first["From"]) == ("ringing", "inbound", YOU)
    assert first.get("RequestUUID") == ""
    assert report["hangup"] == {"code": 4010, "cause": "NORMAL_CLEARING", "source": "Plivo"}
    assert [heard["text"] for heard in report["heard"]] == ["Welcome"]


@pytest.mark.parametrize(("reason", "code"), [("rejected", 3020), ("busy", 3010)])
async def test_an_inbound_call_can_be_refused_unanswered(world: World, reason: str, code: int) -> None:
    """Hangup with a reason, as the first element."""
    customer, simulator = world
    customer.page("/answer", document(f"<Hangup reason='{reason}'/>"))
    report = await simulator.ended(await simulator.inbound())
    assert report["answered_at"] is None
    assert report["hangup"]["code"] == code


async def test_the_callee_hangs_up_and_the_hangup_url_says_so(world: World) -> None:
    """Without a hangup URL the hangup of an inbound call goes to the answer URL."""
    customer, simulator = world
    customer.page("/answer", STAY)
    sid = await simulator.inbound({"hangup": True})
    # The persona of an inbound call waits for the answer first: the Wait lets it ring.
    await simulator.sim("POST", f"hangup/{sid}")
    hangup = await customer.request("/answer", Event="Hangup")
    assert (hangup["CallStatus"], hangup["HangupSource"]) == ("cancel", "Caller")


# --- documents


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (document("<Say>Twilio's</Say>"), 8011),
        (document("<Speak language='xx-XX'>Hello</Speak>"), 8011),
        (document("<GetInput inputType='dtmf'/>"), 8011),
        ("<Response><Speak>", 8011),
        (web.Response(status=404), 7011),
    ],
)
async def test_a_bad_answer_ends_the_call_with_its_code(world: World, reply: str | web.Response, code: int) -> None:
    """Nothing of a document with a mistake is performed."""
    customer, simulator = world
    customer.pages["/answer"] = lambda _: reply if isinstance(reply, str) else web.Response(status=404)
    report = await simulator.ended(await simulator.inbound())
    assert report["hangup"]["code"] == code
    assert report["heard"] == []


@pytest.mark.parametrize(
    "element",
    [
        "<Stream contentType='audio/x-mulaw;rate=8000'>https://x</Stream>",
        "<Stream bidirectional='true'>wss://x/y</Stream>",
        "<Stream bidirectional='true' audioTrack='both' contentType='audio/x-mulaw;rate=8000'>wss://x/y</Stream>",
        "<GetInput action='/a' inputType='dtmf' executionTimeout='4'/>",
        "<GetInput action='/a' inputType='dtmf' digitEndTimeout='1'/>",
        "<GetInput action='/a' inputType='voice'/>",
        "<Speak voice='alice'>Hello</Speak>",
        "<Speak></Speak>",
        "<DTMF>hello</DTMF>",
        "<Hangup reason='bored'/>",
        "<Wait length='soon'/>",
        "<speak>case matters</speak>",
    ],
)
def test_what_plivo_would_refuse_is_refused(element: str) -> None:
    """A document is read whole before any of it runs."""
    with pytest.raises(BadXml):
        read_document(document(element).encode())


async def test_the_fallback_answers_when_the_answer_url_does_not(world: World) -> None:
    """Three tries for an API call, then the fallback."""
    customer, simulator = world
    customer.pages["/answer"] = lambda _: web.Response(status=500)
    customer.page("/fallback", document("<Speak>Sorry</Speak>"))
    sid = await simulator.call(fallback_url=f"{PUBLIC}/fallback")
    report = await simulator.ended(sid)
    assert [request.path for request in customer.requests if request["CallUUID"] == sid] == ["/answer"] * 3 + [
        "/fallback"
    ]
    assert [heard["text"] for heard in report["heard"]] == ["Sorry"]


async def test_the_fragment_of_a_url_is_its_retry_policy_and_not_signed(world: World) -> None:
    """rc=2 of the hangup URL: three attempts, each with a nonce of its own."""
    customer, simulator = world
    customer.page("/answer", HANG_UP)
    customer.pages["/hangup"] = lambda _: web.Response(status=500)
    sid = await simulator.call(hangup_url=f"{HANGUP_URL}#rc=2&rp=5xx&ct=500")
    await simulator.ended(sid)
    async with asyncio.timeout(10):
        while len(tries := [line for line in await simulator.webhooks(sid) if line["what"] == "hangup"]) < 3:
            await simulator.sim("GET", f"events?after={tries[-1]['seq'] if tries else 0}&wait_s=5")
    requests = [request for request in customer.requests if request.path == "/hangup"]
    assert len(requests) == 3
    assert all(genuine(request, HANGUP_URL) for request in requests)
    assert len({request.headers["X-Plivo-Signature-V3-Nonce"] for request in requests}) == 3


async def test_spoken_words_come_to_the_action(world: World) -> None:
    """Speech cuts the prompt; the action's document takes over."""
    customer, simulator = world
    prompt = "<Speak>Say something now, whatever you like to say, we have time</Speak>"
    ask = f"<GetInput action='{PUBLIC}/said' inputType='speech dtmf'>{prompt}</GetInput>"
    customer.page("/answer", document(ask, "<Speak>not reached</Speak>"))
    customer.page("/said", document("<Speak>Thanks</Speak>"))
    await simulator.persona(
        {"answer_after_ms": 10}, {"wait_ms": 300}, {"say": "a table for two"}, {"wait_ms": 5000}, number=f"+{YOU}"
    )
    report = await simulator.ended(await simulator.call())
    said = await customer.request("/said")
    assert (said["InputType"], said["Speech"]) == ("speech", "a table for two")
    assert genuine(said, f"{PUBLIC}/said")
    assert [heard["text"] for heard in report["heard"] if heard["complete"]] == ["Thanks"]


async def test_keys_come_to_the_action(world: World) -> None:
    """Up to the finishing key."""
    customer, simulator = world
    customer.page("/answer", document(f"<GetInput action='{PUBLIC}/keys' inputType='dtmf' numDigits='4'/>"))
    customer.page("/keys", HANG_UP)
    await simulator.persona({"answer_after_ms": 10}, {"wait_ms": 300}, {"press": "42#"}, number=f"+{YOU}")
    await simulator.ended(await simulator.call())
    keys = await customer.request("/keys")
    assert (keys["InputType"], keys["Digits"], keys["CallStatus"]) == ("dtmf", "42", "in-progress")


async def test_silence_falls_through_to_the_next_element(world: World) -> None:
    """After executionTimeout seconds without input."""
    customer, simulator = world
    ask = f"<GetInput action='{PUBLIC}/keys' inputType='speech' executionTimeout='5'/>"
    customer.page("/answer", document(ask, "<Redirect>/next</Redirect>"))
    customer.page("/next", HANG_UP)
    sid = await simulator.call()
    await simulator.ended(sid)
    assert [request.path for request in customer.requests if request["CallUUID"] == sid] == ["/answer", "/next"]


async def test_a_scheduled_hangup_lets_the_document_go_on(world: World) -> None:
    """It comes when its time has come."""
    customer, simulator = world
    customer.page("/answer", document("<Hangup schedule='1'/><Speak>so long</Speak><Wait length='60'/>"))
    report = await simulator.ended(await simulator.call())
    assert [heard["text"] for heard in report["heard"]] == ["so long"]
    assert report["billed_seconds"] == 1


# --- machines


async def test_a_machine_is_reported_and_a_human_is_not(world: World) -> None:
    """machine_detection_url is asked for machines only, while the call goes on."""
    customer, simulator = world
    customer.page("/answer", document("<Wait length='2'/>"))
    order = {"machine_detection": "true", "machine_detection_url": f"{PUBLIC}/machine"}
    await simulator.persona({"answer_after_ms": 10}, {"answered_by": "machine_start"}, number=f"+{YOU}")
    await simulator.call(**order)
    reported = await customer.request("/machine")
    assert (reported["Machine"], reported["Event"]) == ("true", "MachineDetection")
    customer.requests.clear()
    customer.page("/answer", document("<Wait length='1'/>"))
    await simulator.persona({"answer_after_ms": 10}, number=f"+{YOU}")
    sid = await simulator.call(**order)
    await simulator.ended(sid)
    assert [request.path for request in customer.requests if request["CallUUID"] == sid] == ["/answer"]


async def test_a_machine_can_be_hung_up_on(world: World) -> None:
    """9100."""
    customer, simulator = world
    customer.page("/answer", STAY)
    await simulator.persona({"answer_after_ms": 10}, {"answered_by": "machine_start"}, number=f"+{YOU}")
    report = await simulator.ended(await simulator.call(machine_detection="hangup"))
    assert report["hangup"]["code"] == 9100


async def test_a_message_can_be_left_after_the_beep(world: World) -> None:
    """Wait with beep ends when the greeting is over, not when its time is."""
    customer, simulator = world
    customer.page("/answer", document("<Wait length='20' beep='true'/><Speak>Call me back</Speak>"))
    await simulator.persona({"answer_after_ms": 10}, {"say": "leave a message"}, number=f"+{YOU}")
    report = await simulator.ended(await simulator.call())
    (heard,) = report["heard"]
    assert heard["text"] == "Call me back"
    assert heard["start_ms"] >= report["said"][0]["end_ms"]


# --- REST


async def test_a_call_is_known_by_its_request_until_it_rings(world: World) -> None:
    """Then by its CallUUID, live; then as a record."""
    customer, simulator = world
    customer.page("/answer", STAY)
    sid = await simulator.call()
    await simulator.line("call", call_sid=sid, status="in-progress")
    status, live = await simulator.api("GET", f"Call/{sid}/?status=live")
    assert (status, live["call_status"], live["call_uuid"]) == (200, "in-progress", sid)
    assert sid in (await simulator.api("GET", "Call/?status=live"))[1]["calls"]
    assert (await simulator.api("GET", f"Call/{sid}/"))[0] == 404
    assert (await simulator.api("GET", f"Call/{live['request_uuid']}/?status=queued"))[0] == 404
    assert await simulator.api("DELETE", f"Call/{sid}/") == (204, None)
    assert (await simulator.api("DELETE", f"Call/{sid}/"))[0] == 404
    await simulator.ended(sid)
    status, record = await simulator.api("GET", f"Call/{sid}/")
    assert (status, record["hangup_cause_code"], record["hangup_source"]) == (200, 4000, "API Request")


async def test_a_queued_call_is_cancelled_by_its_request(world: World) -> None:
    """The CallUUID is not known to REST yet."""
    customer, simulator = world
    await simulator.persona({"answer_after_ms": 5000}, number=f"+{YOU}")
    status, body = await simulator.api(
        "POST", "Call/", {"from": ME, "to": YOU, "answer_url": ANSWER, "hangup_url": HANGUP_URL}
    )
    assert status == 201
    assert (await simulator.api("DELETE", f"Request/{body['request_uuid']}/"))[0] == 204
    hangup = await customer.request("/hangup")
    assert (hangup["CallStatus"], hangup["HangupCauseCode"]) == ("cancel", "1000")
    assert (await simulator.api("DELETE", f"Request/{body['request_uuid']}/"))[0] == 404


async def test_a_live_call_is_transferred_spoken_to_and_sent_keys(world: World) -> None:
    """A transfer cuts the running document; Speak is heard beside it."""
    customer, simulator = world
    customer.page("/answer", STAY)
    customer.page("/next", document("<Speak>moved</Speak>"))
    sid = await simulator.call()
    await simulator.line("verb", call_sid=sid, verb="Wait")
    assert (await simulator.api("POST", f"Call/{sid}/Speak/", {"text": "by the way"}))[0] == 202
    await simulator.line("said_natively", call_sid=sid)
    assert (await simulator.api("DELETE", f"Call/{sid}/Speak/"))[0] == 204
    assert (await simulator.api("POST", f"Call/{sid}/DTMF/", {"digits": "12"}))[0] == 202
    status, body = await simulator.api("POST", f"Call/{sid}/", {"legs": "aleg", "aleg_url": f"{PUBLIC}/next"})
    assert (status, body["call_uuids"]) == (202, [sid])
    report = await simulator.ended(sid)
    assert [heard["text"] for heard in report["heard"] if heard["complete"]] == ["moved"]
    assert (await customer.request("/next"))["Event"] == "Redirect"
    assert (await simulator.line("digits", call_sid=sid))["digits"] == "12"


@pytest.mark.parametrize(
    "change", [{"to": "12"}, {"from": ""}, {"answer_url": "ftp://x"}, {"ring_timeout": -1}, {"machine_detection": "no"}]
)
async def test_a_wrong_order_is_refused(world: World, change: dict[str, Any]) -> None:
    """With 400 and an error, and nothing is dialled."""
    _, simulator = world
    status, body = await simulator.api("POST", "Call/", {"from": ME, "to": YOU, "answer_url": ANSWER, **change})
    assert status == 400
    assert body["error"]
    assert body["api_id"]
    assert (await simulator.sim("GET", "ledger"))["calls"] == []


async def test_strangers_are_refused(world: World) -> None:
    """401."""
    _, simulator = world
    assert (await simulator.api("GET", "Call/", auth=(ACCOUNT, "wrong")))[0] == 401


async def test_the_sdk_itself_can_drive_the_simulator(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The official client dials, looks, speaks, transfers and hangs up."""
    customer, simulator = world
    customer.page("/answer", STAY)
    monkeypatch.setattr("plivo.rest.client.API_VOICE_BASE_URI", f"{simulator.url}/v1/Account")

    def drive() -> str:
        with plivo.RestClient(ACCOUNT, TOKEN) as sdk:
            made = sdk.calls.create(from_=ME, to_=YOU, answer_url=ANSWER)
            return str(made["request_uuid"] if isinstance(made, dict) else made.request_uuid)

    request_uuid = await asyncio.to_thread(drive)
    answer = await customer.request("/answer", RequestUUID=request_uuid)
    sid = answer["CallUUID"]
    await simulator.line("verb", call_sid=sid, verb="Wait")

    def end() -> None:
        with plivo.RestClient(ACCOUNT, TOKEN) as sdk:
            assert sid in sdk.live_calls.list_ids().calls
            sdk.calls.speak(sid, "bye")
            sdk.calls.hangup(sid)

    await asyncio.to_thread(end)
    assert (await simulator.ended(sid))["hangup"]["source"] == "API Request"


async def test_a_lost_reply_is_still_a_deed(world: World) -> None:
    """5xx after acting: the call exists, and the ledger joins the two."""
    customer, simulator = world
    customer.page("/answer", HANG_UP)
    rule = {"where": "rest", "do": "status", "status": 500, "when": "after", "match": {"op": "create"}}
    await simulator.sim("POST", "misbehave", rule)
    assert (await simulator.api("POST", "Call/", {"from": ME, "to": YOU, "answer_url": ANSWER}))[0] == 500
    (call,) = (await simulator.sim("GET", "ledger"))["calls"]
    assert (await simulator.line("rest.lost_reply"))["call_sid"] == call["sid"]
