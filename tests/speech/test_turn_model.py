"""The turn model: which files are taken, what it answers to real audio, and that nothing waits for it."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from tests.fakes import turn_models
from tests.fakes.ports import eventually
from voicecall.audio import mulaw
from voicecall.errors import ConfigError
from voicecall.metrics import REGISTRY
from voicecall.speech.tts.clip import apology
from voicecall.speech.turn_model import TurnModel, load_turn_model


def tone(hertz: float, seconds: float = 0.5) -> bytes:
    samples = 8000 * np.sin(2 * np.pi * hertz * np.arange(int(8000 * seconds)) / 8000)
    return mulaw.encode(samples.astype("<i2").tobytes())


def counted(result: str) -> float:
    return REGISTRY.get_sample_value("voicecall_turn_judgements_total", {"result": result}) or 0.0


async def judged(model: TurnModel, audio: bytes) -> float:
    answers: list[float] = []
    assert model.judge(audio, answers.append) is not None
    await eventually(lambda: answers)
    return answers[0]


# --- which files are taken ----------------------------------------------------------------------------------------


def problem_of(path: Path | str) -> str:
    with pytest.raises(ConfigError) as refused:
        load_turn_model(str(path))
    (problem,) = refused.value.problems
    return problem


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With the key, what is wrong, and the remedy; a folder is no file either."""
    problem = problem_of(tmp_path / "none.onnx")
    assert problem.startswith("turns.model: ")
    assert "none.onnx is no file; give the path of a smart-turn v3 model" in problem
    assert "is no file" in problem_of(tmp_path)


def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"<!doctype html><title>404</title>", bytes(range(256)) * 40):
        (tmp_path / "page.onnx").write_bytes(content)
        problem = problem_of(tmp_path / "page.onnx")
        assert "cannot be loaded as ONNX" in problem
        assert "smart-turn v3" in problem


@pytest.mark.parametrize(
    ("other", "shown"),
    [
        ({"name": "input_values", "shape": ["batch", 128_000]}, "input_values tensor(float) ['batch', 128000]"),
        ({"shape": ["batch", 80, 3000]}, "['batch', 80, 3000]"),
        ({"shape": [2, 80, 800]}, "[2, 80, 800]"),
        ({"shape": ["batch", 80, 800], "kind": TensorProto.DOUBLE}, "tensor(double)"),
    ],
    ids=["waveform", "thirty seconds", "two at a time", "double"],
)
def test_another_input_is_refused(tmp_path: Path, other: dict[str, object], shown: str) -> None:
    problem = problem_of(turn_models.constant(tmp_path / "other.onnx", 0.5, **other))
    assert shown in problem
    assert "not input_features tensor(float) [1, 80, 800]" in problem


@pytest.mark.parametrize("value", [-0.1, 3.5, float("nan")])
def test_an_answer_that_is_no_probability_is_refused(tmp_path: Path, value: float) -> None:
    """As logits are, before the sigmoid."""
    problem = problem_of(turn_models.constant(tmp_path / "logits.onnx", value))
    assert "gives values of shape [1, 1], not one probability" in problem


def test_many_answers_are_refused(tmp_path: Path) -> None:
    assert "[1, 1, 800]" in problem_of(turn_models.frames(tmp_path / "frames.onnx"))


def test_dimensions_without_a_number_are_tried(tmp_path: Path) -> None:
    """An export may leave them open."""
    path = turn_models.constant(tmp_path / "open.onnx", 0.5, shape=["batch", "bands", "frames"])
    load_turn_model(str(path))


def test_without_the_extra_the_remedy_is_named(tmp_path: Path) -> None:
    """In a process in which the package cannot be imported."""
    path = turn_models.constant(tmp_path / "model.onnx", 0.5)
    code = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from voicecall.errors import ConfigError\n"
        "from voicecall.speech.turn_model import load_turn_model\n"
        f"try: load_turn_model({str(path)!r})\n"
        "except ConfigError as error: print(error.problems[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "turns.model: a turn model needs another package; pip install 'voicecall[turns]'"


# --- what it answers ----------------------------------------------------------------------------------------------


async def test_the_end_of_the_sound_decides(tmp_path: Path) -> None:
    """Real features of real audio: a sentence that ends in a hum is complete, in a whistle it is not."""
    model = load_turn_model(str(turn_models.tonal(tmp_path / "tonal.onnx")))
    silence = b"\xff" * 1600
    for before in (b"", apology(), apology() * 3):
        assert await judged(model, before + tone(300) + silence) > 0.9
        assert await judged(model, before + tone(2500) + silence) < 0.1
    await model.close()


async def test_judgements_are_made_aside_and_in_order(tmp_path: Path) -> None:
    """Neither the request nor the answer holds up the loop; the answers come on its thread."""
    model = load_turn_model(str(turn_models.tonal(tmp_path / "tonal.onnx")))
    answers: list[tuple[float, int]] = []
    for hertz in (300, 2500, 300):
        assert model.judge(tone(hertz), lambda complete: answers.append((complete, threading.get_ident()))) is not None
    assert answers == []
    await eventually(lambda: len(answers) == 3)
    assert [complete > 0.5 for complete, _ in answers] == [True, False, True]
    assert {thread for _, thread in answers} == {threading.get_ident()}
    await model.close()


async def test_what_an_overloaded_model_cannot_take_is_skipped_and_counted(tmp_path: Path) -> None:
    """Four at a time; when they are done there is room again."""
    model = load_turn_model(str(turn_models.slow(tmp_path / "slow.onnx")))
    answers: list[float] = []
    skipped, done = counted("skipped"), counted("judged")
    taken = [model.judge(tone(300), answers.append) is not None for _ in range(10)]
    assert taken == [True] * 4 + [False] * 6
    assert counted("skipped") - skipped == 6
    await eventually(lambda: len(answers) == 4)
    assert counted("judged") - done == 4
    await judged(model, tone(300))
    await model.close()


async def test_a_judgement_that_is_given_up_makes_room_and_is_never_reported(tmp_path: Path) -> None:
    """Also the one that is being computed."""
    model = load_turn_model(str(turn_models.slow(tmp_path / "slow.onnx")))
    answers: list[float] = []
    for _ in range(12):
        give_up = model.judge(tone(300), answers.append)
        if give_up is not None:
            give_up()
    await eventually(lambda: model.judge(tone(300), lambda _: None) is not None)
    await model.close()
    await asyncio.sleep(0.05)
    assert answers == []


async def test_a_model_that_fails_later_costs_the_judgement_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It was tried with silence, and divides by it: with a sound the answer is none."""
    model = load_turn_model(str(turn_models.only_silence(tmp_path / "only-silence.onnx")))
    failed, answers = counted("failed"), []
    model.judge(apology(), answers.append)
    await eventually(lambda: counted("failed") == failed + 1)
    assert answers == []
    assert "turn not judged" in caplog.text
    await model.close()


async def test_closing_ends_the_thread(tmp_path: Path) -> None:
    model = load_turn_model(str(turn_models.slow(tmp_path / "slow.onnx")))
    for _ in range(3):
        model.judge(tone(300), lambda _: None)
    await model.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("turn-model")]
