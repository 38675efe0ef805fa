"""`voicecall tool` and `voicecall mcp`: the tool for agents."""

import asyncio
import os
from ipaddress import ip_address
from typing import Annotated, Any, Final

import orjson
import typer

from voicecall.cli.display import pretty
from voicecall.cli.exits import EX_CONFIG, fail, gateway
from voicecall.cli.options import AGENTS, example
from voicecall.environ import Variables

__all__ = ["mcp", "register", "run", "schema"]

_DEFAULT_PORT: Final = 3337


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    run_example = """voicecall tool run '{"action":"get_status","callId":"ID"}'"""
    tool = typer.Typer(
        name="tool",
        help="The agent tool `voice_call`: print its schema, use it once.",
        no_args_is_help=True,
        epilog=example("voicecall tool schema", run_example),
    )
    tool.command(epilog=example("voicecall tool schema --flat"))(schema)
    tool.command(epilog=example(run_example))(run)
    app.add_typer(tool, rich_help_panel=AGENTS)
    app.command(rich_help_panel=AGENTS, epilog=example("voicecall mcp", "voicecall mcp --http 3337"))(mcp)


def schema(
    *,
    flat: Annotated[
        bool, typer.Option("--flat", help="One object without a union at the top, for models that refuse one.")
    ] = False,
) -> None:
    """Print name, description and JSON Schema of the tool, for an agent framework."""
    from voicecall.tool import NAME, SUMMARY, flat_schema
    from voicecall.tool import schema as union

    typer.echo(pretty({"name": NAME, "description": SUMMARY, "parameters": flat_schema() if flat else union()}))


def run(
    parameters: Annotated[str, typer.Argument(help='The parameters, as in {"action":"get_status","callId":"…"}')],
) -> None:
    """Use the tool once and print its answer; exit status 1 when that is an error."""
    payload = asyncio.run(_run(_object(parameters)))
    typer.echo(pretty(payload))
    raise typer.Exit("error" in payload)


def mcp(
    http: Annotated[
        str | None,
        typer.Option("--http", metavar="[HOST:]PORT", help="Serve streamable HTTP at /mcp instead of stdio."),
    ] = None,
) -> None:
    """Serve the tool to MCP clients, on stdio or, with --http, over HTTP.

    For stdio, a client's configuration names the command `voicecall mcp` and sets VOICECALL_GATEWAY_URL and
    VOICECALL_GATEWAY_TOKEN in its environment. Over HTTP, VOICECALL_MCP_TOKEN is the bearer token of the clients; off
    loopback it is required and has 16 characters or more.
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

    from voicecall.bearer import STRONG
    from voicecall.tool.http_server import server_config
    from voicecall.tool.mcp_server import PATH, http_app

    host, port = _address(address)
    token = _mcp_token()
    if token is None and not _is_loopback(host):
        fail(
            f"--http {address}: other machines can reach it; set VOICECALL_MCP_TOKEN to the clients' bearer token",
            EX_CONFIG,
        )
    if token is not None and len(token) < STRONG and not _is_loopback(host):
        fail(
            f"VOICECALL_MCP_TOKEN is shorter than {STRONG} characters, and other machines can reach --http {address};"
            f" set it to {STRONG} random characters or more, as `openssl rand -hex 16` prints them",
            EX_CONFIG,
        )
    typer.echo(f"MCP at http://{host}:{port}{PATH}", err=True)
    server = uvicorn.Server(server_config(http_app(gateway, host=host, token=token), host, port))
    server.run()
    if not server.started:
        raise typer.Exit(1)


def _mcp_token() -> str | None:
    variables = Variables(os.environ)
    token = variables.get("VOICECALL_MCP_TOKEN", "").strip() or None
    if variables.problems:
        fail("\n".join(variables.problems), EX_CONFIG)
    return token


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        raise typer.BadParameter(
            f"{text!r} is not an address; write PORT or HOST:PORT, as in 127.0.0.1:{_DEFAULT_PORT}"
        )
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

    async with gateway() as client:
        return await use(client, parameters)
