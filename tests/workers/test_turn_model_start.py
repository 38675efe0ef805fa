"""A worker whose turn model cannot be used does not start, and says why; with a usable one it does."""

import json
import time
from pathlib import Path

import pytest

from tests.contract.attacks.servers import launched, running
from tests.fakes import turn_models
from tests.fakes.redis_server import RedisServer


def config(place: Path, model: Path) -> str:
    path = place / "turns.json"
    path.write_text(json.dumps({"provider": "mock", "store": str(place), "turns": {"model": str(model)}}))
    return str(path)


@pytest.mark.parametrize("kind", ["missing", "no onnx", "wrong input"])
def test_an_unusable_model_is_exit_status_78(server: RedisServer, tmp_path: Path, kind: str) -> None:
    """One line with the key, the problem and the remedy."""
    model = tmp_path / "model.onnx"
    if kind == "no onnx":
        model.write_text("<html>")
    elif kind == "wrong input":
        turn_models.constant(model, 0.5, name="input_values", shape=["batch", 128_000])
    environ = {"REDIS_URL": server.url, "VOICECALL_CONFIG": config(tmp_path, model)}
    process, started = launched("worker", "127.0.0.1", tmp_path / "worker", **environ)
    try:
        assert process.wait(50) == 78
    finally:
        process.kill()
        process.wait()
    log = started.log.read_text()
    (line,) = [line for line in log.splitlines() if "cannot start" in line]
    assert "turns.model: " in line
    assert "model.onnx" in line
    assert "give the path of a smart-turn v3 model (.onnx), or leave the key out" in line
    assert "Traceback" not in log


def test_a_usable_model_is_loaded(server: RedisServer, tmp_path: Path) -> None:
    model = turn_models.tonal(tmp_path / "model.onnx")
    environ = {"REDIS_URL": server.url, "VOICECALL_CONFIG": config(tmp_path, model)}
    with running("worker", host="127.0.0.1", place=tmp_path, **environ) as servers:
        deadline = time.monotonic() + 30
        while "node started" not in servers["worker"].log.read_text():
            assert time.monotonic() < deadline, servers["worker"].log.read_text()
            time.sleep(0.05)
