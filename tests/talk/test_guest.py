"""A call of the command line on what `make talk` started: a simulated guest talks to the restaurant."""

import asyncio

import pytest

from tests.talk.conftest import Talk
from voicecall.client import AsyncVoicecall

pytestmark = pytest.mark.timeout(240)


async def test_offline_a_guest_talks_to_a_restaurant(talk: Talk) -> None:
    """With real voices on both sides of the telephone line, and no keys; the terminal shows the conversation."""
    lines = talk.program.lines
    already = len(lines)
    async with AsyncVoicecall(talk.gateway) as gateway:
        call = await gateway.initiate("Good evening.", mode="conversation")
        async with asyncio.timeout(120):
            while not any("agent: We are open every day" in line for line in lines[already:]):  # noqa: ASYNC110 - a thread reads them
                await asyncio.sleep(0.1)
        await gateway.end(call)
    asked = next(line for line in lines[already:] if " caller: " in line)
    assert "opening hours" in asked.lower()
