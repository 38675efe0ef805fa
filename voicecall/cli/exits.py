"""Exit codes and error messages of the commands, and their access to the deployment and the gateway.

Every command uses this, so that an error has the same message and status everywhere: 0 done, 1 refused or failed,
2 wrong usage, 69 no gateway or Redis, 77 wrong token, 78 unusable configuration or environment.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any, Final, NoReturn, TypeVar

import typer

from voicecall.api.methods import Method
from voicecall.cli.display import safe
from voicecall.client import AsyncVoicecall, GatewayDown, Refused, TokenRefused
from voicecall.errors import BusUnavailable, ConfigError
from voicecall.settings import Deployment, load_deployment

__all__ = [
    "EX_CONFIG",
    "EX_NOPERM",
    "EX_REFUSED",
    "EX_UNAVAILABLE",
    "configured",
    "deployment",
    "fail",
    "gateway",
    "request",
    "run",
]

T = TypeVar("T")

EX_REFUSED: Final = 1
EX_UNAVAILABLE: Final = 69
EX_NOPERM: Final = 77
EX_CONFIG: Final = 78


def fail(message: str, status: int = EX_REFUSED) -> NoReturn:
    """Print the message on standard error and exit."""
    typer.echo(safe(message), err=True)
    raise typer.Exit(status)


def configured(read: Callable[[], T]) -> T:
    """The result of `read`; a ConfigError prints its problems and exits with 78."""
    try:
        return read()
    except ConfigError as error:
        fail("\n".join(error.problems), EX_CONFIG)


def deployment() -> Deployment:
    """The deployment that the environment describes."""
    return configured(lambda: load_deployment(os.environ))


def gateway(where: Deployment | None = None) -> AsyncVoicecall:
    """A client of the deployment's gateway, not yet connected; close it after use."""
    found = where or deployment()
    return AsyncVoicecall(found.gateway_url, token=found.gateway_token or "")


def request(method: Method[Any, Any], params: dict[str, Any]) -> dict[str, Any]:
    """The payload of one request to the gateway; a refusal exits the command."""

    async def send() -> dict[str, Any]:
        async with gateway() as client:
            return await client.request(method.name, params)

    return run(send())


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. A refusal, or no answer from the gateway or Redis, exits the command with its status."""
    try:
        return asyncio.run(work)
    except Refused as refused:
        suffix = f" (call {refused.call_id})" if refused.call_id else ""
        fail(f"{refused.code}: {refused.message}{suffix}")
    except TokenRefused as refused:
        fail(f"The gateway refuses the token: {refused}. Set VOICECALL_GATEWAY_TOKEN to the gateway's.", EX_NOPERM)
    except GatewayDown as down:
        url = load_deployment(os.environ).gateway_url
        fail(
            f"No gateway at {url}: {down}. Start it with `voicecall gateway` (or every process with `voicecall dev`),"
            " or set VOICECALL_GATEWAY_URL.",
            EX_UNAVAILABLE,
        )
    except BusUnavailable as error:
        fail(f"{error}; {error.remedy}", EX_UNAVAILABLE)
