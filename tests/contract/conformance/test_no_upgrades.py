"""Every carrier behind a proxy that passes no WebSocket upgrades on: its own voice holds the conversation."""

import asyncio

import pytest

from simulators.proxy import proxied
from simulators.stack import Plan, Stack
from simulators.stack.stack import PUBLIC_ORIGIN
from tests.contract.conformance.stage import CALL_IN, FRIENDS, GREETING, HELLO, TALK, Stage, lines, texts
from tests.contract.conformance.ways import CARRIERS, way_of


@pytest.mark.timeout(120)
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a26_a_media_socket_that_never_comes_costs_no_call(carrier: str) -> None:
    """Heard within three seconds of the answer, and said in the record and in the log why."""
    config = {"allowFrom": list(FRIENDS), "streaming": {"enabled": True}}
    async with (
        Stack(Plan(carrier=carrier, workers=1, config=config)) as stack,
        proxied(f"http://127.0.0.1:{stack.ingress_ports[0]}") as proxy,
    ):
        await stack.carrier.post("/_sim/public-map", {PUBLIC_ORIGIN: proxy})
        stage = Stage(stack, way_of(carrier), streaming=True)
        await stage.script_the_model()
        placed = await stage.dial(await stage.person(*TALK))
        caller = await stage.ring_us(*CALL_IN)
        record, arrived = await asyncio.gather(stage.over(placed), stage.caller_over(caller))
        for greeting, seen, leg in (
            (GREETING, record, await stage.leg(record)),
            (HELLO, arrived, await stage.leg(caller)),
        ):
            assert texts(leg) == [greeting, "It is raining."]
            assert lines(seen) == [("bot", greeting), ("user", "how is the weather"), ("bot", "It is raining.")]
            assert leg["heard"][0]["start_ms"] <= 3500  # the row's 3 s, and what two cores add
            assert "no media socket came" in seen["metadata"]["detail"]
            assert leg["streams"] == [] or not any(one["opened_at"] for one in leg["streams"])
        log = stack.processes["ingress-0"].log.read_text()
        assert "does not pass WebSockets on" in log
