"""What came of a call, and what it used: from its facts alone, and unknown where they do not say."""

from dataclasses import replace

import pytest

from tests.call.story import LEG, Story, inbound, outbound, placed, stream_opened
from voicecall.call.events import (
    AgentDone,
    AgentSaid,
    Answered,
    AnsweredBy,
    CallRejected,
    Dialled,
    DialRefused,
    EndReason,
    Event,
    Failover,
    Heard,
    HungUp,
    Mode,
    ModelTokens,
    PlaybackBegan,
    PlaybackDone,
    SpeechStarted,
    SpeechStopped,
    StreamClosed,
)
from voicecall.call.ids import StreamId
from voicecall.call.outcome import ReachedBy, Result, Services, Used, is_missed, reached_by, result_of, used

SERVICES = Services(stt="deepgram", tts="elevenlabs", model="openai/gpt-4o-mini")
HUNG_UP = HungUp(leg=LEG, reason=EndReason.HANGUP_USER)


def spoken(utterance: int = 1) -> tuple[Event, ...]:
    done = PlaybackDone(utterance=utterance, heard_ms=900, total_ms=900, complete=True)
    return PlaybackBegan(utterance=utterance), done


def conversation() -> Story:
    return outbound().fold(*spoken(), SpeechStarted(), SpeechStopped(), Heard(text="Yes, at eight."), HUNG_UP)


def rejected(reason: str) -> CallRejected:
    return CallRejected(carrier="twilio", leg=LEG, from_="+15550003333", to="+15550001111", reason=reason)


@pytest.mark.parametrize(
    ("story", "by", "result"),
    [
        (conversation(), ReachedBy.PERSON, Result.COMPLETED),
        (outbound(Mode.NOTIFY).fold(HUNG_UP), ReachedBy.UNKNOWN, Result.COMPLETED),
        (outbound().fold(Heard(text="Please leave a message."), HUNG_UP), ReachedBy.UNKNOWN, Result.COMPLETED),
        (outbound().fold(Answered(leg=LEG, by=AnsweredBy.HUMAN), HUNG_UP), ReachedBy.PERSON, Result.COMPLETED),
        (outbound().fold(Answered(leg=LEG, by=AnsweredBy.MACHINE), HUNG_UP), ReachedBy.MACHINE, Result.VOICEMAIL),
        (outbound().fold(Answered(leg=LEG, by=AnsweredBy.FAX), HUNG_UP), ReachedBy.MACHINE, Result.VOICEMAIL),
        (outbound().fold(HungUp(leg=LEG, reason=EndReason.ERROR)), ReachedBy.UNKNOWN, Result.BROKEN),
        (
            Story().fold(placed(), Dialled(leg=LEG), HungUp(leg=LEG, reason=EndReason.NO_ANSWER)),
            ReachedBy.NONE,
            Result.NO_ANSWER,
        ),
        (
            Story().fold(placed(), Dialled(leg=LEG), HungUp(leg=LEG, reason=EndReason.BUSY)),
            ReachedBy.NONE,
            Result.BUSY,
        ),
        (Story().fold(placed(), DialRefused(code="21211", message="no")), ReachedBy.NONE, Result.FAILED),
        (inbound().fold(HUNG_UP), ReachedBy.PERSON, Result.COMPLETED),
        (Story().fold(rejected("busy")), ReachedBy.NONE, Result.MISSED),
        (Story().fold(rejected("inbound-policy")), ReachedBy.NONE, Result.REFUSED),
    ],
)
def test_who_was_reached_and_with_what_result(story: Story, by: ReachedBy, result: Result) -> None:
    """A greeting that comes before we spoke proves no person: it may be a machine's."""
    assert story.live.is_over
    assert (reached_by(story.live), result_of(story.live)) == (by, result)


def test_a_missed_caller_is_one_who_could_not_speak_with_us() -> None:
    """No room, or broken; not one whom the policy refuses, and not one who spoke."""
    assert is_missed(Story().fold(rejected("busy")).live)
    assert is_missed(inbound().fold(HungUp(leg=LEG, reason=EndReason.ERROR)).live)
    assert not is_missed(Story().fold(rejected("inbound-policy")).live)
    assert not is_missed(inbound().fold(HUNG_UP).live)
    assert not is_missed(outbound().fold(HungUp(leg=LEG, reason=EndReason.ERROR)).live)


def folded(*events: Event, after: float = 1.0) -> tuple[Story, list[Event]]:
    story, log = Story(), []
    for event in events:
        story.fold(event, after=after)
        log.append(replace(event, at=story.now))
    return story, log


def of(parts: tuple[Used, ...], part: str, service: str) -> Used:
    return next(each for each in parts if (each.part, each.service) == (part, service))


BEGIN = (placed(), Dialled(leg=LEG), stream_opened(), *spoken())


def test_recognition_is_used_while_a_stream_is_open_and_by_whom_it_went_on() -> None:
    """Two seconds by the first, then one by the second; none while the stream is away."""
    failover = Failover(service="stt", from_="deepgram", to="openai", reason="broken")
    story, log = folded(
        *BEGIN[:3],
        StreamClosed(stream=StreamId("MZ1")),
        stream_opened(StreamId("MZ2")),
        Heard(text="Hello", failover=failover),
        HUNG_UP,
    )
    parts = used(story.live, log, SERVICES)
    assert of(parts, "stt", "deepgram").seconds == pytest.approx(2.0)
    assert of(parts, "stt", "openai").seconds == pytest.approx(1.0)


def test_a_voice_is_used_by_the_characters_it_was_asked_for() -> None:
    """Those that another voice spoke are that one's."""
    failover = Failover(service="tts", from_="elevenlabs", to="openai", reason="broken")
    story, log = folded(placed(message="Hello there"), Dialled(leg=LEG), stream_opened(), HUNG_UP)
    assert of(used(story.live, log, SERVICES), "tts", "elevenlabs").characters == len("Hello there")
    story, log = folded(*BEGIN[:3], PlaybackBegan(utterance=1, failover=failover), HUNG_UP)
    parts = used(story.live, log, SERVICES)
    assert of(parts, "tts", "openai").characters == len("Hello there")
    assert not [part for part in parts if part.service == "elevenlabs"]


def asked(*reply: Event) -> tuple[Used, ...]:
    said = SpeechStarted(), SpeechStopped(), Heard(text="And the table?")
    story, log = folded(*BEGIN, *said, *reply, HUNG_UP)
    return used(story.live, log, SERVICES)


def test_a_model_is_used_by_what_its_service_counted() -> None:
    done = AgentDone(turn=1, tokens=ModelTokens(prompt=120, reply=9))
    part = of(asked(AgentSaid(turn=1, text="At eight."), done), "model", SERVICES.model)
    assert (part.tokens_in, part.tokens_out, part.is_estimate) == (120, 9, False)


@pytest.mark.parametrize("reply", [(AgentDone(turn=1),), ()], ids=["not reported", "cut off"])
def test_tokens_that_were_not_reported_are_estimated_and_said_to_be(reply: tuple[Event, ...]) -> None:
    """A service that does not count, and a reply that was cut: both cost something."""
    part = of(asked(AgentSaid(turn=1, text="At eight."), *reply), "model", SERVICES.model)
    assert part.is_estimate
    assert part.tokens_in > 0
    assert part.tokens_out == len("At eight.") // 4


def test_the_carrier_s_own_voice_and_ears_are_no_services() -> None:
    quiet = replace(placed(), policy=replace(placed().policy, streaming=False))
    story, log = folded(quiet, Dialled(leg=LEG), Answered(leg=LEG), Heard(text="Hello", leg=LEG), HUNG_UP)
    assert not [part for part in used(story.live, log, SERVICES) if part.part in {"stt", "tts"}]


def test_a_call_without_services_uses_none() -> None:
    story, log = folded(*BEGIN, HUNG_UP)
    assert used(story.live, log, Services()) == ()
