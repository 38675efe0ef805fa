"""`voicecall dev` and `voicecall demo`: the whole system in one terminal, without other installations.

`dev` starts an ingress, a gateway and a worker; an embedded Redis when REDIS_URL is not set; and without a
configuration, a mock carrier whose simulated callee answers. Imports none of what it starts.
"""

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from voicecall.cli.dev_stack import DevStack, plan
from voicecall.cli.display import safe
from voicecall.cli.exits import EX_CONFIG, EX_REFUSED, configured, fail
from voicecall.cli.options import RUN, example
from voicecall.subprocesses import ChildEnded, Children

__all__ = ["demo", "dev", "register"]

_COLOURS: Final = {"redis": "red", "carrier": "yellow", "ingress": "cyan", "gateway": "green", "worker": "magenta"}
_CARRIERS: Final = "twilio, telnyx, plivo or mock"


def register(app: typer.Typer) -> None:
    """Add both commands to the app."""
    app.command(rich_help_panel=RUN, epilog=example("voicecall dev", "voicecall dev --config my.json5"))(dev)
    app.command(rich_help_panel=RUN, epilog=example("voicecall demo --carrier telnyx"))(demo)


def dev(
    config: Annotated[
        Path | None,
        typer.Option("--config", help="The configuration. Default: VOICECALL_CONFIG, else one for a mock carrier."),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=1, max=65_535, help="The port of the ingress, without a configuration.")
    ] = 3334,
    redis_port: Annotated[
        int,
        typer.Option(
            "--redis-port", min=0, max=65_535, help="The port of the embedded Redis; another one when it is in use."
        ),
    ] = 6379,
    *,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not print the logs.")] = False,
) -> None:
    """Run every process in this terminal until Ctrl-C: Redis, ingress, gateway and a worker.

    Uses the Redis of REDIS_URL, else an embedded one whose data is deleted at the end. Without a configuration it runs
    a mock carrier whose simulated callee answers questions: no account, no cost, no real phone call.
    """
    with tempfile.TemporaryDirectory(prefix="voicecall-dev-") as home:
        stack = configured(lambda: plan(os.environ, Path(home), config=config, port=port, redis_port=redis_port))
        try:
            status = asyncio.run(_run(stack, quiet=quiet))
        except KeyboardInterrupt:  # before the signal handlers were installed
            status = 130
    raise typer.Exit(status)


def demo(
    carrier: Annotated[
        str, typer.Option("--carrier", help=f"The simulated carrier: {_CARRIERS}.", metavar="NAME")
    ] = "twilio",
) -> None:
    """Run a phone conversation on a simulated carrier, and print its timeline and its checks."""
    if importlib.util.find_spec("simulators") is None:
        fail("the simulators are not installed; run the demo from a checkout: make demo", EX_CONFIG)
    command = [sys.executable, "-m", "simulators.demo", "--carrier", carrier]
    process = subprocess.Popen(command)  # noqa: S603 - our own module; `carrier` is one argument, checked there
    while True:
        try:
            raise typer.Exit(process.wait())
        except KeyboardInterrupt:
            continue  # the demo gets the same Ctrl-C and cleans up


async def _run(stack: DevStack, *, quiet: bool) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a closed terminal must not leave children behind
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    console = Console(stderr=True, highlight=False)

    def say(name: str, line: str) -> None:
        if not quiet:
            console.print(Text(f"{name:<8} ", style=_COLOURS[name]) + Text(safe(line)), soft_wrap=True)

    async with Children(say) as children:
        stopping = asyncio.create_task(stop.wait())
        work = asyncio.create_task(_live(stack, children))
        await asyncio.wait((stopping, work), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not work.done():
            typer.echo("stopping…", err=True)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            return 0
        ended = work.result()
    for line in ended.lines if quiet else ():
        typer.echo(safe(line), err=True)
    typer.echo(f"{ended}; the other processes were stopped.", err=True)
    if ports := stack.ports_in_use():
        named = "/".join(map(str, ports))
        in_use = f"Ports {named} are" if len(ports) > 1 else f"Port {named} is"
        typer.echo(f"{in_use} in use. Is another voicecall running?", err=True)
    return EX_CONFIG if ended.status == EX_CONFIG else EX_REFUSED


async def _live(stack: DevStack, children: Children) -> ChildEnded:
    """Start everything, print the welcome text, and return when a process ends by itself."""
    try:
        await stack.start(children)
    except ChildEnded as ended:
        return ended
    typer.echo(stack.welcome())
    return await children.first_ended()
