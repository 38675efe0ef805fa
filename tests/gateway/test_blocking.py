"""Serving makes no blocking call on the gateway's event loop: one slow file or name lookup would stall every client."""

import time
from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster, BlockingError, blockbuster_ctx

from tests.fakes.redis_server import RedisServer
from tests.gateway.conftest import TOKEN, stack


@pytest.fixture
def detector() -> Iterator[BlockBuster]:
    """Not active yet: what opens and closes the gateway may block."""
    with blockbuster_ctx(["gateway", "voicecall", "tests.gateway.test_blocking"]) as detector:
        detector.deactivate()
        yield detector


async def test_the_detector_detects(detector: BlockBuster) -> None:
    detector.activate()
    with pytest.raises(BlockingError):
        time.sleep(0.01)  # noqa: ASYNC251  the blocking call
    detector.deactivate()


async def test_rpc_feed_and_sockets_block_nothing(redis_server: RedisServer, detector: BlockBuster) -> None:
    """A call placed, read, listed and ended; its events on a subscription; the history; page, documents and probes."""
    async with stack(redis_server.url) as opened:
        detector.activate()
        try:
            line = await opened.socket()
            assert "error" not in await line.ask("voicecall.subscribe", {})
            call = await opened.initiate(to="+15550001234")
            await line.event("Answered")
            for method, params in (
                ("voicecall.status", {}),
                ("voicecall.status", {"callId": call}),
                ("voicecall.speak", {"callId": call, "message": "Hello"}),
                ("voicecall.history", {}),
                ("voicecall.end", {"callId": call}),
            ):
                status, frame = await opened.post(method, params)
                assert (status, frame["ok"]) == (200, True), (method, frame)
            token = {"Authorization": f"Bearer {TOKEN}"}
            for path in ("/", "/openapi.json", "/asyncapi.json", "/livez", "/readyz", "/metrics"):
                async with opened.http.get(f"{opened.url}{path}", headers=token) as answer:
                    assert answer.status in {200, 503}, path
        finally:
            detector.deactivate()
