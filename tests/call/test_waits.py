"""What a turn's wait was made of (`call/waits.py`)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.call.story import Story, arrived, stream_opened
from voicecall.call import events as e
from voicecall.call.waits import OWNERS, REMEDIES, Span, TurnWait, ms_by_owner, spans_of

pytestmark = pytest.mark.quick

_moment = st.none() | st.floats(0, 100)


@given(
    silent_at=st.floats(0, 100),
    moments=st.tuples(_moment, _moment, _moment, _moment, _moment),
    said_at=st.floats(0, 100),
    began_at=st.floats(0, 100),
    synthesis_s=_moment,
    queued_s=_moment,
    tool_s=st.floats(0, 100),
)
def test_the_spans_sum_to_the_wait_whatever_is_known(
    silent_at: float,
    moments: tuple[float | None, ...],
    said_at: float,
    began_at: float,
    synthesis_s: float | None,
    queued_s: float | None,
    tool_s: float,
) -> None:
    stopped_at, heard_at, asked_at, connected_at, first_text_at = moments
    wait = TurnWait(
        silent_at=silent_at,
        stopped_at=stopped_at,
        heard_at=heard_at,
        asked_at=asked_at,
        connected_at=connected_at,
        first_text_at=first_text_at,
        tool_s=tool_s,
    )
    spans = spans_of(wait, said_at=said_at, began_at=began_at, synthesis_s=synthesis_s, queued_s=queued_s)
    assert list(spans) == [span.value for span in Span]
    assert all(ms >= 0 for ms in spans.values())
    assert sum(spans.values()) == max(0, round(began_at * 1000) - round(silent_at * 1000))
    assert sum(ms_by_owner(spans).values()) == sum(spans.values())


def test_each_moment_ends_its_span() -> None:
    wait = TurnWait(
        silent_at=1.0, stopped_at=1.5, heard_at=1.7, asked_at=1.71, connected_at=1.76, first_text_at=2.41, tool_s=0.3
    )
    spans = spans_of(wait, said_at=2.51, began_at=2.76, synthesis_s=0.2, queued_s=0.03)
    assert list(spans.values()) == [500, 200, 10, 50, 350, 300, 100, 200, 20, 30]


def test_an_agent_of_a_build_without_these_spans_has_the_time_itself() -> None:
    wait = TurnWait(silent_at=1.0, asked_at=1.5, first_text_at=2.0)
    spans = spans_of(wait, said_at=2.0, began_at=2.0, synthesis_s=None, queued_s=None)
    assert (spans["agent_connect"], spans["agent_first_token"], spans["tool"]) == (0, 500, 0)


def test_owners_share_a_wait() -> None:
    """A record of another build may have a span that this one does not know."""
    assert ms_by_owner({"endpointing_wait": 500, "agent_first_token": 200, "sentence": 5, "playout": 9, "new": 1}) == {
        "service": 201,
        "setting": 500,
        "us": 5,
        "carrier": 9,
    }


def test_a_conversation_records_the_wait_for_its_reply() -> None:
    """From the caller's last sound, 500 ms before the service said so, to the first frame of the reply."""
    story = Story().fold(arrived(""), stream_opened(), e.SpeechStarted())
    story.fold(e.SpeechStopped(silent_ms=500), after=1.0)
    story.fold(e.Heard(text="what time is it", silent_ms=700), after=0.2)
    said = e.AgentSaid(turn=1, text="It is noon.", first_text_ms=250, connect_ms=20, tool_ms=130, tools=("read_clock",))
    story.fold(said, after=0.4)
    story.fold(e.PlaybackBegan(utterance=1, synthesis_ms=120, queued_ms=5), after=0.15)
    spans = story.live.stats.last_turn_spans
    assert spans == {
        "endpointing_wait": 500,
        "transcription": 200,
        "turn_decision": 0,
        "agent_connect": 20,
        "agent_first_token": 100,
        "tool": 130,
        "sentence": 150,
        "tts_first_audio": 120,
        "transport": 25,
        "playout": 5,
    }
    assert (story.live.stats.last_turn_tools, story.live.stats.last_reply) == (("read_clock",), 1)


def test_a_transcript_that_follows_its_pause_at_once_has_both() -> None:
    """The pause is not an event of its own then. One that was reported, but late, is corrected."""
    for pause in ([], [e.SpeechStopped(silent_ms=650)]):
        story = Story().fold(arrived(""), stream_opened(), e.SpeechStarted()).fold(*pause, after=1.0)
        story.fold(e.Heard(text="what time is it", silent_ms=700, stopped_ms=200), after=0.05)
        story.fold(e.AgentSaid(turn=1, text="Noon."), e.PlaybackBegan(utterance=1))
        spans = story.live.stats.last_turn_spans
        assert (spans["endpointing_wait"], spans["transcription"]) == (500, 200)


def test_what_an_early_request_saved_stands_beside_the_spans() -> None:
    """They sum to the wait that there was."""
    story = Story().fold(arrived(""), stream_opened(), e.SpeechStarted())
    story.fold(e.Heard(text="what time is it", silent_ms=700), after=1.0)
    story.fold(e.AgentSaid(turn=1, text="It is noon.", first_text_ms=0, saved_ms=180), after=0.01)
    story.fold(e.PlaybackBegan(utterance=1, synthesis_ms=0, queued_ms=5), after=0.02)
    stats = story.live.stats
    assert (stats.last_turn_saved_ms, stats.last_turn_spans["agent_first_token"]) == (180, 0)
    assert sum(stats.last_turn_spans.values()) == 730
    story.fold(e.Heard(text="and now"), e.AgentSaid(turn=2, text="It is noon.", first_text_ms=0))
    story.fold(e.PlaybackBegan(utterance=2), after=0.3)
    assert story.live.stats.last_turn_saved_ms is None


def test_a_second_sentence_and_a_filler_record_nothing() -> None:
    story = Story().fold(arrived(""), stream_opened(), e.Heard(text="hello"))
    story.fold(e.TimerFired(timer=e.Timer.FILLER), after=4.1).fold(e.PlaybackBegan(utterance=1))
    assert not story.live.stats.last_turn_spans
    story.fold(e.AgentSaid(turn=1, text="One."), e.AgentSaid(turn=1, text="Two."), e.PlaybackBegan(utterance=2))
    first = story.live.stats.last_turn_spans
    assert sum(first.values()) > 4000
    story.fold(e.PlaybackBegan(utterance=3), after=1.0)
    assert story.live.stats.last_turn_spans is first


def test_every_span_has_an_owner() -> None:
    assert list(OWNERS) == list(REMEDIES) == list(Span)
