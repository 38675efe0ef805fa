"""`voicecall dev` and `voicecall demo`: everything a developer needs in one terminal, with nothing installed beside us.

`dev` composes the house from its own programs: an embedded Redis when REDIS_URL names none, ingress, gateway, one
worker; and without a configuration, a mock carrier with somebody who picks up. Imports none of what it starts.
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

__all__ = ["register"]

_COLOURS: Final = {"redis": "red", "carrier": "yellow", "ingress": "cyan", "gateway": "green", "worker": "magenta"}
_CARRIERS: Final = "twilio, telnyx, plivo or mock"


def register(app: typer.Typer) -> None:
    """Hang both commands into the app."""
    app.command(rich_help_panel=RUN, epilog=example("voicecall dev", "voicecall dev --config my.json5"))(dev)
    app.command(rich_help_panel=RUN, epilog=example("voicecall demo --carrier telnyx"))(demo)


def dev(
    config: Annotated[
        Path | None,
        typer.Option("--config", help="The configuration; without it VOICECALL_CONFIG, else a mock carrier's."),
    ] = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65_535, help="The mock house's ingress.")] = 3334,
    redis_port: Annotated[
        int, typer.Option("--redis-port", min=0, max=65_535, help="The embedded Redis; another if it is taken.")
    ] = 6379,
    *,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not show the logs.")] = False,
) -> None:
    """Run the whole house in this terminal, until Ctrl-C: Redis, ingress, gateway, a worker.

    Uses the Redis of REDIS_URL, else an embedded one whose data is forgotten at the end. Without a configuration it
    runs a mock carrier with somebody who picks up and answers questions: no account, no cost, nobody is called.
    """
    with tempfile.TemporaryDirectory(prefix="voicecall-dev-") as home:
        stack = configured(lambda: plan(os.environ, Path(home), config=config, port=port, redis_port=redis_port))
        try:
            status = asyncio.run(_run(stack, quiet=quiet))
        except KeyboardInterrupt:  # before the house was there
            status = 130
    raise typer.Exit(status)


def demo(
    carrier: Annotated[str, typer.Option("--carrier", help=f"{_CARRIERS}, in a box.", metavar="NAME")] = "twilio",
) -> None:
    """Watch a whole phone conversation between our house and a carrier in a box, and read the judgement."""
    if importlib.util.find_spec("simulators") is None:
        fail("the simulators are not installed here; run it from a checkout: make demo", EX_CONFIG)
    command = [sys.executable, "-m", "simulators.demo", "--carrier", carrier]
    process = subprocess.Popen(command)  # noqa: S603 - our own module; `carrier` is one argument, checked there
    while True:
        try:
            raise typer.Exit(process.wait())
        except KeyboardInterrupt:
            continue  # the terminal told the demo too: it cleans up


async def _run(stack: DevStack, *, quiet: bool) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
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
    typer.echo(f"{ended}; the rest was stopped. Is another house running on these ports?", err=True)
    return EX_CONFIG if ended.status == EX_CONFIG else EX_REFUSED


async def _live(stack: DevStack, children: Children) -> ChildEnded:
    """Everything up, the ready line told; returns when something ends that should not."""
    try:
        await stack.start(children)
    except ChildEnded as ended:
        return ended
    typer.echo(stack.welcome())
    return await children.first_ended()
