"""`voicecall dev` and `voicecall demo`: the whole system in one terminal, without other installations.

`dev` starts an ingress, a gateway and two workers; an embedded Redis when REDIS_URL is not set; and without a
configuration, a mock carrier whose simulated callee answers. Imports none of what it starts.
"""

import asyncio
import importlib.util
import json
import os
import re
import signal
import subprocess
import tempfile
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from voicecall.aio import end
from voicecall.cli.dev_stack import DevStack, plan
from voicecall.cli.dev_supervisor import supervising
from voicecall.cli.display import safe
from voicecall.cli.exits import EX_CONFIG, EX_REFUSED, configured, fail
from voicecall.cli.options import RUN, example
from voicecall.cli.tail import printer
from voicecall.client import AsyncVoicecall
from voicecall.errors import VoicecallError
from voicecall.packages import program, program_environment, require_own
from voicecall.settings import load_deployment
from voicecall.subprocesses import ChildEnded, Children

__all__ = ["Level", "demo", "dev", "is_problem", "register"]

Show = Callable[[dict[str, Any]], None]
"""Prints an item of the feed."""

_REDIS: Final = "redis"
_COLOURS: Final = {
    _REDIS: "red",
    "carrier": "yellow",
    "speech": "blue",
    "phone": "blue",
    "ingress": "cyan",
    "gateway": "green",
    "worker": "magenta",
}
_INFORMATIVE: Final = re.compile(r"\[(INFO|DEBUG)\]")  # dramatiq's own format
_EXAMPLES: Final = (
    "voicecall dev",
    "voicecall dev --config my.json5",
    "voicecall dev --response-model remote/mine",
    "voicecall dev --offline",
)
_CARRIERS: Final = "twilio, telnyx, plivo or mock"


def register(app: typer.Typer) -> None:
    """Add both commands to the app."""
    app.command(rich_help_panel=RUN, epilog=example(*_EXAMPLES))(dev)
    app.command(rich_help_panel=RUN, epilog=example("voicecall demo --carrier telnyx"))(demo)


def dev(
    config: Annotated[
        Path | None,
        typer.Option("--config", help="The configuration. Default: VOICECALL_CONFIG, else one for a mock carrier."),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=1, max=65_535, help="The port of the ingress, without a configuration.")
    ] = 3334,
    response_model: Annotated[
        str,
        typer.Option(
            "--response-model",
            help="The agent that answers, without a configuration: a responseModel; echo by default, --offline demo.",
            metavar="NAME",
        ),
    ] = "",
    redis_port: Annotated[
        int,
        typer.Option(
            "--redis-port", min=0, max=65_535, help="The port of the embedded Redis; another one when it is in use."
        ),
    ] = 6379,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=16, help="How many workers; one takes over when another dies.")
    ] = 2,
    *,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Speak and listen with real voices, without keys: starts a speech server too."),
    ] = False,
    opens: Annotated[bool, typer.Option("--open", help="Open the phone in the browser when all is ready.")] = False,
    events: Annotated[bool, typer.Option("--events", help="Print every event instead of the conversation.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every item of the feed as a line of JSON.")] = False,
    logs: Annotated[bool, typer.Option("--logs", help="Print the whole logs, not only warnings and errors.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not print the logs.")] = False,
) -> None:
    """Run every process in this terminal until Ctrl-C: Redis, ingress, gateway and workers.

    With the mock carrier, the page /phone of the gateway is a phone in the browser: call the agent, or let it ring you.
    Uses the Redis of REDIS_URL, else an embedded one whose data is deleted at the end. Without a configuration it runs
    a mock carrier whose simulated callee answers questions: no account, no cost, no real phone call. There the agent
    repeats what it hears, unless --response-model names another; with --offline it is a restaurant that is called by
    voice. Prints what is said on the calls, as `voicecall tail` does.
    """
    show = printer(events=events, as_json=as_json)
    level = Level.NONE if quiet else Level.ALL if logs else Level.PROBLEMS
    with tempfile.TemporaryDirectory(prefix="voicecall-dev-") as home:
        stack = configured(
            lambda: plan(
                *(os.environ, Path(home)),
                config=config,
                port=port,
                redis_port=redis_port,
                response_model=response_model,
                offline=offline,
                workers=workers,
            )
        )
        try:
            status = asyncio.run(_run(stack, show, level, opens=opens))
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
    configured(lambda: require_own("simulators"))
    command = program("simulators.demo", "--carrier", carrier)
    environ = program_environment(os.environ)
    process = subprocess.Popen(command, env=environ)  # noqa: S603 - our own module; `carrier` is checked there
    while True:
        try:
            raise typer.Exit(process.wait())
        except KeyboardInterrupt:
            continue  # the demo gets the same Ctrl-C and cleans up


class Level(Enum):
    """Which lines of the logs are printed."""

    NONE = "none"
    PROBLEMS = "problems"
    ALL = "all"


def is_problem(line: str) -> bool:
    """Whether a line of a program's output is more than an informative log entry."""
    try:
        entry = json.loads(line)
    except ValueError:
        return _INFORMATIVE.search(line) is None
    return not isinstance(entry, dict) or entry.get("level", "info") not in {"info", "debug"}


async def _run(stack: DevStack, show: Show, level: Level, *, opens: bool) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a closed terminal must not leave children behind
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    console = Console(stderr=True, highlight=False)

    def say(name: str, line: str) -> None:
        # Redis calls its start and its stop warnings. Its clients report what matters, and its end is reported below.
        if level is Level.ALL or (level is Level.PROBLEMS and name != _REDIS and is_problem(line)):
            console.print(Text(f"{name:<8} ", style=_COLOURS[name]) + Text(safe(line)), soft_wrap=True)

    async with Children(say) as children:
        stopping = asyncio.create_task(stop.wait())
        work = asyncio.create_task(_live(stack, children, show, opens=opens))
        await asyncio.wait((stopping, work), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not work.done():
            typer.echo("stopping…", err=True)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            return 0
        ended = work.result()
    for line in ended.lines if level is Level.NONE or (level is Level.PROBLEMS and ended.name == _REDIS) else ():
        typer.echo(safe(line), err=True)
    typer.echo(f"{ended}; the other processes were stopped.", err=True)
    if ports := stack.ports_in_use():
        named = "/".join(map(str, ports))
        in_use = f"Ports {named} are" if len(ports) > 1 else f"Port {named} is"
        typer.echo(f"{in_use} in use. Is another voicecall running?", err=True)
    return EX_CONFIG if ended.status == EX_CONFIG else EX_REFUSED


async def _live(stack: DevStack, children: Children, show: Show, *, opens: bool) -> ChildEnded:
    """Start everything, print the welcome text, follow the calls, and return when a process ends by itself."""
    async with supervising(children, stack.environ) as supervisor:
        try:
            await stack.start(children, supervisor)
        except ChildEnded as ended:
            return ended
        typer.echo(stack.welcome())
        if opens and stack.phone_page and not await asyncio.to_thread(webbrowser.open, stack.phone_page):
            typer.echo(f"no browser was found here: open {stack.phone_page} yourself", err=True)
        following = asyncio.create_task(_follow(stack, show))
        try:
            return await children.first_ended()
        finally:
            await end(following)


async def _follow(stack: DevStack, show: Show) -> None:
    """Print the items of the feed. A gateway that refuses its own token ends only this."""
    deployed = load_deployment(stack.environ)
    with suppress(VoicecallError):
        async with AsyncVoicecall(deployed.gateway_url, token=deployed.gateway_token or "") as client:
            async for item in client.feed(on_loss=lambda _: None, on_gap=lambda _: None):
                show(item.model_dump(by_alias=True))
