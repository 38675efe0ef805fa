"""Recordings of whole calls: what was said and heard is in them at its time, whatever dies or fails meanwhile."""

import asyncio
import io
import time
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio

from simulators.stack import Plan, Stack
from simulators.tones import Ended, decode_all
from tests.journeys.stage import GREETING, Stage
from voicecall.audio.mulaw import encode

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

TOLD = "This call is recorded."
STORY = "There was a king who had a daughter, and she had a ball of gold that fell into the well."
THANKS = "You are welcome."
LOST_S = 4.0
"""What may be lost of a recording when an ingress is killed, as docs/recording.md says."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    """The mock carrier, two workers and two ingresses."""
    config = {
        "responseTimeoutMs": 5000,
        "streaming": {"silenceDurationMs": 200},
        "recording": {"enabled": True},
    }
    async with Stack(Plan(carrier="mock", workers=2, ingresses=2, config=config)) as stack:
        yield Stage(stack)


@dataclass(frozen=True)
class Recorded:
    """`begin_ms`: epoch; `left`, `right`: what is decoded in each channel, with times from the beginning."""

    facts: dict[str, Any]
    begin_ms: int
    seconds: float
    left: list[Ended]
    right: list[Ended]

    def at(self, side: str, text: str) -> float:
        """When an utterance begins, epoch ms."""
        found = next(each for each in getattr(self, side) if text in each.text)
        return self.begin_ms + found.start_ms


async def recorded(stage: Stage, call: str, *, within_s: float = 60.0) -> Recorded:
    """The recording as the gateway serves it, once it is joined."""
    deadline = time.monotonic() + within_s
    while not (found := await stage.stack.gateway.rpc("voicecall.recording", callId=call))["found"]:
        assert time.monotonic() < deadline, "there is no recording"
        await asyncio.sleep(0.2)
    facts = found["recording"]
    async with aiohttp.ClientSession() as http, http.get(stage.stack.gateway.url + found["url"]) as answer:
        assert answer.status == 200
        data = await answer.read()
    assert len(data) == facts["bytes"]
    with wave.open(io.BytesIO(data)) as read:
        both = np.frombuffer(read.readframes(read.getnframes()), dtype="<i2")
    left, right = (decode_all(encode(both[side::2].tobytes())) for side in (0, 1))
    return Recorded(facts, facts["startedAt"], len(both) / 2 / 8000, left, right)


async def archived(stage: Stage, call: str, *, within_s: float = 60.0) -> dict[str, Any]:
    """What the record of the ended call says of its recording."""
    deadline = time.monotonic() + within_s
    while True:
        calls = (await stage.stack.gateway.rpc("voicecall.history"))["calls"]
        found = [each["metadata"].get("recording", {}) for each in calls if each["callId"] == call]
        if found and found[0].get("state") not in {None, "pending"}:
            return dict(found[0])
        assert time.monotonic() < deadline, f"not joined: {found}"
        await asyncio.sleep(0.2)


def texts(side: list[Ended]) -> list[str]:
    return [each.text for each in side if each.text]


def store_of(stage: Stage) -> Path:
    return Path(stage.stack.home) / "store" / "recordings"


async def test_both_sides_are_in_it_when_they_were_heard_and_what_was_cut_is_not(stage: Stage) -> None:
    """The announcement first; of an interrupted reply what the caller heard; the times of the transcript."""
    await stage.model(story=STORY, thanks=THANKS)
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "a story please"},
        {"interrupt_after_chars": 30, "say": "thanks a lot"},
        {"wait_heard": "welcome"},
        {"wait_ms": 500},
        {"hangup": True},
    )
    call = await stage.dial(to)
    record = await stage.over(call)
    found = await recorded(stage, call)
    assert texts(found.left) == ["a story please", "thanks a lot"]
    said = texts(found.right)
    assert (said[:2], said[-1]) == ([TOLD, GREETING], THANKS)
    heard = [each["text"] for each in (await stage.leg(record))["heard"]]
    theirs = next(text for text in heard if text.startswith("There"))
    assert abs(len(said[2]) - len(theirs)) <= 4
    assert len(said[2]) < len(STORY)
    assert abs(found.seconds - (record["endedAt"] - found.begin_ms) / 1000) < 2
    kept = await archived(stage, call)
    assert (kept["consent"], kept["state"], kept["missing"]) == ("announced", "whole", [])
    assert found.at("right", TOLD) <= kept["consentAt"] <= found.at("right", GREETING) + 1500


async def test_ranges_and_tokens(stage: Stage) -> None:
    """A player asks for ranges by an address that it was given; nothing is served without one."""
    to = await stage.person({"wait_heard": GREETING}, {"hangup": True})
    call = await stage.dial(to)
    await recorded(stage, call)
    gateway = stage.stack.gateway
    url = (await gateway.rpc("voicecall.recording", callId=call))["url"]
    async with aiohttp.ClientSession() as http:
        for header, status, length in (("bytes=0-43", 206, 44), ("bytes=-100", 206, 100), ("bytes=99999999-", 416, 0)):
            async with http.get(gateway.url + url, headers={"Range": header}) as answer:
                assert (answer.status, len(await answer.read())) == (status, length)
        bare = f"{gateway.url}/recordings/{call}"
        another = gateway.url + url.replace(call, f"{call[:-4]}{'0000' if call[-4:] != '0000' else '1111'}")
        for wrong in (bare, f"{bare}?ticket=x", another):
            async with http.get(wrong) as answer:
                assert answer.status == 401
        async with http.get(bare, headers={"Authorization": f"Bearer {gateway.token}"}) as answer:
            assert (answer.status, (await answer.read())[:4]) == (200, b"RIFF")
    assert (await gateway.rpc("voicecall.forget", callId=call))["forgotten"] == 1
    assert not (await gateway.rpc("voicecall.recording", callId=call))["found"]
    assert not (store_of(stage) / call).exists()


@pytest.mark.chaos
async def test_a_killed_worker_leaves_no_gap(stage: Stage) -> None:
    """The recording is the ingress's, and any worker joins it."""
    await stage.model(story=STORY, thanks=THANKS)
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "a story please"},
        {"wait_heard": "the well", "within_ms": 30_000},
        {"wait_ms": 2000},
        {"say": "thanks a lot"},
        {"wait_heard": "welcome", "within_ms": 20_000},
        {"hangup": True},
    )
    stack = stage.stack
    call = await stage.dial(to)
    await stage.record(call, lambda seen: any("story" in line["text"] for line in seen["transcript"]))
    worker = stack.worker_of(await stack.owner_of(call))
    await worker.kill()
    await stage.over(call, within_s=60)
    found = await recorded(stage, call)
    assert found.facts["state"] == "whole"
    assert texts(found.left) == ["a story please", "thanks a lot"]
    assert texts(found.right)[-1] == THANKS
    await stack.start_worker(int(worker.name.partition("-")[2]))


@pytest.mark.chaos
async def test_a_killed_ingress_leaves_silence_of_the_right_length(stage: Stage) -> None:
    """What comes after it stands where it was said; what is missing is named."""
    await stage.model(one="This is one.", two="This is two.")
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "number one"},
        {"wait_heard": "is one", "within_ms": 20_000},
        {"wait_ms": 9000},
        {"say": "number two"},
        {"wait_heard": "is two", "within_ms": 20_000},
        {"wait_ms": 500},
        {"hangup": True},
    )
    stack = stage.stack
    call = await stage.dial(to)
    await stage.record(call, lambda seen: any("is one" in line["text"] for line in seen["transcript"]))
    await asyncio.sleep(LOST_S + 1)
    killed = "ingress-0" if call in await _log_of(stack, "ingress-0") else "ingress-1"
    await stack.processes[killed].kill()
    record = await stage.over(call, within_s=60)
    found = await recorded(stage, call, within_s=120)
    assert found.facts["state"] == "partial"
    missing_s = sum(part["toMs"] - part["fromMs"] for part in found.facts["missing"]) / 1000
    assert 0 < missing_s < LOST_S + 3  # and the time until the carrier has connected again
    assert texts(found.left) == ["number one", "number two"]
    lines = {line["text"]: line["timestamp"] for line in record["transcript"]}
    for text in ("number one", "number two"):
        # The transcript's time is when recognition had it: after the words, and soon.
        began = found.at("left", text)
        assert began < lines[text] < began + 6000
    assert abs((found.at("left", "number two") - found.at("left", "number one")) - _apart(record)) < 1500
    await stack.start_ingress(int(killed.partition("-")[2]))


def _apart(record: dict[str, Any]) -> float:
    at = {line["text"]: line["timestamp"] for line in record["transcript"]}
    return float(at["number two"] - at["number one"])


async def _log_of(stack: Stack, name: str) -> str:
    return await asyncio.to_thread((stack.logs / f"{name}.log").read_text)


async def test_a_store_that_fails_harms_no_call_and_what_is_missing_is_named(stage: Stage) -> None:
    """A file stands where the directory should be. When it is gone, what waited is written; the rest is named."""
    await stage.model(story=STORY)
    store = store_of(stage)
    await asyncio.to_thread(store.rename, store.with_name("elsewhere"))
    await asyncio.to_thread(store.write_text, "in the way")
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "a story please"},
        {"wait_heard": "the well", "within_ms": 30_000},
        {"hangup": True},
    )
    call = await stage.dial(to)
    record = await stage.over(call, within_s=60)
    assert record["state"] == "completed"
    logged = [await _log_of(stage.stack, name) for name in ("ingress-0", "ingress-1")]
    assert any("recording not stored, will be retried" in log for log in logged)
    await asyncio.to_thread(store.unlink)
    await asyncio.to_thread(store.with_name("elsewhere").rename, store)
    found = await recorded(stage, call, within_s=120)
    assert found.facts["state"] == "whole"  # the ingress had kept it
    assert texts(found.left) == ["a story please"]
    assert (await archived(stage, call, within_s=120))["state"] == "whole"
