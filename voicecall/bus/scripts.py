"""Our Lua, and the line on which it travels: many concurrent calls of one process go in one pipeline round trip.

Each script is one atomic step in its own file under `lua/`. Used by every file here that changes Redis. While one
batch is in flight the next one collects; so a busy process pays one round trip for many calls, and an idle one pays
nothing. A cancelled caller abandons only its future: its bytes are still read, so answers never cross.
"""

import asyncio
import hashlib
from collections import deque
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from voicecall.bus.connection import as_bus_error
from voicecall.errors import BusUnavailable

__all__ = ["Scripts"]

_BATCH: Final = 128
_WAITING: Final = 10_000

_Value = str | bytes | int | float


@dataclass(frozen=True, slots=True)
class _Script:
    text: str
    sha: str


def _load() -> dict[str, _Script]:
    found = {}
    for file in (resources.files("voicecall.bus") / "lua").iterdir():
        if file.name.endswith(".lua"):
            text = file.read_text(encoding="utf-8")
            found[file.name.removesuffix(".lua")] = _Script(
                text,
                hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(),
            )
    return found


_SCRIPTS: Final = _load()


@dataclass(frozen=True, slots=True)
class _Ask:
    script: _Script
    arguments: tuple[_Value, ...]  # number of keys, keys, values
    reply: asyncio.Future[Any]


class Scripts:
    """Runs scripts of `lua/` by name. One object belongs to one event loop."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: deque[_Ask] = deque()
        self._flight: asyncio.Task[None] | None = None

    async def run(self, name: str, keys: tuple[str, ...], *values: _Value) -> Any:
        """The script's reply, as Redis gives it. Raises BusUnavailable; then it may or may not have run."""
        if len(self._waiting) >= _WAITING:
            raise BusUnavailable("too many commands wait for Redis")
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Ask(_SCRIPTS[name], (len(keys), *keys, *values), reply))
        if self._flight is None:
            self._flight = asyncio.create_task(self._fly())
        return await reply

    async def _fly(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                await self._deliver(batch)
        finally:
            self._flight = None

    async def _deliver(self, batch: list[_Ask]) -> None:
        try:
            replies = await self._send("EVALSHA", batch)
            # A script the server has never seen, or was told to forget, has not run: sending its text repeats nothing.
            unknown = [place for place, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if unknown:
                again = await self._send("EVAL", [batch[place] for place in unknown])
                for place, reply in zip(unknown, again, strict=True):
                    replies[place] = reply
        except (RedisError, OSError) as error:
            # Whoever waits behind this batch would only wait for the same timeout again.
            self._fail([*batch, *self._waiting], as_bus_error(error))
            self._waiting.clear()
            return
        except BaseException:
            for ask in (*batch, *self._waiting):
                ask.reply.cancel()
            raise
        for ask, reply in zip(batch, replies, strict=True):
            if ask.reply.done():
                continue
            if isinstance(reply, Exception):
                ask.reply.set_exception(as_bus_error(reply))
            else:
                ask.reply.set_result(reply)

    async def _send(self, command: str, batch: list[_Ask]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for ask in batch:
            pipeline.execute_command(
                command, ask.script.sha if command == "EVALSHA" else ask.script.text, *ask.arguments
            )
        return list(await pipeline.execute(raise_on_error=False))

    @staticmethod
    def _fail(asks: list[_Ask], error: Exception) -> None:
        for ask in asks:
            if not ask.reply.done():
                ask.reply.set_exception(error)
