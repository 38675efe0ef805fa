"""A model that judges whether a caller's turn is over by how it sounds: an ONNX file in smart-turn's format.

Loaded once per process, by path; nothing is downloaded. One thread computes, so that the event loop never waits, and a
judgement for which too many others wait is left out. Knows files, features and ONNX Runtime; what a judgement means,
`voicecall/call/turns.py` knows.

The format (sources: docs/voice.md): one input `input_features`, float32 of shape (batch, 80, 800); the first output is
the probability that the turn is over, after the sigmoid, as one number per row.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from voicecall.audio.log_mel import BANDS, FRAMES, LONGEST, log_mel, upsampled
from voicecall.errors import ConfigError
from voicecall.metrics import PROVIDER_SECONDS, TURN_JUDGEMENTS

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["TurnModel", "load_turn_model"]

_log = logging.getLogger(__name__)

_KEY: Final = "turns.model"
_REMEDY: Final = "give the path of a smart-turn v3 model (.onnx), or leave the key out"
_INPUT: Final = "input_features"
_WAITING: Final = 4  # judgements at most that are not finished: one that waits for more would come too late


class TurnModel:
    """TurnJudge. Shared by all calls of a process; `judge` on the event loop, `close` once."""

    def __init__(self, session: "InferenceSession") -> None:
        self._session = session
        self._slots = threading.Semaphore(_WAITING)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="turn-model")

    def judge(self, mulaw: bytes, on_judged: Callable[[float], None]) -> Callable[[], object] | None:
        """As the port says."""
        if not self._slots.acquire(blocking=False):
            TURN_JUDGEMENTS.labels("skipped").inc()
            return None
        job: Future[float | None] = self._thread.submit(self._run, mulaw[-LONGEST:])
        job.add_done_callback(lambda _: self._slots.release())
        judging = asyncio.wrap_future(job)

        def on_done(_: asyncio.Future[float | None]) -> None:
            complete = None if judging.cancelled() else judging.result()
            if complete is not None:
                on_judged(complete)

        judging.add_done_callback(on_done)
        return judging.cancel

    def _run(self, mulaw: bytes) -> float | None:
        started = time.monotonic()
        try:
            complete = round(_probability(self._session, mulaw), 3)
        except Exception:  # noqa: BLE001  whatever the model does, the call goes on without it
            _log.exception("turn not judged")
            TURN_JUDGEMENTS.labels("failed").inc()
            return None
        PROVIDER_SECONDS.labels("turns", "judge").observe(time.monotonic() - started)
        TURN_JUDGEMENTS.labels("judged").inc()
        return complete

    async def close(self) -> None:
        """Give up what waits, and wait for what runs."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._thread.shutdown)


def load_turn_model(path: str) -> TurnModel:
    """The model in that file, tried once. Blocks for as long as it takes to read. Raises ConfigError."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise _refused(f"{path} is no file")
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError([f"{_KEY}: a turn model needs another package; pip install 'voicecall[turns]'"]) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the cores belong to the calls
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common base
        raise _refused(f"{path} cannot be loaded as ONNX ({type(error).__name__})") from error
    _check(session, path)
    return TurnModel(session)


def _check(session: "InferenceSession", path: str) -> None:
    """Raises ConfigError for a model that takes something else than `log_mel`, or gives no probability."""
    inputs = [(node.name, node.type, node.shape) for node in session.get_inputs()]
    if [(name, kind) for name, kind, _ in inputs] != [(_INPUT, "tensor(float)")] or not _fits(inputs[0][2]):
        shown = ", ".join(f"{name} {kind} {shape}" for name, kind, shape in inputs)
        raise _refused(f"{path} takes {shown}, not {_INPUT} tensor(float) [1, {BANDS}, {FRAMES}]")
    try:
        _probability(session, b"")
    except ValueError as error:
        raise _refused(f"{path} {error}") from error
    except Exception as error:
        raise _refused(f"{path} cannot be run ({type(error).__name__})") from error


def _fits(shape: list[Any]) -> bool:
    """A dimension that has a name, or none, may have any length."""
    return len(shape) == 3 and all(
        not isinstance(found, int) or found == wanted for found, wanted in zip(shape, (1, BANDS, FRAMES), strict=True)
    )


def _probability(session: "InferenceSession", mulaw: bytes) -> float:
    """Raises ValueError when the first output is no probability."""
    features = log_mel(upsampled(mulaw))[np.newaxis]
    found = np.asarray(session.run(None, {_INPUT: features})[0])
    if found.size != 1 or not 0.0 <= float(found.item()) <= 1.0:
        raise ValueError(f"gives values of shape {list(found.shape)}, not one probability")
    return float(found.item())


def _refused(problem: str) -> ConfigError:
    return ConfigError([f"{_KEY}: {problem}; {_REMEDY}"])
