"""An agent places calls through MCP: the official client, the server as a process of its own, a persona as callee."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from simulators.stack import Stack
from simulators.stack.process import Process
from simulators.stack.redis import free_port
from tests.journeys.stage import GREETING, Stage, lines, texts

pytestmark = pytest.mark.asyncio(loop_scope="package")

_ROOT = Path(__file__).resolve().parents[2]
_COMMAND = [sys.executable, "-m", "voicecall.cli", "mcp"]
_TOKEN = "the-clients-token"


def environment(stack: Stack) -> dict[str, str]:
    return {"VOICECALL_GATEWAY_URL": stack.gateway.url, "VOICECALL_GATEWAY_TOKEN": stack.gateway.token}


@asynccontextmanager
async def on_stdio(stage: Stage) -> AsyncIterator[Client]:
    server = StdioServerParameters(command=_COMMAND[0], args=_COMMAND[1:], env=environment(stage.stack), cwd=str(_ROOT))
    async with Client(server) as client:
        yield client


@asynccontextmanager
async def over_http(stage: Stage, tmp_path: Path) -> AsyncIterator[tuple[Client, str]]:
    port = free_port()
    env = {**os.environ, **environment(stage.stack), "VOICECALL_MCP_TOKEN": _TOKEN}
    process = Process("mcp", [*_COMMAND, "--http", str(port)], env=env, log=tmp_path / "mcp.log", cwd=_ROOT)
    url = f"http://127.0.0.1:{port}/mcp"

    async def refuses_strangers(_: Process) -> bool:
        try:
            async with httpx2.AsyncClient() as http:
                return (await http.post(url, json={})).status_code == 401
        except httpx2.TransportError:
            return False

    await process.start(refuses_strangers)
    try:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {_TOKEN}"}, timeout=60.0) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            yield client, url
    finally:
        await process.stop()


async def used(client: Client, **parameters: Any) -> dict[str, Any]:
    """What the agent reads."""
    result = await client.call_tool("voice_call", parameters)
    assert isinstance(result.structured_content, dict)
    assert result.is_error == ("error" in result.structured_content)
    return result.structured_content


async def a_call_is_held(stage: Stage, client: Client) -> None:
    # The question may follow the greeting without a pause.
    to = await stage.person({"wait_heard": "at eight"}, {"say": "gladly at eight"})
    placed = await used(client, action="initiate_call", to=to, message=GREETING, mode="conversation")
    call = placed["callId"]
    assert placed == {"callId": call, "initiated": True}
    answered = await used(client, action="continue_call", callId=call, message="Would it suit you at eight?")
    assert answered == {"success": True, "transcript": "gladly at eight"}
    assert await used(client, action="speak_to_user", callId=call, message="Then see you.") == {"success": True}
    live = await used(client, action="get_status", callId=call)
    assert (live["found"], live["call"]["to"]) == (True, to)
    assert await used(client, action="end_call", callId=call) == {"success": True}
    record = await stage.over(call)
    leg = await stage.leg(record)
    assert texts(leg) == [GREETING, "Would it suit you at eight?", "Then see you."]
    assert ("user", "gladly at eight") in lines(record)
    assert leg["ended_by"] == "api"


async def test_an_mcp_client_initiates_continues_and_ends_a_call(stage: Stage) -> None:
    """A whole call by the tool alone, judged by the carrier's ledger."""
    async with on_stdio(stage) as client:
        (tool,) = (await client.list_tools()).tools
        assert (tool.name, tool.input_schema["required"]) == ("voice_call", ["action"])
        await a_call_is_held(stage, client)


async def test_the_same_over_http_and_only_with_the_token(stage: Stage, tmp_path: Path) -> None:
    """A server bound off loopback refuses a call without the token."""
    async with over_http(stage, tmp_path) as (client, url):
        await a_call_is_held(stage, client)
        async with httpx2.AsyncClient(headers={"Authorization": "Bearer wrong"}) as http:
            assert (await http.post(url, json={})).status_code == 401


async def test_what_cannot_be_done_is_a_sentence_for_the_agent(stage: Stage) -> None:
    """An error is an answer that the agent can act on, not a broken protocol."""
    unknown = "00000000-0000-4000-8000-000000000000"
    async with on_stdio(stage) as client:
        assert (await used(client, action="initiate_call", message="x", to="12"))["error"]
        assert await used(client, action="continue_call", callId=unknown) == {"error": "message required"}
        assert await used(client, action="get_status", callId=unknown) == {"found": False}
        assert "no such action" in (await used(client, action="dance"))["error"]
        assert (await used(client, action="end_call", callId="*\n"))["error"]
        assert await used(client, mode="status") == {"error": "sid required for status"}
        assert await used(client, message="hello") == {"error": "to required for call"}
        wrong_tool = await client.call_tool("telegraph", {})
        assert wrong_tool.is_error
