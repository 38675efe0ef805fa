"""What an operator asks about the system and one call's log: events, processes, findings of the doctor, dead letters.

Used by the gateway; changes nothing, but that reading a log sets undecodable entries aside, as every reader does.
Answers that cost something are shared between askers for a moment.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import orjson
from redis.asyncio import Redis

from voicecall.api.results import FeedEvent
from voicecall.archive.ended import turns_of
from voicecall.bus.dead import DeadLetters
from voicecall.bus.ingresses import Ingresses
from voicecall.bus.log import RedisCallLog
from voicecall.bus.membership import Membership
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import CallId, Seq
from voicecall.errors import BusError, ExposureError, Unavailable
from voicecall.service.calls import CallService
from voicecall.subprocesses import run

__all__ = ["Inspection"]

_DOCTOR: Final = ("-m", "voicecall.cli", "doctor", "--json")
_DOCTOR_WITHIN_S: Final = 60.0
_DOCTOR_KEPT_S: Final = 20.0
_PROCESSES_KEPT_S: Final = 1.0

Payload = dict[str, Any]


class Inspection:
    """Every method raises Unavailable only. `environ`: of the doctor's process."""

    def __init__(self, redis: Redis, calls: CallService, *, environ: Mapping[str, str] = os.environ) -> None:
        self._log = RedisCallLog(redis)
        self._membership = Membership(redis)
        self._ingresses = Ingresses(redis)
        self._letters = DeadLetters(redis, Scripts(redis))
        self._calls = calls
        self._environ = environ
        self.processes = _Shared(self._processes, kept_s=_PROCESSES_KEPT_S)
        self.doctor = _Shared(self._doctor, kept_s=_DOCTOR_KEPT_S)

    async def events(self, call: CallId, after: int, limit: int) -> Payload:
        """Events of the call's log behind the seq `after`; with the first page, the waits for its replies."""
        try:
            records = await self._log.history(call, Seq(after))
            state = await self._log.read(call) if after == 0 else None
        except BusError as error:
            raise Unavailable(error.public, retry_after_ms=1_000) from error
        page = records[:limit]
        found: Payload = {
            "found": bool(records) or after > 0,
            "events": [FeedEvent.payload_of(record.seq, record.event) for record in page],
        }
        if len(records) > limit:
            found["next"] = page[-1].seq
        if state is not None:
            history = [record.event for record in records]
            found["turnSpans"] = (await asyncio.to_thread(turns_of, state, history))["turnSpans"]
        return found

    async def dead(self, last: int) -> Payload:
        """The newest dead letters. Their bytes may quote the conversation, so they are left out."""
        try:
            count, letters = await self._letters.count(), await self._letters.newest(last)
        except BusError as error:
            raise Unavailable(error.public, retry_after_ms=1_000) from error
        shown = [
            {"id": one.id, "at": round(one.at * 1000), "callId": one.call, "seq": one.seq, "reason": one.reason}
            for one in letters
        ]
        return {"count": count, "letters": shown}

    async def _processes(self) -> Payload:
        try:
            present = frozenset(await self._membership.present())
            nodes, owners = await self._membership.known(), await self._membership.owners()
            ingresses = await self._ingresses.known()
        except BusError as error:
            raise Unavailable(error.public, retry_after_ms=1_000) from error
        streams = {call.id: call.stream.ingress for call in await self._calls.live() if call.stream is not None}
        workers = [_facts(name, "worker", name in present, at, owners) for name, at in nodes.items()]
        fronts = [_facts(name, "ingress", alive, at, streams) for name, (at, alive) in ingresses.items()]
        return {"processes": sorted(workers + fronts, key=lambda facts: (facts["kind"], facts["name"]))}

    async def _doctor(self) -> Payload:
        """Run `voicecall doctor` as an operator would: its checks import what a gateway must not."""
        try:
            outcome = await run(sys.executable, *_DOCTOR, within_s=_DOCTOR_WITHIN_S, environ=self._environ)
            report = orjson.loads(outcome.out)
            return {"ok": report["ok"], "at": round(time.time() * 1000), "findings": report["findings"]}
        except (ExposureError, ValueError, KeyError, TypeError) as error:
            why = "voicecall doctor gave no findings; run it where the gateway runs"
            raise Unavailable(why, retry_after_ms=10_000) from error


class _Shared:
    """The newest result of `work`, at most `kept_s` old; askers at the same time wait for one run."""

    def __init__(self, work: Callable[[], Awaitable[Payload]], *, kept_s: float) -> None:
        self._work = work
        self._kept_s = kept_s
        self._running = asyncio.Lock()
        self._result: Payload = {}
        self._until = 0.0

    async def __call__(self) -> Payload:
        async with self._running:
            if time.monotonic() >= self._until:
                self._result = await self._work()
                self._until = time.monotonic() + self._kept_s
            return self._result


def _facts(name: str, kind: str, alive: bool, seen_at: float, held: Mapping[CallId, str]) -> Payload:
    calls = sorted(call for call, holder in held.items() if holder == name)
    return {"name": name, "kind": kind, "alive": alive, "seenAt": round(seen_at * 1000), "calls": calls}
