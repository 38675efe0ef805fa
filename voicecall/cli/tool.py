"""`voicecall tool` and `voicecall mcp`: the phone in the hands of an agent."""

import asyncio
import os
from ipaddress import ip_address
from typing import Annotated, Any, Final

import orjson
import typer

from voicecall.cli.display import pretty
from voicecall.client import AsyncVoicecall
from voicecall.errors import ConfigError
from voicecall.settings import load_deployment

__all__ = ["mcp", "tool"]

_EX_CONFIG: Final = 78
_DEFAULT_PORT: Final = 3337

tool = typer.Typer(name="tool", help="The agent tool `voice_call`.", no_args_is_help=True)


@tool.command()
def schema(
    *,
    flat: Annotated[
        bool, typer.Option("--flat", help="One object without a union at the top, for models that refuse one.")
    ] = False,
) -> None:
    """Print the JSON Schema of the tool's parameters, for the registry of an agent."""
    from voicecall.tool import NAME, SUMMARY, flat_schema
    from voicecall.tool import schema as union

    typer.echo(pretty({"name": NAME, "description": SUMMARY, "parameters": flat_schema() if flat else union()}))


@tool.command()
def run(
    parameters: Annotated[str, typer.Argument(help='What the agent asks, as in {"action":"get_status","callId":"…"}')],
) -> None:
    """Do what an agent would, and print what it would read; exits 1 when that is an error."""
    payload = asyncio.run(_run(_object(parameters)))
    typer.echo(pretty(payload))
    raise typer.Exit("error" in payload)


def mcp(
    http: Annotated[
        str | None,
        typer.Option("--http", metavar="[HOST:]PORT", help="Serve streamable HTTP at /mcp instead of stdio."),
    ] = None,
) -> None:
    """Let any MCP client phone. Speaks MCP on stdio; with --http, over HTTP.

    For stdio, a client's configuration names the command `voicecall mcp` and, in its environment,
    VOICECALL_GATEWAY_URL and VOICECALL_GATEWAY_TOKEN. Over HTTP, VOICECALL_MCP_TOKEN is the bearer token of the
    clients; only on loopback may it be left out.
    """
    try:
        from voicecall.tool.mcp_server import serve_stdio
    except ModuleNotFoundError as error:
        typer.echo(f"{error.name} is not installed; install voicecall[mcp]", err=True)
        raise typer.Exit(_EX_CONFIG) from error
    if http is None:
        asyncio.run(serve_stdio(_gateway))
    else:
        _serve_http(http)


def _serve_http(address: str) -> None:
    import uvicorn

    from voicecall.tool.mcp_server import PATH, http_app

    host, port = _address(address)
    token = os.environ.get("VOICECALL_MCP_TOKEN", "").strip() or None
    if token is None and not _is_loopback(host):
        typer.echo(
            f"--http {address}: others can reach it; set VOICECALL_MCP_TOKEN to the token they must bear", err=True
        )
        raise typer.Exit(_EX_CONFIG)
    typer.echo(f"MCP at http://{host}:{port}{PATH}", err=True)
    uvicorn.run(http_app(_gateway, host=host, token=token), host=host, port=port, log_level="warning")


def _gateway() -> AsyncVoicecall:
    try:
        deployment = load_deployment(os.environ)
    except ConfigError as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        raise typer.Exit(_EX_CONFIG) from error
    return AsyncVoicecall(deployment.gateway_url, token=deployment.gateway_token or "")


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        raise typer.BadParameter(f"{text!r} is no address; write PORT or HOST:PORT, as in 127.0.0.1:{_DEFAULT_PORT}")
    return host.strip("[]") or "127.0.0.1", int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _object(text: str) -> dict[str, Any]:
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise typer.BadParameter(f"not JSON: {error}") from error
    if not isinstance(read, dict):
        raise typer.BadParameter('not an object; write {"action": …}')
    return read


async def _run(parameters: dict[str, Any]) -> dict[str, Any]:
    from voicecall.tool import use

    async with _gateway() as gateway:
        return await use(gateway, parameters)
