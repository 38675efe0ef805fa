"""Workers are killed, frozen and replaced under live conversations (guarantees P1, P6, P12, P14)."""

import asyncio
import signal
import time
from collections import Counter
from typing import Any

import pytest

from simulators.stack import Plan, Stack
from tests.chaos.callers import (
    CONFIG,
    Callers,
    Hits,
    fenced_at_the_ingress,
    logged,
    speak_as_the_former_owner,
    wait_until,
)
from tests.journeys.stage import GREETING, Stage, said_by_us, texts
from voicecall.call.phrases import ENGLISH

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

FENCED = '"reason":"fenced"'


async def test_no_call_is_lost_when_workers_are_killed() -> None:
    """Kill -9 of the owner of most calls, in the middle of their sentences, six times; a new worker each time."""
    hits = Hits("worker kill -9")
    async with Stack(Plan(workers=2, config=CONFIG)) as stack:
        crowd = Callers(Stage(stack), 10, turns=12)
        await crowd.start()
        kills: list[tuple[float, list[str]]] = []
        for number in range(6):
            await asyncio.sleep(0.35 * number)  # not always in the same phase of their turns
            victim, orphans = await _busiest(stack, crowd.calls)
            for record in [await Stage(stack).record(call) for call in orphans]:
                hits.add(f"  calls that were {record['state']}")
            kills.append((time.time(), orphans))
            await stack.worker_of(victim).kill()
            await wait_until(
                lambda victim=victim: _owns_none(stack, crowd.calls, victim), within_s=15, what="calls taken over"
            )
            await stack.start_worker(2 + number)
        hits.add("kills", len(kills))
        hits.add("calls of the killed", sum(len(orphans) for _, orphans in kills))
        hits.spread("kill to takeover", await _takeovers(stack, kills))
        await crowd.finish(hits)
        await crowd.dialled_once()
    hits.show()
    assert hits.rows["takeovers"] >= hits.rows["calls of the killed"] >= 12
    assert hits.rows["said again, and said so"] >= 1


async def test_a_worker_killed_while_playback_is_paused_leaves_a_call_that_speaks() -> None:
    """The caller coughs, and the owner dies before it knows what that was: the next owner says the reply again."""
    story = "There was a king who had a daughter with a ball of gold."
    config = {**CONFIG, "turns": {"silenceTimeoutMs": 0, "resumeAfterMs": 10_000}}
    async with Stack(Plan(workers=2, config=config)) as stack:
        stage = Stage(stack)
        await stage.model(story=story)
        await stage.services_fail({"where": "transcript", "match": "^$", "do": {"hang": True}})
        call = await stage.dial(
            await stage.person(
                {"wait_heard": GREETING},
                {"say": "a story please"},
                {"noise_ms": 200, "after_chars": 15},
                {"wait_heard": "ball of gold"},
                {"hangup": True},
            )
        )
        sid = (await stage.record(call, lambda seen: len(said_by_us(seen)) == 2))["providerCallId"]
        await stage.until_leg(sid, lambda seen: bool(seen["streams"][0]["clears"]))
        await stack.worker_of(await stack.owner_of(call)).kill()
        leg = await stage.leg(await stage.over(call))
    heard = [text.rstrip("\ufffd") for text in texts(leg)]
    assert (heard[0], heard[-2:]) == (GREETING, [ENGLISH.cut_off, story])
    assert story.startswith(heard[1])


@pytest.mark.parametrize(("idempotent", "called"), [(False, 1), (True, 2)])
async def test_a_worker_killed_while_a_tool_runs_leaves_a_call_that_answers(idempotent: bool, called: int) -> None:
    """The tool may have acted: it is called again only where that is declared harmless, with the same key."""

    def document(config: dict[str, Any], stack: Stack) -> dict[str, Any]:
        order = {"url": f"{stack.tool_server.url}/http/order", "description": "d", "idempotent": idempotent}
        return {**config, "tools": {"http": {"order": order}}}

    async with Stack(Plan(workers=2, config=CONFIG, also=("tools",), document=document)) as stack:
        stage = Stage(stack)
        await stack.tool_server.post("/_sim/script", {"tools": {"order": {"delay_ms": 4000, "result": "Booked."}}})
        rules = [
            {"match": "book", "tool_call": {"name": "order", "arguments": {"people": 2}}},
            {"match": "table", "reply": "Something became of the table."},
        ]
        await stack.openai.post("/_sim/script", {"chat": {"rules": rules}})
        call = await stage.dial(
            await stage.person(
                {"wait_heard": GREETING},
                {"say": "book a table"},
                {"wait_heard": "became of the table", "within_ms": 30_000},
                {"hangup": True},
            )
        )
        assert (await stack.tool_server.get("/_sim/ledger", kind="http", wait_s=20))["lines"]
        await stack.worker_of(await stack.owner_of(call)).kill()
        record = await stage.over(call)
        lines = (await stack.tool_server.get("/_sim/ledger", kind="http"))["lines"]
    (use,) = record["metadata"]["toolCalls"]
    assert use["outcome"] == ("done" if idempotent else "unknown")
    assert len(lines) == called
    assert len({line["headers"]["Idempotency-Key"] for line in lines}) == 1
    assert record["transcript"][-1]["text"] == "Something became of the table."


async def test_a_frozen_worker_that_wakes_up_is_not_heard() -> None:
    """SIGSTOP for longer than a lease, then SIGCONT: others own its calls, and what it still sends is fenced off."""
    hits = Hits("worker SIGSTOP past the lease, SIGCONT")
    async with Stack(Plan(workers=2, config=CONFIG)) as stack:
        stage = Stage(stack)
        crowd = Callers(stage, 8, turns=16)
        await crowd.start()
        # A voice as slow as speech itself: a worker is frozen in the middle of a sentence it is still sending.
        slowly = {"where": "speech", "match": "^g", "do": {"chunk_bytes": 4800, "per_chunk_ms": 95}}
        await stage.services_fail(slowly)
        for pause_s in (6.0, 3.5, 5.0, 8.0):
            await wait_until(
                lambda: _most_are_being_answered(stage, crowd.calls), within_s=20, what="most calls are being spoken to"
            )
            victim, frozen = await _busiest(stack, crowd.calls)
            worker = stack.worker_of(victim)
            worker.signal(signal.SIGSTOP)
            await asyncio.sleep(pause_s)
            worker.signal(signal.SIGCONT)
            hits.add("freezes")
            hits.add("calls of the frozen", len(frozen))
            if pause_s > 4.5:
                hits.add("of them past their lease", len(frozen))
                hits.add("stale orders sent on top", await speak_as_the_former_owner(stack, frozen))
            await asyncio.sleep(1.5)
        await stage.services_fail()
        await crowd.finish(hits)
        await crowd.dialled_once()
        hits.add("activations that learned they were fenced", logged(stack, FENCED))
        hits.add("commands refused at the gate", logged(stack, "command not sent"))
        hits.add("orders dropped at the ingress", await fenced_at_the_ingress(stack))
    hits.show()
    assert hits.rows["activations that learned they were fenced"] >= 3
    assert hits.rows["orders dropped at the ingress"] >= hits.rows["stale orders sent on top"] >= 3
    assert hits.rows["takeovers"] >= 3
    assert hits.rows["said again, and said so"] >= 3


async def test_a_rolling_restart_of_the_workers_drops_no_call() -> None:
    """SIGTERM, one after the other, twice round: each exits within 20 s with 0, its calls owned by another one."""
    hits = Hits("rolling restart of workers by SIGTERM")
    exits: list[float] = []
    async with Stack(Plan(workers=2, config=CONFIG)) as stack:
        crowd = Callers(Stage(stack), 10, turns=12)
        await crowd.start()
        for number in range(4):
            await stack.start_worker(2 + number)
            leaver = stack.processes[f"worker-{number}"]
            node = next((n for n in await _owners(stack, crowd.calls) if n.encode() in leaver.output), "")
            hits.add("calls handed over", (await _owners(stack, crowd.calls))[node])
            began = time.monotonic()
            leaver.signal(signal.SIGTERM)
            leaver.signal(signal.SIGTERM)  # platforms repeat themselves
            assert await leaver.stop(within_s=25) == 0, leaver.tail()
            exits.append(time.monotonic() - began)
        hits.add("restarts", len(exits))
        hits.spread("SIGTERM to exit", exits)
        await crowd.finish(hits)
        await crowd.dialled_once()
    hits.show()
    assert max(exits) < 20
    assert hits.rows["takeovers"] >= 5


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_worker_killed_between_dial_and_answer_never_dials_twice(when: str) -> None:
    """The carrier is slow, before or after it acts; the worker is killed meanwhile. No phone rings twice (P3)."""
    hits = Hits(f"worker kill -9 while a dial is out, carrier slow {when} it acts")
    async with Stack(Plan(workers=2, config=CONFIG)) as stack:
        stage = Stage(stack)
        crowd = Callers(stage, 8, turns=1)
        await stage.carrier_fails(where="rest", do="slow", when=when, ms=1500, times=8, match={"op": "create"})
        starting = asyncio.create_task(crowd.start())

        async def all_out() -> bool:
            return bool((await stage.ledger())["struck"].get("rest.slow", 0) == 8)

        await wait_until(all_out, within_s=20, what="eight dials out")
        calls = [record["callId"] for record in (await stack.gateway.rpc("voicecall.status"))["calls"]]
        victim, orphans = await _busiest(stack, calls)
        await stack.worker_of(victim).kill()
        hits.add("dials out at the kill", len(orphans))
        await starting
        await crowd.finish(hits)
        await crowd.dialled_once()
        asked = [request for request in (await stage.ledger())["requests"] if request["op"] == "list"]
        hits.add("times the carrier was asked", len(asked))
    hits.show()
    assert hits.rows["dials out at the kill"] >= 1
    # A carrier that has acted reports the call itself; one that has not must be asked.
    assert len(asked) >= (when == "before")


async def _owners(stack: Stack, calls: list[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for call in calls:
        try:
            found[await stack.owner_of(call)] += 1
        except LookupError:
            continue
    return found


async def _busiest(stack: Stack, calls: list[str]) -> tuple[str, list[str]]:
    """The node that owns most calls, and those calls."""
    node = (await _owners(stack, calls)).most_common(1)[0][0]
    return node, [call for call in calls if await _owns(stack, node, call)]


async def _owns(stack: Stack, node: str, call: str) -> bool:
    try:
        return await stack.owner_of(call) == node
    except LookupError:
        return False


async def _most_are_being_answered(stage: Stage, calls: list[str]) -> bool:
    """At least half of them hear a reply at this moment, and have heard a second of it."""
    records = [await stage.record(call) for call in calls]
    newest = [record["transcript"][-1] for record in records if record["state"] == "speaking"]
    spoken = [line for line in newest if line["speaker"] == "bot" and time.time() - line["timestamp"] / 1000 > 1.0]
    return len(spoken) >= len(calls) / 2


async def _owns_none(stack: Stack, calls: list[str], victim: str) -> bool:
    owners = await _owners(stack, calls)
    return victim not in owners and owners.total() == len(calls)


async def _takeovers(stack: Stack, kills: list[tuple[float, list[str]]]) -> list[float]:
    """Seconds from each kill to each of its calls' next activation, as the feed sends it."""
    seen: dict[str, list[float]] = {}
    wanted = sum(len(orphans) for _, orphans in kills)
    async with asyncio.timeout(10):
        async for item in stack.gateway.feed(since="0-0"):
            for event in item["events"]:
                if event["type"] == "Reactivated":
                    seen.setdefault(item["callId"], []).append(event["at"] / 1000)
            if sum(len(times) for times in seen.values()) >= wanted:
                break
    return [
        min(at for at in seen[call] if at >= killed_at) - killed_at for killed_at, orphans in kills for call in orphans
    ]
