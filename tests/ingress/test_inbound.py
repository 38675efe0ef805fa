"""Answers to verified webhooks: policy before rendering, one post with everything, a replay that changes nothing."""

import asyncio
import re
from dataclasses import replace

from ingress.inbound import InboundCalls
from ingress.kept_answers import answer_token
from ingress.public_address import PublicAddress
from tests.fakes.ingress import InMemoryLog
from tests.ingress.harness import ACCOUNT, LEG, PUBLIC, TOKEN, fields, inbound_id, running_ingress
from voicecall.bus.doorbell import RateLimitedDoorbell
from voicecall.call.decide import decide
from voicecall.call.events import (
    Answered,
    Arrived,
    CallPolicy,
    CallRejected,
    ContinueRequested,
    HungUp,
    Mode,
    Placed,
    StreamUnusable,
)
from voicecall.call.ids import E164, CallId, LegId, NodeId, RequestId, bound_token, token_number
from voicecall.call.state import Call, Phase, Utterance
from voicecall.carriers.twilio.codec import Codec
from voicecall.manifests import CARRIERS
from voicecall.ports import Webhook
from voicecall.wire import Undecodable

OUTBOUND = CallId("00000000-0000-4000-8000-000000000001")


def outbound(**changes: str) -> dict[str, str]:
    return fields(Direction="outbound-api", CallStatus="in-progress", **changes)


def token_of(body: bytes) -> str:
    found = re.search(rb'name="token" value="([^"]+)"', body)
    assert found
    return found[1].decode()


async def test_an_admitted_caller_gets_a_stream_and_the_log_their_arrival() -> None:
    """One post carries the arrival, the answer and the token."""
    async with running_ingress(inboundGreeting="Good morning") as ingress:
        answer = await ingress.webhook(fields())
        assert answer.headers["content-type"] == "application/xml"
        assert b'<Stream url="wss://calls.example/voice/stream">' in answer.body
        assert re.search(rb"<Redirect[^>]*>" + PUBLIC.encode() + rb"\?callId=[0-9a-f-]{36}&amp;resume=", answer.body)
        (arrived,) = ingress.log.events[inbound_id()]
        assert isinstance(arrived, Arrived)
        assert (arrived.from_, arrived.to, arrived.leg) == ("+15550001234", "+15550009999", LEG)
        assert arrived.greeting == "Good morning"
        assert arrived.policy == ingress.settings.call_policy()
        assert ingress.log.tokens == {(inbound_id(), f"{token_of(answer.body).removesuffix('.0')} {LEG}")}
        assert ingress.log.posts == 1


async def test_a_refused_caller_never_gets_a_stream_or_a_token() -> None:
    """The policy is decided before anything is rendered."""
    async with running_ingress(inboundPolicy="allowlist", allowFrom=["+15550005678"]) as ingress:
        answer = await ingress.webhook(fields())
        assert b'<Reject reason="rejected" />' in answer.body
        assert b"Stream" not in answer.body
        assert b"Redirect" not in answer.body
        (refused,) = ingress.log.events[inbound_id()]
        assert isinstance(refused, CallRejected)
        assert refused.reason == "inbound-policy"
        assert ingress.log.tokens == set()
        assert ingress.places.taken == set()


async def test_a_status_before_the_first_request_does_not_admit_the_caller() -> None:
    """A number's status callback may come first (guarantee P18): the policy applies all the same."""
    async with running_ingress(inboundPolicy="allowlist", allowFrom=["+15550001234"]) as ingress:
        stranger = "CA" + "2" * 32
        for leg in (LEG, LegId(stranger)):
            ingress.log.phases[inbound_id(leg)] = Phase.ANSWERED
        refused = await ingress.webhook(fields(CallSid=stranger, From="+15550005678"))
        admitted = await ingress.webhook(fields())
        assert b'<Reject reason="rejected" />' in refused.body
        assert b"<Stream" not in refused.body
        assert b"<Stream" in admitted.body
        assert isinstance(ingress.log.events[inbound_id()][0], Arrived)


async def test_an_anonymous_caller_is_refused_by_a_list() -> None:
    async with running_ingress(inboundPolicy="pairing", allowFrom=["+15550001234"]) as ingress:
        for place, caller in enumerate(("", "anonymous", "+266696687", "+99915550001234")):
            leg = f"CA{place:032x}"
            answer = await ingress.webhook(fields(From=caller, CallSid=leg))
            assert b"<Reject" in answer.body
        allowed = await ingress.webhook(fields())
        assert b"<Stream" in allowed.body


async def test_a_caller_beyond_the_limit_hears_busy() -> None:
    """Answered with TwiML: after a 5xx the caller would hear an error message (guarantee P15)."""
    async with running_ingress(maxInboundCalls=1) as ingress:
        first = await ingress.webhook(fields())
        second = await ingress.webhook(fields(CallSid="CA" + "2" * 32))
        assert b"<Stream" in first.body
        assert b'<Reject reason="busy" />' in second.body
        (refused,) = ingress.log.events[inbound_id(LegId("CA" + "2" * 32))]
        assert isinstance(refused, CallRejected)
        assert refused.reason == "busy"


async def test_a_draining_ingress_refuses_new_calls_and_serves_known_ones() -> None:
    """A deployment must not be noticed by those in a call (guarantee P14)."""
    async with running_ingress() as ingress:
        ingress.log.phases[OUTBOUND] = Phase.LISTENING
        ingress.server.start_draining(alone=False)
        assert b'reason="busy"' in (await ingress.webhook(fields())).body
        known = await ingress.webhook(outbound(), f"callId={OUTBOUND}&resume=1")
        assert b"<Stream" in known.body


async def test_c3_the_only_ingress_has_known_calls_wait_for_the_next_one() -> None:
    """It is not answered with a stream of this ingress, which would refuse it: the carrier would ask again at once."""
    async with running_ingress() as ingress:
        ingress.log.phases[OUTBOUND] = Phase.LISTENING
        ingress.server.start_draining(alone=True)
        held = await ingress.webhook(outbound(), f"callId={OUTBOUND}&resume=1")
        tags = re.findall(rb"<(Pause|Connect|Redirect)\b", held.body)
        assert tags == [b"Pause", b"Connect", b"Connect"] * 3 + [b"Pause", b"Connect"] * 24 + [b"Redirect"]
        tokens = re.findall(rb'name="token" value="([^".]+)\.[0-9]+"', held.body)
        assert len(tokens) == 30
        assert ingress.log.series == {OUTBOUND: (f"{tokens[0].decode()} {LEG}", 0)}
        assert b'reason="busy"' in (await ingress.webhook(fields())).body


async def test_c3_a_carrier_that_asks_the_leaving_ingress_twice_waits_twice() -> None:
    """Each time with a new token and a new URL; it is never sent round faster than once a second."""
    async with running_ingress() as ingress:
        ingress.log.phases[OUTBOUND] = Phase.LISTENING
        ingress.server.start_draining(alone=True)
        answers = [await ingress.webhook(outbound(), f"callId={OUTBOUND}&resume={turn}") for turn in range(3)]
        assert all(b'<Pause length="1" />' in answer.body for answer in answers)
        assert len({token_of(answer.body) for answer in answers}) == 3


async def test_c3_a_call_that_is_over_does_not_wait() -> None:
    """It is hung up, also while the ingress stops."""
    async with running_ingress() as ingress:
        ingress.log.phases[OUTBOUND] = Phase.HANGUP_BOT
        ingress.server.start_draining(alone=True)
        assert b"<Hangup" in (await ingress.webhook(outbound(), f"callId={OUTBOUND}&resume=1")).body


async def test_c6_a_caller_hears_busy_while_no_worker_runs() -> None:
    """Greeted, they would speak into silence. A call that a worker knows already goes on: its worker may come back."""
    async with running_ingress() as ingress:
        ingress.workers.present = False
        ingress.log.phases[OUTBOUND] = Phase.LISTENING
        refused = await ingress.webhook(fields())
        assert b'<Reject reason="busy" />' in refused.body
        assert ingress.places.taken == set()
        (event,) = ingress.log.events[inbound_id()]
        assert isinstance(event, CallRejected)
        assert b"<Stream" in (await ingress.webhook(outbound(), f"callId={OUTBOUND}&resume=1")).body
        ingress.workers.present = True
        assert b"<Stream" in (await ingress.webhook(fields(CallSid="CA" + "2" * 32))).body


async def test_c6_a_caller_hears_busy_where_the_carrier_speaks_too() -> None:
    """Without a stream the carrier itself would greet, and nothing would answer what the caller says."""
    async with running_ingress(streaming={"enabled": False}) as ingress:
        ingress.workers.present = False
        answer = await ingress.webhook(fields())
        assert b'<Reject reason="busy" />' in answer.body
        assert b"<Say" not in answer.body


async def test_c6_the_policy_comes_before_the_lack_of_workers() -> None:
    """A stranger learns nothing about the system."""
    async with running_ingress(inboundPolicy="allowlist", allowFrom=["+15550005678"]) as ingress:
        ingress.workers.present = False
        assert b'<Reject reason="rejected" />' in (await ingress.webhook(fields())).body


async def test_a_replay_gets_the_first_answer_to_the_byte_and_changes_nothing() -> None:
    """It makes no token (attack 20) and no second Arrived."""
    async with running_ingress() as ingress:
        first = await ingress.webhook(fields())
        before = (list(ingress.log.events[inbound_id()]), set(ingress.log.tokens))
        ingress.log.phases[inbound_id()] = Phase.COMPLETED
        second = await ingress.webhook(fields())
        assert (second.status, second.body) == (first.status, first.body)
        assert second.headers["content-type"] == first.headers["content-type"]
        assert (list(ingress.log.events[inbound_id()]), set(ingress.log.tokens)) == before


async def test_b17_no_stream_token_is_kept_and_every_ingress_can_render_the_answer_again() -> None:
    """A carrier that lost the answer sends the webhook again, perhaps elsewhere, and gets the token that is valid."""
    async with running_ingress() as ingress, running_ingress(log=ingress.log) as other:
        first = await ingress.webhook(fields())
        (stored,) = ingress.log.seen.values()
        assert stored is not None
        assert token_of(first.body).encode() not in stored
        again = await other.webhook(fields())
        assert again.body == first.body
        token, number = token_number(token_of(again.body))
        assert token.encode() not in stored
        assert await ingress.log.consume_token(inbound_id(), bound_token(token, LEG), number or 0)


async def test_b17_a_secret_that_redis_does_not_have_is_needed_to_compute_a_token() -> None:
    """Two accounts, one webhook: everything is equal but the secret that verifies it."""
    tokens = set()
    for secret in (TOKEN, "another"):
        codec = Codec(account_sid=ACCOUNT, auth_tokens=(secret,), skip_verification=True)
        async with running_ingress(codec=codec) as ingress:
            tokens.add(token_of((await ingress.webhook(fields())).body))
    assert len(tokens) == 2


async def test_b17_tokens_differ_by_call_leg_and_webhook() -> None:
    made = {
        answer_token(b"key", call, leg, request)
        for call in (OUTBOUND, inbound_id())
        for leg in (LEG, LegId("CA" + "2" * 32))
        for request in ("1", "2")
    }
    assert len(made) == 8
    assert all(re.fullmatch("[A-Za-z0-9_-]{22}", token) for token in made)


async def test_b17_an_answer_that_an_older_build_kept_is_returned_as_it_is() -> None:
    """During an upgrade: it has the token in it."""
    async with running_ingress() as ingress:
        first = await ingress.webhook(fields())
        ((key, stored),) = ingress.log.seen.items()
        assert stored is not None
        older = stored.partition(b"\n")[0] + b"\n" + first.body.replace(token_of(first.body).encode(), b"o1d-t0ken")
        ingress.log.seen[key] = older
        again = await ingress.webhook(fields())
        assert (again.status, token_of(again.body)) == (200, "o1d-t0ken")
        assert again.headers["content-type"] == first.headers["content-type"]


async def test_a_replayed_status_is_answered_alike_and_not_applied() -> None:
    async with running_ingress() as ingress:
        form = fields(CallStatus="completed")
        first, second = await ingress.webhook(form), await ingress.webhook(form)
        assert first.body == second.body
        assert len(ingress.log.events[inbound_id()]) == 1


async def test_a_call_that_reconnects_is_not_admitted_again() -> None:
    """The redirect after a lost socket carries the call id; the policy was decided on arrival (guarantee P7)."""
    async with running_ingress(inboundPolicy="open", maxInboundCalls=1) as ingress:
        first = await ingress.webhook(fields())
        ingress.places.taken.add(CallId("another-call"))
        again = await ingress.webhook(fields(CallStatus="in-progress"), f"callId={inbound_id()}&resume=abc")
        assert b"<Stream" in again.body
        assert token_of(again.body) != token_of(first.body)
        arrivals = [event for event in ingress.log.events[inbound_id()] if isinstance(event, Arrived)]
        assert len(arrivals) == 1
        assert len(ingress.log.tokens) == 2


async def test_every_redirect_has_a_url_never_signed_before() -> None:
    """Otherwise the second redirect would be a replay of the first, with its used token."""
    async with running_ingress() as ingress:
        ingress.log.phases[OUTBOUND] = Phase.LISTENING
        urls = set()
        for turn in range(3):
            answer = await ingress.webhook(outbound(), f"callId={OUTBOUND}&resume={turn}")
            urls.add(re.search(rb"resume=([^#<]+)", answer.body)[1])  # type: ignore[index]
        assert len(urls) == 3


async def test_a_known_inbound_leg_without_our_id_is_answered_by_its_phase() -> None:
    """A number's fallback URL carries no call id: it is the same call, which ignores a second Arrived."""
    async with running_ingress() as ingress:
        ingress.log.phases[inbound_id()] = Phase.ACTIVE
        answer = await ingress.webhook(fields(CallStatus="in-progress"))
        assert b"<Stream" in answer.body
        arrived, answered = ingress.log.events[inbound_id()]
        assert isinstance(answered, Answered)
        known, _ = decide(None, replace(arrived, at=1.0), inbound_id())
        again, effects = decide(known, replace(arrived, at=2.0), inbound_id())
        assert known is not None
        assert again == replace(known, ignored=1, last_event_at=2.0)
        assert effects == ()


async def test_a_call_that_is_over_is_hung_up() -> None:
    async with running_ingress() as ingress:
        ingress.log.phases[OUTBOUND] = Phase.HANGUP_BOT
        answer = await ingress.webhook(outbound(), f"callId={OUTBOUND}&resume=1")
        assert b"<Hangup" in answer.body
        assert ingress.log.tokens == set()


async def test_an_outbound_call_that_redis_has_lost_is_hung_up() -> None:
    """No worker serves it, and it is billed by the minute (guarantee P5)."""
    async with running_ingress() as ingress:
        answer = await ingress.webhook(outbound(), f"callId={OUTBOUND}")
        assert b"<Hangup" in answer.body


async def test_a_leg_without_our_id_is_found_by_its_sid() -> None:
    async with running_ingress() as ingress:
        ingress.log.legs[LEG] = OUTBOUND
        await ingress.webhook(fields(Direction="outbound-api", CallStatus="busy"))
        assert [type(event) for event in ingress.log.events[OUTBOUND]] == [HungUp]


async def test_a_leg_of_an_unknown_call_is_answered_and_not_recorded() -> None:
    async with running_ingress() as ingress:
        answer = await ingress.webhook(fields(Direction="outbound-api", CallStatus="busy"))
        assert answer.status == 200
        assert ingress.log.posts == 0


async def test_without_streaming_the_carrier_speaks_the_greeting_and_does_stt() -> None:
    async with running_ingress(streaming={"enabled": False}) as ingress:
        answer = await ingress.webhook(fields())
        assert b"<Gather" in answer.body
        assert b"Hello! How can I help you today?</Say>" in answer.body
        assert ingress.log.tokens == set()


async def test_a2_a_greeting_that_the_carrier_speaks_is_cleaned() -> None:
    """The call's transcript holds the same text."""
    greeting = "**Hello** \U0001f600 at https://example.com/x<br/>[[tts:voice=x]]How can I help?"
    async with running_ingress(streaming={"enabled": False}, inboundGreeting=greeting) as ingress:
        answer = await ingress.webhook(fields())
        (arrived,) = ingress.log.events[inbound_id()]
    call, _ = decide(None, replace(arrived, at=1.0), inbound_id())
    said = "Hello at example.com\nHow can I help?"
    assert said.encode() in answer.body
    assert [line.text for line in call.transcript] == [said]


def asking(text: str) -> Call:
    """An outbound call in which an API client waits for an answer."""
    events = (
        Placed(carrier="twilio", from_=E164("+15550001111"), to=E164("+15550002222"), mode=Mode.CONVERSATION,
               message="Hi", request=RequestId("p"), policy=CallPolicy(streaming=False)),
        Answered(leg=LEG),
        ContinueRequested(request=RequestId("asked"), text=text),
    )  # fmt: skip
    call = None
    for at, event in enumerate(events, 1):
        call, _ = decide(call, replace(event, at=float(at)), OUTBOUND)
    assert call is not None
    return call


async def test_a_gather_names_the_request_its_transcript_answers() -> None:
    """Speech while no request is pending is marked so, and answers no later one (attack 23)."""
    async with running_ingress(streaming={"enabled": False}) as ingress:
        ingress.log.phases[OUTBOUND] = Phase.LISTENING
        for turn, call in (("none", None), ("asked", asking("Your name?"))):
            if call is not None:
                ingress.log.calls[OUTBOUND] = call
            answer = await ingress.webhook(outbound(), f"callId={OUTBOUND}&n={turn}")
            assert f"&amp;turnToken={turn}&amp;n=".encode() in answer.body
            assert b"Your name?" not in answer.body


async def test_a_request_for_a_prompt_gets_its_text_unless_it_was_cut() -> None:
    """Plivo fetches a prompt; it is spoken in the voice of the number's settings."""
    call = asking("Your name?")
    webhook = Webhook(
        call=OUTBOUND, leg=LEG, inbound=False, from_="", to="", events=(), wants_reply=True, kind="answer", prompt=2
    )
    async with running_ingress(streaming={"enabled": False}) as ingress:
        codec = Codec(account_sid=ACCOUNT, auth_tokens=(TOKEN,))
        inbound = InboundCalls(
            settings=ingress.settings, public_address=PublicAddress(ingress.settings), codec=codec, log=ingress.log,
            places=ingress.places, workers=ingress.workers, doorbell=RateLimitedDoorbell(ingress.doorbell),
        )  # fmt: skip
        ingress.log.phases[OUTBOUND] = Phase.LISTENING
        for key, known, is_said in (
            ("1", call, True),
            ("2", _saying(call, ()), False),
            ("3", _saying(call, tuple(replace(u, cut=True) for u in call.utterances)), False),
        ):
            ingress.log.calls[OUTBOUND] = known
            answer = await inbound.receive(webhook, key)
            assert (b"Your name?" in answer.body) == is_said


def _saying(call: Call, utterances: tuple[Utterance, ...]) -> Call:
    return replace(call, playback=replace(call.playback, utterances=utterances))


async def test_a_snapshot_of_another_build_is_answered_without_a_turn_token() -> None:
    """During a deployment: the pending request is not known here, so a transcript may answer it."""

    class Newer(InMemoryLog):
        async def read(self, call: CallId) -> Call | None:
            raise Undecodable(call)

    async with running_ingress(log=Newer(), streaming={"enabled": False}) as ingress:
        ingress.log.phases[OUTBOUND] = Phase.LISTENING
        answer = await ingress.webhook(outbound(), f"callId={OUTBOUND}&n=1")
        assert b"<Gather" in answer.body
        assert b"turnToken" not in answer.body


async def test_a_number_with_settings_of_its_own_is_answered_by_them() -> None:
    """Greeting, the carrier's TTS voice, agent and session; Arrived names the route."""
    own = {"inboundGreeting": "Workshop.", "agentId": "bikes", "tts": {"openai": {"voice": "onyx"}}}
    async with running_ingress(streaming={"enabled": False}, numbers={"+15550009999": own}) as ingress:
        answer = await ingress.webhook(fields(To="15550009999"))
        assert b'voice="Polly.Brian"' in answer.body
        assert b"Workshop.</Say>" in answer.body
        (arrived,) = ingress.log.events[inbound_id()]
        assert isinstance(arrived, Arrived)
        assert (arrived.greeting, arrived.route, arrived.agent_id) == ("Workshop.", "+15550009999", "bikes")
        assert arrived.session_key == "agent:bikes:voice:15550001234"


async def test_a_call_without_owner_rings_after_the_answer() -> None:
    async with running_ingress(log=InMemoryLog(owner=None)) as ingress:
        await ingress.webhook(fields())
        assert await ingress.doorbell.attempts.get() == inbound_id()


async def test_a_call_whose_owner_does_not_listen_rings() -> None:
    """A nudge without a listener means that the owner's process is gone."""
    async with running_ingress(log=InMemoryLog(owner=NodeId("worker-dead"), nudged=False)) as ingress:
        await ingress.webhook(fields(CallStatus="completed"))
        assert await ingress.doorbell.attempts.get() == inbound_id()


async def test_a_call_with_a_listening_owner_or_at_its_end_does_not_ring() -> None:
    async with running_ingress() as ingress:
        await ingress.webhook(fields(CallStatus="completed"))
        ingress.log.owner = None
        ingress.log.phases[inbound_id()] = Phase.COMPLETED
        await ingress.webhook(fields(CallStatus="completed", SequenceNumber="7"))
    assert ingress.doorbell.rung == []


async def test_rings_of_a_burst_are_merged_and_the_last_is_not_lost() -> None:
    """Ten webhooks for one orphan are at most two rings; the second covers all that came meanwhile."""
    async with running_ingress(log=InMemoryLog(owner=None)) as ingress:
        for place in range(10):
            await ingress.webhook(fields(CallStatus="completed", SequenceNumber=str(place)))
    assert 1 <= len(ingress.doorbell.rung) <= 2


async def test_a_failed_ring_does_not_fail_the_request() -> None:
    """The sweeper rings again."""
    async with running_ingress(log=InMemoryLog(owner=None)) as ingress:
        ingress.doorbell.down = True
        answer = await ingress.webhook(fields())
        assert answer.status == 200
        await asyncio.wait_for(ingress.doorbell.attempts.get(), 5)


async def test_a10_a_call_that_gave_its_stream_up_is_answered_with_a_gather() -> None:
    """Twilio and Plivo ask for the next document when the socket is closed: another stream would be the same."""
    placed = Placed(
        carrier="twilio", from_=E164("+15550001111"), to=E164("+15550002222"), mode=Mode.CONVERSATION,
        message="Hi", request=RequestId("p"), policy=CallPolicy(),
    )  # fmt: skip
    call, _ = decide(None, placed, OUTBOUND)
    async with running_ingress() as ingress:
        for event in (Answered(leg=LEG), StreamUnusable(leg=LEG, reason="L16")):
            assert call is not None
            ingress.log.calls[OUTBOUND], ingress.log.phases[OUTBOUND] = call, call.phase
            answer = await ingress.webhook(outbound(), f"callId={OUTBOUND}&resume={event.name}")
            assert b"<Stream" in answer.body
            call, _ = decide(call, event, OUTBOUND)
        assert call is not None
        ingress.log.calls[OUTBOUND], ingress.log.phases[OUTBOUND] = call, call.phase
        answer = await ingress.webhook(outbound(), f"callId={OUTBOUND}&resume=third")
        assert b"<Gather" in answer.body
        assert b"<Stream" not in answer.body


async def test_b10_an_arrival_is_to_be_confirmed_where_signatures_do_not_expire() -> None:
    """A capture of years ago is still signed; the memory of what was seen is shorter, and may be lost."""
    async with running_ingress() as ingress:
        await ingress.webhook(fields())
        (event,) = ingress.log.events[inbound_id()]
        assert isinstance(event, Arrived)
        assert event.to_confirm
    assert {name for name, carrier in CARRIERS.items() if not carrier.signatures_expire} == {"twilio", "plivo"}
