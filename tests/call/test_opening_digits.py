"""Digits sent on answering, before anything is said: a menu choice, or an extension."""

from dataclasses import replace

from tests.call.story import LEG, Story, placed, stream_opened
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call.ids import Epoch, StreamId


def dialled(digits: str = "1w23#", policy: e.CallPolicy | None = None) -> Story:
    return Story().fold(replace(placed(policy=policy), opening_digits=digits), e.Dialled(leg=LEG))


def spoken(story: Story) -> list[str]:
    return [effect.text for effect in story.everything if isinstance(effect, f.Speak)]


def test_opening_digits_come_before_the_opening_text() -> None:
    """A menu that waits for them answers: speech would be lost on it."""
    story = dialled()
    assert story.effects(f.SendDigits) == []
    story.fold(stream_opened())
    assert [getattr(effect, "digits", "") for effect in story.effects(f.SendDigits)] == ["1w23#"]
    assert spoken(story) == []
    due = story.live.timers[e.Timer.OPENING]
    assert due - story.now == 1.0 + 5 * 0.5
    story.fold(e.CommandDone(effect=story.effects(f.SendDigits)[0].id))
    assert spoken(story) == []
    story.fold(e.TimerFired(timer=e.Timer.OPENING, at=due))
    assert spoken(story) == ["Hello there"]


def test_without_a_stream_the_order_is_the_same() -> None:
    """The carrier's own voice waits too."""
    story = dialled(policy=e.CallPolicy(streaming=False)).fold(e.Answered(leg=LEG))
    assert (len(story.effects(f.SendDigits)), spoken(story)) == (1, [])
    story.fold(e.TimerFired(timer=e.Timer.OPENING), after=5)
    assert spoken(story) == ["Hello there"]


def test_a_carrier_that_refuses_them_does_not_silence_the_call() -> None:
    """A person may have answered."""
    story = dialled().fold(stream_opened())
    story.fold(e.CommandFailed(effect=story.effects(f.SendDigits)[0].id, reason="no", retryable=False))
    story.fold(e.TimerFired(timer=e.Timer.OPENING), after=5)
    assert spoken(story) == ["Hello there"]
    assert story.live.pending.keys() == {effect.id for effect in story.effects(f.Speak)}


def test_opening_digits_are_sent_once_whatever_happens_to_socket_and_worker() -> None:
    """Sent twice, they would choose another menu entry."""
    story = dialled().fold(stream_opened())
    story.fold(e.Reactivated(epoch=Epoch(2)), e.StreamClosed(stream=StreamId("MZ1")))
    story.fold(e.TimerFired(timer=e.Timer.OPENING), after=5)
    assert spoken(story) == []
    story.fold(stream_opened(StreamId("MZ2")), stream_opened(StreamId("MZ3")))
    assert spoken(story)[:1] == ["Hello there"]
    assert len(story.effects(f.SendDigits)) == 1


def test_a_socket_that_is_replaced_during_the_digits_does_not_speak_early() -> None:
    """The opening text waits for the digits, not for the socket."""
    story = dialled().fold(stream_opened(), stream_opened(StreamId("MZ2")))
    assert spoken(story) == []


def test_a_carrier_that_drops_its_stream_for_digits_gets_the_text_on_the_next() -> None:
    """It reports when they were sent; the opening text waits for its new socket, and is said once."""
    story = dialled(policy=e.CallPolicy(digits_replace_media=True)).fold(stream_opened())
    assert (len(story.effects(f.SendDigits)), spoken(story)) == (1, [])
    press = story.effects(f.SendDigits)[0]
    story.fold(e.StreamClosed(stream=StreamId("MZ1")), e.CommandDone(effect=press.id, leg=LEG))
    assert spoken(story) == []
    story.fold(stream_opened(StreamId("MZ2")))
    assert spoken(story) == ["Hello there"]
    assert len(story.effects(f.SendDigits)) == 1


def test_a_carrier_that_drops_its_prompt_for_digits_gets_the_text_after_them() -> None:
    """Without a stream there is only its report to wait for."""
    story = dialled(policy=e.CallPolicy(digits_replace_media=True, streaming=False)).fold(e.Answered(leg=LEG))
    assert (len(story.effects(f.SendDigits)), spoken(story)) == (1, [])
    story.fold(e.CommandDone(effect=story.effects(f.SendDigits)[0].id, leg=LEG))
    assert spoken(story) == ["Hello there"]
