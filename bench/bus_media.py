"""The media rate of the bus between two processes, and the CPU time per frame.

    python -m bench.bus_media --calls 100 --seconds 10

An ingress process sends one frame per call each 20 ms (paced, spread over the 20 ms); a worker process answers each
with one 20 ms `Play`; the ingress measures the round trip. CPU time is that of both processes, per frame in either
direction.
"""

import argparse
import asyncio
import multiprocessing
import resource
import tempfile
import time
from uuid import UUID

import uvloop

from tests.fakes.redis_server import start_redis
from voicecall.bus.connection import connect
from voicecall.bus.media.bus import RedisMediaBus
from voicecall.call.ids import CallId, Epoch, NodeId, StreamId
from voicecall.ports import CallerAudio, MediaItem, Play

INGRESS, WORKER = NodeId("ingress-bench"), NodeId("worker-bench")
FRAME = bytes(160)


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def worker(url: str, seconds: float) -> tuple[int, float]:
    redis = connect(url)
    bus = RedisMediaBus(redis, WORKER)

    def answer(item: MediaItem) -> None:
        if isinstance(item, CallerAudio):
            bus.send(INGRESS, Play(item.call, Epoch(1), item.first, item.mulaw))

    listening = asyncio.create_task(bus.run(answer))
    await bus.ready()
    started = cpu_s()
    await asyncio.sleep(seconds)
    used = cpu_s() - started
    listening.cancel()
    await redis.aclose()
    return bus.received, used


def worker_process(url: str, seconds: float, results: "multiprocessing.Queue[tuple[int, float]]") -> None:
    results.put(uvloop.run(worker(url, seconds)))


async def ingress(url: str, calls: int, seconds: float) -> tuple[int, int, float, list[float]]:
    redis = connect(url)
    bus = RedisMediaBus(redis, INGRESS)
    sent_at: dict[tuple[CallId, int], float] = {}
    trips: list[float] = []

    def heard(item: MediaItem) -> None:
        if isinstance(item, Play):
            started = sent_at.pop((item.call, item.utterance), None)
            if started is not None:
                trips.append(time.perf_counter() - started)

    listening = asyncio.create_task(bus.run(heard))
    await bus.ready()
    ids = [CallId(str(UUID(int=n))) for n in range(1, calls + 1)]
    streams = [StreamId(f"MZ{n:032x}") for n in range(calls)]
    started, tick, used = time.perf_counter(), 0, cpu_s()
    while (now := time.perf_counter() - started) < seconds:
        # Twenty slices per frame time: the frames of different calls are not in phase.
        for n in range(tick % 20, calls, 20):
            first = tick // 20 + 1
            sent_at[ids[n], first] = time.perf_counter()
            bus.send(WORKER, CallerAudio(ids[n], streams[n], first, FRAME))
        tick += 1
        await asyncio.sleep(max(0.0, tick * 0.001 - now))
    await bus.flush()
    await asyncio.sleep(0.3)
    used = cpu_s() - used
    listening.cancel()
    await redis.aclose()
    return bus.sent, bus.dropped, used, trips


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--calls", type=int, default=100)
    words.add_argument("--seconds", type=float, default=10.0)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        server = start_redis(directory)
        try:
            results: multiprocessing.Queue[tuple[int, float]] = multiprocessing.Queue()
            other = multiprocessing.Process(target=worker_process, args=(server.url, asked.seconds + 1.5, results))
            other.start()
            time.sleep(0.7)  # wait for the subscription: the bus drops what is sent without a subscriber
            sent, dropped, ingress_cpu, trips = uvloop.run(ingress(server.url, asked.calls, asked.seconds))
            received, worker_cpu = results.get(timeout=30)
            other.join()
        finally:
            server.stop()
    trips.sort()
    frames = sent + len(trips)
    print(
        f"{asked.calls} calls, {asked.seconds:.0f} s: sent {sent} ({sent / asked.seconds:.0f}/s), dropped {dropped}, "
    )
    print(f"received {received}, came back {len(trips)}")
    print(f"round trip ms: p50 {trips[len(trips) // 2] * 1e3:.2f}  p99 {trips[len(trips) * 99 // 100] * 1e3:.2f}")
    print(f"CPU per frame: ingress {ingress_cpu / frames * 1e6:.1f} us, worker {worker_cpu / frames * 1e6:.1f} us")
    print(f"CPU share: ingress {ingress_cpu / asked.seconds:.1%}, worker {worker_cpu / asked.seconds:.1%}")


if __name__ == "__main__":
    main()
