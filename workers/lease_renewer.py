"""Renews all leases of this node once a second, on a thread of its own.

On a thread, so that an event loop that is busy for some seconds does not lose the node its calls (guarantee P12). A
loop that does not run at all loses them after ten seconds, for then nothing serves them. Knows leases, not calls.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from voicecall.bus.connection import connect
from voicecall.bus.lease import RedisLeases
from voicecall.call.ids import CallId, EffectId, NodeId
from voicecall.errors import BusError
from voicecall.metrics import LEASE_LATENESS
from voicecall.ports import Ingest, Lease, Leases

__all__ = ["LeaseRenewer", "RenewedLeases"]

_log = logging.getLogger(__name__)

_EVERY_S: Final = 1.0
_RETRY_S: Final = 0.2  # after a renewal that Redis did not answer
_TIMEOUT_S: Final = 1.0
_STUCK_S: Final = 10.0  # a loop that has not run for so long serves no call

_OnRenewed = Callable[[float, tuple[Lease, ...]], None]


class LeaseRenewer:
    """`on_renewed(sent_at, lost)` is called on `loop` after each renewal: when it was sent (monotonic), the lost."""

    def __init__(
        self, redis_url: str, loop: asyncio.AbstractEventLoop, on_renewed: _OnRenewed, *, namespace: str | None = None
    ) -> None:
        self._redis_url = redis_url
        self._namespace = namespace
        self._loop = loop
        self._on_renewed = on_renewed
        self._held: dict[CallId, Lease] = {}
        self._lock = threading.Lock()
        self._in_flight: concurrent.futures.Future[None] | None = None
        self._loop_ran_at = time.monotonic()
        self._stopping: asyncio.Event | None = None  # of the thread's own loop
        self._own_loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._main, name="lease-renewer", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        """Renew no more; waits up to two seconds for the thread to end. Blocks: not for an event loop."""
        if self._own_loop is not None and self._stopping is not None and self._thread.is_alive():
            self._own_loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(timeout=2 * _TIMEOUT_S)

    def hold(self, lease: Lease) -> None:
        """Renew this lease from now on."""
        with self._lock:
            self._held[lease.call] = lease

    def drop(self, lease: Lease) -> None:
        """Renew this lease no more; a newer one of the same call stays."""
        with self._lock:
            if self._held.get(lease.call) == lease:
                del self._held[lease.call]

    async def drop_and_wait(self, lease: Lease) -> None:
        """Drop it, and return when no renewal is in flight: one that arrives after a release would undo it."""
        self.drop(lease)
        with self._lock:
            in_flight = self._in_flight
        if in_flight is not None:
            await asyncio.wrap_future(in_flight)

    def _main(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        redis = connect(self._redis_url, namespace=self._namespace, timeout_s=_TIMEOUT_S, connections=2)
        leases = RedisLeases(redis)
        self._own_loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        self._stopping = stopping
        self._started.set()
        due = time.monotonic()
        try:
            while not stopping.is_set():
                LEASE_LATENESS.observe(max(0.0, time.monotonic() - due))
                answered = await self._renew(leases)
                due = max(due + _EVERY_S, time.monotonic()) if answered else time.monotonic() + _RETRY_S
                with contextlib.suppress(TimeoutError):  # the usual case: the next renewal is due before `stop`
                    async with asyncio.timeout(due - time.monotonic()):
                        await stopping.wait()
        finally:
            await redis.aclose()

    async def _renew(self, leases: Leases) -> bool:
        if self._loop_is_stuck():
            return True
        with self._lock:
            held = tuple(self._held.values())
            in_flight = self._in_flight = concurrent.futures.Future()
        sent_at = time.monotonic()
        try:
            lost = await leases.renew(held)
        except BusError as error:
            _log.warning("lease renewal failed", extra={"leases": len(held), "error": str(error)})
            return False
        finally:
            with self._lock:
                self._in_flight = None
            in_flight.set_result(None)
        for lease in lost:
            self.drop(lease)
        self._call_on_loop(self._on_renewed, sent_at, lost)
        return True

    def _loop_is_stuck(self) -> bool:
        """Each renewal schedules a callback on the loop; a loop that runs none of them serves no call."""
        self._call_on_loop(self._note_loop_runs)
        silent_s = time.monotonic() - self._loop_ran_at
        if silent_s < _STUCK_S:
            return False
        _log.critical("event loop stuck, leases not renewed", extra={"silent_s": round(silent_s, 1)})
        return True

    def _note_loop_runs(self) -> None:
        self._loop_ran_at = time.monotonic()

    def _call_on_loop(self, callback: Callable[..., None], *args: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *args)


class RenewedLeases(Leases):
    """The leases of `inner`, renewed by `lease_renewer` from acquisition to release."""

    def __init__(self, inner: Leases, lease_renewer: LeaseRenewer) -> None:
        self._inner = inner
        self._lease_renewer = lease_renewer

    async def acquire(self, call: CallId, node: NodeId) -> Ingest | None:
        ingest = await self._inner.acquire(call, node)
        if ingest is not None:
            self._lease_renewer.hold(ingest.lease)
        return ingest

    async def renew(self, leases: tuple[Lease, ...]) -> tuple[Lease, ...]:
        return await self._inner.renew(leases)

    async def release(self, lease: Lease) -> None:
        await self._lease_renewer.drop_and_wait(lease)
        await self._inner.release(lease)

    async def claim(self, lease: Lease, effect: EffectId) -> bool:
        return await self._inner.claim(lease, effect)
