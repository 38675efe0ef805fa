"""Which service a session asks next, of those configured in order of preference.

Pure. A round tries every service once; a service that refused for good is not tried again in this call. Used by
`session.py`; knows breakers, not connections.
"""

from collections.abc import Sequence

from voicecall.breaker import Attempt
from voicecall.speech.stt.link import Service

__all__ = ["Roster"]


class Roster:
    """Of one session."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = tuple(services)
        self._tried: set[str] = set()
        self._refused: set[str] = set()

    def choose(self, now: float) -> tuple[Service, Attempt | None] | None:
        """The first that was not tried in this round and whose breaker admits it; None when the round is over.

        When every breaker is open, the first all the same: a service that may fail is better than none.
        """
        left = [each for each in self._services if each.name not in self._tried | self._refused]
        for service in left:
            attempt = service.breaker.attempt(now)
            if attempt is not None:
                self._tried.add(service.name)
                return service, attempt
        if not left:
            return None
        self._tried.add(left[0].name)
        return left[0], None

    @property
    def has_another(self) -> bool:
        """Whether a service is left in this round."""
        return any(each.name not in self._tried | self._refused for each in self._services)

    @property
    def is_exhausted(self) -> bool:
        """Whether every service has refused for good."""
        return all(each.name in self._refused for each in self._services)

    def refuse(self, service: Service) -> None:
        self._refused.add(service.name)

    def begin_round(self) -> None:
        self._tried.clear()
