"""Runs the Lua scripts of `lua/`; concurrent runs of one process share a pipeline round trip.

Each script is one atomic step in its own file. Used by every module here that changes Redis. While one batch is in
flight the next one collects, so a busy process pays one round trip for many runs and an idle one waits for nothing. A
cancelled run abandons only its future: its reply is still read, so replies never get mixed up.
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
from voicecall.bus.exchange import exchange
from voicecall.errors import BusUnavailable

__all__ = ["Scripts"]

_BATCH: Final = 128
_MAX_WAITING: Final = 10_000
_SHARED: Final = "_this_server"  # a function that several scripts use, in a file of this name

_Value = str | bytes | int | float


@dataclass(frozen=True, slots=True)
class _Script:
    text: str
    sha: str


def _load() -> dict[str, _Script]:
    found = {}
    folder = resources.files("voicecall.bus") / "lua"
    shared = (folder / f"{_SHARED}.lua").read_text(encoding="utf-8")
    for file in folder.iterdir():
        if file.name.endswith(".lua") and not file.name.startswith("_"):
            text = file.read_text(encoding="utf-8")
            if f"{_SHARED[1:]}(" in text:
                text = shared + text
            found[file.name.removesuffix(".lua")] = _Script(
                text,
                hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(),
            )
    return found


_SCRIPTS: Final = _load()


@dataclass(frozen=True, slots=True)
class _Run:
    script: _Script
    arguments: tuple[_Value, ...]  # number of keys, keys, values
    reply: asyncio.Future[Any]


class Scripts:
    """Runs scripts of `lua/` by name. Belongs to one event loop."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: deque[_Run] = deque()
        self._sender: asyncio.Task[None] | None = None

    async def run(self, name: str, keys: tuple[str, ...], *values: _Value) -> Any:
        """The script's reply as Redis gives it. Raises BusUnavailable: the script may or may not have run."""
        if len(self._waiting) >= _MAX_WAITING:
            raise BusUnavailable("too many scripts wait for Redis")
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Run(_SCRIPTS[name], (len(keys), *keys, *values), reply))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_batches())
        return await reply

    async def _send_batches(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                await self._deliver(batch)
        finally:
            self._sender = None

    async def _deliver(self, batch: list[_Run]) -> None:
        try:
            replies = await self._send("EVALSHA", batch)
            # A script unknown to the server has not run, so sending its text repeats nothing.
            unknown = [place for place, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if unknown:
                again = await self._send("EVAL", [batch[place] for place in unknown])
                for place, reply in zip(unknown, again, strict=True):
                    replies[place] = reply
        except (RedisError, OSError) as error:
            # The runs that wait behind this batch would only run into the same timeout.
            self._fail([*batch, *self._waiting], as_bus_error(error))
            self._waiting.clear()
            return
        except BaseException:
            for run in (*batch, *self._waiting):
                run.reply.cancel()
            raise
        for run, reply in zip(batch, replies, strict=True):
            if run.reply.done():
                continue
            if isinstance(reply, Exception):
                run.reply.set_exception(as_bus_error(reply))
            else:
                run.reply.set_result(reply)

    async def _send(self, command: str, batch: list[_Run]) -> list[Any]:
        return await exchange(
            self._redis,
            [(command, run.script.sha if command == "EVALSHA" else run.script.text, *run.arguments) for run in batch],
        )

    @staticmethod
    def _fail(runs: list[_Run], error: Exception) -> None:
        for run in runs:
            if not run.reply.done():
                run.reply.set_exception(error)
