"""Keeps the leases of this node: renews them all once a second, on a thread of its own.

A thread, because an event loop that is busy for some seconds must not cost the node its calls (reliability P12); but
a loop that does not turn at all loses them, for then nobody serves them. Knows leases, not calls.
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
_AGAIN_S: Final = 0.2  # after a renewal that Redis did not answer
_TIMEOUT_S: Final = 1.0
_STUCK_S: Final = 10.0  # a loop that has not turned for so long serves nobody

Renewed = Callable[[float, tuple[Lease, ...]], None]


class LeaseRenewer:
    """`renewed(sent, lost)` is called on `loop` after each renewal: when it was sent (monotonic), and what is lost."""

    def __init__(self, redis_url: str, loop: asyncio.AbstractEventLoop, renewed: Renewed) -> None:
        self._redis_url = redis_url
        self._loop = loop
        self._renewed = renewed
        self._held: dict[CallId, Lease] = {}
        self._lock = threading.Lock()
        self._flight: concurrent.futures.Future[None] | None = None
        self._turned = time.monotonic()
        self._stopping: asyncio.Event | None = None  # of the thread's own loop
        self._own_loop: asyncio.AbstractEventLoop | None = None
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease-keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._up.wait()

    def stop(self) -> None:
        """Renew no more. Returns when the thread has ended, or will in a moment."""
        if self._own_loop is not None and self._stopping is not None and self._thread.is_alive():
            self._own_loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(timeout=2 * _TIMEOUT_S)

    def hold(self, lease: Lease) -> None:
        with self._lock:
            self._held[lease.call] = lease

    def drop(self, lease: Lease) -> None:
        """Keep this lease no more; a newer one of the same call stays."""
        with self._lock:
            if self._held.get(lease.call) == lease:
                del self._held[lease.call]

    async def let_go(self, lease: Lease) -> None:
        """Drop it, and return when no renewal of it is under way: one that overtook a release would undo it."""
        self.drop(lease)
        with self._lock:
            flight = self._flight
        if flight is not None:
            await asyncio.wrap_future(flight)

    def _keep(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        redis = connect(self._redis_url, timeout_s=_TIMEOUT_S, connections=2)
        leases = RedisLeases(redis)
        self._own_loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        self._stopping = stopping
        self._up.set()
        due = time.monotonic()
        try:
            while not stopping.is_set():
                LEASE_LATENESS.observe(max(0.0, time.monotonic() - due))
                answered = await self._renew(leases)
                due = max(due + _EVERY_S, time.monotonic()) if answered else time.monotonic() + _AGAIN_S
                with contextlib.suppress(TimeoutError):  # the usual case: nobody stops us before the next renewal
                    async with asyncio.timeout(due - time.monotonic()):
                        await stopping.wait()
        finally:
            await redis.aclose()

    async def _renew(self, leases: Leases) -> bool:
        if self._stuck():
            return True
        with self._lock:
            held = tuple(self._held.values())
            flight = self._flight = concurrent.futures.Future()
        sent = time.monotonic()
        try:
            lost = await leases.renew(held)
        except BusError as error:
            _log.warning("leases not renewed", extra={"leases": len(held), "error": str(error)})
            return False
        finally:
            with self._lock:
                self._flight = None
            flight.set_result(None)
        for lease in lost:
            self.drop(lease)
        self._tell(self._renewed, sent, lost)
        return True

    def _stuck(self) -> bool:
        """The loop is asked to turn with each renewal; when it stays silent its calls are better off elsewhere."""
        self._tell(self._turn)
        silent_s = time.monotonic() - self._turned
        if silent_s < _STUCK_S:
            return False
        _log.critical("event loop stuck: leases are let run out", extra={"silent_s": round(silent_s, 1)})
        return True

    def _turn(self) -> None:
        self._turned = time.monotonic()

    def _tell(self, callback: Callable[..., None], *args: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *args)


class RenewedLeases(Leases):
    """Leases of `inner`, kept alive by `keeper` from acquisition to release."""

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
        await self._lease_renewer.let_go(lease)
        await self._inner.release(lease)

    async def claim(self, lease: Lease, effect: EffectId) -> bool:
        return await self._inner.claim(lease, effect)
