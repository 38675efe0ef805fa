"""Reading a recording across pauses: the one frame that may be repeated is forgiven, and nothing else."""

from collections.abc import Callable

from simulators.tones import encode_mulaw
from tests.contract.conformance.stage import decode_across_pauses
from voicecall.audio.framing import SILENT_FRAME, Framer

TEXT = "thanked the frog"
_FRAMES = list(Framer().feed(encode_mulaw(TEXT)))
_GAP = [SILENT_FRAME] * 15


def _texts(rest: Callable[[int], list[bytes]]) -> set[str]:
    """What is heard when playback pauses before any frame, and goes on with the rest."""
    frames = range(2, len(_FRAMES) - 2)
    recordings = (b"".join([*_FRAMES[:at], *_GAP, *rest(at), SILENT_FRAME * 200]) for at in frames)
    return {" ".join(each.text for each in decode_across_pauses(recording)) for recording in recordings}


def test_one_frame_may_be_repeated_after_a_pause_or_none() -> None:
    assert _texts(lambda at: _FRAMES[at - 1 :]) == {TEXT}
    assert _texts(lambda at: _FRAMES[at:]) == {TEXT}


def test_a_second_frame_that_is_repeated_shows_and_a_missing_one_too() -> None:
    assert len(_texts(lambda at: _FRAMES[at - 2 :])) > 1
    assert len(_texts(lambda at: _FRAMES[at + 1 :])) > 1
