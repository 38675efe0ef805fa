"""An agent that speaks itself: its audio is one utterance whose text grows, and every rule holds for it."""

from dataclasses import fields, make_dataclass, replace

import pytest
from pydantic import TypeAdapter

from tests.call.story import Story, inbound
from tests.call.test_floor import lines, played, spoken
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call.ids import Epoch
from voicecall.call.phrases import ENGLISH
from voicecall.call.state import Party
from voicecall.wire import pack_call, pack_event, unpack, unpack_call, unpack_event

STORY = "Once upon a time there was a king."


def said(text: str, *, item: str = "item_1", audio_ms: int | None = None) -> e.AgentSaid:
    return e.AgentSaid(turn=1, text=text, item=item, audio_ms=audio_ms)


def speaking(text: str = "Once upon") -> Story:
    """The caller has asked, and the agent's audio is heard."""
    return inbound().fold(e.Heard(text="a story please"), said(text), e.PlaybackBegan(utterance=1))


def cut(heard_ms: int, total_ms: int | None = None) -> e.PlaybackDone:
    return e.PlaybackDone(utterance=1, heard_ms=heard_ms, total_ms=total_ms, complete=False)


def test_its_audio_is_one_utterance() -> None:
    story = speaking().fold(said(STORY, audio_ms=3400), e.AgentDone(turn=1), played(1)[1])
    (speak,) = story.effects(f.Speak)
    assert isinstance(speak, f.Speak)
    assert speak.item == "item_1"
    assert lines(story) == [(Party.USER, "a story please"), (Party.BOT, STORY)]


def test_another_item_is_another_utterance() -> None:
    story = speaking("First.").fold(said("Second.", item="item_2"))
    assert [(speak.utterance, speak.item) for speak in story.effects(f.Speak) if isinstance(speak, f.Speak)] == [
        (1, "item_1"),
        (2, "item_2"),
    ]


def test_what_was_cut_is_recorded_by_the_length_of_its_audio() -> None:
    """The ingress knows no length of what was not sent to its end; the agent does."""
    story = speaking().fold(said(STORY, audio_ms=3400), e.SpeechStarted(), cut(1700))
    assert lines(story)[-1] == (Party.BOT, STORY[: len(STORY) // 2].rstrip())


def test_words_that_come_after_the_cut_were_not_heard() -> None:
    story = speaking().fold(e.SpeechStarted(), said(STORY, audio_ms=3400))
    story.fold(cut(300))
    assert lines(story)[-1][1] in "Once upon"


def test_words_that_come_after_their_audio_are_recorded() -> None:
    """A service may write down what it said only when it was heard."""
    story = speaking("…").fold(played(1)[1], said(STORY, audio_ms=3400), e.AgentDone(turn=1))
    assert lines(story)[-1] == (Party.BOT, STORY)


def test_the_caller_interrupts_it_as_any_speech() -> None:
    story = speaking().fold(e.SpeechStarted())
    assert [type(effect) for effect in story.asked] == [f.StopSpeaking, f.DropAgent]


def test_a_new_owner_says_the_rest_once_it_is_known_how_much_was_heard() -> None:
    """Its audio is gone with the last owner; a whole reply is too long to be repeated."""
    story = speaking().fold(said(STORY, audio_ms=3400), e.AgentDone(turn=1))
    story.fold(e.Reactivated(epoch=Epoch(2), cause=e.Takeover.DIED))
    assert spoken(story) == ["Once upon"]
    story.fold(cut(1500))
    assert spoken(story)[1:] == [ENGLISH.cut_off, "time there was a king."]
    assert [speak.item for speak in story.effects(f.Speak) if isinstance(speak, f.Speak)] == ["item_1", "", ""]


def test_what_had_not_begun_is_said_by_another_voice() -> None:
    story = inbound().fold(e.Heard(text="a story please"), said(STORY), e.Reactivated(epoch=Epoch(2)))
    last = story.effects(f.Speak)[-1]
    assert isinstance(last, f.Speak)
    assert (last.text, last.item) == (STORY, "")


def test_audio_that_is_not_there_is_apologised_for() -> None:
    story = speaking().fold(e.SpeechFailed(utterance=1, reason="this speech is not there any more", sent=True))
    assert spoken(story)[-1] == ENGLISH.voice_failed


def test_it_is_in_snapshots() -> None:
    call = speaking().fold(said(STORY, audio_ms=3400)).live
    assert unpack_call(pack_call(call)) == call


@pytest.mark.parametrize("event", [said(STORY), said(STORY, audio_ms=3400)])
def test_an_earlier_build_reads_its_words(event: e.AgentSaid) -> None:
    """It ignores the fields that it does not know, and synthesises the text."""
    packed = pack_event(event)
    added = {"item", "audio_ms"}
    earlier = make_dataclass(
        "AgentSaid",
        [(each.name, each.type, each) for each in fields(event) if each.name not in added],
        kw_only=True,
        namespace=vars(e),
    )
    assert TypeAdapter(earlier).validate_python(unpack(packed)[2]).text == STORY
    assert unpack_event(packed) == replace(event)
