"""Who took over from whom is a fact: it stands in the record, and nothing depends on it."""

from dataclasses import replace
from typing import Any

import pytest

from tests.call.story import Story, arrived, stream_opened
from voicecall.api.results import CallRecord
from voicecall.call import events as e
from voicecall.call.events import Event, Failover

STT = Failover(service="stt", from_="deepgram", to="openai", reason="timeout")
TTS = Failover(service="tts", from_="elevenlabs", to="openai", reason="broken")
AGENT = Failover(service="agent", from_="openai/gpt", to="anthropic/claude", reason="passed-over")


def conversation(stt: Failover | None, tts: Failover | None, agent: Failover | None) -> Story:
    story = Story().fold(arrived(""), stream_opened())
    events: tuple[Event, ...] = (
        e.SpeechStarted(),
        e.SpeechStopped(silent_ms=800),
        e.Heard(text="what time is it", silent_ms=800, failover=stt),
        e.AgentSaid(turn=1, text="It is noon.", failover=agent),
        e.PlaybackBegan(utterance=1, failover=tts),
        e.AgentDone(turn=1),
        e.PlaybackDone(utterance=1, heard_ms=900, total_ms=900, complete=True),
    )
    return story.fold(*events)


def test_the_record_names_each_once_and_nothing_else_changes() -> None:
    told, silent = conversation(STT, TTS, AGENT), conversation(None, None, None)
    told.fold(e.PlaybackBegan(utterance=9, failover=TTS))
    silent.fold(e.PlaybackBegan(utterance=9))
    assert told.live.stats.failovers == (STT, AGENT, TTS)
    assert replace(told.live, stats=silent.live.stats) == silent.live
    assert told.everything == silent.everything
    metadata: dict[str, Any] = CallRecord.of(told.live).payload()["metadata"]
    assert metadata["failovers"][0] == {"service": "stt", "from": "deepgram", "to": "openai", "reason": "timeout"}
    assert "failovers" not in CallRecord.of(silent.live).payload()["metadata"]


@pytest.mark.parametrize("number", [31, 40])
def test_a_record_holds_so_many(number: int) -> None:
    """A later build may know any number of reasons."""
    story = conversation(None, None, None)
    for each in range(number):
        story.fold(e.PlaybackBegan(utterance=9, failover=replace(TTS, reason=f"reason-{each}")))
    assert len(story.live.stats.failovers) == min(32, number)
