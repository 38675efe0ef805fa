"""Phones in other codecs than mu-law at Telnyx, whose media streams carry the codec of the leg."""

import asyncio

import pytest

from simulators.stack import Plan, Stack
from tests.contract.conformance.stage import CALL_IN, FRIENDS, GREETING, HELLO, TALK, Stage, lines, texts
from tests.contract.conformance.ways import way_of

_UNDECODED = ("G722", "OPUS/48000/1", "AMR-WB/16000/1")


@pytest.mark.timeout(120)
async def test_a10_every_codec_of_a_phone_holds_a_conversation() -> None:
    """A phone that speaks G.711 too is called in it, A-law is decoded; else the carrier itself speaks and listens."""
    config = {"allowFrom": list(FRIENDS)}
    async with Stack(Plan(carrier="telnyx", workers=1, config=config)) as stack:
        stage = Stage(stack, way_of("telnyx"), streaming=True)
        await stage.script_the_model()
        phones = (["G722", "PCMA"], ["PCMA"], ["G722"], ["OPUS"], ["AMR-WB"])
        numbers = [await stage.person({"codecs": codecs}, *TALK) for codecs in phones]
        callers = [await stage.ring_us({"codecs": codecs}, *CALL_IN) for codecs in (["PCMA"], ["AMR-WB"])]
        records = await asyncio.gather(*[stage.over(await stage.dial(to)) for to in numbers])
        legs = [await stage.leg(record) for record in records]
        assert [leg["codec"] for leg in legs] == ["PCMA", "PCMA", "G722", "OPUS", "AMR-WB"]
        for record, leg in zip(records, legs, strict=True):
            assert texts(leg) == [GREETING, "It is raining."]
            assert lines(record) == [("bot", GREETING), ("user", "how is the weather"), ("bot", "It is raining.")]
            assert leg["ended_by"] == "callee"
        details = [record["metadata"].get("detail") for record in records[2:]]
        assert details == [f"the carrier's media stream is {name}" for name in _UNDECODED]
        for caller in callers:
            assert texts(await stage.leg(caller)) == [HELLO, "It is raining."]
