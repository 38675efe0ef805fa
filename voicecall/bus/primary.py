"""Where the primary is, as Sentinels say, and the connections that follow it. Used by `connection` alone.

Every new connection asks the Sentinels, and checks that the server it reaches is a primary. One whose server was
demoted, or has lost its replicas, asks anew before its next command. When the primary is another one, the client's
connections to the former are closed, subscriptions too: a former primary that is cut off would keep them for as long as
it is.
"""

import asyncio
import time
from typing import Any, Final
from weakref import WeakSet

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from voicecall.bus.sentinels import Place, blocking_observations, majority, newest, observations
from voicecall.settings import RedisAddress

__all__ = ["BlockingPrimary", "BlockingToPrimary", "Primary", "ToPrimary"]

_FRESH_S: Final = 0.1  # for so long an answer serves further connections of the same client
_HANDSHAKE_S: Final = 1.0
_FORMER: Final = ("READONLY ", "NOREPLICAS ")


class Primary:
    """Asks the Sentinels of one address, for one client on one event loop."""

    def __init__(self, address: RedisAddress) -> None:
        self._address = address
        self._lock = asyncio.Lock()
        self._found: Place | None = None
        self._found_at = float("-inf")
        self.connections: WeakSet[ToPrimary] = WeakSet()

    async def find(self) -> Place:
        """Raises SentinelRefused, or ConnectionError when no Sentinel answers."""
        async with self._lock:
            if self._found is None or time.monotonic() - self._found_at > _FRESH_S:
                found = newest(await observations(self._address, enough=majority(self._address)), self._address)
                self._found, self._found_at = found, time.monotonic()
                for connection in tuple(self.connections):
                    connection.leave_unless(found)
            return self._found


class ToPrimary:
    """Of a connection to the primary. `primary` is set by a subclass."""

    primary: Primary
    host: str
    port: int
    _is_doubtful = False

    async def connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        if not self.is_connected:  # type: ignore[attr-defined]  # the other base has it
            self.host, self.port = await self.primary.find()
            self._is_doubtful = False
            self.primary.connections.add(self)
        await super().connect_check_health(*args, **kwargs)  # type: ignore[misc]  # as above

    async def on_connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        """A server that hangs still accepts connections: after a second the Sentinels are asked again."""
        try:
            async with asyncio.timeout(_HANDSHAKE_S):
                await super().on_connect_check_health(*args, **kwargs)  # type: ignore[misc]  # as above
                await self.send_command("INFO", "replication", check_health=False)  # type: ignore[attr-defined]
                info = await self.read_response()
        except TimeoutError as error:
            raise RedisTimeoutError(f"{self.host}:{self.port} accepts connections and does not answer") from error
        _require_primary(info, self.host, self.port)

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().read_response(*args, **kwargs)  # type: ignore[misc]  # as above
        except ResponseError as error:
            self._is_doubtful = self._is_doubtful or _is_former(error)
            raise

    async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        if self._is_doubtful:
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]  # as above; the other base connects anew
        await super().send_packed_command(*args, **kwargs)  # type: ignore[misc]  # as above

    def leave_unless(self, place: Place) -> None:
        """Close the socket unless it is one of this server: who waits for a reply gets an error."""
        writer = getattr(self, "_writer", None)
        if writer is not None and (self.host, self.port) != place:
            writer.transport.abort()


class BlockingPrimary:
    """As Primary, for a client of threads."""

    def __init__(self, address: RedisAddress) -> None:
        self._address = address

    def find(self) -> Place:
        return newest(blocking_observations(self._address, enough=majority(self._address)), self._address)


class BlockingToPrimary:
    """As ToPrimary. The jobs' client reads no subscription, so each connection looks after itself."""

    primary: BlockingPrimary
    host: str
    port: int
    _is_doubtful = False

    def connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        if self._sock is None:  # type: ignore[attr-defined]  # the other base has it
            self.host, self.port = self.primary.find()
            self._is_doubtful = False
        super().connect_check_health(*args, **kwargs)  # type: ignore[misc]  # as above

    def on_connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        super().on_connect_check_health(*args, **kwargs)  # type: ignore[misc]  # as above
        self.send_command("INFO", "replication", check_health=False)  # type: ignore[attr-defined]
        _require_primary(self.read_response(), self.host, self.port)

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]  # as above
        except ResponseError as error:
            self._is_doubtful = self._is_doubtful or _is_former(error)
            raise

    def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        if self._is_doubtful:
            self.disconnect()  # type: ignore[attr-defined]  # as above; the other base connects anew
        super().send_packed_command(*args, **kwargs)  # type: ignore[misc]  # as above


def _require_primary(info: bytes | str, host: str, port: int) -> None:
    text = info.decode("utf-8", "replace") if isinstance(info, bytes) else info
    if "role:master" not in text:
        raise RedisConnectionError(f"{host}:{port} is not the primary yet")


def _is_former(error: ResponseError) -> bool:
    """For an error inside a script, Redis 6.2 puts the prefix in the middle of its message."""
    return isinstance(error, ReadOnlyError) or any(
        str(error).startswith(prefix) or f"-{prefix}" in str(error) for prefix in _FORMER
    )
