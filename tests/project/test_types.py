"""The types of the call's core catch mistakes: mypy, run on snippets, reports each of them and nothing else."""

import re
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parent.parent.parent

RIGHT = """
from voicecall.call import events as e
from voicecall.call import hangup, leg, requests
from voicecall.call.decide import route
from voicecall.call.effects import Dial, HangUp, Reject
from voicecall.call.ids import E164, LegId
from voicecall.call.step import Step


def right(step: Step) -> Step:
    step = step.request(Dial(to=E164("+1555"), from_=E164("+1666"), ring_timeout_s=1.0, time_limit_s=60))
    step = step.emit(Reject(leg=LegId("CA1"), reason="busy")).settle(HangUp)
    return step.set_floor(interrupted=True).set_leg(look_ups=1).replace(detail="late")


route(e.Ringing, leg.ringing)
route(e.SpeakRequested, requests.refuse)
"""

WRONG = {
    "a misspelt field of an effect": 'def f(step: Step) -> Step: return step.request(HangUp(legg=LegId("CA1")))',
    "a missing field of an effect": "def f(step: Step) -> Step: return step.request(HangUp())",
    "a field of the wrong type": 'def f(step: Step) -> Step: return step.request(HangUp(leg="CA1"))',
    "an effect without outcome that is awaited": (
        'def f(step: Step) -> Step: return step.request(Reject(leg=LegId("CA1"), reason="busy"))'
    ),
    "an awaited effect that is only emitted": 'def f(step: Step) -> Step: return step.emit(HangUp(leg=LegId("CA1")))',
    "a misspelt field of the floor": "def f(step: Step) -> Step: return step.set_floor(interupted=True)",
    "a value of the wrong type": 'def f(step: Step) -> Step: return step.set_leg(look_ups="one")',
    "a field of a sub-record on the call": "def f(step: Step) -> Step: return step.replace(interrupted=True)",
    "a rule for another event": "route(e.Ringing, hangup.end_requested)",
}
"""Each is one line, appended to the right snippet, and one mistake."""


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The errors of each snippet, from one run of mypy."""
    folder = tmp_path_factory.mktemp("snippets")
    names = {"right": "right", **{what: f"wrong_{number}" for number, what in enumerate(WRONG)}}
    for what, name in names.items():
        (folder / f"{name}.py").write_text(RIGHT + WRONG.get(what, "") + "\n")
    options = ["--config-file=", "--strict", "--no-error-summary", "--hide-error-context", "--show-error-codes"]
    options += ["--follow-imports=silent", f"--cache-dir={folder / 'cache'}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYPYPATH", str(ROOT))
        output, problems, _ = api.run([*options, *(str(folder / f"{name}.py") for name in names.values())])
    assert problems == ""
    errors: dict[str, list[str]] = {what: [] for what in names}
    for what, name in names.items():
        errors[what] = re.findall(rf"{name}\.py:\d+: error: .*", output)
    return errors


def test_right_code_has_no_error(reported: dict[str, list[str]]) -> None:
    assert reported["right"] == []


@pytest.mark.parametrize("what", list(WRONG))
def test_a_mistake_is_a_type_error(reported: dict[str, list[str]], what: str) -> None:
    assert len(reported[what]) == 1, reported[what]
