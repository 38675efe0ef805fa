"""Keys pressed on answering, before anything is said: a menu, or somebody's extension."""

from dataclasses import replace

from tests.call.story import LEG, Story, placed, stream_opened
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call.ids import Epoch, StreamId


def dialled(keys: str = "1w23#", policy: e.CallPolicy | None = None) -> Story:
    return Story().tell(replace(placed(policy=policy), opening_digits=keys), e.Dialled(leg=LEG))


def spoken(story: Story) -> list[str]:
    return [effect.text for effect in story.everything if isinstance(effect, f.Speak)]


def test_the_keys_come_before_the_first_words() -> None:
    """Who answers is a machine that waits for them: words would be lost on it."""
    story = dialled()
    assert story.effects(f.SendDigits) == []
    story.tell(stream_opened())
    assert [getattr(effect, "digits", "") for effect in story.effects(f.SendDigits)] == ["1w23#"]
    assert spoken(story) == []
    due = story.live.timers[e.Timer.OPENING]
    assert due - story.now == 1.0 + 5 * 0.5
    story.tell(e.CommandDone(effect=story.effects(f.SendDigits)[0].id))
    assert spoken(story) == []
    story.tell(e.TimerFired(timer=e.Timer.OPENING, at=due))
    assert spoken(story) == ["Hello there"]


def test_without_a_stream_it_is_the_same() -> None:
    """The carrier's own voice waits as well."""
    story = dialled(policy=e.CallPolicy(streaming=False)).tell(e.Answered(leg=LEG))
    assert (len(story.effects(f.SendDigits)), spoken(story)) == (1, [])
    story.tell(e.TimerFired(timer=e.Timer.OPENING), after=5)
    assert spoken(story) == ["Hello there"]


def test_a_carrier_that_refuses_them_does_not_silence_the_call() -> None:
    """Perhaps a person answered."""
    story = dialled().tell(stream_opened())
    story.tell(e.CommandFailed(effect=story.effects(f.SendDigits)[0].id, reason="no", retryable=False))
    story.tell(e.TimerFired(timer=e.Timer.OPENING), after=5)
    assert spoken(story) == ["Hello there"]
    assert story.live.pending.keys() == {effect.id for effect in story.effects(f.Speak)}


def test_keys_are_pressed_once_whatever_happens_to_the_socket_and_the_worker() -> None:
    """Twice would choose another line of the menu."""
    story = dialled().tell(stream_opened())
    story.tell(e.Reactivated(epoch=Epoch(2)), e.StreamClosed(stream=StreamId("MZ1")))
    story.tell(e.TimerFired(timer=e.Timer.OPENING), after=5)
    assert spoken(story) == []
    story.tell(stream_opened(StreamId("MZ2")), stream_opened(StreamId("MZ3")))
    assert spoken(story)[:1] == ["Hello there"]
    assert len(story.effects(f.SendDigits)) == 1


def test_a_socket_that_is_replaced_while_keys_sound_does_not_speak_early() -> None:
    """The words wait for the keys, not for the socket."""
    story = dialled().tell(stream_opened(), stream_opened(StreamId("MZ2")))
    assert spoken(story) == []


def test_a_carrier_that_drops_its_stream_for_keys_is_spoken_to_on_the_next() -> None:
    """It says itself when they were pressed; the first words wait for its new socket, and come once."""
    story = dialled(policy=e.CallPolicy(digits_replace_media=True)).tell(stream_opened())
    assert (len(story.effects(f.SendDigits)), spoken(story)) == (1, [])
    press = story.effects(f.SendDigits)[0]
    story.tell(e.StreamClosed(stream=StreamId("MZ1")), e.CommandDone(effect=press.id, leg=LEG))
    assert spoken(story) == []
    story.tell(stream_opened(StreamId("MZ2")))
    assert spoken(story) == ["Hello there"]
    assert len(story.effects(f.SendDigits)) == 1


def test_a_carrier_that_drops_its_prompt_for_keys_is_spoken_to_behind_them() -> None:
    """Without a stream there is nothing more to wait for than its word."""
    story = dialled(policy=e.CallPolicy(digits_replace_media=True, streaming=False)).tell(e.Answered(leg=LEG))
    assert (len(story.effects(f.SendDigits)), spoken(story)) == (1, [])
    story.tell(e.CommandDone(effect=story.effects(f.SendDigits)[0].id, leg=LEG))
    assert spoken(story) == ["Hello there"]
