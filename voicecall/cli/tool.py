"""`voicecall tool` and `voicecall mcp`: the phone in the hands of an agent."""

import asyncio
import os
from ipaddress import ip_address
from typing import Annotated, Any, Final

import orjson
import typer

from voicecall.cli.display import pretty
from voicecall.cli.exits import EX_CONFIG, fail, gateway
from voicecall.cli.options import AGENTS, example

__all__ = ["register"]

_DEFAULT_PORT: Final = 3337


def register(app: typer.Typer) -> None:
    """Hang the commands into the app."""
    asks = """voicecall tool run '{"action":"get_status","callId":"ID"}'"""
    tool = typer.Typer(
        name="tool",
        help="The agent tool `voice_call`: its schema, and one use of it.",
        no_args_is_help=True,
        epilog=example("voicecall tool schema", asks),
    )
    tool.command(epilog=example("voicecall tool schema --flat"))(schema)
    tool.command(epilog=example(asks))(run)
    app.add_typer(tool, rich_help_panel=AGENTS)
    app.command(rich_help_panel=AGENTS, epilog=example("voicecall mcp", "voicecall mcp --http 3337"))(mcp)


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
        fail(f"{error.name} is not installed; install voicecall[mcp]", EX_CONFIG)
    if http is None:
        asyncio.run(serve_stdio(gateway))
    else:
        _serve_http(http)


def _serve_http(address: str) -> None:
    import uvicorn

    from voicecall.tool.mcp_server import PATH, http_app

    host, port = _address(address)
    token = os.environ.get("VOICECALL_MCP_TOKEN", "").strip() or None
    if token is None and not _is_loopback(host):
        fail(f"--http {address}: others can reach it; set VOICECALL_MCP_TOKEN to the token they must bear", EX_CONFIG)
    typer.echo(f"MCP at http://{host}:{port}{PATH}", err=True)
    uvicorn.run(http_app(gateway, host=host, token=token), host=host, port=port, log_level="warning")


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

    async with gateway() as opened:
        return await use(opened, parameters)
