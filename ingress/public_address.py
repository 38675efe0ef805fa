"""Opens the tunnel of this door before it is ready, keeps it, and tells the house its address (behaviour 10.5, 11).

A tunnel that dies is opened again, with growing pauses; until then the address is taken back, so that nobody is called
who could not be heard. A door that no carrier could ever reach does not start.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from voicecall.aio import Background, backoff
from voicecall.bus.public_address import EVERY_S, PublicAddressPublisher
from voicecall.errors import BusUnavailable, ConfigError, ExposureError
from voicecall.exposure.guard import is_out_there, refusal
from voicecall.exposure.tunnels import Tunnel, open_tunnel
from voicecall.ports import Address
from voicecall.settings import Deployment, Settings

__all__ = ["PublicAddress", "TunnelKeeper", "exposed", "refuse_privacy"]

_log = logging.getLogger(__name__)

_FIRST_S: Final = 1.0
_MOST_S: Final = 60.0


class PublicAddress:
    """`webhook_url` and `stream_url` as in `Address`. `is_known`: carriers sign exactly these, nothing else.

    `is_open`: False while a tunnel that we need is not up; the last address stays, for who may still come by it.
    """

    def __init__(self, settings: Settings) -> None:
        self.webhook_url = settings.webhook_url
        self.stream_url = settings.stream_url
        self.is_known = settings.public_url is not None
        self.is_open = not settings.is_tunnelled

    @property
    def address(self) -> Address:
        return Address(webhook_url=self.webhook_url, stream_url=self.stream_url)

    def move(self, address: Address) -> None:
        """A tunnel leads to us from there."""
        self.webhook_url, self.stream_url = address.webhook_url, address.stream_url
        self.is_known = self.is_open = True


def refuse_privacy(settings: Settings, deployment: Deployment) -> None:
    """Raise ConfigError when `publicUrl` is a place that the configured carrier cannot see (behaviour 11.4)."""
    problem = None if settings.is_tunnelled else refusal(settings, deployment, settings.webhook_url)
    if problem is not None:
        raise ConfigError([f"publicUrl: {problem}"])


@asynccontextmanager
async def exposed(
    settings: Settings,
    deployment: Deployment,
    port: int,
    *,
    public_address: PublicAddress,
    publisher: PublicAddressPublisher,
    environ: Mapping[str, str],
    background: Background,
) -> AsyncIterator["TunnelKeeper"]:
    """Reachable inside, as `reach` says. Raises ConfigError when the carrier could not reach us at all."""
    exposure = TunnelKeeper(settings, port, public_address, publisher, environ)
    if not settings.is_tunnelled:
        yield exposure
        return
    try:
        await exposure.open(deployment)
        async with background.running("tunnel", exposure.keep()), background.running("address", exposure.tell()):
            yield exposure
    finally:
        await exposure.close()


class TunnelKeeper:
    """The tunnel of one door. `open` once, then `keep` and `tell` for ever, `close` at the end."""

    def __init__(
        self,
        settings: Settings,
        port: int,
        public_address: PublicAddress,
        publisher: PublicAddressPublisher,
        environ: Mapping[str, str],
    ) -> None:
        self._settings = settings
        self._port = port
        self._public_address = public_address
        self._publisher = publisher
        self._environ = environ
        self._tunnel: Tunnel | None = None
        self._hopeless = False
        self._leaving = False
        self._speaks: bool | None = None

    async def open(self, deployment: Deployment) -> None:
        """Try once. A failure is logged; it is fatal only when the carrier could not reach us without."""
        try:
            await self._open()
        except ExposureError as error:
            _log.error("no tunnel", extra={"error": str(error)})
            problem = refusal(self._settings, deployment, self._settings.webhook_url)
            if problem is not None:
                raise ConfigError([f"{error}. Without a tunnel {problem}"]) from error
            self._hopeless = not error.retryable
            self._public_address.is_open = True  # a carrier beside us calls our own address
        if self._settings_serve() and is_out_there(self._settings, deployment):
            _log.warning("tailscale serve is for your tailnet, where no carrier is; use funnel")
        await self._announce()

    async def keep(self) -> None:
        """Wait for the tunnel's death, open another one, for ever."""
        while not self._hopeless:
            if self._tunnel is not None:
                await self.on_task_failed(self._tunnel)
            await self._reopen()
        await asyncio.get_running_loop().create_future()

    async def tell(self) -> None:
        """Repeat where we are, as often as the house forgets it."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self._announce()

    async def leave(self) -> None:
        """No new call shall come by this door; those that know its address still may."""
        self._leaving = True
        if self._settings.is_tunnelled:
            await self._withdraw()

    async def close(self) -> None:
        await self.leave()
        tunnel, self._tunnel = self._tunnel, None
        if tunnel is not None:
            await tunnel.close()
            _log.info("tunnel closed", extra={"url": tunnel.address.webhook_url})

    async def _open(self) -> None:
        self._tunnel = await open_tunnel(self._settings, self._port, self._environ)
        self._public_address.move(self._tunnel.address)
        _log.info(
            "tunnel open", extra={"url": self._public_address.webhook_url, "stream": self._public_address.stream_url}
        )

    async def on_task_failed(self, tunnel: Tunnel) -> None:
        error = await tunnel.ended()
        _log.error("the tunnel has died; nobody is called until it is back", extra={"error": str(error)})
        self._public_address.is_open = False
        await self._withdraw()
        await tunnel.close()
        self._tunnel = None

    async def _reopen(self) -> None:
        for delay_s in backoff(first_s=_FIRST_S, most_s=_MOST_S, jitter=(1.0, 1.0)):
            await asyncio.sleep(delay_s)
            try:
                await self._open()
            except ExposureError as error:
                _log.warning("tunnel not reopened", extra={"error": str(error), "after_s": delay_s})
                if not error.retryable:
                    self._hopeless = True
                    return
            else:
                break
        await self._announce()

    async def _announce(self) -> None:
        if not self._public_address.is_open or self._leaving:
            return
        try:
            speaks = await self._publisher.announce(self._public_address.address)
        except BusUnavailable as error:
            _log.warning("address not announced", extra={"error": str(error)})
            return
        if speaks != self._speaks:
            self._speaks = speaks
            _log.info("this door speaks for the house" if speaks else "another door speaks for the house")

    async def _withdraw(self) -> None:
        self._speaks = None
        try:
            await self._publisher.withdraw()
        except BusUnavailable as error:
            # It is forgotten by itself in a few seconds.
            _log.warning("address not withdrawn", extra={"error": str(error)})

    def _settings_serve(self) -> bool:
        provider, mode = self._settings.tunnel.provider, self._settings.tailscale.mode
        return provider == "tailscale-serve" or (provider == "none" and mode == "serve")
