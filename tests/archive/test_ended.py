"""The record of an ended call, with the times of every turn from its log."""

from dataclasses import replace

from tests.call.story import LEG, Story, arrived, outbound, placed, stream_opened
from voicecall.api.results import CallRecord
from voicecall.archive import ended_record
from voicecall.archive.ended import turns_of
from voicecall.call.decide import decide
from voicecall.call.events import (
    AgentSaid,
    Billed,
    ContinueRequested,
    Dialled,
    EndReason,
    Event,
    Heard,
    HungUp,
    PlaybackBegan,
    PlaybackDone,
)
from voicecall.call.ids import LegId, RequestId


def asked(number: int) -> ContinueRequested:
    return ContinueRequested(request=RequestId(f"r{number}"), text="And?")


def folded(*events: Event) -> tuple[Story, list[Event]]:
    """A call that is over, and its log."""
    story, log = Story(), []
    for event in events:
        story.fold(event)
        log.append(replace(event, at=story.now))
    return story, log


def conversation() -> tuple[Story, list[Event]]:
    return folded(
        placed(),
        Dialled(leg=LEG),
        stream_opened(),
        PlaybackBegan(utterance=1),
        PlaybackDone(utterance=1, heard_ms=500, total_ms=500, complete=True),
        asked(1),
        PlaybackBegan(utterance=2),
        PlaybackDone(utterance=2, heard_ms=500, total_ms=500, complete=True),
        Heard(text="One"),
        asked(2),
        PlaybackBegan(utterance=3),
        PlaybackDone(utterance=3, heard_ms=500, total_ms=500, complete=True),
        Heard(text="Two"),
        HungUp(leg=LEG, reason=EndReason.HANGUP_USER),
    )


def test_the_times_of_every_turn_are_found_in_the_log() -> None:
    """The snapshot has the last ones only. What is said after a `continue` belongs to the turn that answered it."""
    story, log = conversation()
    times = turns_of(story.live, log)["turns"]
    assert [turn["turn"] for turn in times] == [1, 2]
    assert times[0]["latencyMs"] == story.live.stats.last_turn_latency_ms
    assert times[-1]["listenWaitMs"] == story.live.stats.last_listen_wait_ms
    assert "latencyMs" not in times[-1]  # nothing was said after the last answer


def test_what_an_early_request_saved_is_kept_with_the_spans() -> None:
    story, log = folded(
        arrived(""),
        stream_opened(),
        Heard(text="what time is it"),
        AgentSaid(turn=1, text="It is noon.", first_text_ms=0, saved_ms=180),
        PlaybackBegan(utterance=1),
        PlaybackDone(utterance=1, heard_ms=500, total_ms=500, complete=True),
        Heard(text="and now"),
        AgentSaid(turn=2, text="It is noon.", first_text_ms=0),
        PlaybackBegan(utterance=2),
    )
    assert [turn.get("savedMs") for turn in turns_of(story.live, log)["turnSpans"]] == [180, None]
    assert CallRecord.of(story.live).metadata.last_turn_saved_ms is None


def test_the_record_is_that_of_a_live_call_with_the_times() -> None:
    story, log = conversation()
    kept = ended_record(story.live, log)
    assert kept["metadata"].pop("turns") == turns_of(story.live, log)["turns"]
    assert kept == CallRecord.of(story.live).payload()
    assert kept["state"] == kept["endReason"] == "hangup-user"


def test_a_call_without_its_log_has_a_record() -> None:
    """Undecodable or lost entries cost the times, never the record."""
    live = outbound().live
    assert ended_record(live) == CallRecord.of(live).payload()
    assert decide(None, Heard(text="about nothing"), live.id) == (None, ())
    assert turns_of(live, [Heard(text="about nothing")]) == {"turns": [], "turnSpans": []}


def test_what_the_carrier_charged_is_kept_also_when_it_came_late() -> None:
    """The newest value of each kind, for this leg only."""
    story, log = conversation()
    log += [
        Billed(leg=LEG, seconds=60),
        Billed(leg=LegId("another"), seconds=9, price="9"),
        Billed(leg=LEG, price="0.0085", currency="USD"),
    ]
    kept = ended_record(story.live, log)["metadata"]
    assert (kept["billedSeconds"], kept["price"], kept["currency"]) == (60, "0.0085", "USD")


def test_a_bill_changes_nothing_of_a_live_call() -> None:
    story = outbound()
    before = story.live
    story.fold(Billed(leg=LEG, seconds=60))
    assert replace(story.live, last_event_at=before.last_event_at) == before
