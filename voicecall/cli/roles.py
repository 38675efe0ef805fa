"""`voicecall ingress | gateway | worker`: one process of the system, in place of the command's own.

`python -m ingress`, `python -m gateway` and `dramatiq workers` start the same programs; the commands also work in a
folder that holds another package of one of these names.
"""

import os
from typing import Final, NoReturn

import typer

from voicecall.cli.exits import configured
from voicecall.cli.options import RUN, example
from voicecall.packages import program, program_environment, require_own

__all__ = ["ROLES", "gateway", "ingress", "register", "role_command", "worker"]

ROLES: Final = {
    "ingress": ("ingress",),
    "gateway": ("gateway",),
    # `--path` without a value: dramatiq adds no folder to the search path.
    "worker": ("dramatiq", "workers", "--path", "--processes", "1", "--threads", "4", "--skip-logging"),
}
_PACKAGES: Final = {"ingress": ("ingress",), "gateway": ("gateway",), "worker": ("workers", "actors")}


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (ingress, gateway, worker):
        app.command(rich_help_panel=RUN, epilog=example(f"voicecall {command.__name__}"))(command)


def ingress() -> None:
    """Run an ingress: the public server for webhooks and media sockets (port 3334)."""
    _become("ingress")


def gateway() -> None:
    """Run a gateway: the private server for RPC, events and the console (127.0.0.1:3335)."""
    _become("gateway")


def worker() -> None:
    """Run a worker, which holds the calls; start as many as needed."""
    _become("worker")


def role_command(role: str) -> list[str]:
    """The command line of a role. Raises ConfigError when its packages are missing, or another project's are found."""
    require_own(*_PACKAGES[role])
    return program(*ROLES[role])


def _become(role: str) -> NoReturn:
    command = configured(lambda: role_command(role))
    os.execve(command[0], command, program_environment(os.environ))  # noqa: S606 - our own program, with no shell
