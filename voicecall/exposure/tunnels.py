"""Opens the configured tunnel: `tunnel` first, then the legacy `tailscale` block.

Used by the ingress when `publicUrl` is not configured. A tunnel carries webhooks and media sockets. Knows which program
opens which tunnel; does not know what its address is used for.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from voicecall.errors import ExposureError
from voicecall.exposure import tailscale
from voicecall.exposure.ngrok import Ngrok
from voicecall.ports import Address
from voicecall.settings import Settings

__all__ = ["OpenTunnel", "open_tunnel", "routes_of"]

_log = logging.getLogger(__name__)

_ANY: Final = frozenset({"0.0.0.0", "127.0.0.1", "::", "localhost"})  # noqa: S104  compared, not bound


class OpenTunnel(Protocol):
    """An open tunnel. `address` does not change while it is open."""

    address: Address

    async def ended(self) -> ExposureError:
        """Wait until the tunnel ends, and return why; one that tailscaled keeps does not end."""
        ...

    async def close(self) -> None: ...


async def open_tunnel(settings: Settings, port: int, environ: Mapping[str, str]) -> OpenTunnel:
    """Open what is configured for the local `port`. Raises ExposureError when none of it can be opened."""
    failure: ExposureError | None = None
    for way in _ways(settings, port, environ):
        try:
            return await way()
        except ExposureError as error:
            if failure is not None:
                _log.warning("tunnel not opened", extra={"error": str(failure)})
            failure = error
    raise failure or ExposureError("tunnel", "none is configured; set tunnel.provider")


def routes_of(settings: Settings, public_path: str, port: int, serve_path: str | None = None) -> dict[str, str]:
    """Public path to local URL: the webhook's, and the media sockets' when streaming is enabled."""
    routes = {public_path: f"http://127.0.0.1:{port}{serve_path or settings.serve.path}"}
    if settings.is_streaming:
        stream = settings.streaming.stream_path
        routes[stream] = f"http://127.0.0.1:{port}{stream}"
    return routes


def _ways(settings: Settings, port: int, environ: Mapping[str, str]) -> list[Callable[[], Awaitable[OpenTunnel]]]:
    def routed(mode: tailscale.Mode, path: str) -> Callable[[], Awaitable[OpenTunnel]]:
        return lambda: _Routes.open(settings, mode, path, port, environ)

    ways: list[Callable[[], Awaitable[OpenTunnel]]] = []
    match settings.tunnel.provider:
        case "ngrok":
            ways.append(lambda: _Agent.open(settings, port, environ))
        case "tailscale-serve":
            ways.append(routed("serve", settings.serve.path))
        case "tailscale-funnel":
            ways.append(routed("funnel", settings.serve.path))
        case "none":
            pass
    if settings.tailscale.mode != "off":
        ways.append(routed(settings.tailscale.mode, settings.tailscale.path))
    return ways


class _Agent(OpenTunnel):
    """An ngrok agent as a tunnel."""

    def __init__(self, agent: Ngrok, settings: Settings) -> None:
        self._agent = agent
        self.address = _address(agent.origin, settings.serve.path, settings)

    @classmethod
    async def open(cls, settings: Settings, port: int, environ: Mapping[str, str]) -> OpenTunnel:
        bind = settings.serve.bind
        host = "" if bind in _ANY else f"[{bind}]:" if ":" in bind else f"{bind}:"
        agent = await Ngrok.open(
            f"{host}{port}",
            token=settings.tunnel.ngrok_auth_token,
            domain=settings.tunnel.ngrok_domain,
            environ=environ,
        )
        return cls(agent, settings)

    async def ended(self) -> ExposureError:
        return await self._agent.ended()

    async def close(self) -> None:
        await self._agent.stop()


class _Routes(OpenTunnel):
    """Routes of tailscaled as a tunnel."""

    def __init__(self, mode: tailscale.Mode, port: int, address: Address, environ: Mapping[str, str]) -> None:
        self.address = address
        self._mode = mode
        self._port = port
        self._environ = environ
        self._paths: list[str] = []

    @classmethod
    async def open(
        cls, settings: Settings, mode: tailscale.Mode, path: str, port: int, environ: Mapping[str, str]
    ) -> OpenTunnel:
        if settings.serve.bind not in _ANY:
            raise ExposureError(
                "tailscale", f"leads to 127.0.0.1 only, and serve.bind is {settings.serve.bind}; set it to 127.0.0.1"
            )
        https = settings.tailscale.port
        tailnet = await tailscale.status(environ)
        origin = tailnet.url("", https)
        routes = cls(mode, https, _address(origin, path, settings), environ)
        try:
            for public, target in routes_of(settings, path, port).items():
                await tailscale.expose(mode, public, target, port=https, environ=environ)
                routes._paths.append(public)
        except BaseException:
            await routes.close()
            raise
        return routes

    async def ended(self) -> ExposureError:
        # tailscaled keeps the routes, and reports nothing.
        never: asyncio.Future[ExposureError] = asyncio.get_running_loop().create_future()
        return await never

    async def close(self) -> None:
        while self._paths:
            await tailscale.withdraw(self._mode, self._paths.pop(), port=self._port, environ=self._environ)


def _address(origin: str, path: str, settings: Settings) -> Address:
    stream = "ws" + origin.removeprefix("http") + settings.streaming.stream_path
    return Address(webhook_url=origin + path, stream_url=stream)
