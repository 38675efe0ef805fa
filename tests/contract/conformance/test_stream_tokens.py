"""What Redis learns of the tokens that open media streams: digests, whatever the carrier."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from simulators.stack import Plan, Stack
from tests.contract.conformance.stage import CALL_IN, FRIENDS, TALK, Stage, texts
from tests.contract.conformance.ways import CARRIERS, way_of

_TOKEN = re.compile(
    r"""(?:name="token" value="|"token":"|\["|","|/voice/stream/[0-9a-f-]{36}/)"""
    r"""([A-Za-z0-9_-]{22}(?:\.[0-9]+)?)(?![A-Za-z0-9_.-])"""
)
"""In TwiML, in the mock carrier's JSON, and in the path of Telnyx's and Plivo's sockets."""

_CONFIG = {"allowFrom": list(FRIENDS), "maxConcurrentCalls": 8, "streaming": {"silenceDurationMs": 200}}
_SOCKET_LOST = {"where": "stream", "do": "cut", "ms": 1500}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_b17_no_stream_token_is_ever_in_redis(carrier: str) -> None:
    """Calls in and out, webhooks that come thrice, a socket that is lost: no token in a command, a message or a key."""
    async with Stack(Plan(carrier=carrier, workers=1, config=_CONFIG)) as stack:
        stage = Stage(stack, way_of(carrier), streaming=True)
        await stage.script_the_model()
        to = await stage.person(*TALK)
        await stage.webhooks_come_thrice(to)
        await stack.carrier.post("/_sim/misbehave", _SOCKET_LOST)
        kept = []
        async with monitored(stack.redis_port) as sent:
            call, sid = await stage.dial(to), await stage.ring_us(*CALL_IN)
            for _ in range(20):
                kept.append(await contents(stack.redis_port))
                await asyncio.sleep(0.1)
            record, leg = await stage.over(call), await stage.leg(sid)
            kept.append(await contents(stack.redis_port))
        tokens = tokens_of(await stack.carrier.get("/_sim/ledger", heard=0, lines=1))
        assert len(tokens) >= 3
        series = {token.partition(b".")[0] for token in tokens}
        assert [token for token in series for seen in (sent, *kept) if token in seen] == []
        assert all(call.encode() in seen for seen in (sent, kept[-1]))
        assert [texts(one)[-1] for one in (leg, await stage.leg(record))] == ["It is raining."] * 2


def tokens_of(ledger: Any) -> set[bytes]:
    """The stream tokens that the carrier was given, in answers and in commands."""
    lines = orjson.dumps(ledger["lines"]).decode().replace('\\"', '"')
    return {token.encode() for token in _TOKEN.findall(lines)}


@asynccontextmanager
async def monitored(port: int) -> AsyncIterator[bytearray]:
    """All that any client sends to this Redis server, and what its scripts do, until the block is left."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"MONITOR\r\n")
    assert await reader.readline() == b"+OK\r\n"
    seen = bytearray()

    async def read() -> None:
        while data := await reader.read(1 << 20):
            seen.extend(data)

    reading = asyncio.create_task(read())
    try:
        yield seen
    finally:
        writer.close()
        await reading


async def contents(port: int) -> bytes:
    """Every key of this server with its value."""
    found: list[Any] = []
    async with Redis.from_url(f"redis://127.0.0.1:{port}/0") as redis:
        readers = {
            b"hash": redis.hgetall,
            b"stream": redis.xrange,
            b"zset": lambda key: redis.zrange(key, 0, -1),
            b"set": redis.smembers,
            b"list": lambda key: redis.lrange(key, 0, -1),
            b"string": redis.get,
        }
        async for key in redis.scan_iter():
            kind = await redis.type(key)
            found.append((key, await readers[kind](key) if kind in readers else None))  # it may have expired
    return repr(found).encode()
