"""A stack that can be reached through its tunnel alone: webhooks and media come that way, or not at all."""

import os
import signal
from typing import Any

import pytest

from simulators.stack import Plan, Stack
from simulators.stack.clients import RpcError
from tests.journeys.stage import FRIEND, GREETING, Stage, lines, texts

_CONFIG: dict[str, Any] = {"allowFrom": [FRIEND], "maxConcurrentCalls": 8, "streaming": {"silenceDurationMs": 200}}
_TALK = ({"wait_heard": GREETING}, {"say": "how is the weather"}, {"wait_heard": "raining"}, {"hangup": True})


async def test_a_conversation_through_ngrok_and_no_call_without_it() -> None:
    """Then the agent is killed: a dial is refused before a phone rings."""
    async with Stack(Plan(workers=1, config=_CONFIG, ngrok=True)) as stack:
        stage = Stage(stack)
        await stage.model(weather="It is raining.")
        await _talk(stage)

        # Its successor is refused, so that the tunnel stays down.
        stack.tools.behave("ngrok", token="unknown")
        os.kill(stack.tools.lines("ngrok")[0]["pid"], signal.SIGKILL)
        await _until_refused(stage)
        to = await stage.person(*_TALK)
        with pytest.raises(RpcError, match=r"no tunnel is up.*no call was placed"):
            await stage.dial(to)
        assert await stage.dials(to) == []


async def _talk(stage: Stage) -> None:
    to = await stage.person(*_TALK)
    record = await stage.over(await stage.dial(to))
    assert texts(await stage.leg(record)) == [GREETING, "It is raining."]
    assert lines(record)[1] == ("user", "how is the weather")
    assert await stage.mistakes() == []


async def _until_refused(stage: Stage) -> None:
    """Its end is noticed within moments: a call placed meanwhile is busy, or refused by the worker."""
    while True:
        to = await stage.person({"busy": True})
        try:
            await stage.dial(to)
        except RpcError as error:
            if "no tunnel is up" not in str(error):
                raise
            if error.code == "UNAVAILABLE":
                return
