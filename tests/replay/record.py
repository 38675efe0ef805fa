"""`python -m tests.replay.record`: play the scenes on a real system and keep each call's log as a journal.

`--redis URL --call ID --name NAME --story TEXT` keeps one call of a running system: how a defect becomes a test.
`--scene NAME` plays one of the scenes.
`--state` folds the recorded journals and writes their expected results anew: how a change of decisions is accepted.
Beside each journal stands NAME.golden.json, its expected summary.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import orjson

from simulators.stack import Plan, Stack
from tests.journeys.stage import FRIEND, GREETING, STRANGER, Stage, said_by_us
from voicecall.bus.connection import connect
from voicecall.bus.log import RedisCallLog
from voicecall.call.ids import CallId
from voicecall.journal import Journal, read_journal, steps, summary, write_journal

__all__ = ["keep", "state"]

HERE = Path(__file__).parent

STORY = "There was a king who had a daughter, and she had a ball of gold that fell into the well."


async def keep(redis_url: str, call: str, name: str, story: str) -> None:
    """Write the journal of a finished call and its golden file. Raises ValueError when folding differs from history."""
    redis = connect(redis_url)
    try:
        log = RedisCallLog(redis)
        records, snapshot = await log.history(CallId(call)), await log.read(CallId(call))
    finally:
        await redis.aclose()
    journal = Journal(CallId(call), story, records)
    # An event that comes after the end is in the log, but no worker folds it.
    if all(folded != snapshot for _, folded, _ in steps(journal)):
        raise ValueError(f"{name}: the log does not fold to the snapshot")
    write_journal(HERE / f"{name}.jsonl", journal)
    state(HERE / f"{name}.jsonl")


def state(path: Path) -> None:
    """Write the summary of a journal as its expected result."""
    result = summary(read_journal(path))
    path.with_suffix(".golden.json").write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    print(f"{path.stem}: {result['phase']}, {result['dials']} dials")  # noqa: T201  a tool


# --- the scenes: each gives back the call ------------------------------------------------------------------------


async def notify(stage: Stage) -> str:
    """A notice, heard in full, then a hang-up."""
    return await stage.dial(await stage.person(), "Your table for two is ready.", mode="notify")


async def barge_in(stage: Stage) -> str:
    """A conversation in which the caller interrupts a reply."""
    await stage.model(story=STORY, enough="As you like.")
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "a story please"},
        {"interrupt_after_chars": 30, "say": "that is enough"},
        {"wait_heard": "As you like"},
        {"hangup": True},
    )
    return await stage.dial(to)


async def failover(stage: Stage) -> str:
    """A conversation whose worker is killed in the middle of a reply."""
    await stage.model(story=STORY, thanks="You are welcome.")
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "a story please"},
        {"wait_heard": "into the well"},
        {"say": "thanks"},
        {"wait_heard": "welcome"},
        {"hangup": True},
    )
    call = await stage.dial(to)
    await stage.record(call, lambda seen: len(said_by_us(seen)) == 2)
    await stage.stack.worker_of(await stage.stack.owner_of(call)).kill()
    return call


async def refused(stage: Stage) -> str:
    """An unlisted caller is rejected."""
    return await stage.ring_us(number=STRANGER)


async def inbound(stage: Stage) -> str:
    """A listed caller asks, is answered and hangs up."""
    await stage.model(hours="From nine to eight.")
    return await stage.ring_us(
        {"wait_heard": "help you"}, {"say": "your hours please"}, {"wait_heard": "nine"}, {"hangup": True}
    )


async def lost_dial(stage: Stage) -> str:
    """The carrier dials and its reply is lost: the leg is found by a query."""
    to = await stage.person({"answer_after_ms": 1500}, {"wait_heard": "ready"})
    await stage.carrier_fails(where="rest", do="cut", when="after", match={"op": "create"})
    await stage.carrier_fails(where="webhook", do="never", times=2, match={"CallStatus": "initiated|ringing"})
    return await stage.dial(to, "Your table for two is ready.", mode="notify")


async def socket_cut(stage: Stage) -> str:
    """The media socket breaks in the middle of a reply, and the carrier brings a new one."""
    await stage.model(story=STORY)
    to = await stage.person(
        {"wait_heard": GREETING}, {"say": "a story please"}, {"wait_heard": "into the well"}, {"hangup": True}
    )
    await stage.carrier_fails(where="stream", do="cut", ms=3500)
    return await stage.dial(to)


async def continued(stage: Stage) -> str:
    """An operator asks a question, gets the answer and ends the call."""
    to = await stage.person({"wait_heard": "colour"}, {"say": "blue"})
    call = await stage.dial(to)
    await stage.record(call, lambda seen: said_by_us(seen) == [GREETING])
    await stage.stack.gateway.rpc("voicecall.continue", callId=call, message="Which colour?")
    await stage.stack.gateway.rpc("voicecall.end", callId=call)
    return call


async def cough(stage: Stage) -> str:
    """The caller coughs in the middle of a reply, says "mhm", keys in a number and hangs up."""
    await stage.model(story=STORY, pressed="Forty-two it is.")
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "a story please"},
        {"noise_ms": 200, "after_chars": 15},
        {"interrupt_after_chars": 40, "say": "mhm"},
        {"wait_heard": "into the well"},
        {"press": "42#"},
        {"wait_heard": "Forty-two"},
        {"hangup": True},
    )
    return await stage.dial(to)


SCENES: dict[str, Callable[[Stage], Awaitable[str]]] = {
    "notify": notify,
    "conversation-barge-in": barge_in,
    "inbound": inbound,
    "refused": refused,
    "lost-dial": lost_dial,
    "socket-cut": socket_cut,
    "continue": continued,
    "cough-and-keys": cough,
    "failover": failover,  # last: it costs a worker
}


async def _play(names: Iterable[str]) -> None:
    config = {"allowFrom": [FRIEND], "streaming": {"silenceDurationMs": 200}}
    async with Stack(Plan(workers=2, config=config)) as stack:
        stage = Stage(stack)
        for name in names:
            scene = SCENES[name]
            record = await stage.over(await scene(stage))
            story = (scene.__doc__ or "").strip()
            await keep(f"redis://127.0.0.1:{stack.redis_port}/0", record["callId"], name, story)
            await stage.clean_up()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.replay.record", description=__doc__)
    parser.add_argument("--redis", default="redis://127.0.0.1:6379/0")
    parser.add_argument("--call", default="", help="keep this call; without it, play the scenes")
    parser.add_argument("--scene", choices=SCENES, help="play this scene only")
    parser.add_argument("--name", default="journal")
    parser.add_argument("--story", default="")
    parser.add_argument("--state", action="store_true", help="write the golden files anew from the journals")
    asked = parser.parse_args()
    if asked.state:
        for path in sorted(HERE.glob("*.jsonl")):
            state(path)
        return
    scenes = [asked.scene] if asked.scene else list(SCENES)
    asyncio.run(keep(asked.redis, asked.call, asked.name, asked.story) if asked.call else _play(scenes))


if __name__ == "__main__":
    main()
