"""Two builds side by side: an earlier release is replaced by this build, process by process, under live calls.

The earlier release runs from the history of this repository, with the packages of this environment. The new processes
keep its names in Redis, as docs/operations.md describes.
"""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from simulators.stack import Plan, Stack
from simulators.stack.stack import THIS_BUILD
from tests.chaos.callers import CONFIG, Hits
from tests.chaos.steady import APOLOGIES, SteadyCallers
from tests.journeys.stage import lines

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

CALLS = 10
RELEASES = {"0.2.0": "0be50c6", "0.1.0": "b688bb9"}
WORKERS_FIRST = ("worker-0", "worker-1", "ingress-0", "ingress-1", "gateway")
INGRESSES_FIRST = ("gateway", "ingress-0", "ingress-1", "worker-0", "worker-1")
_BETWEEN_S = 4.0  # old and new processes serve the calls together
_UNREAD = ("undecodable", "set aside", "dead letter", "Traceback")
"""What any process of either build logs of an entry that it cannot read or apply."""


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A checkout of an earlier release."""
    commit = RELEASES[request.param]
    packed = subprocess.run(["git", "archive", commit], cwd=THIS_BUILD, capture_output=True, check=False)
    if packed.returncode:
        pytest.fail(
            f"release {request.param} is commit {commit}, which this checkout does not hold: fetch the whole history "
            f"(`git fetch --unshallow`), because this test runs that release. git: {packed.stderr.decode().strip()}"
        )
    place = tmp_path / str(request.param)
    place.mkdir()
    subprocess.run(["tar", "-x"], cwd=place, input=packed.stdout, check=True)
    return place


@pytest.mark.parametrize("order", [WORKERS_FIRST, INGRESSES_FIRST], ids=["workers-first", "ingresses-first"])
async def test_c10_a_rolling_upgrade_loses_nothing_and_leaves_nothing_unread(
    release: Path, order: tuple[str, ...]
) -> None:
    """Every call goes on through old and new processes in any mixture, and its transcript is whole."""
    hits = Hits(f"rolling upgrade from {release.name}, {order[0]} first")
    config = {name: CONFIG[name] for name in ("maxConcurrentCalls", "streaming")}  # what earlier releases know too
    plan = Plan(workers=2, ingresses=2, config=config, environment={"VOICECALL_NAMESPACE": ""})
    async with Stack(plan, source=release) as stack:
        callers = SteadyCallers(stack, CALLS)
        await callers.start()
        stack.source = THIS_BUILD
        for name in order:
            to_exit, to_start = await stack.restart(name)
            hits.rows[f"{name} replaced"] = f"{to_exit:.1f} s to exit, {to_start:.1f} s to start"
            await asyncio.sleep(_BETWEEN_S)
        verdict = await callers.finish()
        async with Redis.from_url(f"redis://127.0.0.1:{stack.redis_port}/0") as redis:
            letters = await redis.xrange(stack.key("dead"))
        unread = _unread(stack)
    hits.add("dead letters", len(letters))
    hits.add("log lines of entries that were not read", len(unread))
    verdict.show(hits)
    hits.show()
    assert not verdict.lost
    assert letters == []
    assert unread == []
    for leg, record in zip(verdict.legs, verdict.records, strict=True):
        _assert_transcript_is_whole(leg, record)


def _unread(stack: Stack) -> list[str]:
    """The lines in which a process says that it could not read or apply something."""
    logs = {process.log for process in stack.processes.values()}
    found = [line for log in logs for line in log.read_text(errors="replace").splitlines()]
    return [line for line in found if any(word in line for word in _UNREAD)]


def _assert_transcript_is_whole(leg: Any, record: Any) -> None:
    """Every sentence that was heard to its end is in the transcript, in order, and nothing was written down twice."""
    written = [text for speaker, text in lines(record) if speaker == "bot"]
    heard = [utterance["text"] for utterance in leg["heard"] if utterance["complete"]]
    places = [written.index(text) for text in dict.fromkeys(heard) if text not in APOLOGIES]
    assert places == sorted(places), (heard, written)
    sentences = [text for text in written if text not in APOLOGIES]
    assert len(sentences) == len(set(sentences)), written
