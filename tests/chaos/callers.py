"""Many live conversations at once, in which no two sentences are alike, and the checks of the carrier's ledger.

Used by the chaos tests. Because every reply is unique, speech of a former owner of a call would be heard as a sentence
out of place; the marks, numbered by utterance, show the same on the wire.
"""

import asyncio
import itertools
import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from simulators.stack import Stack
from simulators.tones import encode_mulaw
from tests.journeys.stage import GREETING, Stage, texts
from voicecall.bus.connection import connect
from voicecall.bus.log import RedisCallLog
from voicecall.bus.media.bus import RedisMediaBus
from voicecall.call.ids import CallId, Epoch, NodeId
from voicecall.call.phrases import ENGLISH
from voicecall.ports import Clear, Detach, Play

__all__ = [
    "CONFIG",
    "FIXED_PHRASES",
    "Callers",
    "Hits",
    "fenced_at_the_ingress",
    "logged",
    "speak_as_the_former_owner",
    "wait_until",
]

CONFIG: dict[str, Any] = {
    "maxConcurrentCalls": 100,
    "maxInboundCalls": 100,
    "streaming": {"silenceDurationMs": 200},
    "turns": {"silenceTimeoutMs": 0},
}
PROTOCOL_BREACH = 31924  # the carrier's word for a message on the media socket that it cannot take
STALE = "This was said by yesterday's owner."
FIXED_PHRASES = frozenset(
    {
        ENGLISH.agent_failed,
        ENGLISH.cut_off,
        *ENGLISH.fillers,
        ENGLISH.not_caught,
        ENGLISH.voice_failed,
    }
)


@dataclass
class Hits:
    """Counts of what the test killed: a run is valid only if it hit its target."""

    title: str
    rows: dict[str, Any] = field(default_factory=dict)

    def add(self, what: str, count: int = 1) -> None:
        self.rows[what] = self.rows.get(what, 0) + count

    def spread(self, what: str, seconds: Iterable[float]) -> None:
        """A distribution, in one row."""
        found = sorted(seconds)
        if found:
            p95 = found[min(len(found) - 1, int(len(found) * 0.95))]
            line = f"p50 {statistics.median(found):.2f}  p95 {p95:.2f}  max {found[-1]:.2f} s"
            self.rows[what] = f"{line}  (n={len(found)})"

    def show(self) -> None:
        width = max(len(name) for name in self.rows)
        print(f"\n{self.title}")  # noqa: T201  the table is the test's report
        for name, value in self.rows.items():
            print(f"  {name:<{width}}  {value}")  # noqa: T201


class Callers:
    """`start` the calls, inject the failure, then `finish`: every conversation must have reached its caller's end.

    A caller whose words fell into a gap asks the next question after a few seconds; the last question comes when the
    failure is over (`calm`), and must be answered.
    """

    _generations = itertools.count(1)

    def __init__(self, stage: Stage, size: int, *, turns: int = 6) -> None:
        self._stage = stage
        self._size = size
        self._turns = turns
        self._name = f"g{next(self._generations)}"
        self._people: dict[str, str] = {}
        self.calls: list[str] = []

    async def start(self) -> None:
        """Every call is answered and has heard the greeting."""
        rules = [
            {"match": f"{who} asks {turn}$", "reply": self._reply(who, turn)}
            for who in range(self._size)
            for turn in range(self._turns)
        ]
        rules.append({"match": f"{self._name} the end", "reply": "Farewell to you."})
        await self._stage.stack.openai.post("/_sim/script", {"chat": {"rules": rules}})
        for who in range(self._size):
            script: list[dict[str, Any]] = [
                {"answer_after_ms": 20 * who},
                {"wait_heard": GREETING, "within_ms": 15_000},
            ]
            for turn in range(self._turns):
                script.append({"say": f"{self._name} {who} asks {turn}"})
                script.append({"wait_heard": self._ending(who, turn), "within_ms": 9_000, "quiet_ms": 200})
            script.append({"wait_ms": 600_000})
            self._people[await self._stage.person(*script)] = str(who)
        self.calls = list(await asyncio.gather(*(self._stage.dial(to) for to in self._people)))
        for call in self.calls:
            await self._stage.record(call, lambda seen: bool(seen["transcript"]))

    def _reply(self, who: int, turn: int) -> str:
        return f"{self._name} {who} {turn} is what was asked for, and there is more to it: {self._ending(who, turn)}"

    def _ending(self, who: int, turn: int) -> str:
        return f"so ends {self._name} {who} {turn}"

    async def finish(self, hits: Hits) -> list[Any]:
        """The failure is over: every caller asks a last question, hears the reply, and hangs up. Returns the legs."""
        records = await asyncio.gather(*(self._stage.record(call) for call in self.calls))
        ask: list[dict[str, Any]] = [{"say": f"{self._name} the end"}, {"wait_heard": "Farewell", "within_ms": 9_000}]
        for record in records:
            # The new script cuts what the person is saying: recognition needs a pause to end that utterance.
            script = [{"wait_ms": 1_000}, {"wait_quiet_ms": 500, "within_ms": 8_000}, *ask, {"hangup": True}]
            asked = {"call_sid": record["providerCallId"], "script": script, "listens": True}
            await self._stage.stack.twilio.post("/_sim/persona", asked)
        ended = await asyncio.gather(*(self._stage.over(call, within_s=60) for call in self.calls))
        legs = [await self._stage.leg(record) for record in ended]
        self._check(legs, ended, hits, (await self._stage.ledger())["errors"])
        return legs

    def _check(self, legs: list[Any], records: list[Any], hits: Hits, errors: list[Any]) -> None:
        hits.add("conversations", len(legs))
        for leg, record in zip(legs, records, strict=True):
            complaints = [
                (error["code"], error.get("about", error.get("error")))
                for error in errors
                if error.get("call_sid") == leg["sid"]
            ]
            about = (leg["sid"], leg["status"], leg["ended_by"], texts(leg), complaints, record)
            assert (leg["status"], leg["ended_by"]) == ("completed", "callee"), about
            assert texts(leg)[-1] == "Farewell to you.", about
            assert record["state"] == "completed", about
            assert all(code != PROTOCOL_BREACH for code, _ in complaints), about
            assert not any(STALE[:8] in text for text in texts(leg)), about
            hits.add("replies heard whole", sum("so ends" in text for text in texts(leg)))
            hits.add("said again, and said so", texts(leg).count(ENGLISH.cut_off))
            hits.add("takeovers", record["metadata"]["reactivations"])
            _assert_nothing_twice(leg)
            _assert_marks_only_grow(leg)

    async def dialled_once(self) -> None:
        """The carrier made one call to each number, and none to another number."""
        made = Counter(call["to"] for call in (await self._stage.ledger())["calls"])
        assert {to: made[to] for to in self._people} == dict.fromkeys(self._people, 1)


def _assert_nothing_twice(leg: Any) -> None:
    """A sentence, or its beginning, that is heard again was marked as a repetition in between."""
    heard = texts(leg)
    for later, text in enumerate(heard):
        if any(phrase.startswith(text) for phrase in (*FIXED_PHRASES, GREETING)) or len(text) < 8:
            continue
        for earlier in range(later):
            cut_off = heard[earlier].rstrip("\ufffd")
            if len(cut_off) >= 8 and text.startswith(cut_off):
                between = heard[earlier + 1 : later]
                assert ENGLISH.cut_off in between, (leg["sid"], heard)


def _assert_marks_only_grow(leg: Any) -> None:
    """Each activation numbers its utterances after those before it: a smaller number would be a former owner's."""
    for stream in leg["streams"]:
        # "u3.2" is the second mark of utterance 3: playback paused after the first.
        numbers = [[int(part) for part in mark["name"].removeprefix("u").split(".")] for mark in stream["marks"]]
        assert all(one < following for one, following in itertools.pairwise(numbers)), (leg["sid"], numbers)


async def wait_until(good: Any, *, within_s: float, what: str) -> None:
    """Poll an async condition. Raises TimeoutError naming the condition."""
    try:
        async with asyncio.timeout(within_s):
            while not await good():  # noqa: ASYNC110  the condition lives in other processes
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise TimeoutError(f"not within {within_s} s: {what}") from None


def logged(stack: Stack, words: str) -> int:
    """How often the workers logged this message."""
    files = {process.log for name, process in stack.processes.items() if name.startswith("worker")}
    return sum(file.read_text(errors="replace").count(words) for file in files)


async def speak_as_the_former_owner(stack: Stack, calls: Iterable[str]) -> int:
    """Send each call's ingress a sentence under the previous epoch; returns how many orders that were.

    A worker that resumes between checking its clock and writing to its socket sends the same.
    """
    sent = 0
    redis = connect(f"redis://127.0.0.1:{stack.redis_port}/0")
    media, log = RedisMediaBus(redis, NodeId("worker-of-yesterday")), RedisCallLog(redis)
    try:
        for name in calls:
            call = await log.read(CallId(name))
            lease: Any = await redis.get(stack.key(f"call:{{{name}}}:lease"))
            if call is None or call.stream is None or lease is None:
                continue
            former = Epoch(int(lease.split(b" ")[0]) - 1)
            play = Play(call=call.id, epoch=former, utterance=call.playback.made + 50, mulaw=encode_mulaw(STALE))
            for item in (play, Clear(call=call.id, epoch=former), Detach(call=call.id, epoch=former)):
                media.send(call.stream.ingress, item)
                sent += 1
        await media.flush()
    finally:
        await redis.aclose()
    return sent


async def fenced_at_the_ingress(stack: Stack, number: int = 0) -> int:
    """Orders of older epochs that an ingress dropped."""
    url = f"http://127.0.0.1:{stack.health_ports[number]}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        page = await response.text()
    counts = [
        line.rsplit(" ", 1)[1] for line in page.splitlines() if line.startswith('voicecall_fenced_total{gate="media"}')
    ]
    return int(sum(float(count) for count in counts))
