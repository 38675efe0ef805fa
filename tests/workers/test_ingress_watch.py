"""A killed ingress is noticed by what is sent to it; a short break of its subscription is not a death."""

import asyncio

from voicecall.call.ids import NodeId
from voicecall.errors import BusUnavailable
from workers.ingress_watch import IngressWatch

ONE = NodeId("ingress-one")


async def test_c3_an_ingress_is_dead_when_nothing_listens_twice() -> None:
    """One check for all that was sent meanwhile."""
    looks, dead = [True], asyncio.Queue[NodeId]()

    async def is_silent(ingress: NodeId) -> bool:
        assert ingress == ONE
        return looks.pop()

    watch = IngressWatch(is_silent, dead.put_nowait)
    for _ in range(3):
        watch.on_unheard(ONE, [])
    assert await dead.get() == ONE
    assert dead.empty()


async def test_c3_an_ingress_that_listens_again_is_not_dead() -> None:
    """Nor is one that cannot be asked about, because Redis does not answer."""
    asked = asyncio.Queue[NodeId]()

    async def is_silent(ingress: NodeId) -> bool:
        await asked.put(ingress)
        if asked.qsize() > 1:
            raise BusUnavailable("Redis does not answer")
        return False

    dead: list[NodeId] = []
    watch = IngressWatch(is_silent, dead.append)
    for count in (1, 2):
        watch.on_unheard(ONE, [])
        while asked.qsize() < count:  # noqa: ASYNC110  the check runs beside
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.05)
    assert dead == []
