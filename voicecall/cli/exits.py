"""How a command ends, and what it is given: exit codes, error sentences, the deployment, the gateway.

Every command uses this, so that the same trouble has the same words and the same status everywhere: 0 done, 1 refused,
2 wrong usage, 69 nobody there, 77 wrong token, 78 the configuration or the environment cannot be used.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any, Final, NoReturn, TypeVar

import typer

from voicecall.cli.display import safe
from voicecall.client import AsyncVoicecall, GatewayDown, Refused, TokenRefused
from voicecall.errors import BusUnavailable, ConfigError
from voicecall.settings import Deployment, load_deployment

__all__ = [
    "EX_CONFIG",
    "EX_NOPERM",
    "EX_REFUSED",
    "EX_UNAVAILABLE",
    "asked",
    "configured",
    "deployment",
    "fail",
    "gateway",
    "run",
]

T = TypeVar("T")

EX_REFUSED: Final = 1
EX_UNAVAILABLE: Final = 69
EX_NOPERM: Final = 77
EX_CONFIG: Final = 78


def fail(sentence: str, status: int = EX_REFUSED) -> NoReturn:
    """Say why on standard error, and leave."""
    typer.echo(safe(sentence), err=True)
    raise typer.Exit(status)


def configured(read: Callable[[], T]) -> T:
    """What `read` gives; every problem of a ConfigError is told, and ends the command with 78."""
    try:
        return read()
    except ConfigError as error:
        fail("\n".join(error.problems), EX_CONFIG)


def deployment() -> Deployment:
    """Where this machine's house stands, from the environment."""
    return configured(lambda: load_deployment(os.environ))


def gateway(where: Deployment | None = None) -> AsyncVoicecall:
    """The gateway of this deployment; not connected yet, and the caller's to close."""
    stands = where or deployment()
    return AsyncVoicecall(stands.gateway_url, token=stands.gateway_token or "")


def asked(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """The gateway's answer to one request; its refusals end the command."""

    async def ask() -> dict[str, Any]:
        async with gateway() as opened:
            return await opened.request(method, params)

    return run(ask())


def run(work: Coroutine[Any, Any, T]) -> T:
    """What comes of `work`. Whatever our doors say no with, and their silence, ends the command with its status."""
    try:
        return asyncio.run(work)
    except Refused as refused:
        about = f" (call {refused.call_id})" if refused.call_id else ""
        fail(f"{refused.code}: {refused.message}{about}")
    except TokenRefused as refused:
        fail(f"The gateway refuses the token: {refused}. Set VOICECALL_GATEWAY_TOKEN to the gateway's.", EX_NOPERM)
    except GatewayDown as down:
        url = load_deployment(os.environ).gateway_url
        fail(
            f"No gateway at {url}: {down}. Start it with `python -m gateway` (or everything with `voicecall dev`),"
            " or set VOICECALL_GATEWAY_URL.",
            EX_UNAVAILABLE,
        )
    except BusUnavailable as error:
        fail(f"{error}. Start Redis, or set REDIS_URL to where it is.", EX_UNAVAILABLE)
