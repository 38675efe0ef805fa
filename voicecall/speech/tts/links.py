"""WebSockets to a speech service that outlive a sentence: opened ahead of it, kept for the next one, and renewed.

Used by the voices that speak over WebSockets. A link carries one sentence at a time, so that a socket that breaks costs
one call one sentence. Knows sockets and JSON; the messages are the voice's own.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, Protocol, TypeVar

import aiohttp
import orjson

from voicecall.aio import end
from voicecall.errors import FailureKind, ServiceError, ServiceTimeout
from voicecall.speech.tts.refusal import refused_handshake

__all__ = ["HELD_S", "Link", "LinkLost", "LinkPool", "Socket", "connected"]

_log = logging.getLogger(__name__)

HELD_S: Final = 150.0
"""An unused link is kept for so many seconds: longer than a phone rings, shorter than services keep a silent socket."""

_OLDEST_S: Final = 50 * 60.0  # OpenAI closes a session after 60 minutes, in mid-sentence
_HEARTBEAT_S: Final = 20.0
_LONGEST_MESSAGE: Final = 4 * 1024 * 1024

Message = dict[str, Any]


class LinkLost(Exception):
    """The socket closed. `code`: WebSocket's, None for a connection that broke."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with code {code}")
        self.code = code


async def connected(
    session: aiohttp.ClientSession, service: str, url: str, headers: dict[str, str], connect_s: float
) -> aiohttp.ClientWebSocketResponse:
    """An open WebSocket. Raises ServiceError, ServiceTimeout after `connect_s`."""
    try:
        async with asyncio.timeout(connect_s):
            return await session.ws_connect(
                url,
                headers=headers,
                heartbeat=_HEARTBEAT_S,
                max_msg_size=_LONGEST_MESSAGE,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            )
    except TimeoutError as error:
        raise ServiceTimeout(service, "no answer in time") from error
    except aiohttp.WSServerHandshakeError as error:
        raise refused_handshake(service, error) from error
    except (aiohttp.ClientError, OSError) as error:
        reason = f"cannot be reached: {type(error).__name__}"
        raise ServiceError(service, reason, kind=FailureKind.UNREACHABLE) from error


class Socket:
    """Sends and receives JSON objects. A task reads, also while no sentence does: pings are answered, ends noticed.

    `on_message` is called for each message, in order; what is no JSON object is passed over.
    """

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, on_message: Callable[[Message], None]) -> None:
        self._ws = ws
        self._on_message = on_message
        self._on_end: Callable[[LinkLost], None] = lambda _: None
        self.lost: LinkLost | None = None
        self._reading = asyncio.create_task(self._read(), name="tts socket")
        self._posting: set[asyncio.Task[None]] = set()

    @property
    def is_open(self) -> bool:
        return self.lost is None and not self._ws.closed

    def when_lost(self, on_end: Callable[[LinkLost], None]) -> None:
        """Call `on_end` once, when the socket closes."""
        self._on_end = on_end

    async def send(self, message: Message) -> None:
        """Raises LinkLost."""
        if self.lost is not None:
            raise self.lost
        try:
            await self._ws.send_str(orjson.dumps(message).decode())
        except (aiohttp.ClientError, ConnectionError) as error:
            raise LinkLost(self._ws.close_code) from error

    def post(self, message: Message) -> None:
        """Send without waiting; a socket that is lost meanwhile needs it no more."""
        task = asyncio.create_task(self._post(message), name="tts message")
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    async def close(self) -> None:
        await self._ws.close()
        for task in (self._reading, *self._posting):
            await end(task)

    async def _post(self, message: Message) -> None:
        with contextlib.suppress(LinkLost):
            await self.send(message)

    async def _read(self) -> None:
        try:
            async for received in self._ws:
                if received.type is aiohttp.WSMsgType.TEXT:
                    self._take(received.data)
        finally:
            self.lost = LinkLost(self._ws.close_code)
            self._on_end(self.lost)
            await self._ws.close()

    def _take(self, data: str) -> None:
        try:
            message = orjson.loads(data)
        except orjson.JSONDecodeError:
            return
        if isinstance(message, dict):
            self._on_message(message)


class Link(Protocol):
    """What a pool holds."""

    @property
    def is_open(self) -> bool: ...

    @property
    def is_free(self) -> bool:
        """Open, and ready for another sentence."""
        ...

    async def close(self) -> None: ...


L = TypeVar("L", bound=Link)


class LinkPool(Generic[L]):
    """The links of one voice in one process. `open_link` opens one, within a limit of its own; raises ServiceError.

    `take` a link for each sentence and `give_back` it, also after a failure.
    """

    def __init__(self, open_link: Callable[[], Awaitable[L]], *, held_s: float = HELD_S) -> None:
        self._open_link = open_link
        self._held_s = held_s
        self._idle: dict[L, float] = {}  # when it was given back, oldest first
        self._opened: dict[L, float] = {}  # every open link, and since when
        self._opening: list[asyncio.Task[L]] = []  # ahead of a sentence, and not taken yet
        self._expected: deque[float] = deque()  # when each call was announced that has not taken a link yet
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    def __len__(self) -> int:
        """Links that are open or being opened."""
        return len(self._opened) + len(self._opening)

    def warm(self) -> None:
        """A call will speak: open a link for it, unless one is left over. Failures are logged only."""
        self._drop_old()
        self._expected.append(self._now())
        ready = len(self._opening) + sum(link.is_free for link in self._idle)
        if self._closed or ready >= len(self._expected):
            return
        task = asyncio.ensure_future(self._open())
        self._opening.append(task)
        task.add_done_callback(self._on_opened)

    async def take(self, *, fresh: bool = False) -> tuple[L, bool]:
        """A link, and whether it was used or waiting before. `fresh`: a new one. Raises ServiceError."""
        self._drop_old()
        if self._expected:
            self._expected.popleft()
        if not fresh:
            for link in reversed(self._idle):
                if link.is_free:
                    del self._idle[link]
                    return link, True
            if self._opening:
                return await self._claimed(self._opening.pop()), True
        return await self._open(), False

    def give_back(self, link: L) -> None:
        """The sentence is over. A link that is closed is forgotten; one that is still busy is kept until it is free."""
        if link.is_open and not self._closed:
            self._idle[link] = self._now()
            asyncio.get_running_loop().call_later(self._held_s + 0.1, self._drop_old)
        else:
            self._drop(link)

    async def close(self) -> None:
        """Close every link, also those in use."""
        self._closed = True
        for task in self._opening:
            task.cancel()
        for link in tuple(self._opened):
            self._drop(link)
        await asyncio.gather(*self._opening, *self._closing, return_exceptions=True)

    async def _open(self) -> L:
        link = await self._open_link()
        self._opened[link] = self._now()
        return link

    async def _claimed(self, opening: asyncio.Task[L]) -> L:
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            self._opening.append(opening)  # the sentence was stopped: the link is for the next one
            if opening.done():
                self._on_opened(opening)
            raise

    def _on_opened(self, opening: asyncio.Task[L]) -> None:
        if opening not in self._opening:
            return  # a sentence waits for it
        self._opening.remove(opening)
        if opening.cancelled():
            return
        error = opening.exception()
        if error is None:
            self.give_back(opening.result())
        else:
            _log.info("connection not opened ahead", extra={"reason": str(error)})

    def _drop_old(self) -> None:
        now = self._now()
        while self._expected and now - self._expected[0] >= self._held_s:
            self._expected.popleft()  # that call has ended without a word
        for link, since in tuple(self._idle.items()):
            if not link.is_open or now - since >= self._held_s or now - self._opened[link] >= _OLDEST_S:
                self._drop(link)

    def _drop(self, link: L) -> None:
        self._idle.pop(link, None)
        self._opened.pop(link, None)
        task = asyncio.ensure_future(link.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
