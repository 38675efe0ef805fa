"""What our own detectors cost for each frame of a caller, and the turn model for each pause.

    python -m bench.detectors [MODEL.onnx]

Prints microseconds per frame of 20 ms (the best of seven runs), and with a model milliseconds per judgement and how
late the event loop's timers are while the model works without a pause.
"""

import asyncio
import sys
import time
from collections.abc import Callable

import numpy as np

from actors.sound_judge import SoundJudge
from bench.figures import spread
from voicecall.audio import mulaw
from voicecall.audio.framing import FRAME_BYTES, SILENT_FRAME
from voicecall.audio.log_mel import log_mel, upsampled
from voicecall.speech.noise import NoiseFloor
from voicecall.speech.tts.clip import apology
from voicecall.speech.turn_model import TurnModel, load_turn_model
from voicecall.speech.vad import VoiceActivity


def hiss(rms: float, seconds: float = 10.0) -> bytes:
    noise = np.random.default_rng(7).normal(0, rms, int(8000 * seconds))
    return mulaw.encode(noise.clip(-32768, 32767).astype("<i2").tobytes())


LINES = {"silence": SILENT_FRAME * 500, "hiss": hiss(60), "speech": apology() * 3, "noise": hiss(800)}


def per_frame_us(make: Callable[[], Callable[[bytes], object]], line: bytes) -> float:
    frames = [line[at : at + FRAME_BYTES] for at in range(0, len(line) - FRAME_BYTES, FRAME_BYTES)]
    best = float("inf")
    for _ in range(7):
        take = make()
        started = time.perf_counter()
        for frame in frames:
            take(frame)
        best = min(best, (time.perf_counter() - started) / len(frames) * 1e6)
    return best


def detectors() -> None:
    kinds: dict[str, Callable[[], Callable[[bytes], object]]] = {
        "noise floor": lambda: NoiseFloor().feed,
        "listener": lambda: SoundJudge(lambda _: None).hear,
        "own detection": lambda: VoiceActivity().feed,
    }
    print(f"{'us per frame':<16}" + "".join(f"{name:>12}" for name in LINES))
    for name, make in kinds.items():
        print(f"{name:<16}" + "".join(f"{per_frame_us(make, line):12.2f}" for line in LINES.values()))


def shown(took_ms: list[float]) -> str:
    took = spread(took_ms)
    return f"p50 {took.p50:.1f}, p95 {took.p95:.1f}, p99 {took.p99:.1f} ms"


def features_ms(times: int = 100) -> list[float]:
    took = []
    for _ in range(times + 1):
        started = time.perf_counter()
        log_mel(upsampled(apology() * 2))
        took.append((time.perf_counter() - started) * 1e3)
    return took[1:]


async def judgements_ms(model: TurnModel, times: int = 100) -> list[float]:
    """One after the other, from the request to the answer on the loop."""
    took = []
    for _ in range(times + 1):
        started, answered = time.perf_counter(), asyncio.Event()
        model.judge(apology() * 2, lambda _, answered=answered: answered.set())  # type: ignore[misc]
        await answered.wait()
        took.append((time.perf_counter() - started) * 1e3)
    return took[1:]


async def lateness_ms(seconds: float = 5.0) -> list[float]:
    """How late the timers of a frame are."""
    late, ends = [], time.perf_counter() + seconds
    while time.perf_counter() < ends:
        due = time.perf_counter() + 0.02
        await asyncio.sleep(0.02)
        late.append((time.perf_counter() - due) * 1e3)
    return late


async def model_of(path: str) -> None:
    model = load_turn_model(path)
    print("features      ", shown(features_ms()))
    print("judgement     ", shown(await judgements_ms(model)))
    print("loop, idle    ", shown(await lateness_ms()))
    judging = asyncio.create_task(judgements_ms(model, 10_000))
    print("loop, judging ", shown(await lateness_ms()))
    judging.cancel()
    await asyncio.wait([judging])
    await model.close()


if __name__ == "__main__":
    detectors()
    if len(sys.argv) > 1:
        asyncio.run(model_of(sys.argv[1]))
