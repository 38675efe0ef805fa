"""The limits on a service's answers: what sets them, for how long, and what takes them away."""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from voicecall.speech.stt.answers import Answers

LOUD, QUIET = b"\x00" * 160, b"\xff" * 160
WITHIN_S, PAUSE_S = 3.0, 5.0

Act = Callable[[Answers], object]


def hears(piece: bytes, ms: int) -> Act:
    def act(answers: Answers) -> None:
        for _ in range(ms // 20):
            answers.is_sound(piece)

    return act


def recognises(words: str) -> Act:
    """A message of the service, as a session passes it on."""

    def act(answers: Answers) -> None:
        answers.answered()
        answers.recognised(words)

    return act


SPOKE, ANSWERED, PAUSED = Answers.spoke, Answers.answered, Answers.paused
TRANSCRIBED = partial(Answers.transcribed, is_due=False)
SPEAKS, SILENT, SHORT = hears(LOUD, 600), hears(QUIET, 1000), hears(QUIET, 980)
WORDS = recognises("is there anyone")
ENDLESS = (SPOKE, SPEAKS, WORDS, SILENT)
END_S = PAUSE_S + WITHIN_S
"""The end of speech, of a service that says anything."""
DUE = {
    "silence of less than a second": ((SPOKE, SPEAKS, WORDS, SHORT), None),
    "silence before any speech": ((SILENT,), None),
    "a second of silence": (ENDLESS, WITHIN_S),
    "the same words again": ((*ENDLESS, WORDS), END_S),
    "any other message": ((*ENDLESS, ANSWERED), END_S),
    "new words": ((*ENDLESS, recognises("is there anyone at")), None),
    "new words, then silence": ((*ENDLESS, recognises("is there anyone at"), SILENT), WITHIN_S),
    "more speech": ((*ENDLESS, SPEAKS, ANSWERED), None),
    "a transcript": ((*ENDLESS, TRANSCRIBED), None),
    "loud audio": ((SPEAKS,), WITHIN_S),
    "loud audio, answered": ((SPEAKS, ANSWERED), None),
    "a pause": ((*ENDLESS, PAUSED), WITHIN_S),
    "a pause, and its transcript": ((SPOKE, PAUSED, TRANSCRIBED), None),
}
ALONE = {**dict.fromkeys(DUE), "a second of silence": 9.0, "new words, then silence": 9.0} | dict.fromkeys(
    ("the same words again", "any other message"), PAUSE_S + 9.0
)
"""The limits where no other service is left: only those of an end of speech, and longer ones."""


async def limit_after(acts: tuple[Act, ...], *, has_another: bool) -> float | None:
    """The limit in seconds from now, once all of this has happened."""
    answers = Answers(WITHIN_S)
    async with answers.begin(has_another=has_another, pause_s=PAUSE_S) as limit:
        for act in acts:
            act(answers)
        when = limit.when()
        return None if when is None else when - asyncio.get_running_loop().time()


@pytest.mark.parametrize("has_another", [True, False], ids=["others", "alone"])
@pytest.mark.parametrize("name", DUE)
async def test_an_answer_is_due_after(name: str, has_another: bool) -> None:
    acts, expected = DUE[name]
    expected = expected if has_another else ALONE[name]
    assert await limit_after(acts, has_another=has_another) == (expected and pytest.approx(expected, abs=0.9))


async def test_the_reason_names_what_is_missing() -> None:
    for acts, why in ((ENDLESS, "no end of speech"), ((SPEAKS,), "no answer to speech"), ((PAUSED,), "no transcript")):
        answers = Answers(WITHIN_S)
        async with answers.begin(has_another=True, pause_s=PAUSE_S):
            for act in acts:
                act(answers)
            assert answers.why.startswith(why)
