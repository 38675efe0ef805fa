"""`voicecall expose`: make this machine's ingress reachable through tailscale, or stop that.

Uses no gateway. For a tunnel that the ingress opens and closes by itself, configure `tunnel` instead.
"""

import asyncio
import os
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from voicecall.cli.display import pretty, safe
from voicecall.cli.exits import EX_REFUSED, configured
from voicecall.cli.options import SETUP, example
from voicecall.errors import ExposureError
from voicecall.exposure import tailscale
from voicecall.exposure.tunnels import routes_of
from voicecall.manifests import CARRIERS
from voicecall.settings import Settings, load_settings

__all__ = ["Way", "expose", "register"]

_MODES: Final[tuple[tailscale.Mode, ...]] = ("serve", "funnel")


class Way(StrEnum):
    OFF = "off"
    SERVE = "serve"
    FUNNEL = "funnel"


_Path = Annotated[
    str | None, typer.Option("--path", help="Public path of the webhook [default: tailscale.path, else serve.path].")
]
_Port = Annotated[
    int | None, typer.Option("--port", min=1, max=65_535, help="Local port of the ingress [default: serve.port].")
]
_ServePath = Annotated[
    str | None, typer.Option("--serve-path", help="Local path of the webhook [default: serve.path].")
]


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    lines = ("voicecall expose --mode serve", "voicecall expose --mode off")
    app.command(rich_help_panel=SETUP, epilog=example(*lines))(expose)


def expose(
    mode: Annotated[
        Way, typer.Option("--mode", help="off; serve: reachable in the tailnet; funnel: reachable from the internet.")
    ] = Way.FUNNEL,
    path: _Path = None,
    port: _Port = None,
    serve_path: _ServePath = None,
) -> None:
    """Make the webhook reachable through tailscale, with the media sockets when streaming is enabled; or stop that.

    Prints the mapping as JSON. Exit status 1 when tailscale failed; the hint has the URL where to enable it.
    """
    settings = _settings()
    path = _absolute("--path", path) or _public_path(settings)
    serve_path = _absolute("--serve-path", serve_path) or settings.serve.path
    routes = routes_of(settings, path, port or settings.serve.port, serve_path)
    if mode is Way.OFF:
        answer = asyncio.run(_off(routes, path, settings))
    else:
        answer = asyncio.run(_on("serve" if mode is Way.SERVE else "funnel", routes, path, settings))
    typer.echo(pretty(answer))
    if not answer["ok"]:
        raise typer.Exit(EX_REFUSED)


async def _on(mode: tailscale.Mode, routes: dict[str, str], path: str, settings: Settings) -> dict[str, Any]:
    tailnet, https = None, settings.tailscale.port
    answer: dict[str, Any] = {"ok": False, "mode": mode, "path": path, "localUrl": routes[path], "publicUrl": None}
    opened: list[str] = []
    try:
        tailnet = await tailscale.status(os.environ)
        for public, target in routes.items():
            await tailscale.expose(mode, public, target, port=https, environ=os.environ)
            opened.append(public)
    except ExposureError as error:
        typer.echo(safe(str(error)), err=True)
        for public in opened:  # without all routes the webhook does not work
            await tailscale.withdraw(mode, public, port=https, environ=os.environ)
        link = error.enable_url or tailscale.enable_url(mode, tailnet)
        note = f"tailscale {mode} may not be enabled for this machine: its tailnet's owner can allow it"
        return {**answer, "hint": {"note": note, "enableUrl": link}}
    return {**answer, "ok": True, "publicUrl": tailnet.url(path, https)}


async def _off(routes: dict[str, str], path: str, settings: Settings) -> dict[str, Any]:
    """Withdraws both modes, so that the mode in use need not be known."""
    done = True
    try:
        for public in routes:
            for mode in _MODES:
                withdrawn = await tailscale.withdraw(mode, public, port=settings.tailscale.port, environ=os.environ)
                done = done and withdrawn
    except ExposureError as error:
        typer.echo(safe(str(error)), err=True)
        done = False
    return {"ok": done, "mode": "off", "path": path}


def _settings() -> Settings:
    # A missing public address is no error here: this command creates one. The base URLs make it optional.
    local = {carrier.api_variable: "http://127.0.0.1" for carrier in CARRIERS.values()}
    return configured(lambda: load_settings({**os.environ, **local}))


def _public_path(settings: Settings) -> str:
    return settings.tailscale.path if "path" in settings.tailscale.model_fields_set else settings.serve.path


def _absolute(option: str, path: str | None) -> str | None:
    if path is not None and (not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path):
        raise typer.BadParameter(
            f"{path[:60]!r} is not an absolute path; write it as in /voice/webhook", param_hint=option
        )
    return path
