"""Speech recognition by one service, or by several that take over from each other: the port that workers use.

Opens a session per call. One breaker per service is shared by all calls of the process; a service whose breaker is open
is probed in the background. Knows services as `Service`.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from voicecall.call.ids import CallId
from voicecall.errors import ServiceError
from voicecall.ports import PartialTranscript, SttEvent, SttSession
from voicecall.probes import Prober
from voicecall.speech.stt.link import Service
from voicecall.speech.stt.session import Patience, Session

__all__ = ["Recognition"]

_PROBE_S: Final = 5.0


class Recognition:
    """SpeechToText. `services`: at least one, in order of preference."""

    def __init__(self, services: Sequence[Service], patience: Patience | None = None) -> None:
        self._services = tuple(services)
        self._patience = patience or Patience()
        self._open: set[Session] = set()
        self._closed = False
        self._probers = {each.name: Prober(each.name, each.breaker, partial(_connects, each)) for each in services}

    @property
    def finds_likely_ends(self) -> bool:
        """Of one of the services at least."""
        return any(service.likely_ends or service.stable_partials for service in self._services)

    async def open(
        self,
        call: CallId,
        on_event: Callable[[SttEvent], None],
        on_partial: Callable[[PartialTranscript], None] | None = None,
        *,
        likely_ends: bool = False,
    ) -> SttSession:
        """As the port says. Audio waits while the session connects."""
        if self._closed:
            raise ServiceError("stt", "is closed", retryable=False)
        session = Session(
            call,
            on_event,
            self._services,
            self._patience,
            on_partial=on_partial,
            likely_ends=likely_ends,
            forget=self._open.discard,
            on_failure=self._probe,
        )
        self._open.add(session)
        return session

    async def close(self) -> None:
        self._closed = True
        await asyncio.gather(*(session.close() for session in tuple(self._open)))
        await asyncio.gather(*(prober.close() for prober in self._probers.values()))

    def _probe(self, service: Service) -> None:
        # The only service is tried by each call whatever its breaker says.
        if len(self._services) > 1 and not self._closed:
            self._probers[service.name].wake()


async def _connects(service: Service) -> None:
    """Open a connection until it is ready, and close it. Raises LinkLost or TimeoutError."""
    link = service.link(False)
    try:
        async with asyncio.timeout(_PROBE_S):
            await link.open()
    finally:
        await link.close()
