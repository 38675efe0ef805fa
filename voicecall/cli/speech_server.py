"""`voicecall speech-server`: a voice and speech recognition on this machine, in place of the command's own process."""

import os
from typing import Annotated, NoReturn

import typer

from voicecall.cli.exits import configured
from voicecall.cli.options import RUN, example
from voicecall.packages import program, program_environment
from voicecall.speech_server.extra import require_extra

__all__ = ["register", "speech_server"]


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    examples = ("voicecall speech-server", "voicecall speech-server --listen 127.0.0.1:8880 --threads 1")
    app.command("speech-server", rich_help_panel=RUN, epilog=example(*examples))(speech_server)


def speech_server(
    listen: Annotated[
        str,
        typer.Option(
            "--listen",
            help="Where to listen, 127.0.0.1:3338 by default; off loopback VOICECALL_SPEECH_TOKEN is required.",
            metavar="HOST:PORT",
        ),
    ] = "",
    threads: Annotated[
        int,
        typer.Option(
            "--threads", min=0, max=256, help="Inferences at a time; 0: one for each core.", show_default=True
        ),
    ] = 0,
) -> NoReturn:
    """Run a voice and speech recognition without keys, on this machine: English, for trying and for tests.

    It offers OpenAI's /v1/audio/speech and Realtime transcription, for tts.provider and streaming.provider "offline".
    Needs the packages of the extra `offline`.
    """
    configured(require_extra)
    command = program("voicecall.speech_server")
    given = {"VOICECALL_SPEECH_LISTEN": listen, "VOICECALL_SPEECH_THREADS": str(threads) if threads else ""}
    environ = {**program_environment(os.environ), **{name: value for name, value in given.items() if value}}
    os.execve(command[0], command, environ)  # noqa: S606 - our own program, with no shell
