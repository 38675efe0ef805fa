"""The lane of an effect stands on its class, and decides who runs it."""

from typing import get_args

from actors.commands import Command
from voicecall.call.effects import EFFECTS, AskAgent, EffectLane, Speak


def test_the_lane_on_an_effects_class_fits_its_runner() -> None:
    """`Lanes` queues by lane alone: carrier commands on one, speech and the agent's replies on one each."""
    lanes = {lane: {cls for cls in EFFECTS.values() if cls.lane is lane} for lane in EffectLane}
    assert lanes[EffectLane.CONTROL] == set(get_args(Command))
    assert lanes[EffectLane.VOICE] == {Speak}
    assert lanes[EffectLane.AGENT] == {AskAgent}
